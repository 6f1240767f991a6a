"""Masks: whom the lists of a room name, as NICK!USER@ADDRESS, in which * stands for any text and ? for any character.

The address in a mask is the cloak of a network, so that nobody learns where others come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import folded, name_keys
from gchat.model.modes import MAX_ARGUMENT
from gchat.model.text import printable

#: A mask as a list has it. Nobody has a USER yet, which only IRC knows.
PATTERN = rf"^(?=.{{5,{MAX_ARGUMENT}}}\Z)[^!@\s]+![^!@\s]+@[^!@\s]+\Z"

#: What is remembered of matching: patterns, and whether a user is on a list, which is asked for every message.
_PATTERNS, _ANSWERS = 4096, 8192


class Cloaks:
    """The cloaks of networks: names that say which users come from one network, and not from which one.

    They are made with a secret, because all addresses could be tried.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.of = lru_cache(_ANSWERS)(self._of)

    def _of(self, network: str) -> str:
        """Return the cloak of the network of this name."""
        from hashlib import blake2s  # noqa: PLC0415  # it loads OpenSSL: 3 MiB that most servers do not need

        return f"{blake2s(network.encode(), key=self._secret, digest_size=6).hexdigest()}.cloak"


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


def keeps_out(masks: tuple[str, ...], person: Person, cloak: Callable[[], str]) -> bool:
    """Return whether a user is on a list that is against those on it: names that look like one there are on it too."""
    return bool(masks) and _is_on(masks, person.keys, cloak(), name_keys)


def lets_in(masks: tuple[str, ...], person: Person, cloak: Callable[[], str]) -> bool:
    """Return whether a user is on a list in favour of those on it: an impostor's name is another name."""
    return bool(masks) and _is_on(masks, frozenset((folded(person.name),)), cloak(), _folded_alone)


def matches(pattern: str, text: str) -> bool:
    """Return whether all of `text` fits a pattern with * and ?; the time grows with the text, and with nothing else.

    The places of the pattern at which the text so far may end are the bits of one number, and each character moves all
    of them at once. So there is nothing to try again, and no pattern is slow.
    """
    moves, any_character, stays, end = _compiled(pattern)
    places = 1
    for char in text:
        places = places & stays | (places & (moves.get(char, 0) | any_character)) << 1
        if not places:
            return False
    return bool(places & end)


@lru_cache(_PATTERNS)
def _compiled(pattern: str) -> tuple[dict[str, int], int, int, int]:
    """Return the places at which each character moves on, those where any does, those of a *, and the end."""
    moves: dict[str, int] = {}
    any_character, stays, place = 0, 0, 1
    for char in pattern:
        if char == "*":
            stays |= place
            continue
        if char == "?":
            any_character |= place
        else:
            moves[char] = moves.get(char, 0) | place
        place <<= 1
    return moves, any_character, stays, place


@lru_cache(_ANSWERS)
def _is_on(
    masks: tuple[str, ...], names: frozenset[str], cloak: str, names_of: Callable[[str], frozenset[str]]
) -> bool:
    for mask in masks:
        before, _, address = mask.rpartition("@")
        nick, _, user = before.partition("!")
        if (
            matches(user, "")
            and matches(folded(address), cloak)
            and any(matches(pattern, name) for pattern in names_of(nick) for name in names)
        ):
            return True
    return False


def _folded_alone(name: str) -> frozenset[str]:
    return frozenset((folded(name),))
