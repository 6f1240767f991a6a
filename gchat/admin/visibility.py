"""Visibility: the one place that knows which parts of a value are private, and which scope may see them. Pure."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Struct

from gchat.admin.access import Scope
from gchat.admin.documents import Granted, RoomMessage, UserInfo, UserJoined

Seen = TypeVar("Seen", bound=Struct)

GRANTED = {
    Scope.NONE: Granted(
        "none",
        "Without a token, messages, bans and the addresses of users with a nick are left out; "
        "send the header Authorization: Bearer TOKEN to get them",
    ),
    Scope.READ: Granted("read", "The read-only token shows everything and changes nothing"),
    Scope.ALL: Granted("all", "The admin token shows and changes everything"),
}


def visible(value: Seen, scope: Scope) -> Seen | None:
    """Return `value` without its private parts, unless `scope` may see them; None if all of it is private."""
    if scope >= Scope.READ:
        return value
    if isinstance(value, RoomMessage):
        return None
    # The name of a user without a nick is the address: to hide one and show the other makes no sense.
    if isinstance(value, UserInfo | UserJoined) and value.nick != value.address:
        return msgspec.structs.replace(value, address="")
    return value
