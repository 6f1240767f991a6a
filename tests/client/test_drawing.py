"""Where a drawing is after the terminal has broken its rows."""

from __future__ import annotations

import pytest
from prompt_toolkit.data_structures import Point
from prompt_toolkit.layout.screen import Char, Screen

from gchat.client.drawing import breaks_rows, rows_above


def screen(*rows: str) -> Screen:
    drawn = Screen()
    for y, row in enumerate(rows):
        for x, char in enumerate(row):
            drawn.data_buffer[y][x] = Char(char)
    return drawn


@pytest.mark.parametrize(
    ("rows", "x", "width", "above"),
    [
        (["x" * 9], 9, 10, 0),
        (["x" * 25], 25, 10, 2),
        (["x" * 25], 12, 10, 1),
        (["x" * 20], 20, 10, 1),
        (["x" * 20 + " " * 10], 20, 10, 1),
        (["x" * 25, "y" * 5], 5, 10, 3),
        (["", "y" * 5], 5, 10, 1),
        (["x" * 100, "x" * 100, "y"], 1, 30, 8),
    ],
)
def test_rows_above_the_cursor_are_counted_as_a_terminal_breaks_them(
    rows: list[str], x: int, width: int, above: int
) -> None:
    assert rows_above(screen(*rows), Point(x=x, y=len(rows) - 1), width) == above


@pytest.mark.parametrize(
    ("environment", "breaks"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(390)"}, False),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, True),
        ({"TERM": "screen.xterm-256color"}, False),
        ({"TERM": "linux"}, False),
        ({}, True),
    ],
)
def test_some_terminals_cut_rows_off(environment: dict[str, str], breaks: bool) -> None:
    assert breaks_rows(environment) is breaks
