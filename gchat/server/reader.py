"""The reading half of a connection: bytes become commands, at the pace that the limits allow.

One greenlet reads, frames, decodes and hands commands to the registry. It never writes, and it goes on to the end of
the stream whatever becomes of writing: what a peer has said before it closed is carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, time
from typing import Any

import gevent
from gevent.event import Event
from gevent.hub import get_hub

from gchat.breather import breathe
from gchat.chat.effects import CloseReason, Deliver, Effect, Publish, SendRaw, refused
from gchat.chat.handlers import PRICES, execute, surcharge
from gchat.chat.limits import Allowance, Pace
from gchat.chat.session import lineage_of
from gchat.chat.steps import Forsake, OpenHello, login_of
from gchat.dialects.choice import spoken
from gchat.dialects.dialect import Decoder, LateHello, Outcome
from gchat.dialects.sniff import Foreign
from gchat.model.commands import Command, History, Join, Login, Passwd, Register, Say, Search, Unregister
from gchat.model.errors import Code, LineEndless, LineTooLong, Refusal
from gchat.server.counters import Counter
from gchat.server.linux import unguessable
from gchat.server.logs import logger
from gchat.server.reader_interfaces import ReaderOwner, ReaderServer
from gchat.server.transport import Transport
from gchat.server.turn_share import LINE_WEIGHT
from gchat.server.writer import MAX_OWED_BYTES

READ_BYTES = 65536

RECEIVED_BYTES = Counter("gchat_received_bytes", "Bytes received from users.")

#: The same where a rate applies: what is read is kept until it is due, and is then only bytes. And so little is read at
#: once from a peer that has sent too many bytes.
PACED_READ_BYTES, MIN_READ_BYTES = 16384, 4096

#: Lines handed to the registry at once; then everybody else has a turn: also after so long, if they ask nothing.
LINES_AT_ONCE, DECODING_S = 512, 0.002

#: What is so little that it never waits for another turn of the pump, in bytes and lines as TurnShare counts them:
#: users who say much wait for each other, and users who say little for nobody.
LITTLE = 8192

#: How many times as much a turn takes where no rate applies: then much is to get through, and large turns send more for
#: each call (measured, 900 readers and 640 lines on their way: 29 million deliveries/s, without this 13).
UNPACED = 16

#: Commands whose answers may gather before it is seen whether they are read; /history may answer with 100 KiB.
COMMANDS_AT_ONCE = 4

#: What may be a goodbye (see Decoder.may_be_goodbye) is one after this long.
GOODBYE_S = 0.2

_HELD_BACK_AFTER = (Join, History, Search, Register, Login, Passwd, Unregister)  # all of these have a price


class Reader:
    """Reads one connection; `run` is its greenlet."""

    __slots__ = (
        "_connection",
        "_decoder",
        "_greenlet",
        "_has_place",
        "_limits",
        "_pace",
        "_ready",
        "_server",
        "_watcher",
        "has_ended",
        "heard_at",
    )

    def __init__(self, server: ReaderServer, connection: ReaderOwner) -> None:
        self._server = server
        self._limits = server.limits
        self._connection = connection
        self._watcher = connection.transport.readable()
        self._decoder = self._new_decoder()
        self._greenlet: Any = None
        self._ready: Event | None = None  # set when little enough is owed to read on
        self.has_ended = False  # whether the peer has closed its side
        self.heard_at = connection.opened_at
        session = connection.session
        session.allowance = session.allowance or Allowance(server.limits.rates, self.heard_at)
        self._has_place = False  # whether the next turn has room for a little that is not received yet
        self._pace = Pace(server.limits, session.allowance, server.network_allowance(session.network))

    def run(self, heard: bytes, *, has_ended: bool) -> None:
        """Read until the end, then close; `heard` was read already. Nothing that a peer does gets out as an error."""
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
            if connection.is_open:
                self._watcher.stop()  # or it would tell of the end again and again
            # A cycle of the two would stay for as long as anybody is here: the watch collects only what is new.
            del self._connection
        if reason in (CloseReason.ENDED, CloseReason.RESET) and not connection.session.is_announced:
            reason = CloseReason.PROBE
        connection.disconnect(reason, farewell)

    def charge(self, lines: int) -> None:
        """Have the user pay for so many lines, for which the network has paid."""
        if self._limits.rates.messages_per_s:
            self._pace.own.lines -= lines

    def go_on(self) -> None:
        """Read on, if it was held back until less is owed."""
        if self._ready is not None:
            self._ready.set()
            self._ready = None

    @property
    def has_lines(self) -> bool:
        """Whether lines were received that are still to be carried out."""
        return self._decoder.waiting

    def stop(self) -> None:
        """Read no more."""
        self._watcher.stop()
        if self._greenlet is not None:
            self._greenlet.kill(block=False)
            self._greenlet = None  # it keeps the frames that it was killed in, and they keep us

    def discard(self, transport: Transport, ended: Callable[[], None]) -> None:
        """Throw away what still comes on `transport`, and call `ended` at the end of the stream."""

        def receive() -> None:
            try:
                if transport.receive(READ_BYTES):
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
        connection, server, limits, pace = self._connection, self._server, self._limits, self._pace
        receive, share, switch = connection.transport.receive, server.effects.share, get_hub().switch
        self._watcher.start(gevent.getcurrent().switch)
        self._hold_back()
        if data and connection.session.lineage and connection.transport.has_ended():
            # It said more without waiting for the welcome, and is gone: nobody knows this session's token.
            server.steps.put(Forsake(connection.session.id))
        while True:
            is_paced = limits.rates.messages_per_s and not server.stopping.is_set()
            if data:
                self.heard_at = monotonic()
                RECEIVED_BYTES.value += len(data)
                if is_paced:
                    pace.received(len(data), self.heard_at)
                self._hear(data, is_paced)
                if not self._decoder.is_settled and (reason := self._settle()) is not None:
                    return reason
            if has_ended:
                return self._end_of_stream()
            switch()  # until the watcher switches back
            if is_paced and share.left <= 0:
                self._wait_unread()
            try:
                data = receive(pace.bytes(MIN_READ_BYTES, PACED_READ_BYTES) if is_paced else READ_BYTES)
                has_ended = not data
            except BlockingIOError:  # what has come is no whole record of TLS
                data = b""

    def _hear(self, data: bytes, is_paced: float) -> None:
        """Carry out the next lines, of what was received or of what waits in the decoder."""
        server, connection, decoder = self._server, self._connection, self._decoder
        effects, share = server.effects, server.effects.share
        try:
            lines, asked = decoder.take(self._pace.lines(LINES_AT_ONCE) if is_paced else LINES_AT_ONCE, data)
        except LineTooLong as refusal:
            effects.submit([refused(connection.session.id, refusal)])
            self._spend(1)
            return
        if not decoder.is_settled:
            self._reply()
        if is_paced and self._pace.spend(lines):
            self._pay()
        if not lines:
            return
        if connection.log_reader.before and connection.dialect.traits.is_typed and decoder.outcome is None:
            connection.log_reader.typed()
        said = len(data) + LINE_WEIGHT * lines
        if share.left <= 0 or self._has_place:
            said = self._wait_turn(said, is_paced=bool(is_paced))
        share.left -= said if is_paced else said // UNPACED
        are_shared, left, is_much = server.steps.are_shared, COMMANDS_AT_ONCE, len(asked) > COMMANDS_AT_ONCE
        for command in asked:  # of a user who has left, nothing is carried out: the pump ends the session
            if are_shared:
                carried_out = self._execute_shared(command)
            else:
                carried_out = execute(server.registry, connection.session, command, time())
                effects.submit(carried_out)
            if server.rooms.jobs:
                self._wait_sent(carried_out)
            if type(command) is not Say or is_much:  # one alone has no answer, mostly
                left = self._pay_for(command, carried_out, left)
        # Where nothing waits for other nodes, only what fills a turn is too much for the pump.
        if connection.log_reader.owed > MAX_OWED_BYTES or (
            (share.left <= 0 or are_shared) and (lines >= LINES_AT_ONCE or effects.crowded)
        ):
            self._hold_back()

    def _settle(self) -> CloseReason | None:
        """Do what follows when the decoder has more to say than lines; return why the connection ends, or None."""
        until = monotonic() + DECODING_S
        while (decoder := self._decoder).waiting:
            self._hear(b"", self._limits.rates.messages_per_s and not self._server.stopping.is_set())
            if monotonic() > until:
                with self._not_reading():
                    breathe()
        if decoder.outcome is not None:
            return self._conclude(decoder.outcome)
        return CloseReason.QUIT if decoder.may_be_goodbye and self._says_goodbye() else None

    def _wait_unread(self) -> None:
        """Wait, if this user sends as fast as it may, for a turn with room for a little, before that is received.

        To receive and decode is work too: of hundreds who send at once, it held everybody up.
        """
        self._pace.grow(monotonic())
        if self._pace.is_spent and not self._has_place:
            with self._not_reading():
                self._server.effects.share.wait(LITTLE)
            self._has_place = True

    def _reply(self) -> None:
        """Answer the peer's program, before its user."""
        if replies := self._decoder.replies:
            self._decoder.replies = b""
            self._server.effects.submit([SendRaw(self._connection.session.id, replies)])

    def _wait_turn(self, said: int, *, is_paced: bool) -> int:
        """Wait, if this user says much, for a turn of the pump in which there is room for it: the next is full.

        Return how much the next turn takes of it that no other has taken.
        """
        if self._has_place:
            self._has_place = False
            return max(0, said - LITTLE)
        if said > LITTLE or (is_paced and self._pace.is_spent):
            with self._not_reading():
                self._server.effects.share.wait(said if is_paced else said // UNPACED)
            return 0
        return said

    def _execute_shared(self, command: Command) -> list[Effect]:
        """Carry out a command where other nodes do so too; return its effects."""
        steps = self._server.steps
        with self._not_reading():
            return steps.execute(self._connection.session, command, steps.wall_time())

    def _wait_sent(self, effects: list[Effect]) -> None:
        """Wait while so much gathers in a large room that its speakers should, of whom this user is one now."""
        rooms = self._server.rooms
        for effect in effects:
            while type(effect) is Publish and rooms.is_crowded(effect.room):
                with self._not_reading():
                    rooms.wait_sent()

    def _pay_for(self, command: Command, effects: list[Effect], left: int) -> int:
        """Pay what a command costs more than a line, and hold back if no more may follow; return how many then may.

        What is said in a room comes after what was missed of it: acknowledged before, it would be a hole. And answers
        come in the order of what was asked, also if the disk has to be asked for them.
        """
        if type(command) in PRICES:
            self._spend(surcharge(self._server.registry, command, effects))
        if left > 1 and type(command) not in _HELD_BACK_AFTER:
            return left - 1
        self._hold_back()
        return COMMANDS_AT_ONCE

    def _conclude(self, outcome: Outcome) -> CloseReason | None:
        """Do what follows when the decoder has nothing more to say; return why the connection ends, or None."""
        if isinstance(outcome, LateHello):
            return self._meet(outcome.heard)
        if isinstance(outcome, Foreign):
            self._server.effects.submit([SendRaw(self._connection.session.id, outcome.answer)])
            return CloseReason.FOREIGN
        return CloseReason.QUIT

    def _meet(self, heard: bytes) -> CloseReason | None:
        """Go over to the dialect of a hello that came after the greeting; return why the connection ends, or None."""
        server, connection = self._server, self._connection
        session = connection.session
        connection.dialect = spoken(heard)
        try:
            hello, rest = connection.dialect.hello(heard)
            assert hello is not None
            with self._not_reading():
                login = server.secret_checks.login(hello, session.network.name, is_private=session.is_private)
            token, entries = hello.token or unguessable(16), server.registry.entries(hello)
            has_ended = connection.transport.has_ended()
            step = OpenHello(session.id, hello, token, lineage_of(token), login_of(login), has_ended)
            with self._not_reading():
                server.steps.take(step)
        except Refusal as refusal:
            if refusal.code is Code.REPLACED:
                connection.disconnect(CloseReason.REPLACED, refusal.message)
                return CloseReason.REPLACED
            server.effects.submit([refused(session.id, refusal)])
            connection.disconnect(CloseReason.BAD_HELLO, refusal.message)
            return CloseReason.BAD_HELLO
        self._pace.own = session.allowance or self._pace.own
        self._spend(entries - 1)
        self._hold_back()
        self._decoder = self._new_decoder()
        self._hear(rest, self._limits.rates.messages_per_s)
        return self._settle()

    def _new_decoder(self) -> Decoder:
        return self._connection.dialect.decoder(self._server.limits.max_text_bytes)

    # --- The pace --------------------------------------------------------------------------------------------------

    def _spend(self, lines: int) -> None:
        """Pay for lines, and wait if that made a debt: this is what reads a fast sender more slowly."""
        if self._limits.rates.messages_per_s and self._pace.spend(lines):
            self._pay()

    def _pay(self) -> None:
        """Wait until what was a debt now is paid, of lines or of bytes; when the server stops, it is remitted."""
        pace = self._pace
        pace.grow(monotonic())  # what was earned since it was read
        if debt_s := pace.debt_s():
            if (slowed := pace.notice()) is not None:
                self._server.effects.submit([Deliver(self._connection.session.id, slowed)])
            with self._not_reading():
                self._server.stopping.pause(debt_s)
            pace.grow(monotonic())

    def _hold_back(self) -> None:
        """Let the others have a turn: wait until the pump has come to what was asked, and the answers are read.

        And all that was missed, if a room was entered.
        """
        connection = self._connection
        with self._not_reading():
            self._server.effects.wait_carried_out()
            while connection.writer.holds_reading_up:
                self._ready = Event()
                self._ready.wait()

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
        if self._connection.is_open:
            self._watcher.start(gevent.getcurrent().switch)

    # --- The end ---------------------------------------------------------------------------------------------------

    def _end_of_stream(self) -> CloseReason:
        """Hear what stands unterminated before the end: a line too, or the goodbye of old; cut by a reset it is none.

        After a reset Linux still hands out what had arrived, and then an end like any other if a send has met the
        error first.
        """
        self.has_ended = True
        if self._connection.writer.is_broken:
            return CloseReason.RESET
        self._decoder.end()
        return self._settle() or CloseReason.ENDED
