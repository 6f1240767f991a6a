"""The state of one connected user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gchat.chat.limits import Allowance, Network

if TYPE_CHECKING:
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
    """One connected user: name and place. Only the registry changes it; what is shown to the user the pump notes."""

    __slots__ = (
        "address",
        "allowance",
        "attempt",
        "correspondent",
        "has_arrived",
        "has_nick",
        "id",
        "is_announced",
        "is_brief",
        "keys",
        "lineage",
        "messages",
        "name",
        "network",
        "room",
        "seat",
        "since",
        "token",
    )

    def __init__(
        self,
        id_: int,
        address: str,
        room: Room,
        attempt: int = 0,
        *,
        network: Network = Network(),  # noqa: B008  # it is frozen
        since: float = 0.0,
    ) -> None:
        self.id = id_
        self.attempt = attempt  # the number of its connection, in the order in which they were made
        self.address = address  # host:port, as text; the name of a user without a nick
        self.network = network
        self.since = since  # by the clock of Registry.due
        self.name = address
        self.has_nick = False
        self.keys: frozenset[str] = frozenset((address,))  # see text.name_keys
        self.room = room
        self.token = ""  # with it the user takes this session over from another connection; "" if unknown
        # Names all the sessions of one token without giving it away; "" for a user who cannot come back.
        self.lineage = ""
        self.has_arrived = False  # whether the shell was told so (see effects.Arrive)
        self.is_announced = False  # whether the others know that this user is here
        self.is_brief = False  # whether the peer had already ended when it opened: nobody comes back for this session
        self.seat = Seat(self)
        self.correspondent: Seat | None = None  # the sender of the last private message shown: /reply answers it
        self.allowance: Allowance | None = None  # what the shell lets this user send
        self.messages = 0

    def told_by(self, seat: Seat) -> None:
        """Note that a private message was shown to this user: /reply answers its sender."""
        self.correspondent = seat

    def own(self, token: str) -> None:
        """Let the user come back with this token."""
        self.token = token
        from hashlib import sha256  # noqa: PLC0415  # it loads OpenSSL: 3 MiB that plain users do not need

        self.lineage = sha256(token.encode()).hexdigest()[:32]

    def inherit(self, old: Session) -> None:
        """Go on where `old` was."""
        self.correspondent, self.allowance, self.messages = old.correspondent, old.allowance, old.messages
        self.since = old.since
        self.seat, self.is_announced = old.seat, old.is_announced
        self.seat.session = self
