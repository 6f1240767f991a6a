"""gchat-client under the job control of a shell."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Server, wait_until
from tests.e2e.terminals import Shell
from tests.e2e.tools import need


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(limits_messages_per_s=0, history_replay_on_join=0) as server:
        yield server


def pid_of(server: Server, nick: str) -> int:
    pattern = f"gchat.client.main .* {server.port} --nick {nick} "
    found: list[str] = []

    def is_found() -> bool:
        done = subprocess.run([need("pgrep"), "-f", pattern], capture_output=True, check=False, text=True)
        found[:] = done.stdout.split()
        return bool(found)

    wait_until(is_found, f"{nick} is running")
    return int(found[0])


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("how", ["Ctrl+Z", "SIGTSTP", "SIGSTOP"])
def test_a_client_that_was_stopped_redraws_the_prompt_in_the_foreground(
    server: Server, tmp_path: Path, how: str
) -> None:
    nick = "stopped" + how.replace("+", "")
    with server.join("other", "jobs") as other, Shell(tmp_path) as shell:
        shell.starts(server, nick, "jobs")
        shell.shows(" online │ ")
        shell.types("half typed")
        shell.shows(f"[{nick}] half typed")
        pid = pid_of(server, nick)
        if how == "Ctrl+Z":
            shell.presses("C-z")
        else:
            os.kill(pid, getattr(signal, how))
        shell.shows("Stopped")
        wait_until(lambda: state_of(pid) == "T", "the client stands still")
        if how != "SIGSTOP":
            shell.shows(f"[{nick}] half typed", times=0)
        other.says("said meanwhile")
        shell.do("resize-window", "-x", "70", "-y", "30")  # the client hears of it only now
        shell.says("echo $((6*7)) > answer; stty -a | grep -c ' icanon' >> answer")
        wait_until((tmp_path / "answer").exists, "the shell works")
        wait_until(lambda: (tmp_path / "answer").read_text() == "42\n1\n", "the shell has its terminal")
        shell.says("fg")
        shell.shows("[other] said meanwhile")
        shell.shows(f"[{nick}] half typed", times=2 if how == "SIGSTOP" else 1)
        wait_until(lambda: shell.lines[-1].startswith(" jobs │ 2 online"), "the toolbar is there again")
        shell.types(" and more")
        shell.presses("Enter")
        other.sees(f"[{nick}] half typed and more")
        shell.presses("C-d")
        shell.shows("> Goodbye")
        shell.says("stty -a | grep -c ' icanon' > after")
        wait_until(lambda: (tmp_path / "after").exists() and (tmp_path / "after").read_text() == "1\n", "all is well")


def test_a_client_that_is_started_in_the_background_waits_for_the_terminal(server: Server, tmp_path: Path) -> None:
    with server.join("other", "back") as other, Shell(tmp_path) as shell:
        shell.starts(server, "backer", "back", "&")
        wait_until(lambda: state_of(pid_of(server, "backer")) == "T", "it waits")
        shell.says("fg")
        shell.shows(" back │ 2 online")
        shell.presses("C-z")
        wait_until(lambda: shell.lines[-1] == "shell$", "the shell has the terminal")
        shell.says("bg")
        wait_until(lambda: state_of(pid_of(server, "backer")) == "T", "it does not take the terminal in the background")
        shell.says("fg")
        shell.shows(" back │ 2 online")
        shell.says("here again")
        other.sees("[backer] here again")
        shell.presses("C-d")
        shell.shows("> Goodbye")


def test_a_client_that_was_stopped_ends_with_its_terminal(server: Server, tmp_path: Path) -> None:
    with server.join("other", "stopped") as other:
        with Shell(tmp_path) as shell:
            shell.starts(server, "stopped", "stopped")
            shell.shows(" stopped │ 2 online")
            pid = pid_of(server, "stopped")
            shell.presses("C-z")
            wait_until(lambda: state_of(pid) == "T", "the client stands still")
        other.sees("< The user stopped left")
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the client ends")


def test_without_a_shell_ctrl_z_does_not_freeze_the_client(server: Server, tmp_path: Path) -> None:
    with server.join("other", "alone") as other, Shell(tmp_path) as shell:
        shell.starts(server, "loner", "alone", first="exec")
        shell.shows(" alone │ 2 online")
        shell.presses("C-z")
        shell.says("still here")
        other.sees("[loner] still here")
