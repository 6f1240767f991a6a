"""Masks: whom the lists of a room name, as NICK!USER@ADDRESS, in which * stands for any text and ? for any character.

The address in a mask is the cloak of a network, so that nobody learns where others come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Protocol

from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import folded, name_keys
from gchat.model.modes import MAX_ARGUMENT
from gchat.model.text import printable

#: A mask as a list has it. Nobody has a USER yet, which only IRC knows.
PATTERN = rf"^(?=.{{5,{MAX_ARGUMENT}}}\Z)[^!@\s]+![^!@\s]+@[^!@\s]+\Z"

#: What is remembered of matching: lists as they are asked, and whether a user is on a list, asked for every message.
_LISTS, _ANSWERS = 512, 8192


class Cloaks:
    """The cloaks of networks: names that say which users come from one network, and not from which one.

    They are made with a secret, because all addresses could be tried.
    """

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.of = lru_cache(_ANSWERS)(self._of)

    def _of(self, network: str) -> str:
        """Return the cloak of the network of this name."""
        from hashlib import blake2s  # noqa: PLC0415  # it loads OpenSSL: 3 MiB that most servers do not need

        return f"{blake2s(network.encode(), key=self.secret, digest_size=6).hexdigest()}.cloak"


class Person(Protocol):
    """A user, as far as masks know one."""

    @property
    def name(self) -> str:
        """The nick, or the address."""

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the name, see lookalikes.name_keys."""


def normal(mask: str) -> str:
    """Return a mask with all of its parts: `bob` is `bob!*@*`, and `*@ADDRESS` is `*!*@ADDRESS`. Raises Refusal."""
    before, at, address = mask.partition("@")
    nick, has_user, user = before.partition("!")
    if at and not has_user:
        nick, user = "", nick
    whole = f"{nick or '*'}!{user or '*'}@{address or '*'}"
    if not re.fullmatch(PATTERN, whole):
        shape = "expected NAME, NICK!USER@ADDRESS with * and ?, or @NAME for the address of a user"
        raise Refusal(Code.BAD_COMMAND, f"{printable(mask)} is no mask of at most {MAX_ARGUMENT} characters; {shape}")
    return whole


def are_same(one: str, other: str) -> bool:
    """Return whether two masks name the same users: case and width make no difference."""
    return folded(one) == folded(other)


def is_compared(mask: str) -> bool:
    """Return whether a whole mask is compared with users; others are looked up, which takes no time.

    Those have no * and ? within the nick or the address; all of it may be *.
    """
    nick, _, address = _parts(mask)
    return any(part != "*" and ("*" in part or "?" in part) for part in (nick, address))


def keeps_out(masks: tuple[str, ...], person: Person, cloak: Callable[[], str]) -> bool:
    """Return whether a user is on a list that is against those on it: names that look like one there are on it too."""
    return bool(masks) and _is_on(masks, person.keys, cloak(), name_keys)


def lets_in(masks: tuple[str, ...], person: Person, cloak: Callable[[], str]) -> bool:
    """Return whether a user is on a list in favour of those on it: an impostor's name is another name."""
    return bool(masks) and _is_on(masks, frozenset((folded(person.name),)), cloak(), _folded_alone)


def prepare(against: tuple[str, ...], *in_favour: tuple[str, ...]) -> None:
    """Prepare to ask these lists, which takes longer than asking: a user who enters fifty rooms would hold up all."""
    _list(against, name_keys)
    for masks in in_favour:
        _list(masks, _folded_alone)


class Patterns:
    """Patterns with * and ?, of which a text may fit any; the time grows with the text, and little with the patterns.

    The places of all patterns at which the text so far may end are the bits of one number, and each character moves all
    of them at once. So there is nothing to try again, and no pattern is slow.
    """

    __slots__ = ("_any_character", "_ends", "_moves", "_starts", "_stays")

    def __init__(self, patterns: Iterable[str]) -> None:
        self._moves: dict[str, int] = {}  # the places at which a character moves on
        self._any_character, self._stays = 0, 0  # those at which any does, and those of a *
        self._starts, self._ends = 0, 0
        place = 1
        for pattern in patterns:
            self._starts |= place
            for char in pattern:
                if char == "*":
                    self._stays |= place
                    continue
                if char == "?":
                    self._any_character |= place
                else:
                    self._moves[char] = self._moves.get(char, 0) | place
                place <<= 1
            self._ends |= place
            place <<= 1

    def match(self, text: str) -> bool:
        """Return whether all of the text fits one of the patterns."""
        moves, any_character, stays, places = self._moves, self._any_character, self._stays, self._starts
        for char in text:
            places = places & stays | (places & (moves.get(char, 0) | any_character)) << 1
            if not places:
                return False
        return bool(places & self._ends)


class _MaskList:
    """A list of masks as it is asked: those that are looked up, and those that are compared.

    A mask is one text here, of nick and address with a line feed between them, which is in neither.
    """

    __slots__ = ("_compared", "_looked_up")

    def __init__(self, masks: tuple[str, ...], names_of: Callable[[str], frozenset[str]]) -> None:
        self._looked_up: set[str] = set()
        compared: list[str] = []
        for mask in masks:
            nick, user, address = _parts(mask)
            if not user.strip("*"):  # others name nobody
                texts = [f"{name}\n{folded(address)}" for name in names_of(nick)]
                compared.extend(texts) if is_compared(mask) else self._looked_up.update(texts)
        self._compared = Patterns(compared)

    def has(self, name: str, cloak: str) -> bool:
        """Return whether a user of this name and cloak is on it."""
        looked_up = self._looked_up
        return (
            f"{name}\n*" in looked_up
            or f"*\n{cloak}" in looked_up
            or f"{name}\n{cloak}" in looked_up
            or "*\n*" in looked_up
            or self._compared.match(f"{name}\n{cloak}")
        )


_list = lru_cache(_LISTS)(_MaskList)


@lru_cache(_ANSWERS)
def _is_on(
    masks: tuple[str, ...], names: frozenset[str], cloak: str, names_of: Callable[[str], frozenset[str]]
) -> bool:
    listed = _list(masks, names_of)
    return any(listed.has(name, cloak) for name in names)


def _parts(mask: str) -> tuple[str, str, str]:
    """Return the nick, the user and the address of a whole mask."""
    before, _, address = mask.rpartition("@")
    nick, _, user = before.partition("!")
    return nick, user, address


def _folded_alone(name: str) -> frozenset[str]:
    return frozenset((folded(name),))
