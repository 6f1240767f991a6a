"""One connection: what joins its two halves, the reader and the writer, and owns the end of both.

    life       what goes on                                                                   next
    OPEN       what the peer says is carried out, and what it is owed goes out                CLOSING
    CLOSING    the session is over, and nothing is read; what is owed goes out, for FLUSH_S   PARTING, CLOSED
    PARTING    all is sent, and the peer knows; it has LINGER_S to close its side too         CLOSED
    CLOSED     the transport is closed, and the connection counted out                        none

An error of one half does not end the other: a peer that can be sent nothing is read to the end of what it said.
"""

from __future__ import annotations

import time
from enum import Enum, auto
from typing import Protocol

from gchat.chat.effects import CloseReason
from gchat.chat.session import Session
from gchat.chat.steps import Disconnect, LeaveRoom
from gchat.dialects.dialect import Dialect
from gchat.model.audience import Where
from gchat.model.errors import Code
from gchat.server.listener import Peer
from gchat.server.logs import logger
from gchat.server.reader import Reader
from gchat.server.reader_interfaces import ReaderServer
from gchat.server.transport import Transport
from gchat.server.writer import Writer

#: From the end of a session to the end of its connection, at most.
FLUSH_S = 2.0

#: Of that, waiting for the peer to close too, when everything is sent: closing first could throw our last line away.
LINGER_S = 0.5

#: After these nothing can be sent, or nobody would read it.
AT_ONCE = (CloseReason.RESET, CloseReason.STALLED)

#: Why a peer that the core refuses is not let in, or a user cannot come back; for what is not here, it is REPLACED.
NOT_LET_IN = {Code.BANNED: CloseReason.BANNED, Code.NOT_KEPT: CloseReason.NO_HISTORY}


class Life(Enum):
    """What goes on in a connection; see the table above."""

    OPEN = auto()
    CLOSING = auto()
    PARTING = auto()
    CLOSED = auto()


#: The table above, for `_set_life`.
NEXT_LIVES = {
    Life.OPEN: {Life.CLOSING},
    Life.CLOSING: {Life.PARTING, Life.CLOSED},
    Life.PARTING: {Life.CLOSED},
    Life.CLOSED: set[Life](),
}


class Attendance(Protocol):
    """What is told how connections end."""

    def closing(self, connection: Connection) -> None:
        """Note that a session is over, and the connection to be closed by its deadline."""

    def closed(self, connection: Connection) -> None:
        """Note that a connection has come to its end."""


class CatchUps(Protocol):
    """What gives readers the pages that they missed."""

    def go_on(self, connection: Connection) -> None:
        """Give this one the next page of a room, soon, if there is one to come and it has taken the one before."""


class ConnectionServer(ReaderServer, Protocol):
    """What a connection needs of the server."""

    @property
    def roster(self) -> Attendance:
        """Where connections are counted."""

    @property
    def catch_ups(self) -> CatchUps:
        """Where pages of what was missed come from."""


class Connection:
    """What the server has of one peer. Called by the pump, the watch and the reader's greenlet."""

    __slots__ = (
        "_server",
        "deadline",
        "dialect",
        "life",
        "log_reader",
        "opened_at",
        "peer",
        "reader",
        "reason",
        "session",
        "transport",
        "where",
        "writer",
    )

    def __init__(
        self, server: ConnectionServer, transport: Transport, peer: Peer, session: Session, dialect: Dialect
    ) -> None:
        self._server = server
        self.transport = transport
        self.peer = peer
        self.session = session
        self.dialect = dialect
        self.opened_at = time.monotonic()
        self.where = Where()  # the room that was entered last; when that is left, the current one
        self.life = Life.OPEN
        self.reason = CloseReason.CRASHED  # why the session is over, when it is
        self.deadline = 0.0
        self.writer = Writer(session.id, transport, self)
        # At hand, because what is not touched for a line costs nothing (900 speakers).
        self.log_reader = self.writer.log_reader
        self.reader = Reader(server, self)

    @property
    def room(self) -> str:
        """The name of the room that was entered last."""
        return self.where.room

    @property
    def dialect_name(self) -> str:
        """What the peer speaks."""
        return self.dialect.traits.name

    @property
    def tls_version(self) -> str:
        """The version of TLS that the connection is in; "" if it is in none."""
        return self.transport.tls_version

    @property
    def heard_at(self) -> float:
        """When the last byte came."""
        return self.reader.heard_at

    @property
    def lag_bytes(self) -> int:
        """How many bytes of its rooms are not sent yet."""
        return self.log_reader.lag

    @property
    def skipped(self) -> int:
        """How many messages it missed."""
        return self.log_reader.missed

    @property
    def is_open(self) -> bool:
        """Whether the session goes on."""
        return self.life is Life.OPEN

    def disconnect(self, reason: CloseReason, farewell: str = "") -> None:
        """Have the session ended, with a last line if there is one."""
        server = self._server
        server.steps.put(Disconnect(self.session.id, reason, server.awake(), farewell, self.session.messages))

    def part(self, room: str) -> None:
        """Have the user leave a room, if the user is still there."""
        self._server.steps.put(LeaveRoom(self.session.id, room))

    # --- What the writer tells ---------------------------------------------------------------------------------------

    def takes_more(self) -> None:
        """See WriterOwner.takes_more."""
        self._server.rooms.flush_soon(self.writer)

    def caught_up(self) -> None:
        """See WriterOwner.caught_up."""
        self.reader.go_on()
        if self.life is Life.CLOSING:
            self._part()
        elif self.writer.catch_ups:
            self._server.catch_ups.go_on(self)

    def writing_broke(self) -> None:
        """See WriterOwner.writing_broke."""
        if self.life is Life.OPEN:
            self.reader.go_on()
        else:
            self.shut()

    def crashed(self) -> None:
        """See WriterOwner.crashed."""
        logger.exception("connection %(session)d crashed; it alone is closed", {"session": self.session.id})
        self.abort(CloseReason.CRASHED)

    # --- The end -----------------------------------------------------------------------------------------------------

    def close(self, reason: CloseReason) -> None:
        """End this connection: the session is over, what is owed goes out first, for FLUSH_S at most."""
        if self.life is not Life.OPEN:
            return
        self._set_life(Life.CLOSING)
        self.reason = reason
        self.deadline = time.monotonic() + FLUSH_S
        self._server.roster.closing(self)
        self.reader.stop()
        if reason in AT_ONCE or self.writer.is_broken:
            self.shut()

    def abort(self, reason: CloseReason) -> None:
        """End the session now, and send nothing more."""
        self.writer.go_on()
        if self.life is Life.OPEN:
            self.disconnect(reason)
        else:
            self.shut()

    def _part(self) -> None:
        """Everything is sent: say so, and read what the peer still sends until it closes too."""
        if self.reader.has_ended:
            self.shut()
            return
        try:
            self.transport.shutdown()
        except OSError:
            self.shut()
            return
        self._set_life(Life.PARTING)
        self.deadline = min(self.deadline, time.monotonic() + LINGER_S)
        self.reader.discard(self.transport, self.shut)

    def shut(self) -> None:
        """Close the transport. The last thing that happens to a connection."""
        if self.life is Life.CLOSED:
            return
        self._set_life(Life.CLOSED)
        self.writer.close()
        self.reader.close()
        self.transport.close()
        self._server.roster.closed(self)

    def _set_life(self, life: Life) -> None:
        assert life in NEXT_LIVES[self.life], (self.life, life)
        self.life = life
