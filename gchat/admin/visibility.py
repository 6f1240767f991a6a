"""Visibility: the one place that knows which parts of a value are private, and which scope may see them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar, get_args

import msgspec
from msgspec import Struct

from gchat.admin.access import Scope
from gchat.admin.json_fields import RoomMessage, RoomSummary, UserInfo, UserJoined

Seen = TypeVar("Seen", bound=Struct)

Word = Literal["none", "read", "all"]


class Granted(Struct, frozen=True):
    """The scope of a request: "none" of the private parts, all of them ("read"), or also changing things ("all")."""

    scope: Word
    note: str


_NOTES = {
    Scope.NONE: "Without a token, messages, bans, secret rooms and the addresses of users with a nick are left out; "
    "send the header Authorization: Bearer TOKEN to get them",
    Scope.READ: "The read-only token shows everything and changes nothing",
    Scope.ALL: "The admin token shows and changes everything",
}

GRANTED = {scope: Granted(word, _NOTES[scope]) for scope, word in zip(Scope, get_args(Word), strict=True)}


def visible(value: Seen, scope: Scope, is_secret: Callable[[str], bool]) -> Seen | None:
    """Return `value` without its private parts, unless `scope` may see them; None if all of it is private.

    `is_secret` tells of a room whether only its members know that it exists.
    """
    if scope >= Scope.READ:
        return value
    if isinstance(value, RoomMessage) or (isinstance(value, RoomSummary) and is_secret(value.name)):
        return None
    if isinstance(value, UserInfo | UserJoined):
        # The name of a user without a nick is the address: to hide one and show the other makes no sense.
        address = "" if value.nick != value.address else value.address
        value = msgspec.structs.replace(value, address=address, room="" if is_secret(value.room) else value.room)
    if isinstance(value, UserInfo):
        value = msgspec.structs.replace(value, rooms=tuple(room for room in value.rooms if not is_secret(room)))
    return value
