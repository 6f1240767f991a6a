"""The application that prompt_toolkit draws, on a terminal that breaks rows by itself when it becomes narrower."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point
from prompt_toolkit.layout.screen import Screen

#: While a window is resized, terminals tell the new size late: tmux 250 ms after it has broken the rows. For so long
#: after a resize nothing else is drawn, because it would be drawn for the size before.
SETTLE_S = 0.3


class Drawing(Application[None]):
    """An application that finds what it has drawn, and erases it, when the terminal has another width than then."""

    _width = 0  # of the terminal, when something was drawn last
    _settled_at = 0.0

    @property
    def unsettled_s(self) -> float:
        """How long nothing should be drawn, because the terminal is being resized."""
        return max(0.0, self._settled_at - time.monotonic())

    def erase(self) -> None:
        """Remove what is drawn, and leave the cursor where it began."""
        screen = self.renderer.last_rendered_screen
        width = self.output.get_size().columns
        if screen is not None and width < self._width and breaks_rows(os.environ):
            cursor = screen.get_cursor_position(self.layout.current_window)
            self.output.cursor_up(rows_above(screen, cursor, width) - cursor.y)
        self.renderer.erase()

    def _redraw(self, render_as_done: bool = False) -> None:
        if self.unsettled_s and not render_as_done:
            return
        width = self.output.get_size().columns
        if width != self._width:
            self.erase()
            self._width = width
        super()._redraw(render_as_done)

    def _on_resize(self) -> None:
        self._settled_at = 0.0
        self._redraw()
        self._settled_at = time.monotonic() + SETTLE_S
        asyncio.get_running_loop().call_later(SETTLE_S, self.invalidate)


def breaks_rows(environment: Mapping[str, str]) -> bool:
    """Return whether the terminal breaks rows that have become too long, as most do; the others cut them off."""
    if "TMUX" in environment:
        return True
    cuts = ("linux", "putty", "rxvt", "screen")
    return "XTERM_VERSION" not in environment and not environment.get("TERM", "").startswith(cuts)


def rows_above(screen: Screen, cursor: Point, width: int) -> int:
    """Return how many rows are above the cursor when each row of `screen` is broken into rows of `width` columns."""
    above = sum(_broken(_used(screen.data_buffer[y]), width) for y in range(cursor.y))
    used = _used(screen.data_buffer[cursor.y])
    return above + (cursor.x // width if cursor.x < used else _broken(used, width) - 1)


def _used(row: dict[int, Any]) -> int:
    """Return how many columns of a row have something in them."""
    return max((x + cell.width for x, cell in row.items() if cell.char.strip()), default=0)


def _broken(used: int, width: int) -> int:
    return max(1, -(-used // width))
