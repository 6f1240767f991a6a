"""Layout: how wide text is, and where it breaks into the rows of a terminal. Pure.

Terminals disagree about the width of some characters. `columns` is the most that any of them takes, so a row that is
broken here is never broken again by the terminal.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import groupby

from wcwidth import iter_graphemes, wcwidth

from gchat.client.render import Line, text_of

#: What comes before the text of a line: a number, a time, another room, a name or a mark.
_HEAD = re.compile(r"(?:#\d+ )?(?:\d\d:\d\d +)?(?:#\S+ )?(?:\[[^\]]*\] |[*<>⋯] )?")

#: The indent of lines that have nothing before their text.
INDENT = 2

#: On terminals so wide what comes before a text ends in one column, so that all texts begin in the same, this one.
ALIGNED_FROM, TEXT_COLUMN = 100, 24

_WIDENS = "\ufe0f"  # asks for the wide emoji of a character that is narrow as text


@lru_cache(maxsize=64)
def clusters(text: str) -> tuple[str, ...]:
    """Return the characters of `text` as people see them: a flag and a family are one."""
    return tuple(text) if text.isascii() else tuple(iter_graphemes(text))


def columns(cluster: str) -> int:
    """Return how many columns a terminal takes for `cluster`, at most."""
    if cluster.isascii():
        return len(cluster)
    return sum(_width(char) for char in cluster) + (_WIDENS in cluster)


def width_of(text: str) -> int:
    """Return how many columns a terminal takes for `text`, at most."""
    return len(text) if text.isascii() else sum(map(columns, clusters(text)))


def boundary(text: str, at: int, *, forward: bool) -> int:
    """Return `at`, or if it is inside a cluster, the end (or the start) of the cluster."""
    start = text.rfind("\n", 0, at) + 1
    line = text[start:].partition("\n")[0]
    for cluster in clusters(line):
        end = start + len(cluster)
        if start < at < end:
            return end if forward else start
        if at <= start:
            break
        start = end
    return at


def wrapped(line: Line, width: int) -> list[Line]:
    """Return `line` as rows of at most `width` columns; rows after the first are indented under its text.

    So nothing in a message can appear where the name of another user would. LF in the line ends a row.
    """
    line = _aligned(line) if width >= ALIGNED_FROM else line
    text = text_of(line)
    if text.isascii() and len(text) <= width and "\n" not in text:
        return [line]
    head = _HEAD.match(text)
    assert head is not None
    words = len(clusters(head[0]))
    indent = min(width_of(head[0]) or INDENT, width // 2)
    rows: list[Line] = []
    for cells in _text_lines(line):
        while True:
            margin: Line = [("", " " * indent)] if rows else []
            count = _fitting(cells, max(1, width - (indent if rows else 0)), 0 if rows else words)
            rows.append(margin + _joined(cells[:count]))
            cells = cells[count:]
            while cells and cells[0][1] == " ":
                cells = cells[1:]
            if not cells:
                break
    return rows


def fitted(text: str, width: int) -> str:
    """Return `text`, or the beginning of it that takes `width` columns with an ellipsis behind it."""
    if width_of(text) <= width:
        return text
    cut, left = "", width - 1
    for cluster in clusters(text):
        left -= columns(cluster)
        if left < 0:
            break
        cut += cluster
    return f"{cut}…" if width > 0 else ""


def _aligned(line: Line) -> Line:
    """Return a line that begins with a time so that its text begins in TEXT_COLUMN, if that is not too far left."""
    if not line or line[0][0] != "class:time":
        return line
    head = _HEAD.match(text_of(line))
    assert head is not None
    gap = TEXT_COLUMN - width_of(head[0])
    return [line[0], ("", " " * gap), *line[1:]] if gap > 0 else line


def _text_lines(line: Line) -> list[list[tuple[str, str]]]:
    """Return the clusters of each line of the text, with their styles."""
    found: list[list[tuple[str, str]]] = [[]]
    for style, part in line:
        for cluster in clusters(part):
            if cluster == "\n":
                found.append([])
            else:
                found[-1].append((style, cluster))
    return found


def _fitting(cells: list[tuple[str, str]], width: int, words: int) -> int:
    """Return how many of `cells` make a row: up to a space after the first `words`, if there is one."""
    taken = space = 0
    for count, (_, cluster) in enumerate(cells):
        if cluster == " " and count > words:
            space = count
        taken += columns(cluster)
        if taken > width:
            return space or max(1, count)
    return len(cells)


def _joined(cells: list[tuple[str, str]]) -> Line:
    return [(style, "".join(text for _, text in run)) for style, run in groupby(cells, key=lambda cell: cell[0])]


def _width(char: str) -> int:
    if unicodedata.category(char) == "Mc":  # a mark that takes a column on some terminals
        return 1
    return max(0, wcwidth(char))
