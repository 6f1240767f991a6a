"""Lookalikes: which names are the same, or could be taken for each other (UTS 39)."""

from __future__ import annotations

import os
import unicodedata
from array import array
from bisect import bisect_right
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple, TypeVar

import msgspec

_Table = TypeVar("_Table")

#: The longest text that is compared as a name, in characters. A longer one is not normalized, because that takes time
#: that grows with the square of the length (measured: 24,000 marks on a letter take two seconds).
MAX_COMPARED = 400


def name_keys(name: str) -> frozenset[str]:
    """Return the keys of `name`: two names that share one are the same name, or could be taken for each other.

    One key is the name without case and width, the others are skeletons (UTS 39, section 4) without case. Skeletons
    alone would admit both Ian and ian, because I looks like l and i does not.
    """
    plain = folded(name)
    if len(name) > MAX_COMPARED:
        return frozenset((plain,))
    return frozenset((plain, skeleton(plain), folded(skeleton(unicodedata.normalize("NFKC", name)))))


def owned_keys(name: str) -> frozenset[str]:
    """Return the keys by which a name is kept from others: name_keys, also of the name without marks.

    BannZay and BannZaỵ differ in a dot that is easily missed. Muller and Müller are two people all the same, and both
    can be here: only what belongs to somebody is kept so. Marks that are letters to their readers are none here, as
    those of Devanagari, kana, Hebrew and Thai.
    """
    keys = name_keys(name)
    return keys if name.isascii() or len(name) > MAX_COMPARED else keys | {_without_marks(key) for key in keys}


def _without_marks(key: str) -> str:
    # Marks of these combining classes stand over, under or through letters of any script; other classes are of one.
    kept = [char for char in unicodedata.normalize("NFD", key) if not _is_mark(unicodedata.combining(char))]
    return unicodedata.normalize("NFC", "".join(kept))


def _is_mark(combining_class: int) -> bool:
    return combining_class == 1 or combining_class >= 200


def folded(name: str) -> str:
    """Return `name` without its case and width: two texts that are equal then are the same name.

    A text that is too long for a name is returned as it is.
    """
    if name.isascii():
        return name.lower()
    if len(name) > MAX_COMPARED:
        return name
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())


def scripts(name: str) -> set[str]:
    """Return the scripts that the letters of `name` belong to."""
    return {_script(ord(char)) for char in name} - {"COMMON", "INHERITED"}


def _script(code: int) -> str:
    ranges = _scripts()
    index = bisect_right(ranges.firsts, code) - 1
    return ranges.names[index] if code <= ranges.lasts[index] else "UNKNOWN"


def skeleton(text: str) -> str:
    """UTS 39, section 4: NFD, each character by its prototype, NFD."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).translate(_prototypes()))


def load_tables() -> None:
    """Load the tables that the rules for names need, which takes 15 ms, before the first name. Safe on any thread."""
    _prototypes()
    _scripts()


class _Neighbour(msgspec.Struct, gc=False):
    c: str


class _Categories(msgspec.Struct):
    iso_15924_aliases: list[str]  # the scripts
    code_points_ranges: list[tuple[int, int, int, int]]  # first, last, script, category; in order


class _Scripts(NamedTuple):
    """The script of each range of code points, in order; as arrays, because they stay in memory."""

    firsts: array[int]
    lasts: array[int]
    names: tuple[str, ...]


@cache
def _prototypes() -> dict[int, str]:
    """Return the prototype of each confusable character, by code point."""
    shared: dict[str, str] = {}
    return {ord(pair[0]): shared.setdefault(pair[1:], pair[1:]) for pair in _confusables().split("\n")}


def _confusables() -> str:
    """Return each confusable character before its prototype, a line each; else their table would stay between holes.

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
    return "\n".join(
        source + neighbour
        for source, neighbour in only_neighbour.items()
        if len(source) == 1 and (only_neighbour.get(neighbour) != source or len(neighbour) > 1 or neighbour < source)
    )


@cache
def _scripts() -> _Scripts:
    table = _table("categories", _Categories)
    firsts, lasts, scripts, _ = zip(*table.code_points_ranges, strict=True)
    names = tuple([table.iso_15924_aliases[script] for script in scripts])
    return _Scripts(array("L", firsts), array("L", lasts), names)


def _table(name: str, kind: type[_Table]) -> _Table:
    """Return one of the library's tables. To import it would load json and urllib: as much as all of gchat."""
    found = find_spec("confusable_homoglyphs")
    assert found is not None
    assert found.submodule_search_locations is not None
    with open(os.path.join(found.submodule_search_locations[0], f"{name}.json"), "rb") as file:
        return msgspec.json.decode(file.read(), type=kind)
