"""Names: what may be a nick or the name of a room, and which names are the same or could be taken for each other."""

from __future__ import annotations

import os
import re
import unicodedata
from bisect import bisect_right
from functools import cache
from typing import Any

import confusable_homoglyphs
import msgspec
from precis_i18n import get_profile

from gchat.model.errors import Code, Refusal
from gchat.model.text import BLANK, printable

# Characters with a meaning in gchat's own lines, in addresses, in commands or in file names.
_RESERVED_CHARS = re.compile(r"[\[\]<>:/\\,;*\"'`@#|!?()&$%^~={}+\s]")

# Scripts that are written together (UTS 39, section 5.2, "highly restrictive").
_SCRIPTS_TOGETHER = (
    {"LATIN", "CJK", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "CJK", "HAN", "BOPOMOFO"},
    {"LATIN", "CJK", "HAN", "HANGUL"},
)

#: The longest room name, in characters.
MAX_ROOM_NAME = 32

#: Marks on one letter of a name.
MAX_MARKS_IN_NAME = 4

#: The longest text that is compared as a name, in characters. A longer one is not normalized, because that takes time
#: that grows with the square of the length (measured: 24,000 marks on a letter take two seconds).
MAX_COMPARED = 400

_MARKS_IN_NAME = re.compile(f"m{{{MAX_MARKS_IN_NAME + 1}}}")

# An IPv4 address; any other address has a colon in it.
_IPV4 = re.compile(r"\d+(\.\d+){3}")
_DIGITS = str.maketrans("lo", "10")  # a skeleton has these letters in place of the digits


def nick(name: str, max_length: int) -> str:
    """Return `name` as a nick: PRECIS UsernameCasePreserved (RFC 8265) with gchat's restrictions. Raises Refusal."""
    name = _name("nick", "UsernameCasePreserved", name, max_length)
    if _looks_like_address(name):
        raise Refusal(Code.BAD_NAME, "A nick cannot look like an address; choose another")
    return name


def room(name: str) -> str:
    """Return `name` as a room's name, in lower case: PRECIS UsernameCaseMapped (RFC 8265). Raises Refusal.

    One leading # is dropped: users of IRC type it.
    """
    return _name("room name", "UsernameCaseMapped", name.removeprefix("#"), MAX_ROOM_NAME)


def name_keys(name: str) -> frozenset[str]:
    """Return the keys of `name`: two names that share one are the same name, or could be taken for each other.

    One key is the name without case and width, the others are skeletons (UTS 39, section 4) without case. Skeletons
    alone would admit both Ian and ian, because I looks like l and i does not.
    """
    plain = folded(name)
    if len(name) > MAX_COMPARED:
        return frozenset((plain,))
    return frozenset((plain, _skeleton(plain), folded(_skeleton(unicodedata.normalize("NFKC", name)))))


def folded(name: str) -> str:
    """Return `name` without its case and width: two texts that are equal then are the same name.

    A text that is too long for a name is returned as it is.
    """
    if name.isascii():
        return name.lower()
    if len(name) > MAX_COMPARED:
        return name
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())


def _name(kind: str, profile: str, name: str, max_length: int) -> str:
    if not name:
        raise Refusal(Code.BAD_NAME, f"The {kind} is empty")
    if len(name) > max_length:
        raise Refusal(Code.BAD_NAME, f"The {kind} is too long: {len(name):,} characters, the limit is {max_length}")
    if bad := _RESERVED_CHARS.search(name):
        what = "a space" if bad[0].isspace() else bad[0]
        raise Refusal(Code.BAD_NAME, f"A {kind} cannot contain {what}; use letters, digits, - _ and .")
    try:
        name = str(get_profile(profile).enforce(name))
    except UnicodeEncodeError as error:
        bad_part = error.object[error.start : error.end]
        raise Refusal(Code.BAD_NAME, f"A {kind} cannot contain {_described(bad_part)}") from None
    # Width mapping and normalization may have turned a harmless character into a reserved one, or into several.
    if len(name) > max_length or _RESERVED_CHARS.search(name) or (not name[0].isalnum() and name[0] != "_"):
        raise Refusal(
            Code.BAD_NAME, f"A {kind} begins with a letter or a digit and consists of letters, digits, - _ and ."
        )
    if len(scripts := _scripts(name)) > 1 and not any(scripts <= together for together in _SCRIPTS_TOGETHER):
        raise Refusal(Code.BAD_NAME, f"A {kind} cannot mix {' and '.join(sorted(s.title() for s in scripts))} letters")
    if printable(name) != name or BLANK.search(name):
        raise Refusal(Code.BAD_NAME, f"A {kind} cannot contain invisible characters")
    if _MARKS_IN_NAME.search("".join(map(_mark, name))):
        raise Refusal(Code.BAD_NAME, f"A {kind} cannot have more than {MAX_MARKS_IN_NAME} marks on a letter")
    return name


def _mark(char: str) -> str:
    return "m" if unicodedata.category(char) in ("Mn", "Me") or unicodedata.combining(char) else " "


def _looks_like_address(name: str) -> bool:
    """Return whether `name` can be taken for host:port, for an address or for unix:N."""
    skeleton = _skeleton(folded(name))
    digits = "".join([str(unicodedata.decimal(char, char)) for char in skeleton.lower()])
    return ":" in skeleton or _IPV4.fullmatch(digits.translate(_DIGITS)) is not None


def _described(chars: str) -> str:
    names = [unicodedata.name(char, f"U+{ord(char):04X}").lower() for char in chars[:1]]
    return names[0] if names else "that"


def _scripts(name: str) -> set[str]:
    return {_script(ord(char)) for char in name} - {"COMMON", "INHERITED"}


def _script(code: int) -> str:
    table = _scripts_table()
    ranges = table["code_points_ranges"]  # first, last, script, category; in order
    _, last, script, _ = ranges[bisect_right(ranges, code, key=lambda found: found[0]) - 1]
    return str(table["iso_15924_aliases"][script]) if code <= last else "UNKNOWN"


def _skeleton(text: str) -> str:
    """UTS 39, section 4: NFD, each character by its prototype, NFD."""
    prototypes = _prototypes()
    text = "".join(prototypes.get(char, char) for char in unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFD", text)


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
