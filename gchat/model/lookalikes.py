"""Lookalikes: which names are the same, or could be taken for each other (UTS 39)."""

from __future__ import annotations

import os
import unicodedata
from bisect import bisect_right
from functools import cache
from typing import Any

import confusable_homoglyphs
import msgspec

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
    table = _scripts_table()
    ranges = table["code_points_ranges"]  # first, last, script, category; in order
    _, last, script, _ = ranges[bisect_right(ranges, code, key=lambda found: found[0]) - 1]
    return str(table["iso_15924_aliases"][script]) if code <= last else "UNKNOWN"


def skeleton(text: str) -> str:
    """UTS 39, section 4: NFD, each character by its prototype, NFD."""
    prototypes = _prototypes()
    text = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", "".join(map(prototypes.get, text, text)))


def load_tables() -> None:
    """Load the tables that the rules for names need, which takes 15 ms, before the first name. Safe on any thread."""
    _prototypes()
    _scripts_table()


class _Neighbour(msgspec.Struct, gc=False):
    c: str


@cache
def _prototypes() -> dict[str, str]:
    """Return the prototype of each confusable character.

    The library keeps Unicode's confusables.txt as a graph without direction: a character that is not a prototype has
    one neighbour, its prototype. Where two have only each other, either will do, because keys are only ever compared.
    """
    # Entries are decoded one by one: all at once would hold the interpreter, and with it the loop, for 10 ms.
    neighbours_of = msgspec.json.Decoder(list[_Neighbour]).decode
    only_neighbour = {
        source.strip("\u200e"): neighbours[0].c.strip("\u200e")
        for source, entry in _table("confusables", dict[str, msgspec.Raw]).items()
        if len(neighbours := neighbours_of(entry)) == 1
    }
    return {
        source: neighbour
        for source, neighbour in only_neighbour.items()
        if len(source) == 1 and (only_neighbour.get(neighbour) != source or len(neighbour) > 1 or neighbour < source)
    }


@cache
def _scripts_table() -> Any:
    return _table("categories", Any)


def _table(name: str, kind: Any) -> Any:
    """Return one of the library's tables. Its own modules load urllib, which takes as long as loading all of gchat."""
    with open(os.path.join(os.path.dirname(confusable_homoglyphs.__file__), f"{name}.json"), "rb") as file:
        return msgspec.json.decode(file.read(), type=kind)
