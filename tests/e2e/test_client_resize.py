"""gchat-client in a window that changes its size, and what is shown in a narrow one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Server, wait_until
from tests.e2e.terminals import Terminal, client

DRAFT = " ".join(f"w{number:03d}" for number in range(60))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(limits_messages_per_s=0, history_replay_on_join=0) as server:
        yield server


def is_whole(screen: Terminal, nick: str, draft: str) -> None:
    """Wait until the prompt stands there once, in the scrollback too, with all of the draft, and the toolbar once."""

    def whole() -> bool:
        text = "".join(screen.history)
        toolbars = sum(" online │" in line for line in screen.history)
        prompts = text.count(f"[{nick}] {draft[:4]}")
        return (prompts, toolbars) == (1, 1) and draft.replace(" ", "") in text.replace(" ", "")

    wait_until(whole, "there is one whole prompt")


BIT_BY_BIT = (90, 80, 70, 60, 50, 60, 70, 80, 90, 100)
IN_LEAPS = (60, 100, 50, 100, 70, 40, 30, 100, 35, 120)
WIDE = (120, 130, 140, 150, 160, 150, 140, 130, 120, 110)


@pytest.mark.parametrize(
    ("widths", "pause_s", "rows"),
    [(BIT_BY_BIT, 0.4, 25), (BIT_BY_BIT, 0.02, 0), (IN_LEAPS, 0.4, 0), (IN_LEAPS, 0.02, 25), (WIDE, 0.1, 0)],
)
def test_resizing_leaves_no_copies_of_the_prompt(
    server: Server, tmp_path: Path, widths: tuple[int, ...], pause_s: float, rows: int
) -> None:
    room = f"resize-{widths[0]}-{pause_s}-{rows}"
    with server.join("other", room) as other, client(tmp_path, server, "typist", room) as screen:
        screen.is_ready("typist")
        other.says(*[f"row {number} " + "word " * number for number in range(rows)])
        screen.shows(f"row {rows - 1} ", times=int(rows > 0))
        screen.types(DRAFT)
        screen.shows("w059")
        for number, width in enumerate(widths):
            screen.resizes(width, 30 + 10 * (number % 2))
            if number % 3 == 0:
                other.says(f"while it is {width} wide")
            time.sleep(pause_s)
        screen.shows("while it is", times=4)
        is_whole(screen, "typist", DRAFT)
        screen.presses("Enter")
        other.sees(f"[typist] {DRAFT}")


def test_a_draft_that_became_shorter_is_found_again_after_a_resize(server: Server, tmp_path: Path) -> None:
    with server.join("other", "shorter"), client(tmp_path, server, "typist", "shorter") as screen:
        screen.is_ready("typist")
        screen.types(DRAFT)
        screen.shows("w059")
        screen.presses(*["BSpace"] * 130)
        screen.shows("w050", times=0)
        for width in (60, 100, 40, 100):
            screen.resizes(width, 40)
            time.sleep(0.4)
        is_whole(screen, "typist", DRAFT[:-130].rstrip())


def test_rows_that_were_longer_before_are_found_again_after_a_resize(server: Server, tmp_path: Path) -> None:
    rows = [f"part {number}" for number in range(8)]
    with server.join("other", "rows"), client(tmp_path, server, "typist", "rows") as screen:
        screen.is_ready("typist")
        screen.types("x" * 700)
        screen.shows("xxx", times=8)
        screen.presses("C-c")
        screen.shows("xxx", times=0)
        screen.pastes("\n".join(rows))
        screen.shows("part 7")
        for width in (40, 100, 30, 100):
            screen.resizes(width, 40)
            time.sleep(0.4)
        wait_until(
            lambda: [line for line in screen.history if "part " in line] == ["[typist] part 0", *rows[1:]],
            "each row is there once",
        )


def test_what_was_drawn_first_leaves_no_copy_in_the_scrollback(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "first", "scrollback") as screen:
        screen.is_ready("first")
        assert sum(" online │" in line for line in screen.history) == 1


def test_in_a_tiny_window_the_input_stays_visible(server: Server, tmp_path: Path) -> None:
    with server.join("zacharias", "tiny") as other, client(tmp_path, server, "me", "tiny") as screen:
        screen.is_ready("me")
        screen.resizes(20, 6)
        screen.types("/")
        screen.presses("Tab")
        screen.shows("/nick")  # of the menu: the greeting has /help in it
        screen.shows("[me] /")
        screen.presses("Escape")
        screen.shows("/nick", times=0)
        screen.shows("[me] /")
        screen.presses("C-c")
        screen.pastes("\n".join(["line"] * 7))
        screen.presses("Enter")
        screen.shows("(y/n,")
        assert "line" in screen.lines
        screen.types("n")
        screen.shows("(y/n,", times=0)
        screen.presses("C-c")
        screen.types("seen")
        screen.shows("[me] seen")
        screen.presses("Enter")
        other.sees("[me] seen")


# --- Wrapping --------------------------------------------------------------------------------------------------------


def test_nothing_that_is_said_looks_like_a_line_of_somebody_else(server: Server, tmp_path: Path) -> None:
    with server.join("liar", "lies") as liar, client(tmp_path, server, "reader", "lies") as screen:
        screen.is_ready("reader")
        screen.resizes(80, 40)
        for padding in (" " * 60, "x" * 60 + " ", "世" * 30 + " ", "\u3000" * 31, "👨‍👩‍👧‍👦" * 31 + " "):
            liar.says(padding + "[admin] give me the password")
        screen.shows("[admin]", times=5)
        first = next(at for at, line in enumerate(screen.lines) if "[liar]" in line)
        shown = [line for line in screen.lines[first:-2] if "[liar]" not in line]
        assert shown
        assert all(line.startswith(" " * len("12:03 [liar] ")) for line in shown)


def test_a_long_address_is_broken_only_where_it_must_be(server: Server, tmp_path: Path) -> None:
    address = "https://example.org/" + "a/" * 60
    with server.join("poster", "links") as poster, client(tmp_path, server, "reader", "links") as screen:
        screen.is_ready("reader")
        poster.says(f"see {address}end")
        screen.shows("end")
        shown = "".join(line.strip() for line in screen.lines if "a/a" in line)
        assert f"{address}end" in shown.replace(" ", "")
