"""Where a drawing is after the terminal has broken its rows."""

from __future__ import annotations

import pytest
from prompt_toolkit.data_structures import Point

from gchat.client.terminal.drawing import breaks_rows, rows_above


@pytest.mark.parametrize(
    ("used", "x", "width", "above"),
    [
        ([9], 9, 10, 0),
        ([25], 25, 10, 2),
        ([25], 12, 10, 1),
        ([20], 20, 10, 1),
        ([25, 5], 5, 10, 3),
        ([0, 5], 5, 10, 1),
        ([100, 100, 1], 1, 30, 8),
        ([100, 100], 5, 30, 4),
    ],
)
def test_rows_above_the_cursor_are_counted_as_a_terminal_breaks_them(
    used: list[int], x: int, width: int, above: int
) -> None:
    assert rows_above(used, Point(x=x, y=len(used) - 1), width) == above


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
