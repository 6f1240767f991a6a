"""gchat-client as a person starts it in a shell: beside a pipe, in the background, and again after a crash."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Server, wait_until
from tests.e2e.tools import Screen, need

COMMAND = [sys.executable, "-m", "gchat.client.main"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(limits_messages_per_s=0) as server:
        yield server


def command(server: Server, *arguments: str) -> str:
    return shlex.join([*COMMAND, server.host, str(server.port), *arguments])


def shell(directory: Path) -> Screen:
    environment = {"PYTHONPATH": os.getcwd(), "XDG_STATE_HOME": str(directory / "state"), "PS1": "$ "}
    return Screen(directory, need("bash"), "--norc", "--noprofile", environment=environment)


def shows_hint(screen: Screen) -> None:
    wait_until(lambda: any("/nosuch" in line and "hunter2" not in line for line in screen.lines), "the hint")


def test_a_person_types_commands_whatever_stdout_is(server: Server, tmp_path: Path) -> None:
    with server.join(room="tee") as reader, shell(tmp_path) as screen:
        screen.says(f"{command(server, '--nick', 'typist', '--room', 'tee')} | tee log")
        reader.sees("> New user typist")
        screen.says("/nick scribe")
        reader.sees_bytes(b" typist is now scribe\n")
        screen.says("/nosuch hunter2")
        shows_hint(screen)
        screen.says("hello")
        assert reader.sees("[scribe]") == "[scribe] hello"
        reader.says("hi, scribe")
        wait_until(lambda: "] hi, scribe\n" in (tmp_path / "log").read_text(), "it is in the log")
        assert b"hunter2" not in reader.received


def test_a_person_types_commands_with_json_too_and_stdout_stays_json(server: Server, tmp_path: Path) -> None:
    with server.join(room="json") as reader, shell(tmp_path) as screen:
        screen.says(f"{command(server, '--nick', 'json', '--room', 'json', '--json')} > log")
        reader.sees("> New user json")
        screen.says("/me waves")
        reader.sees("* json waves")
        screen.says("/nosuch hunter2")
        shows_hint(screen)
        screen.presses("C-d")
        reader.sees("< The user json left")
        assert [json.loads(line)["type"] for line in (tmp_path / "log").read_text().splitlines()][:2] == [
            "welcome",
            "live",
        ]
        assert b"hunter2" not in reader.received


def test_in_the_background_it_goes_on_while_keys_are_typed_and_in_the_foreground_it_takes_them(
    server: Server, tmp_path: Path
) -> None:
    with server.join("ann", "back") as ann, shell(tmp_path) as screen:
        screen.says(f"{command(server, '--nick', 'bg', '--room', 'back', '--listen')} > log & echo pid=$!")
        ann.sees("> New user bg")
        wait_until(lambda: any(line.startswith("pid=") for line in screen.lines), "the shell goes on")
        pid = next(int(line[4:]) for line in screen.lines if line.startswith("pid="))
        for number in range(3):
            screen.says(f"echo typed $(({number} + 1)) && jobs")
            screen.shows(f"typed {number + 1}")
            ann.says(f"news {number}")
            wait_until(lambda: f"[ann] news {number}\n" in (tmp_path / "log").read_text(), "it is heard")  # noqa: B023
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert state in "SR"
        assert processor_s(pid) < 1.5, "it waits, and does not ask again and again"
        screen.says("fg")
        screen.says("from the foreground")
        assert ann.sees("[bg]") == "[bg] from the foreground"
        os.kill(pid, signal.SIGTERM)
        ann.sees("< The user bg left")


def test_nohup_keeps_it_when_the_terminal_goes(server: Server, tmp_path: Path) -> None:
    with server.join("eve", "nohup") as eve:
        with shell(tmp_path) as screen:
            screen.says(f"nohup {command(server, '--nick', 'stay', '--room', 'nohup', '--listen')} > log & echo pid=$!")
            eve.sees("> New user stay")
            wait_until(lambda: any(line.startswith("pid=") for line in screen.lines), "the shell goes on")
            pid = next(int(line[4:]) for line in screen.lines if line.startswith("pid="))
            screen.says("exit")
        os.kill(pid, signal.SIGHUP)
        eve.says("still there?")
        wait_until(lambda: "[eve] still there?\n" in (tmp_path / "log").read_text(), "it is heard")
        assert "stdin" not in (tmp_path / "log").read_text()
        os.kill(pid, signal.SIGTERM)
        eve.sees("< The user stay left")


def processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pid_of(screen: Screen) -> int:
    """Return the process that runs in the foreground of the shell."""
    shell_pid = screen.do("display-message", "-p", "#{pane_pid}").strip()
    children = Path(f"/proc/{shell_pid}/task/{shell_pid}/children").read_text().split()
    return int(children[0])


def test_a_terminal_that_is_killed_and_started_again_is_the_same_user(server: Server, tmp_path: Path) -> None:
    with server.join(room="again") as reader, shell(tmp_path) as screen:
        screen.says(command(server, "--room", "again"))
        reader.sees("> New user ")
        screen.says("/nick bob")
        reader.sees_bytes(b" is now bob\n")
        os.kill(pid_of(screen), signal.SIGKILL)
        screen.shows("Killed")
        screen.says("reset; clear")
        screen.says(command(server))
        screen.says("here again")
        reader.sees("[bob] here again")
        (token,) = (tmp_path / "state" / "gchat").glob("client-*.token")
        assert token.stat().st_mode & 0o777 == 0o600
        assert token.parent.stat().st_mode & 0o777 == 0o700
        assert b" left " not in reader.received


def test_two_terminals_are_two_users_and_forget_begins_anew(server: Server, tmp_path: Path) -> None:
    with server.join(room="two") as reader, shell(tmp_path) as first, shell(tmp_path) as second:
        first.says(command(server, "--room", "two"))
        reader.sees("> New user ")
        first.says("/nick one")
        reader.sees_bytes(b" is now one\n")
        second.says(command(server, "--room", "two"))
        reader.sees("> New user ")
        second.says("hello")
        reader.sees_bytes(b"] hello\n")
        first.says("still here")
        reader.sees("[one] still here")
        os.kill(pid_of(first), signal.SIGKILL)
        first.shows("Killed")
        first.says("reset; clear")
        first.says(command(server, "--room", "two", "--forget"))
        reader.sees("> New user ")
        first.says("new here")
        reader.sees_bytes(b"] new here\n")
        assert b"[one] new here" not in reader.received


def test_lines_pasted_behind_a_private_message_are_private_or_not_sent(server: Server, tmp_path: Path) -> None:
    (tmp_path / "pasted").write_text("secret1\nsecret2\n")
    with (
        server.join("ear") as ear,
        server.join(room="pastes") as reader,
        shell(tmp_path) as screen,
    ):
        screen.says(f"{command(server, '--nick', 'paster', '--room', 'pastes')} | tee log")
        reader.sees("> New user paster")
        for number, answer in enumerate(("n", "y"), 1):
            screen.do("send-keys", "-l", "/msg ear ")
            screen.do("load-buffer", str(tmp_path / "pasted"))
            screen.do("paste-buffer")
            asked = "Send 2 lines with /msg ear? (y/n)"
            wait_until(lambda: sum(asked in line for line in screen.lines) == number, asked)  # noqa: B023
            screen.says(answer)
        ear.sees("[paster -> you] secret1")
        ear.sees("[paster -> you] secret2")
        assert ear.received.count(b"secret1") == 1
        reader.does_not_see(b"secret")
