"""What a scope may see of a value: the one place that knows what is private. Pure."""

from __future__ import annotations

from typing import Literal, TypeVar, get_args

import msgspec
from msgspec import Struct

from gchat.admin.access import Scope
from gchat.admin.backend import RoomMessage, UserInfo, UserJoined

Seen = TypeVar("Seen", bound=Struct)

Word = Literal["none", "read", "all"]


class Granted(Struct, frozen=True):
    """What the request may see: "none" of the private parts, all of them ("read"), or also change things ("all")."""

    scope: Word
    note: str


_NOTES = {
    Scope.NONE: "Without a token, messages, bans and the addresses of users with a nick are left out; "
    "send the header Authorization: Bearer TOKEN to get them",
    Scope.READ: "The read-only token shows everything and changes nothing",
    Scope.ALL: "The admin token shows and changes everything",
}

GRANTED = {scope: Granted(word, _NOTES[scope]) for scope, word in zip(Scope, get_args(Word), strict=True)}


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
