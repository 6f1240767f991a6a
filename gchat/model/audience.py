"""Whom a dialect writes for: all who read a room, or one reader, and what is sent to that one alone."""

from __future__ import annotations

from msgspec import Struct


class Where(Struct, frozen=True):
    """A room, and the epoch of its log: what all readers of an event have in common."""

    room: str = ""
    epoch: str = ""


class Me(Struct, frozen=True, gc=False):
    """The reader of an answer; as it is by default, a peer that is not in."""

    name: str = ""
    where: Where = Where()


class OwnLines(Struct, frozen=True, gc=False):
    """What one reader alone is sent, as bytes."""

    data: bytes
    is_seen: bool = True  # whether it is shown to a user; what programs say to each other is not
    then: bytes = b""  # what goes before that which is seen next, unless the user begins a new line first: see a prompt
