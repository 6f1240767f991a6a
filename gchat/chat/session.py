"""The state of one connected user."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gchat.chat.limits import TokenBucket
    from gchat.chat.room import Room


class Seat:
    """Where a user's session is found, also after another one has taken it over.

    When the user has left, `session` is None and `name` is their last name.
    """

    __slots__ = ("name", "session")

    def __init__(self, session: Session) -> None:
        self.session: Session | None = session
        self.name = session.name

    def vacate(self) -> None:
        """Note that the user has left."""
        if self.session is not None:
            self.name, self.session = self.session.name, None


class Session:
    """One connected user: name and place. Only the registry changes it."""

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
        self.address = address  # host:port, as text; the name of a user without a nick
        self.name = address
        self.has_nick = False
        self.keys: frozenset[str] = frozenset((address,))  # see text.name_keys
        self.room = room
        self.token = token  # with it the user takes this session over from another connection; "" if unknown
        # Names all the sessions of one token without giving it away; "" for a user who cannot come back.
        self.lineage = sha256(token.encode()).hexdigest()[:32] if token else ""
        self.seat = Seat(self)
        self.correspondent: Seat | None = None  # the sender of the last private message: /reply answers it
        self.bucket: TokenBucket | None = None  # what the shell lets this user say
        self.messages = 0

    def inherit(self, old: Session) -> None:
        """Go on where `old` was."""
        self.correspondent, self.bucket, self.messages = old.correspondent, old.bucket, old.messages
        self.seat = old.seat
        self.seat.session = self
