"""The application that prompt_toolkit draws, on a terminal that breaks rows itself when it becomes narrower."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point, Size
from prompt_toolkit.layout import Window
from prompt_toolkit.layout.screen import Char

#: While a window is being resized, terminals report the new size late: tmux up to 250 ms after it has broken the rows.
#: For this long after a resize nothing else is drawn, because it would be drawn for the wrong size.
SETTLE_S = 0.3


class Drawing(Application[None]):
    """An application that finds and erases what it has drawn even if the width of the terminal has changed."""

    _size = Size(rows=0, columns=0)  # of the terminal at the last drawing
    _used: Sequence[int] = ()  # how many columns of each row are in use; tmux counts those that were, too
    _focused: Window | None = None  # which has the cursor
    _settled_at = 0.0

    @property
    def unsettled_s(self) -> float:
        """How long nothing should be drawn because the terminal is being resized."""
        return max(0.0, self._settled_at - time.monotonic())

    def erase(self) -> None:
        """Erase the drawing, and put the cursor where it began."""
        screen = self.renderer.last_rendered_screen
        size = self.output.get_size()
        if screen is not None and size.columns < self._size.columns and breaks_rows(os.environ):
            cursor = screen.get_cursor_position(self._focused or self.layout.current_window)
            self.output.cursor_up(rows_above(self._used, cursor, size.columns) - cursor.y)
        self.renderer.erase()
        self._used = ()

    def _redraw(self, render_as_done: bool = False) -> None:
        if self.unsettled_s and not render_as_done:
            return
        size = self.output.get_size()
        if size != self._size:
            self.erase()
            self._size = size
        super()._redraw(render_as_done)
        self._focused = self.layout.current_window
        if screen := self.renderer.last_rendered_screen:
            used = [self._columns_used(screen.data_buffer[y]) for y in range(screen.height)]
            before = self._used if "TMUX" in os.environ else ()
            self._used = [max(pair) for pair in zip_longest(used, before, fillvalue=0)]

    def _columns_used(self, row: dict[int, Char]) -> int:
        return max((x + cell.width for x, cell in row.items() if cell.char.strip() or self._is_seen(cell)), default=0)

    def _is_seen(self, blank: Char) -> bool:
        attrs = self.renderer.style.get_attrs_for_style_str(blank.style)
        return bool(attrs.reverse or attrs.bgcolor or attrs.underline)

    def _on_resize(self) -> None:
        self._settled_at = 0.0
        self._redraw()
        self._settled_at = time.monotonic() + SETTLE_S
        asyncio.get_running_loop().call_later(SETTLE_S, self.invalidate)


def breaks_rows(environment: Mapping[str, str]) -> bool:
    """Return whether the terminal breaks rows that are too long for a new width, as most do; others cut them off."""
    if "TMUX" in environment:
        return True
    cuts = ("linux", "putty", "rxvt", "screen")
    return "XTERM_VERSION" not in environment and not environment.get("TERM", "").startswith(cuts)


def rows_above(used: Sequence[int], cursor: Point, width: int) -> int:
    """Return how many rows are above the cursor after rows with `used` columns are broken at `width`."""
    above = sum(_broken(columns, width) for columns in used[: cursor.y])
    in_row = used[cursor.y]
    return above + (cursor.x // width if cursor.x < in_row else _broken(in_row, width) - 1)


def _broken(used: int, width: int) -> int:
    return max(1, -(-used // width))
