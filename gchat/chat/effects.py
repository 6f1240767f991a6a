"""What the core asks of the shell, as values. The shell carries them out in exactly their order.

That order is what makes promises cheap: whatever is published before a Follow is not the newcomer's, whatever is
delivered between two messages stands between them on the wire.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from gchat.protocol.events import Answer, Message, Presence


class CloseReason(StrEnum):
    """Why a connection ended: each has exactly one, logged once and counted."""

    QUIT = "quit"  # /quit, or the old clients' -1
    ENDED = "ended"  # end-of-file
    RESET = "reset"  # the connection broke
    STALLED = "stalled"  # read nothing for stall_timeout_s while something was owed
    FULL = "full"  # max_connections
    TOO_MANY = "too_many"  # connections_per_ip
    FOREIGN = "foreign"  # not chat
    ENDLESS = "endless"  # no newline
    SHUTDOWN = "shutdown"
    CRASHED = "crashed"  # our fault


class Publish(Struct, frozen=True, gc=False):
    """A message to a room: the journal gives it its number, then everybody there but `session` gets it."""

    room: str
    session: int
    message: Message


class Announce(Struct, frozen=True, gc=False):
    """Presence to a room of so many `members`: all but `session` are told, soon, perhaps together with others."""

    room: str
    session: int
    presence: Presence
    members: int


class Deliver(Struct, frozen=True, gc=False):
    """Something that one session gets; if it does not read what it gets, `sender` (0: nobody) is told so instead."""

    session: int
    answer: Answer
    sender: int = 0


class Transmit(Struct, frozen=True, gc=False):
    """Bytes for the session's terminal program, not for its user: telnet's answers."""

    session: int
    data: bytes


class Follow(Struct, frozen=True, gc=False):
    """From here on the session gets what this room is told, and no other's."""

    session: int
    room: str


class Recall(Struct, frozen=True, gc=False):
    """The session gets up to `limit` old messages of the room, from number `start` on; below 0, from so many back."""

    session: int
    room: str
    start: int
    limit: int
    asked: bool


class Forget(Struct, frozen=True, gc=False):
    """The room is gone: what is kept of it may go."""

    room: str


class Close(Struct, frozen=True, gc=False):
    """The session is over: once everything owed to it is sent, or a while has passed, its connection is closed."""

    session: int
    reason: CloseReason


Effect = Publish | Announce | Deliver | Transmit | Follow | Recall | Forget | Close
