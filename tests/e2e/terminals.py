"""gchat-client in a terminal of tmux, as people see it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from tests.e2e.harness import Server, wait_until
from tests.e2e.tools import Screen

COMMAND = [sys.executable, "-m", "gchat.client.main"]


class Terminal(Screen):
    """gchat-client in a terminal of tmux, started by a shell that says how it ended and how it left the terminal.

    The shell outlives Ctrl+C, because a test may hold that key down for longer than the client lives.
    """

    def __init__(
        self, directory: Path, server: Server | None, *arguments: str, room: str = "lobby", **environment: str
    ) -> None:
        self._room = room
        self._directory = directory
        address = [server.host, str(server.port)] if server else []
        client = shlex.join([*COMMAND, *address, *arguments])
        script = f"trap : INT; stty -a > before; (echo $BASHPID > pid; exec {client}); echo code $?; "
        script += "stty -a > after.new; mv after.new after; while :; do sleep 1000; done"
        environment = {"HOME": str(directory), "PYTHONPATH": str(Path(__file__).parents[2]), **environment}
        super().__init__(directory, "bash", "-c", script, environment=environment)

    def pastes(self, text: str) -> None:
        path = self._directory / "paste"
        path.write_text(text)
        self.do("load-buffer", str(path))
        self.do("paste-buffer", "-p")

    def pastes_without_brackets(self, text: str) -> None:
        """Paste as into a program that never asked for brackets: lines end with CR."""
        path = self._directory / "paste"
        path.write_text(text)
        self.do("load-buffer", str(path))
        self.do("paste-buffer")

    def sends(self, data: bytes) -> None:
        """Send bytes as they are, all at once."""
        self.do("send-keys", "-H", *(f"{byte:02x}" for byte in data))

    def resizes(self, width: int, height: int) -> None:
        self.do("resize-window", "-x", str(width), "-y", str(height))

    @property
    def pid(self) -> int:
        return int((self._directory / "pid").read_text())

    @property
    def has_rung(self) -> bool:
        return self.do("display-message", "-p", "#{window_bell_flag}") == "1\n"

    @property
    def coloured(self) -> str:
        return self.do("capture-pane", "-p", "-e")

    @property
    def history(self) -> list[str]:
        return self.do("capture-pane", "-p", "-S", "-").rstrip("\n").split("\n")

    def shows_line(self, text: str, times: int = 1) -> None:
        """Wait until so many lines, or more, end with `text`, which is all but the time."""
        wait_until(
            lambda: sum(line[6:].lstrip() == text.lstrip() for line in self.lines) >= times,
            f"the screen shows the line {text!r}",
        )

    def is_ready(self, nick: str) -> None:
        self.shows_line(f"> You are {nick} in {self._room}; type /help for the commands")
        self.shows(" online │ ")

    def ended(self, code: int = 0) -> None:
        """Wait until the client has ended, and fail unless the terminal is as it was before."""
        self.shows(f"code {code}")
        assert not any("│" in line for line in self.lines)
        wait_until((self._directory / "after").exists, "the shell goes on")
        assert (self._directory / "before").read_text() == (self._directory / "after").read_text()


class Shell(Screen):
    """An interactive shell with job control, to start gchat-client from."""

    def __init__(self, directory: Path) -> None:
        environment = {"HOME": str(directory), "PYTHONPATH": str(Path(__file__).parents[2]), "PS1": "shell$ "}
        super().__init__(directory, "bash", "--norc", "--noprofile", "-i", environment=environment)

    def starts(self, server: Server, nick: str, room: str, last: str = "", first: str = "") -> None:
        command = [*COMMAND, server.host, str(server.port), "--nick", nick, "--room", room]
        self.says(f"{first} {shlex.join(command)} {last}")

    @property
    def history(self) -> list[str]:
        return self.do("capture-pane", "-p", "-S", "-").rstrip("\n").split("\n")


def client(directory: Path, server: Server, nick: str, room: str, *arguments: str, **environment: str) -> Terminal:
    directory.mkdir(exist_ok=True)
    return Terminal(directory, server, "--nick", nick, "--room", room, *arguments, room=room, **environment)
