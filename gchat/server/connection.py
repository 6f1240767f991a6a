"""One connection: a peer's socket, its session, and the writing half: everything that the peer is still owed.

The reading half is reader's. What goes out is the cursor's, and it is the pump that sends, and a watcher where the
kernel took no more. An error of writing ends the writing alone: what the peer had said before is still read.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

from gevent.hub import get_hub

from gchat.chat.effects import CloseReason
from gchat.chat.session import Session
from gchat.dialects.dialect import Dialect
from gchat.model.audience import Where
from gchat.model.events import Ready
from gchat.model.messages import Record
from gchat.roomlog.cursor import Cursor
from gchat.server.counters import Counter
from gchat.server.linux import in_kernel
from gchat.server.listener import Peer
from gchat.server.logs import logger
from gchat.server.reader import MAX_OWED_BYTES, Reader

if TYPE_CHECKING:
    from gchat.server.app import App

SENT_BYTES = Counter("gchat_sent_bytes", "Bytes sent to users.")

#: Bytes offered to the kernel at once for a peer that is behind.
SLICE_BYTES = 65536

#: From the end of a session to the end of its connection, at most.
FLUSH_S = 2.0

#: Of that, waiting for the peer to close too, when everything is sent: closing first could throw our last line away.
LINGER_S = 0.5

#: Less than this taken in `stall_timeout_s` is not reading.
MIN_PROGRESS_BYTES = 1024

# After these nothing can be sent, or nobody would read it.
_AT_ONCE = (CloseReason.RESET, CloseReason.STALLED)

_WRITE = 2


class CatchUp:
    """What a newcomer to a room has still to be shown before it is live: from number `next` on, then `ready`."""

    __slots__ = ("next", "page", "reading", "ready")

    def __init__(self, next_: int, ready: Ready | None) -> None:
        self.next = next_
        self.ready = ready
        self.reading = False  # whether the next page is being read from the disk
        self.page: list[Record] | None = None  # what was read


class Connection:
    """What the server has of one peer. Called by the pump, the watch and the reader's greenlet."""

    __slots__ = (
        "_mark",
        "_mark_at",
        "_writer",
        "app",
        "asking",
        "catch_up",
        "closing",
        "cursor",
        "deadline",
        "dialect",
        "opened_at",
        "peer",
        "peer_ended",
        "reader",
        "session",
        "sock",
        "where",
    )

    def __init__(self, app: App, sock: socket.socket, peer: Peer, session: Session, dialect: Dialect) -> None:
        self.app = app
        self.sock = sock
        self.peer = peer
        self.session = session
        self.dialect = dialect
        self.opened_at = time.monotonic()
        self.where = Where()  # whose log the cursor follows, when it has caught up
        self.catch_up: CatchUp | None = None
        self.asking = False  # whether what was asked for is being read from the disk
        self.closing: CloseReason | None = None
        self.deadline = 0.0
        self.peer_ended = False  # whether the peer has closed its side
        self._writer: Any = None  # a watcher, while the kernel takes no more
        self._mark = 0  # bytes that the peer had taken
        self._mark_at = 0.0  # at this time, which is when it last made progress
        self.cursor = Cursor(session.id, sock.fileno())
        self.reader = Reader(app, self)

    @property
    def room(self) -> str:
        """The name of the room."""
        return self.where.room

    @property
    def dialect_name(self) -> str:
        """What the peer speaks."""
        return self.dialect.traits.name

    @property
    def heard_at(self) -> float:
        """When the last byte came."""
        return self.reader.heard_at

    @property
    def lag_bytes(self) -> int:
        """How many bytes of its room are not sent yet."""
        return self.cursor.lag

    @property
    def skipped(self) -> int:
        """How many messages it missed."""
        return self.cursor.missed

    def leave(self, reason: CloseReason, farewell: str = "") -> None:
        """Let the session end, with a last line if there is one."""
        app = self.app
        app.pump.submit(app.registry.disconnect(self.session, reason, app.awake(), farewell))

    # --- Writing: the pump, and the write watcher's callback in the hub -----------------------------------------------

    def flush(self) -> None:
        """Send what is owed, as far as the kernel takes it. Never waits, never raises."""
        cursor = self.cursor
        try:
            while data := cursor.peek(SLICE_BYTES):
                try:
                    sent = self.sock.send(data)
                except BlockingIOError:
                    sent = 0
                cursor.took(sent)
                SENT_BYTES.value += sent
                if sent < len(data):
                    cursor.stall()
                    self.watch()
                    return
            self._caught_up()
        except OSError:
            self.end_writing()
        except Exception:  # it must not take down the pump, nor the hub's callback
            logger.exception("connection %(session)d crashed; it alone is closed", {"session": self.session.id})
            self.abort(CloseReason.CRASHED)

    def watch(self) -> None:
        """Go on sending when the kernel takes more."""
        if self._writer is None:
            self._writer = get_hub().loop.io(self.sock.fileno(), _WRITE)
            self._writer.start(self.flush)

    @property
    def behind(self) -> bool:
        """Whether the kernel takes no more now; the watcher goes on when it does."""
        return self._writer is not None

    def end_writing(self) -> None:
        """Owe the peer nothing any more, because nothing arrives. What it had said before is still read."""
        self._unwatch()
        self.cursor.end()
        self.catch_up = None
        if self.closing is not None:
            self.shut()
        else:
            self.reader.go_on()

    def _caught_up(self) -> None:
        self.cursor.settle()
        self._unwatch()
        self.reader.go_on()
        if self.closing is not None:
            self._end()
        elif self.catch_up is not None:
            self.app.pump.replay.go_on(self)

    def _unwatch(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def stalled(self, now: float, timeout_s: float) -> bool:
        """Return whether the kernel has held bytes for `timeout_s` of which the peer has taken next to none."""
        held, taken = in_kernel(self.sock)
        if not held or not self._mark_at or taken - self._mark >= MIN_PROGRESS_BYTES:
            self._mark, self._mark_at = taken, now
        return now - self._mark_at >= timeout_s

    # --- The end ---------------------------------------------------------------------------------------------------

    def close(self, reason: CloseReason) -> None:
        """End this connection: the session is over, what is owed goes out first, for FLUSH_S at most."""
        if self.closing is not None:
            return
        self.closing = reason
        self.deadline = time.monotonic() + FLUSH_S
        self.app.closing[self] = None
        self.cursor.leave(MAX_OWED_BYTES)
        self.reader.stop()
        if reason in _AT_ONCE or self.cursor.is_over:
            self.shut()

    def abort(self, reason: CloseReason) -> None:
        """End the session now, and send nothing more."""
        self._unwatch()
        if self.closing is not None:
            self.shut()
        else:
            self.leave(reason)

    def _end(self) -> None:
        """Everything is sent: say so, and read what the peer still sends until it closes too."""
        if self.peer_ended:
            self.shut()
            return
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.shut()
            return
        self.deadline = min(self.deadline, time.monotonic() + LINGER_S)
        self.reader.discard(self.sock, self.shut)

    def shut(self) -> None:
        """Close the socket. The last thing that happens to a connection."""
        if self.sock.fileno() < 0:
            return
        # The fan-out writes to descriptors: the next connection with this one would be sent our room.
        assert self.cursor.log is None
        self._unwatch()
        self.reader.close()
        self.sock.close()
        self.app.closing.pop(self, None)
        self.app.gone(self)
