"""The reading half of a connection: bytes become commands, at the pace that the limits allow.

One greenlet reads, frames, decodes and hands commands to the registry. It never writes, and it goes on to the end of
the stream whatever becomes of writing: what a peer has said before it closed is carried out.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from gevent.hub import get_hub

from gchat.chat.effects import CloseReason, Deliver, Transmit
from gchat.chat.limits import Allowance, Pace
from gchat.chat.registry import refused
from gchat.chat.verbs import PRICES, surcharge
from gchat.protocol import plain, rich
from gchat.protocol.commands import Act, History, Join, Say, Search
from gchat.protocol.errors import Code, LineEndless, LineTooLong, Refusal
from gchat.protocol.foreign import MORE, Foreign, sniff
from gchat.protocol.framing import LineDecoder
from gchat.protocol.wire import ANY_OPENING
from gchat.server.kernel import has_ended as peer_has_ended
from gchat.server.kernel import unguessable
from gchat.server.log import logger

if TYPE_CHECKING:
    from gchat.server.app import App
    from gchat.server.connection import Connection

READ_BYTES = 65536

#: The same where a rate applies: what is read is kept until it is due, and is then only bytes.
PACED_READ_BYTES = 16384

#: So little is read at once from a peer that has sent too many bytes.
MIN_READ_BYTES = 2048

#: Lines handed to the registry at once; then everybody else has a turn.
LINES_AT_ONCE = 512

#: Commands whose answers may gather before it is seen whether they are read; /history may answer with 100 KiB.
COMMANDS_AT_ONCE = 4

#: Own lines waiting for a reader, in bytes: above, its commands are not read, and private messages to it are refused.
MAX_OWED_BYTES = 65536

#: What says goodbye unterminated (see Dialect.goodbye) is heard after this long.
GOODBYE_S = 0.2

_HELD_BACK_AFTER = (Join, History, Search)

# What everybody in a room is sent.
_SPEAKING = (Say, Act)

# Printable ASCII, and LF.
_CLEAN = bytes((10, *range(0x20, 0x7F)))

_READ = 1


class Reader:
    """Reads one connection; `run` is its greenlet."""

    __slots__ = (
        "_app",
        "_connection",
        "_decoder",
        "_greenlet",
        "_heard",
        "_is_between_lines",
        "_is_telnet",
        "_pace",
        "_ready",
        "_start",
        "_watcher",
        "heard_at",
    )

    def __init__(self, app: App, connection: Connection) -> None:
        self._app = app
        self._connection = connection
        self._watcher = get_hub().loop.io(connection.sock.fileno(), _READ)
        self._decoder = self._new_decoder()
        self._greenlet: Any = None
        self._heard = connection.dialect is rich  # whether it is known what the peer speaks
        self._start = None if self._heard else b""  # what was received while it could still be a foreign protocol
        self._is_telnet = False  # whether a byte came that may begin a telnet command
        self._is_between_lines = False  # whether the decoder holds nothing of what came before, and need not be asked
        self._ready: Event | None = None  # set when little enough is owed to read on
        self.heard_at = connection.opened_at
        session = connection.session
        if session.allowance is None:
            session.allowance = Allowance(app.limits.rates, self.heard_at)
        self._pace = Pace(app.limits, session.allowance, app.network_allowance(session.network))

    def run(self, heard: bytes, *, has_ended: bool) -> None:
        """Read until the end, then leave; `heard` was read already. Nothing that a peer does gets out as an error."""
        connection = self._connection
        self._greenlet = gevent.getcurrent()
        farewell = ""
        try:
            reason = self._serve(heard, has_ended=has_ended)
        except LineEndless as error:
            reason, farewell = CloseReason.ENDLESS, f"Goodbye: {error}"
        except OSError:
            reason = CloseReason.RESET
        except Exception:
            logger.exception("connection %(session)d crashed; it alone is closed", {"session": connection.session.id})
            reason, farewell = CloseReason.CRASHED, "Internal error; please connect again"
        finally:
            if connection.closing is None:
                self._watcher.stop()  # or it would tell of the end again and again
            # A cycle of the two would stay for as long as anybody is here: the watch collects only what is new.
            del self._connection
        if reason in (CloseReason.ENDED, CloseReason.RESET) and not connection.session.is_announced:
            reason = CloseReason.PROBE
        connection.leave(reason, farewell)

    def go_on(self) -> None:
        """Read on, if it was held back until less is owed."""
        if self._ready is not None:
            self._ready.set()
            self._ready = None

    def stop(self) -> None:
        """Read no more."""
        self._watcher.stop()
        if self._greenlet is not None:
            self._greenlet.kill(block=False)
            self._greenlet = None  # it keeps the frames that it was killed in, and they keep us

    def discard(self, sock: socket.socket, ended: Callable[[], None]) -> None:
        """Throw away what still comes on `sock`, and call `ended` at the end of the stream."""

        def receive() -> None:
            try:
                if sock.recv(READ_BYTES):
                    return
            except BlockingIOError:
                return
            except OSError:
                pass
            ended()

        self._watcher.start(receive)

    def close(self) -> None:
        """Let go of the descriptor, which is closed next."""
        self._watcher.close()

    # --- The greenlet ----------------------------------------------------------------------------------------------

    def _serve(self, data: bytes, *, has_ended: bool) -> CloseReason:
        connection, hub = self._connection, get_hub()
        self._watcher.start(gevent.getcurrent().switch)
        self._hold_back()
        if data and self._heard and peer_has_ended(connection.sock):
            # It said more without waiting for the welcome, and is gone: nobody knows this session's token.
            self._app.registry.forsake(connection.session)
        while True:
            if data and (reason := self._take_in(data)) is not None:
                return reason
            if has_ended:
                return self._end_of_stream()
            self._pay()
            hub.switch()  # until the watcher switches back
            data = connection.sock.recv(self._read_bytes())
            has_ended = not data

    def _take_in(self, data: bytes, *, ended: bool = False) -> CloseReason | None:
        """Carry out what was received; return why the connection ends, None if it does not."""
        connection, decoder = self._connection, self._decoder
        self.heard_at = time.monotonic()
        self._app.pump.counts.received_bytes += len(data)
        if self._app.limits.rates.messages_per_s:
            self._pace.received(len(data), self.heard_at)
        if self._is_between_lines and (lines := self._clean_lines(data)):
            connection.cursor.typed()
            return None if self._carry_out(lines) else CloseReason.QUIT
        if self._start is not None:
            data = self._start + data
            if (verdict := sniff(data, ended=ended)) is MORE:
                self._start = data
                return None
            if isinstance(verdict, Foreign):
                return self._turn_away(verdict)
            self._start = None
        if self._heard and (b"\n" in data or b"\r" in data):
            connection.cursor.typed()
        self._is_telnet = self._is_telnet or b"\xff" in data
        self._is_between_lines = self._heard and not self._is_telnet and data.endswith(b"\n")
        decoder.feed(data)
        if replies := decoder.replies():
            self._app.pump.submit([Transmit(connection.session.id, replies)])
        if not self._hear():
            return CloseReason.QUIT
        # Old clients send their goodbye at once, in one piece; typed key by key it is text.
        if self._decoder.rest_at_once and self._has_goodbye() and self._says_goodbye():
            return CloseReason.QUIT
        return None

    def _hear(self) -> bool:
        """Carry out the lines that were fed; return whether the session goes on."""
        app, connection = self._app, self._connection
        session, pump = connection.session, app.pump
        while self._decoder.waiting:
            rate = app.config.limits.messages_per_s
            limit = self._allowance() if rate else LINES_AT_ONCE
            try:
                lines = self._decoder.take(limit if self._heard else 1)
            except LineTooLong as refusal:
                pump.submit([refused(session, refusal)])
                self._spend(1, rate)
                continue
            if not lines:
                break
            self._spend(len(lines), rate)
            if not self._heard and lines[0]:
                if not self._meet(lines[0]):
                    return False
                if connection.dialect is rich:
                    continue
            if not self._carry_out(lines):
                return False
        return not self._decoder.interrupted

    def _carry_out(self, lines: list[bytes]) -> bool:
        """Carry out these lines; return whether the session goes on."""
        app, connection = self._app, self._connection
        session, pump, registry = connection.session, app.pump, app.registry
        speaks = False
        for count, command in enumerate(connection.dialect.decode(lines), 1):
            pump.submit(registry.execute(session, command, time.time()))
            if type(command) in PRICES:
                self._spend(surcharge(registry, session, command), app.limits.rates.messages_per_s)
            speaks = speaks or type(command) in _SPEAKING
            # What is said in a room comes after what was missed of it: acknowledged before, it would be a hole.
            # And answers come in the order of what was asked, also if the disk has to be asked for them.
            if not count % COMMANDS_AT_ONCE or type(command) in _HELD_BACK_AFTER:
                self._hold_back()
        if session.id not in registry.sessions:
            return False
        if len(lines) == LINES_AT_ONCE or pump.crowded or connection.cursor.owed > MAX_OWED_BYTES:
            self._hold_back()
        while speaks and pump.fan_out.is_crowded(connection.room):
            with self._not_reading():
                pump.fan_out.wait_sent()
        return True

    def _clean_lines(self, data: bytes) -> list[bytes]:
        """Return the lines of `data` if the decoder has nothing to do for them and the limits allow them now; else [].

        Most of what comes is whole lines of printable ASCII, none of which can be too long.
        """
        if not data.endswith(b"\n") or len(data) > self._decoder.max_line_bytes or data.translate(None, _CLEAN):
            return []
        lines = data[:-1].split(b"\n")
        if len(lines) > LINES_AT_ONCE:
            return []
        if self._app.limits.rates.messages_per_s:
            if len(lines) > self._pace.lines(self.heard_at):
                return []
            self._pace.spend(len(lines))
        return lines

    def _meet(self, line: bytes) -> bool:
        """Know by the first line what the peer speaks; return whether the session goes on."""
        self._heard = True
        if line.startswith(ANY_OPENING):
            return self._open(line)
        self._connection.cursor.typed()
        return True

    def _open(self, line: bytes) -> bool:
        """Go over to the rich dialect: the opening has come after the greeting in plain, as over slow links."""
        app, connection = self._app, self._connection
        session, decoder = connection.session, self._decoder
        connection.dialect = rich
        self._decoder = self._new_decoder()
        self._decoder.feed(decoder.untaken())
        try:
            opening, _ = rich.opening(line)
            assert opening is not None
            token = unguessable(16)
            effects = app.registry.open(session, opening, token, has_ended=peer_has_ended(connection.sock))
        except Refusal as refusal:
            if refusal.code is Code.REPLACED:
                connection.leave(CloseReason.REPLACED, refusal.message)
            else:
                app.pump.submit([refused(session, refusal)])
                connection.leave(CloseReason.BAD_OPENING, refusal.message)
            return False
        app.pump.submit(effects)
        self._pace.own = session.allowance or self._pace.own
        self._hold_back()
        return True

    def _new_decoder(self) -> LineDecoder:
        dialect = self._connection.dialect
        return LineDecoder(dialect.line_bytes(self._app.config.limits.max_line_bytes), typed=dialect is plain)

    # --- The pace --------------------------------------------------------------------------------------------------

    def _allowance(self) -> int:
        """Return how many lines may be taken at once: at least one, which _spend then waits for."""
        return min(self._pace.lines(time.monotonic()), LINES_AT_ONCE)

    def _read_bytes(self) -> int:
        """Return how much to read at once."""
        if not self._app.limits.rates.messages_per_s:
            return READ_BYTES
        return self._pace.bytes(MIN_READ_BYTES, PACED_READ_BYTES)

    def _spend(self, lines: int, rate: float) -> None:
        """Pay for lines, and wait if that made a debt: this is what reads a fast sender more slowly."""
        if rate:
            self._pace.spend(lines)
            self._pay()

    def _pay(self) -> None:
        """Wait until what was a debt now is paid, of lines or of bytes."""
        pace = self._pace
        if debt_s := pace.debt_s():
            if (slowed := pace.notice()) is not None:
                self._app.pump.submit([Deliver(self._connection.session.id, slowed)])
            with self._not_reading():
                gevent.sleep(debt_s)
            pace.grow(time.monotonic())

    def _hold_back(self) -> None:
        """Let the others have a turn: wait until the pump has come to what was asked, and the answers are read.

        And all that was missed, if a room was entered.
        """
        connection = self._connection
        with self._not_reading():
            self._app.pump.wait_carried_out()
            while connection.cursor.owed > MAX_OWED_BYTES or connection.catch_up is not None or connection.asking:
                self._ready = Event()
                self._ready.wait()

    def _has_goodbye(self) -> bool:
        goodbye = self._connection.dialect.goodbye
        return bool(goodbye) and self._decoder.rest == goodbye

    def _says_goodbye(self) -> bool:
        with self._not_reading(), gevent.Timeout(GOODBYE_S, False):  # type: ignore[arg-type]  # False: silent
            get_hub().wait(self._watcher)
            return False
        return True

    @contextmanager
    def _not_reading(self) -> Iterator[None]:
        """Wait for something else than the socket: its watcher must not switch to us in the meantime."""
        self._watcher.stop()
        yield
        # What we waited for may come in the same turn of the loop as our end: a watcher of a closed descriptor aborts.
        if self._connection.closing is None:
            self._watcher.start(gevent.getcurrent().switch)

    # --- The end ---------------------------------------------------------------------------------------------------

    def _end_of_stream(self) -> CloseReason:
        """Hear what stands unterminated before the end: a line too, or the goodbye of old; cut by a reset it is none.

        After a reset Linux still hands out what had arrived, and then an end like any other if a send has met the
        error first.
        """
        self._connection.peer_ended = True
        if self._connection.cursor.is_over:
            return CloseReason.RESET
        if self._start and (reason := self._take_in(b"", ended=True)) is not None:
            return reason
        if self._has_goodbye():
            return CloseReason.QUIT
        if self._decoder.rest:
            self._decoder.feed(b"\n")
            if not self._hear():
                return CloseReason.QUIT
        return CloseReason.ENDED

    def _turn_away(self, foreign: Foreign) -> CloseReason:
        self._app.pump.submit([Transmit(self._connection.session.id, foreign.answer)])
        return CloseReason.FOREIGN
