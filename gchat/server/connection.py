"""One connection: an accepted socket, the greenlet that reads it, and the bytes that go out on it.

The greenlet reads, frames, decodes and hands commands to the registry. It never writes, to its own socket or to
another's: what goes out is the cursor's, and it is the pump that sends, and a watcher where the kernel took no more.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from gevent.hub import get_hub

from gchat.chat.effects import CloseReason, Deliver, Transmit
from gchat.chat.limits import TokenBucket
from gchat.chat.log import Cursor
from gchat.chat.registry import refused
from gchat.protocol import foreign, plain, rich
from gchat.protocol.commands import History, Join, Search
from gchat.protocol.dialect import Dialect
from gchat.protocol.errors import LineEndless, LineTooLong
from gchat.protocol.events import Ready, Record, Slowed
from gchat.protocol.framing import LineDecoder
from gchat.protocol.wire import Opening
from gchat.server.kernel import in_kernel
from gchat.server.log import logger

if TYPE_CHECKING:
    from gchat.server.app import App

READ_BYTES = 65536

#: Lines handed to the registry at once; then everybody else has a turn.
LINES_AT_ONCE = 512

#: Commands whose answers may gather before it is seen whether they are read; /history may answer with 100 KiB.
COMMANDS_AT_ONCE = 4

#: Bytes offered to the kernel at once for who is behind.
SLICE_BYTES = 65536

#: Own lines waiting for a reader, in bytes: above, its commands are not read, and private messages to it are refused.
MAX_OWED_BYTES = 65536

#: From the end of a session to the end of its connection, at most.
FLUSH_S = 2.0

#: Of that, waiting for the peer to close too, when everything is sent: closing first could throw our last line away.
LINGER_S = 0.5

#: What says goodbye unterminated (see Dialect.goodbye) is heard after this long.
GOODBYE_S = 0.2

#: Less than this taken in `stall_timeout_s` is not reading.
MIN_PROGRESS_BYTES = 1024

# After these nothing can be sent, or nobody would read it.
_AT_ONCE = (CloseReason.RESET, CloseReason.STALLED)

_HELD_BACK_AFTER = (Join, History, Search)

_READ, _WRITE = 1, 2


class CatchUp:
    """What a newcomer to a room has still to be shown before it is live: from number `next` on, then `ready`."""

    __slots__ = ("next", "page", "reading", "ready")

    def __init__(self, next_: int, ready: Ready | None) -> None:
        self.next = next_
        self.ready = ready
        self.reading = False  # whether the next page is being read from the disk
        self.page: list[Record] | None = None  # what was read


class Connection:
    """What the server has of one peer. `run` is its greenlet; everything else is called by the pump and the watch."""

    __slots__ = (
        "_bucket",
        "_decoder",
        "_greenlet",
        "_heard",
        "_mark",
        "_mark_at",
        "_peer_ended",
        "_reader",
        "_ready",
        "_writer",
        "app",
        "asking",
        "catch_up",
        "closing",
        "cursor",
        "deadline",
        "dialect",
        "heard_at",
        "network",
        "opened_at",
        "room",
        "session",
        "sock",
    )

    def __init__(self, app: App, sock: socket.socket, address: str, network: str, opening: Opening | None) -> None:
        self.app = app
        self.sock = sock
        self.network = network
        self.dialect: Dialect = plain if opening is None else rich
        self.opened_at = self.heard_at = time.monotonic()
        self.room = ""  # whose log the cursor follows, when it has caught up
        self.catch_up: CatchUp | None = None
        self.asking = False  # whether what was asked for is being read from the disk
        self.closing: CloseReason | None = None
        self.deadline = 0.0
        self._peer_ended = False
        self._heard = opening is not None  # whether a line was heard that was chat
        self._reader = get_hub().loop.io(sock.fileno(), _READ)
        self._writer: Any = None  # a watcher, while the kernel takes no more
        self._ready: Event | None = None  # set when little enough is owed to read on
        line_bytes = self.dialect.line_bytes(app.config.limits.max_line_bytes)
        self._decoder = LineDecoder(line_bytes, typed=self.dialect is plain)
        self._greenlet: Any = None
        self._mark = 0  # bytes that the peer had taken
        self._mark_at = 0.0  # at this time, which is when it last made progress
        self.session, effects = app.registry.connect(address, opening, secrets.token_urlsafe(16) if opening else "")
        if self.session.bucket is None:
            self.session.bucket = TokenBucket(app.config.limits.burst, self.opened_at)
        self._bucket = self.session.bucket
        self.cursor = Cursor(self.session.id, sock.fileno())
        app.pump.connections[self.session.id] = self
        app.pump.submit(effects)

    # --- Reading: the connection's own greenlet --------------------------------------------------------------------

    def run(self, heard: bytes) -> None:
        """Read until the end, then leave; `heard` was read already. Nothing that a peer does gets out as an error."""
        self._greenlet = gevent.getcurrent()
        try:
            reason, farewell = self._serve(heard), ""
        except LineEndless as error:
            reason, farewell = CloseReason.ENDLESS, f"Goodbye: {error}"
        except OSError:
            reason, farewell = CloseReason.RESET, ""
        except Exception:
            logger.exception("connection %d crashed; it alone is closed", self.session.id)
            reason, farewell = CloseReason.CRASHED, "Something went wrong here; please connect again"
        finally:
            if self.closing is None:
                self._reader.stop()  # or it would tell of the end again and again
        self.leave(reason, farewell)

    def _serve(self, data: bytes) -> CloseReason:
        decoder, sock, hub, goodbye = self._decoder, self.sock, get_hub(), self.dialect.goodbye
        self._reader.start(gevent.getcurrent().switch)
        self._hold_back()
        while True:
            if not data:
                hub.switch()  # until the reader's watcher switches back
                data = sock.recv(READ_BYTES)
            if not data:
                self._peer_ended = True
                return self._last_line()
            self.heard_at = time.monotonic()
            self.app.pump.counts.received_bytes += len(data)
            if b"\n" in data:
                self.cursor.typed()
            decoder.feed(data)
            if replies := decoder.replies():
                self.app.pump.submit([Transmit(self.session.id, replies)])
            if not self._hear():
                return CloseReason.QUIT
            data = b""
            if decoder.rest_at_once and decoder.rest == goodbye and goodbye and self._says_goodbye():
                return CloseReason.QUIT
            if not self._heard and (what := foreign.foreign_start(decoder.rest)):
                return self._turn_away(what)

    def _hear(self) -> bool:
        """Carry out the lines that were fed; return whether the session goes on."""
        app, session, decoder = self.app, self.session, self._decoder
        pump, registry = app.pump, app.registry
        while decoder.waiting:
            rate = app.config.limits.messages_per_s
            try:
                lines = decoder.take(self._allowance(rate) if rate else LINES_AT_ONCE)
            except LineTooLong as refusal:
                pump.submit([refused(session, refusal)])
                self._spend(1, rate)
                continue
            if not lines:
                break
            if not self._heard and (opening := next(filter(None, lines), b"")):
                if what := foreign.foreign(opening):
                    self._turn_away(what)
                    return False
                self._heard = True
            self._spend(len(lines), rate)
            for count, command in enumerate(self.dialect.decode(lines), 1):
                pump.submit(registry.execute(session, command, time.time()))
                # What is said in a room comes after what was missed of it: acknowledged before, it would be a hole.
                # And answers come in the order of what was asked, also if the disk has to be asked for them.
                if not count % COMMANDS_AT_ONCE or type(command) in _HELD_BACK_AFTER:
                    self._hold_back()
            if session.id not in registry.sessions:
                return False
            if len(lines) == LINES_AT_ONCE or pump.crowded or self.cursor.owed > MAX_OWED_BYTES:
                self._hold_back()
        return not decoder.interrupted

    def _allowance(self, rate: float) -> int:
        """Return how many lines may be taken at once: at least one, which _spend then waits for."""
        allowed = self._bucket.allowance(rate, self.app.config.limits.burst, time.monotonic())
        return min(max(1, int(allowed)), LINES_AT_ONCE)

    def _spend(self, lines: int, rate: float) -> None:
        """Pay for lines, and wait where that made a debt: this is what reads a fast sender more slowly."""
        if not rate:
            return
        self._bucket.spend(lines)
        if debt_s := self._bucket.debt_s(rate):
            if not self._bucket.told:
                self._bucket.told = True
                self.app.pump.submit([Deliver(self.session.id, Slowed(rate))])
            with self._not_reading():
                gevent.sleep(debt_s)

    def _hold_back(self) -> None:
        """Let the others have a turn: wait until the pump has come to what we asked, and we have read our answers.

        And all that we missed, if we have entered a room.
        """
        with self._not_reading():
            self.app.pump.wait_carried_out()
            while self.cursor.owed > MAX_OWED_BYTES or self.catch_up is not None or self.asking:
                self._ready = Event()
                self._ready.wait()

    def _says_goodbye(self) -> bool:
        with self._not_reading(), gevent.Timeout(GOODBYE_S, False):  # type: ignore[arg-type]  # False: silent
            get_hub().wait(self._reader)
            return False
        return True

    @contextmanager
    def _not_reading(self) -> Iterator[None]:
        """Wait for something else than the socket: its watcher must not switch to us in the meantime."""
        self._reader.stop()
        yield
        # What we waited for may come in the same turn of the loop as our end: a watcher of a closed descriptor aborts.
        if self.closing is None:
            self._reader.start(gevent.getcurrent().switch)

    def _last_line(self) -> CloseReason:
        """At the end of the stream: what stands unterminated before it is a line too, or the goodbye of old."""
        rest = self._decoder.rest
        if rest and rest == self.dialect.goodbye:
            return CloseReason.QUIT
        if rest:
            self._decoder.feed(b"\n")
            if not self._hear():
                return CloseReason.QUIT
        return CloseReason.ENDED

    def _turn_away(self, what: str) -> CloseReason:
        self.leave(CloseReason.FOREIGN, foreign.farewell(what))
        return CloseReason.FOREIGN

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
                self.app.pump.counts.sent_bytes += sent
                if sent < len(data):
                    cursor.stall()
                    self.watch()
                    return
            self._caught_up()
        except OSError:
            self.abort(CloseReason.RESET)
        except Exception:  # it must not take down the pump, nor the hub's callback
            logger.exception("connection %d crashed; it alone is closed", self.session.id)
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

    def _caught_up(self) -> None:
        self.cursor.settle()
        self._unwatch()
        if self._ready is not None:
            self._ready.set()
            self._ready = None
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
        self._reader.stop()
        if self._greenlet is not None:
            self._greenlet.kill(block=False)
            self._greenlet = None  # it keeps the frames that it was killed in, and they keep us
        if reason in _AT_ONCE:
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
        if self._peer_ended:
            self.shut()
            return
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.shut()
            return
        self.deadline = min(self.deadline, time.monotonic() + LINGER_S)
        self._reader.start(self._discard)

    def _discard(self) -> None:
        try:
            if self.sock.recv(READ_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.shut()

    def shut(self) -> None:
        """Close the socket. The last thing that happens to a connection."""
        if self.sock.fileno() < 0:
            return
        # The fan-out writes to descriptors: whoever gets this one next would be sent our room.
        assert self.cursor.log is None
        self._unwatch()
        self._reader.close()
        self.sock.close()
        self.app.closing.pop(self, None)
        self.app.gone(self)
