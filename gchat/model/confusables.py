"""Confusables: the prototype of each character that could be taken for another one, and the script of each (UTS 39).

To import this module loads the tables, which takes 15 ms. That is how they are loaded once: another thread that imports
it meanwhile waits. So whatever needs them imports it when it does; see lookalikes.load_tables.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from functools import lru_cache
from importlib.util import find_spec
from typing import NamedTuple, TypeVar

import msgspec

_Table = TypeVar("_Table")

#: Characters whose prototype is at hand: those that names are made of.
MAX_AT_HAND = 512


class _Neighbour(msgspec.Struct, gc=False):
    c: str


class _Categories(msgspec.Struct):
    iso_15924_aliases: list[str]  # the scripts
    code_points_ranges: list[tuple[int, int, int, int]]  # first, last, script, category; in order


class _Confusables(NamedTuple):
    """Confusable characters, a line each before its prototype, in order; a dict would take six times as much."""

    text: str
    starts: array[int]


class _Scripts(NamedTuple):
    """The script of each range of code points, in order; as arrays, because they stay in memory."""

    firsts: array[int]
    lasts: array[int]
    names: tuple[str, ...]


@lru_cache(MAX_AT_HAND)
def prototype(char: str) -> str:
    """Return what a character looks like; itself if no other one is like it."""
    text, starts = _CONFUSABLES
    at = starts[bisect_right(starts, char, key=text.__getitem__) - 1]
    return text[at + 1 : text.index("\n", at)] if text[at] == char else char


def script(code: int) -> str:
    """Return the script that a code point belongs to, as LATIN, COMMON or UNKNOWN."""
    index = bisect_right(_SCRIPTS.firsts, code) - 1
    return _SCRIPTS.names[index] if code <= _SCRIPTS.lasts[index] else "UNKNOWN"


def _confusables() -> _Confusables:
    """Return the table.

    The library keeps Unicode's confusables.txt as a graph without direction: a character that is not a prototype has
    one neighbour, its prototype. Where two have only each other, either will do, because keys are only ever compared.
    """
    # Entries are decoded one by one: all at once would hold the interpreter, and with it the loop, for 10 ms.
    neighbours_of = msgspec.json.Decoder(list[_Neighbour]).decode
    entries = _table("confusables", dict[str, msgspec.Raw])
    only_neighbour: dict[str, str] = {}
    while entries:
        source, entry = entries.popitem()
        if len(neighbours := neighbours_of(entry)) == 1:
            only_neighbour[source.strip("\u200e")] = neighbours[0].c.strip("\u200e")
    lines = sorted(
        f"{source}{neighbour}\n"
        for source, neighbour in only_neighbour.items()
        if len(source) == 1 and (only_neighbour.get(neighbour) != source or len(neighbour) > 1 or neighbour < source)
    )
    starts = array("I")
    at = 0
    for line in lines:
        starts.append(at)
        at += len(line)
    return _Confusables("".join(lines), starts)


def _scripts() -> _Scripts:
    table = _table("categories", _Categories)
    firsts, lasts, scripts, _ = zip(*table.code_points_ranges, strict=True)
    names = tuple([table.iso_15924_aliases[script] for script in scripts])
    return _Scripts(array("I", firsts), array("I", lasts), names)


def _table(name: str, kind: type[_Table]) -> _Table:
    """Return one of the library's tables. To import it would load json and urllib: as much as all of gchat."""
    found = find_spec("confusable_homoglyphs")
    assert found is not None
    assert found.submodule_search_locations is not None
    with open(os.path.join(found.submodule_search_locations[0], f"{name}.json"), "rb") as file:
        return msgspec.json.decode(file.read(), type=kind)


_CONFUSABLES, _SCRIPTS = _confusables(), _scripts()
