"""The modes and ranks of rooms: their letters, and changes as users type them: `+k KEY`, `-i`, `+o alice`. Pure.

A change has a sign, a letter and, where the letter needs one, an argument. Several are written together, the arguments
behind all letters: `+im-k`, `+kl KEY 20`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from msgspec import Struct

from gchat.model.errors import Code, Refusal
from gchat.model.text import BLANK, printable

#: Changes in one request: each is a sentence for everybody in the room.
MAX_CHANGES = 8

#: The longest argument, in characters: a mask, of which lists are made. Keys are shorter.
MAX_ARGUMENT, MAX_KEY = 100, 32

#: The largest limit of members.
MAX_LIMIT = 100_000

#: Ranks.
OPERATOR, VOICE = "o", "v"


class Takes(Enum):
    """What stands behind the letter of a mode, and what the mode is."""

    NOTHING = auto()  # it is on or off
    KEY = auto()  # when it is set
    LIMIT = auto()  # likewise
    MASK = auto()  # it is a list; without a mask it is asked for
    NAME = auto()  # it is a rank of this user


#: All letters, with what they mean.
LETTERS: dict[str, tuple[Takes, str]] = {
    "i": (Takes.NOTHING, "invite-only"),
    "m": (Takes.NOTHING, "moderated"),
    "n": (Takes.NOTHING, "no messages from outside"),
    "s": (Takes.NOTHING, "secret"),
    "t": (Takes.NOTHING, "only operators set the topic"),
    "k": (Takes.KEY, "key"),
    "l": (Takes.LIMIT, "limit of users"),
    "b": (Takes.MASK, "ban"),
    "e": (Takes.MASK, "exception from bans"),
    "I": (Takes.MASK, "standing invitation"),
    OPERATOR: (Takes.NAME, "operator"),
    VOICE: (Takes.NAME, "voice"),
}


class Change(Struct, frozen=True):
    """One change. A list that is asked for is a change with `adds` and without an argument."""

    adds: bool
    letter: str
    argument: str = ""

    @property
    def takes(self) -> Takes:
        """What the letter needs."""
        return LETTERS[self.letter][0]

    @property
    def is_question(self) -> bool:
        """Whether it asks for a list, and changes nothing."""
        return self.takes is Takes.MASK and not self.argument


def parse(text: str) -> tuple[Change, ...]:
    """Return the changes in a text such as `+im-k` or `+o alice`. Raises Refusal."""
    letters, *arguments = text.split() or [""]
    found: list[Change] = []
    adds = True
    for letter in letters:
        if letter in "+-":
            adds = letter == "+"
        elif letter not in LETTERS:
            raise _mistake(f"Unknown mode {printable(letter) or '?'}; expected one of {_known()}")
        else:
            found.append(Change(adds, letter, _argument(letter, arguments, adds=adds)))
    if not found:
        raise _mistake("Expected a change of modes such as +m, -i, +k KEY or +b NAME")
    if arguments:
        raise _mistake(f"Nothing in {printable(letters[:20])} needs the argument {printable(arguments[0][:20])}")
    if len(found) > MAX_CHANGES:
        raise _mistake(f"Too many changes at once: {len(found)}, the limit is {MAX_CHANGES}")
    return tuple(found)


def printed(changes: Sequence[Change]) -> str:
    """Return changes as they are typed: parse() reads them again."""
    letters, sign = "", ""
    for change in changes:
        needed = "+" if change.adds else "-"
        letters, sign = letters + (needed if needed != sign else "") + change.letter, needed
    return " ".join([letters, *(change.argument for change in changes if change.argument)])


def _argument(letter: str, arguments: list[str], *, adds: bool) -> str:
    """Take the argument that a letter needs. Raises Refusal."""
    takes, what = LETTERS[letter]
    sign = "+" if adds else "-"
    match takes:
        case Takes.NOTHING:
            return ""
        case Takes.KEY | Takes.LIMIT if not adds:
            return ""
        case Takes.MASK if not arguments:
            if adds:
                return ""  # a question
            raise _mistake(f"-{letter} needs a mask from the list, as +{letter} shows it")
    if not arguments:
        raise _mistake(f"{sign}{letter} needs a {_ARGUMENTS[takes]}, as {sign}{letter} {_EXAMPLES[takes]}")
    return _checked(takes, arguments.pop(0), what)


def _checked(takes: Takes, argument: str, what: str) -> str:
    if takes is Takes.LIMIT:
        digits = argument.lstrip("0") if argument.isascii() and argument.isdecimal() else ""
        if not digits or len(digits) > len(str(MAX_LIMIT)) or int(digits) > MAX_LIMIT:
            raise _mistake(f"The {what} must be a number from 1 to {MAX_LIMIT:,}, and is {printable(argument[:20])}")
        return digits
    most = MAX_KEY if takes is Takes.KEY else MAX_ARGUMENT
    if len(argument) > most:
        raise _mistake(f"The {_ARGUMENTS[takes]} is too long: {len(argument):,} characters, the limit is {most}")
    if printable(argument) != argument or BLANK.search(argument):
        raise _mistake(f"The {_ARGUMENTS[takes]} contains invisible characters")
    return argument


def _known() -> str:
    return ", ".join(f"{letter} ({meaning})" for letter, (_, meaning) in LETTERS.items())


def _mistake(message: str) -> Refusal:
    return Refusal(Code.BAD_COMMAND, message)


_ARGUMENTS = {Takes.KEY: "key", Takes.LIMIT: "number", Takes.MASK: "mask", Takes.NAME: "name"}
_EXAMPLES = {Takes.KEY: "KEY", Takes.LIMIT: "20", Takes.MASK: "NAME", Takes.NAME: "NAME"}
