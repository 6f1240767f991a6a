"""The application that prompt_toolkit draws, on a terminal that breaks rows by itself when it becomes narrower."""

from __future__ import annotations

from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point
from prompt_toolkit.layout.screen import Screen


class Drawing(Application[None]):
    """An application that finds what it has drawn, and erases it, when the terminal has another width than then."""

    _width = 0  # of the terminal, when something was drawn last

    def erase(self) -> None:
        """Remove what is drawn, and leave the cursor where it began."""
        screen = self.renderer.last_rendered_screen
        width = self.output.get_size().columns
        if screen is not None and width < self._width:
            cursor = screen.get_cursor_position(self.layout.current_window)
            self.output.cursor_up(rows_above(screen, cursor, width) - cursor.y)
        self.renderer.erase()

    def _redraw(self, render_as_done: bool = False) -> None:
        width = self.output.get_size().columns
        if width != self._width:
            self.erase()
            self._width = width
        super()._redraw(render_as_done)

    def _on_resize(self) -> None:
        self._redraw()


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
