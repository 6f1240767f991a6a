"""Drawing characters on a terminal that may disagree about their width.

prompt_toolkit draws cells, and moves the cursor by the widths that it assumes. Terminals disagree about flags,
families, marks and new emoji, so the cursor would drift. Here each doubtful cell is drawn between saving and restoring
the cursor, which then moves by the width that prompt_toolkit assumes.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Self

from prompt_toolkit.formatted_text import StyleAndTextTuples, fragment_list_to_text
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.utils import get_cwidth
from wcwidth import wcswidth

from gchat.client.terminal.layout import clusters

#: Characters that nobody types stand for clusters of one column and of two.
_NARROW = range(0xF0000, 0xFFFFE)  # private use
_WIDE = range(0x34000, 0x3FFFE)  # unassigned ideographs

_TAB = "    "


class Canvas(Vt100_Output):
    """An output for cells. A cell holds one character, so a table has a character to stand for each cluster."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._standing: dict[str, str] = {}  # the character that stands for a cluster
        self._clusters: dict[str, str] = {}

    @classmethod
    def on_stdout(cls) -> Self:
        """Return the canvas for the terminal. The terminal is never asked where its cursor is."""
        canvas = cls.from_pty(sys.stdout, term=os.environ.get("TERM"))
        assert isinstance(canvas, cls)
        canvas.enable_cpr = False
        return canvas

    def write(self, data: str) -> None:
        """Draw a cell and put the cursor after it, whatever width the terminal gives it."""
        if data.isascii():
            super().write(data)
            return
        self.write_raw("\x1b7")
        super().write(self._clusters.get(data, data))
        self.write_raw("\x1b8")
        self.cursor_forward(get_cwidth(data))

    def to_bottom(self) -> None:
        """Move the cursor to the lowest row.

        When a narrower window needs more rows, the top ones leave the screen. A prompt near the top would be pushed
        into the scrollback, where nothing can be erased.
        """
        self.cursor_down(9999)

    def erase_down(self) -> None:
        """Erase everything from the cursor, which is in column 0, to the end of the screen.

        In two steps, because tmux moves a screen that is erased from the very top into the scrollback.
        """
        self.write_raw("\x1b7\x1b[K\x1b[B\r\x1b[J\x1b8")

    def cell(self, cluster: str) -> str:
        """Return the character that stands for `cluster`."""
        if cluster == "\t":
            return _TAB
        if len(cluster) == 1 and get_cwidth(cluster) and ord(cluster) not in _NARROW and ord(cluster) not in _WIDE:
            return cluster
        if cluster not in self._standing:
            number = len(self._standing)
            if number >= len(_WIDE):
                return "\ufffd"
            char = self._standing[cluster] = chr((_WIDE if wcswidth(cluster) > 1 else _NARROW)[number])
            self._clusters[char] = cluster
        return self._standing[cluster]

    def drawn(self, fragments: StyleAndTextTuples) -> StyleAndTextTuples:
        """Return `fragments` with a cell for each cluster."""
        return [(style, "".join(map(self.cell, clusters(text)))) for style, text, *_ in fragments]


class ClusterCells(Processor):
    """Shows a draft as cells of a canvas, with the cursor at the start of a cluster, never inside it."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Return one line of the draft."""
        fragments = transformation_input.fragments
        text = fragment_list_to_text(fragments)
        if text.isascii() and "\t" not in text:
            return Transformation(fragments)
        styles = [style for style, *_ in explode_text_fragments(fragments)]
        shown: StyleAndTextTuples = []
        to_display: list[int] = []
        to_source: list[int] = []
        for cluster in clusters(text):
            shown_as = self._canvas.cell(cluster)
            shown.append((styles[len(to_display)], shown_as))
            to_source += [len(to_display)] * len(shown_as)
            to_display += [len(to_source) - len(shown_as)] * len(cluster)
        return Transformation(
            shown,
            source_to_display=lambda at: _place(to_display, at, len(to_source)),
            display_to_source=lambda at: _place(to_source, at, len(to_display)),
        )


def _place(places: list[int], at: int, end: int) -> int:
    """Return the place that `at` maps to; places after the last one keep their distance from the end."""
    return places[at] if at < len(places) else end + at - len(places)
