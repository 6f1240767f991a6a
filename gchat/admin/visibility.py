"""Visibility: the one place that knows which parts of a value are private, and which scope may see them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Struct

from gchat.admin.access import Scope
from gchat.admin.documents import Granted, RoomSummary, UserInfo
from gchat.admin.happenings import RoomMessage, UserJoined

Seen = TypeVar("Seen", bound=Struct)

GRANTED = {
    Scope.NONE: Granted(
        "none",
        "Without a token, messages, bans, secret rooms and the addresses of users with a nick are left out; "
        "send the header Authorization: Bearer TOKEN to get them",
    ),
    Scope.READ: Granted("read", "The read-only token shows everything and changes nothing"),
    Scope.MODERATE: Granted("moderate", "This token shows everything, and acts on users"),
    Scope.ALL: Granted("all", "The admin token shows and changes everything"),
}


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
