"""The state of one connected user."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gchat.chat.limits import TokenBucket
    from gchat.chat.room import Room


class Seat:
    """Where a user's session is found, also after another one has taken it over; None when the user has left."""

    __slots__ = ("session",)

    def __init__(self, session: Session) -> None:
        self.session: Session | None = session


class Session:
    """One connected user: who they are, and where. Only the registry changes it."""

    __slots__ = (
        "address",
        "bucket",
        "correspondent",
        "has_nick",
        "id",
        "keys",
        "lineage",
        "messages",
        "name",
        "room",
        "seat",
        "token",
    )

    def __init__(self, id_: int, address: str, room: Room, token: str = "") -> None:
        self.id = id_
        self.address = address  # host:port, as text; the name of who has no nick
        self.name = address
        self.has_nick = False
        self.keys: frozenset[str] = frozenset((address,))  # see text.name_keys
        self.room = room
        self.token = token  # with it the user takes this session over from another connection; "" if unknown
        # Names all the sessions of one token, and gives it away to nobody; "" for who cannot come back.
        self.lineage = sha256(token.encode()).hexdigest()[:32] if token else ""
        self.seat = Seat(self)
        self.correspondent: Seat | None = None  # who told us something last: whom /reply answers
        self.bucket: TokenBucket | None = None  # what the shell lets this user say
        self.messages = 0

    def inherit(self, old: Session) -> None:
        """Go on where `old` was."""
        self.correspondent, self.bucket, self.messages = old.correspondent, old.bucket, old.messages
        self.seat = old.seat
        self.seat.session = self
