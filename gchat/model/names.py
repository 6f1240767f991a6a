"""Names: what may be a nick or the name of a room."""

from __future__ import annotations

import re
import unicodedata

from precis_i18n import get_profile

from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import folded, scripts, skeleton
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

#: The longest name of a machine, in characters, without what is put behind it.
MAX_MACHINE_NAME = 32

#: Behind the name of a machine: no user can have such a name, because none has a space in it.
_MACHINE = " (http)"

#: Marks on one letter of a name.
MAX_MARKS_IN_NAME = 4

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


def machine(name: str) -> str:
    """Return the name that something is said under that comes over HTTP: "Grafana (http)". Raises Refusal.

    It may have spaces. Characters that mean something in a line, brackets above all, are left out.
    """
    kept = "".join([char for char in unicodedata.normalize("NFKC", name) if _is_of_machine(char)])
    kept = printable(" ".join(kept.split()))[:MAX_MACHINE_NAME].strip()
    if not any(map(str.isalnum, kept)):
        raise Refusal(Code.BAD_NAME, "The name is empty; it must have a letter or a digit")
    return kept + _MACHINE


def is_machine(name: str) -> bool:
    """Return whether something that was said under this name came over HTTP."""
    return name.endswith(_MACHINE)


def _is_of_machine(char: str) -> bool:
    return char in " -_.'+&/#@!,:" or unicodedata.category(char)[0] in "LMN" or char.isspace()


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
    if len(found := scripts(name)) > 1 and not any(found <= together for together in _SCRIPTS_TOGETHER):
        raise Refusal(Code.BAD_NAME, f"A {kind} cannot mix {' and '.join(sorted(s.title() for s in found))} letters")
    if printable(name) != name or BLANK.search(name):
        raise Refusal(Code.BAD_NAME, f"A {kind} cannot contain invisible characters")
    if _MARKS_IN_NAME.search("".join(map(_mark, name))):
        raise Refusal(Code.BAD_NAME, f"A {kind} cannot have more than {MAX_MARKS_IN_NAME} marks on a letter")
    return name


def _mark(char: str) -> str:
    return "m" if unicodedata.category(char) in ("Mn", "Me") or unicodedata.combining(char) else " "


def _looks_like_address(name: str) -> bool:
    """Return whether `name` can be taken for host:port, for an address or for unix:N."""
    shape = skeleton(folded(name))
    digits = "".join([str(unicodedata.decimal(char, char)) for char in shape.lower()])
    return ":" in shape or _IPV4.fullmatch(digits.translate(_DIGITS)) is not None


def _described(chars: str) -> str:
    names = [unicodedata.name(char, f"U+{ord(char):04X}").lower() for char in chars[:1]]
    return names[0] if names else "that"
