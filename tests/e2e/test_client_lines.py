"""Messages of several lines on a terminal: typed, pasted, and written in an editor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Server
from tests.e2e.terminals import Shell, client

EITHER = "(y/n, l: line by line)"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(limits_messages_per_s=0, history_replay_on_join=0) as server:
        yield server


def editor(directory: Path, *commands: str) -> str:
    """Return an editor that does this; "$1" is the file."""
    path = directory / "editor"
    path.write_text("#!/bin/sh\n" + "".join(f"{command}\n" for command in commands))
    path.chmod(0o755)
    return str(path)


def test_alt_enter_adds_a_line_to_the_same_message(server: Server, tmp_path: Path) -> None:
    with server.join("other", "alt") as other, client(tmp_path, server, "typist", "alt") as screen:
        screen.is_ready("typist")
        screen.types("def f():")
        screen.presses("M-Enter")
        screen.types("    return 1")
        screen.presses("M-Enter", "M-Enter")
        screen.types("f()")
        screen.presses("Enter")
        other.sees_bytes(b"[typist] def f():\n    |     return 1\n    | \n    | f()\n")
        screen.shows_line("[typist] def f():")
        screen.shows_line("             return 1")
        screen.shows_line("         f()")
        screen.says("/history -1")
        screen.shows("── 1 message of alt ──")


def test_several_lines_behind_a_private_message_are_private(server: Server, tmp_path: Path) -> None:
    with (
        server.join("ear", "ears") as ear,
        server.join("other", "ears") as other,
        client(tmp_path, server, "typist", "ears") as screen,
    ):
        screen.is_ready("typist")
        screen.types("/msg ear hunter2")
        screen.presses("M-Enter")
        screen.types("hunter3")
        screen.presses("Enter")
        ear.sees_bytes(b"[typist -> you] hunter2\n    | hunter3\n")
        screen.says("/query ear")
        screen.shows("[typist -> ear]")
        screen.pastes("hunter4\nhunter5")
        screen.shows("hunter5")
        screen.presses("Enter")
        ear.sees_bytes(b"[typist -> you] hunter4\n    | hunter5\n")
        other.does_not_see(b"hunter")


def test_a_paste_is_one_message_or_a_message_for_each_line(server: Server, tmp_path: Path) -> None:
    rows = [f"pasted {number}" for number in range(7)]
    with server.join("other", "either") as other, client(tmp_path, server, "paster", "either") as screen:
        screen.is_ready("paster")
        screen.pastes("\n".join(rows))
        screen.shows("pasted 6")
        screen.presses("Enter")
        screen.shows(f"Send these 7 lines as one message? {EITHER}")
        screen.types("y")
        other.sees_bytes("\n    | ".join(rows).encode())
        screen.pastes("\n".join(rows))
        screen.shows(f"[paster] {rows[0]}", times=2)
        screen.presses("Enter")
        screen.shows(f"Send these 7 lines as one message? {EITHER}")
        screen.types("l")
        other.sees_bytes("".join(f"[paster] {row}\n" for row in rows).encode())


def test_an_editor_has_the_draft_and_the_terminal_and_nothing_is_lost_meanwhile(server: Server, tmp_path: Path) -> None:
    went_on = tmp_path / "went_on"
    edit = editor(
        tmp_path,
        'test "$(cat "$1")" = "my draft" && echo editing',
        f"while ! test -e {went_on}; do sleep 0.05; done",
        'printf ", longer\\n  and of two lines\\n" >> "$1"',
    )
    with (
        server.join("other", "editors") as other,
        client(tmp_path, server, "author", "editors", VISUAL=edit) as screen,
    ):
        screen.is_ready("author")
        screen.types("my draft")
        screen.shows("[author] my draft")
        screen.presses("C-x", "C-e")
        screen.shows("editing")
        other.says("meanwhile")
        screen.presses("C-x")
        went_on.touch()
        screen.shows_line("[other] meanwhile")
        screen.shows("[author] my draft, longer")
        other.does_not_see(b"draft")
        screen.presses("Enter")
        other.sees_bytes(b"[author] my draft, longer\n    |   and of two lines\n")
        assert not list(Path("/tmp").glob("gchat-*.txt"))


@pytest.mark.parametrize(
    ("commands", "reason"),
    [(["exit 3"], "editor ended with code 3"), (['rm "$1"'], "cannot read what was edited")],
)
def test_an_editor_that_fails_leaves_the_draft_as_it_was(
    server: Server, tmp_path: Path, commands: list[str], reason: str
) -> None:
    room = f"fails-{commands[0][:2]}"
    with client(tmp_path, server, "author", room, EDITOR=editor(tmp_path, *commands)) as screen:
        screen.is_ready("author")
        screen.types("my draft")
        screen.shows("[author] my draft")
        screen.presses("C-x", "C-e")
        screen.shows(f"> The draft is as it was: {reason}")
        screen.shows("[author] my draft")


def test_ctrl_c_in_an_editor_is_for_the_editor(server: Server, tmp_path: Path) -> None:
    with (
        server.join("other", "interrupts") as other,
        client(tmp_path, server, "author", "interrupts", EDITOR=editor(tmp_path, "echo editing", "sleep 60")) as screen,
    ):
        screen.is_ready("author")
        screen.types("my draft")
        screen.shows("[author] my draft")
        screen.presses("C-x", "C-e")
        screen.shows("editing")
        screen.presses("C-c")
        screen.shows("> The draft is as it was: editor ended by SIGINT")
        screen.presses("Enter")
        other.sees("[author] my draft")


def test_an_editor_can_be_stopped_and_continued_with_the_client(server: Server, tmp_path: Path) -> None:
    edit = editor(tmp_path, "kill -TSTP 0", 'echo " and more" >> "$1"')
    with server.join("other", "stops") as other, Shell(tmp_path) as shell:
        shell.starts(server, "author", "stops", first=f"EDITOR={edit}")
        shell.shows("You are author in stops")
        shell.types("my draft")
        shell.shows("[author] my draft")
        shell.presses("C-x", "C-e")
        shell.shows("Stopped")
        shell.says("fg")
        shell.shows("[author] my draft and more")
        shell.presses("Enter")
        other.sees("[author] my draft and more")
