"""The fan-out: room logs, and sending what a turn appended to all their readers. What gchat costs is here.

What a turn appended to small rooms is sent within it, as far as there is time. The rest, and what it appended to large
ones, is sent in slices by the spreader, while the pump has its next turns: so neither a large room nor much of a small
one holds others up. What is said in such rooms meanwhile gathers, and is sent next.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Protocol

from gevent.event import Event

from gchat.breather import Breather
from gchat.chat.effects import Unheard
from gchat.dialects.dialect import Dialect
from gchat.model.audience import OwnLines, Where
from gchat.model.events import LogRenewed, Movement, RoomNotice, Skipped
from gchat.model.messages import Record
from gchat.roomlog.chunk import Batch, Offer, batches
from gchat.roomlog.log import Deaf, Repeated, RoomLog, Ticks
from gchat.roomlog.reader import LogReader
from gchat.server.counters import CRASHES, Counter, Distribution
from gchat.server.logs import logger
from gchat.server.spreader import Spreader, Turns, work
from gchat.server.transport import OFFER_BYTES
from gchat.server.writer import SENT_BYTES, Writer

DELIVERIES = Counter("gchat_deliveries", "Messages delivered, counted once for each reader.")
FAN_OUT_S = Distribution("gchat_fan_out_seconds", "Time to send one batch of messages to all readers.")

#: How long the fan-out holds the hub before others have a turn. Pauses are dear: a peer that has taken all meanwhile
#: sleeps, and to wake it makes the next send cost more (measured, 900 readers: a pause every 2 ms takes a fifth).
HOLD_S = 0.006

#: The same for a turn that finds the pump at rest: then peers sleep anyway, and shorter is cheaper (measured, 50
#: messages/s to 1,000 readers: a tenth of the CPU for each delivery).
HOLD_AT_REST_S = 0.0015

#: How long a turn sends, and to how many readers, in all rooms together: the rest is the spreader's. A room that is
#: handed to it stays there until it is silent for a moment, in smaller pieces (measured, 900 readers at peak: 47 lines
#: in each write instead of 57, and a seventh more CPU).
SENDING_S, READERS_IN_A_TURN = 0.006, 1000

#: Sends between two looks at the clock: about 0.4 ms.
SENDS_AT_ONCE = 64

#: Bytes that are said in a room while the last are still sent: above, its speakers are read more slowly.
MAX_GATHERED_BYTES = 1 << 18

#: What a room is told.
ToldToAll = Record | Movement | RoomNotice

_readers, _aside = attrgetter("readers"), attrgetter("aside")


class RoomReader(Protocol):
    """A connection, of which the fan-out knows one half."""

    @property
    def writer(self) -> Writer:
        """The half that is sent to."""


class FanOut:
    """The logs of each room, one for each dialect that is read there, and their readers."""

    def __init__(self, connections: Mapping[int, RoomReader], room_log_bytes: int, turns: Turns) -> None:
        self._connections = connections  # by session
        self._room_log_bytes = room_log_bytes
        self._logs: dict[str, dict[Dialect, RoomLog]] = {}
        self._ticks = Ticks()
        self._where: dict[str, Where] = {}  # of each room with logs
        self._changed: dict[str, None] = {}  # rooms, in this turn
        self._spreader = Spreader(turns)
        self.jobs = self._spreader.jobs
        # Of readers without descriptors, by key: their connections and writers would drive more out of the cache.
        self._offers: dict[int, Callable[[bytes], int]] = {}
        self._sent: Event | None = None  # set when what has gathered in a room is the next to be sent
        self._writable: deque[Writer] = deque()  # those behind whose kernel buffer has room again

    @property
    def log_bytes(self) -> int:
        """How many bytes all the logs hold, for readers that are behind."""
        return sum(log.end - log.start for logs in self._logs.values() for log in logs.values())

    def log(self, where: Where, dialect: Dialect, seq: int) -> RoomLog:
        """Return the room's log in this dialect, made if nobody reads it yet: then `seq` is the next number in it."""
        self._where[where.room] = where
        logs = self._logs.setdefault(where.room, {})
        log = logs.get(dialect)
        if log is None:

            def skip(first: int, last: int) -> bytes:
                return dialect.encode(Skipped(first, last), where)

            once = dialect.traits.presence_once
            log = logs[dialect] = RoomLog(where.room, seq, self._room_log_bytes, skip, self._ticks, tells_once=once)
        return log

    def append(
        self, room: str, event: ToldToAll, count: int, speaker: LogReader | None, unheard: Unheard | None = None
    ) -> None:
        """Append what happened in a room, and has `count` numbers, to each of its logs.

        `speaker` does not hear it, nor do those who ignore it.
        """
        if (logs := self._logs.get(room)) is None:
            return
        deaf = None if unheard is None else self._deaf(unheard)
        seq = event.seq if isinstance(event, Record) else None
        where = self._where[room]
        for dialect, log in logs.items():
            if count <= 1 or dialect.traits.one_line_each:
                log.append(dialect.encode(event, where), count, speaker, seq, deaf)
            elif isinstance(event, Record):
                for one in event.each():
                    log.append(dialect.encode(one, where), 1, speaker, one.seq, deaf)
        self._changed[room] = None

    def append_presence(
        self,
        room: str,
        event: Movement,
        speaker: LogReader | None,
        unheard: Unheard | None,
        repeated: dict[Dialect, Repeated] | None,
    ) -> None:
        """Append what users did in a room; with `repeated`, to the logs that hear of each singly, else to the others.

        There it is noted what several rooms are told, one after the other.
        """
        deaf = None if unheard is None else self._deaf(unheard)
        for dialect, log in self._logs.get(room, {}).items():
            if log.tells_once == (repeated is not None):
                one = None if repeated is None else repeated.setdefault(dialect, Repeated())
                log.append(dialect.encode(event, self._where[room]), 0, speaker, deaf=deaf, repeated=one)
                self._changed[room] = None

    def hears_singly(self, room: str) -> bool:
        """Return whether the room is read in a dialect that hears singly, and once, what users do."""
        return any(log.tells_once for log in self._logs.get(room, {}).values())

    def _deaf(self, unheard: Unheard) -> Deaf:
        found = [self._connections[by] for by in unheard.readers if by in self._connections]
        return unheard.by, [connection.writer.log_reader for connection in found]

    def is_read(self, room: str) -> bool:
        """Return whether anybody reads a room."""
        return room in self._logs

    def where(self, room: str) -> Where:
        """Return the room with its epoch, as far as somebody reads it."""
        return self._where.get(room) or Where(room)

    def leave(self, room: str, writer: Writer) -> None:
        """Have a writer follow this room no more."""
        for cursor in writer.log_reader.cursors:
            if cursor.log.room == room:
                writer.leave(cursor.log)
        self._changed[room] = None

    def leave_all(self, writer: Writer, *, at_once: bool = False) -> None:
        """Have a writer follow no room any more; what it is owed goes out, but not if it ends `at_once`."""
        self._changed |= dict.fromkeys(cursor.log.room for cursor in writer.log_reader.cursors)
        self._offers.pop(writer.log_reader.descriptor, None)
        if at_once:
            writer.log_reader.end()
        else:
            writer.leave_all()

    def renew(self, where: Where, seq: int, why: LogRenewed) -> list[Writer]:
        """Have all who read a room go on in new logs, where `seq` is the next number; tell them why, and return them.

        What they are owed of the old ones goes out, or is one skip. Why is an own line of each, which no skip is of: a
        reader that is behind may have to leave the new log, too, before it has read anything there.
        """
        renewed = []
        self._changed[where.room] = None
        for dialect, old in self._logs.pop(where.room, {}).items():
            new, told = self.log(where, dialect, seq), OwnLines(dialect.encode(why, where))
            for cursor in [*old.live.values(), *old.aside, *old.behind]:
                writer = self._connections[cursor.session].writer
                writer.leave(old)
                writer.log_reader.follow(new)
                writer.log_reader.tell(told)
                renewed.append(writer)
        return renewed

    def forget(self, room: str) -> None:
        """Drop the logs of a room that no longer exists."""
        self._logs.pop(room, None)
        self._where.pop(room, None)

    def is_crowded(self, room: str) -> bool:
        """Return whether so much gathers in a large room that its speakers should wait."""
        for log in self._logs.get(room, {}).values():
            if log.offer is not None and log.gathered > MAX_GATHERED_BYTES:
                return True
        return False

    def wait_sent(self) -> None:
        """Wait until what has gathered in a large room is the next to be sent: of a crowded one or of another."""
        if self._sent is None:
            self._sent = Event()
        self._sent.wait()

    def flush_soon(self, writer: Writer) -> None:
        """Flush a writer that is behind, after those that asked before: thousands may ask in one round of the loop."""
        self._writable.append(writer)
        if len(self._writable) == 1:
            self._spreader.add(self._flush_writable())

    def _flush_writable(self) -> Iterator[None]:
        while self._writable:
            if (writer := self._writable.popleft()).is_behind:
                writer.flush()
            yield

    def send(self, touched: Collection[Writer], hold_s: float, breather: Breather) -> None:
        """Send what this turn appended, and to those touched what they alone are owed, holding the hub for so long."""
        changed, self._changed = self._changed, {}
        if logs := self._begin(changed):
            sending = self._send(logs)
            if not work(sending, hold_s, breather, SENDING_S):
                self._spread(logs, sending)
        if touched:
            work(self._flush(touched), hold_s, breather)
        for room in changed:
            self._clear_up(room)

    def _begin(self, rooms: Iterable[str]) -> list[RoomLog]:
        """Seal what is to be sent, and hand it to the spreader for large rooms; return the logs that this turn sends.

        All are sealed before the first is sent: a reader of several that is served by itself gets all of it at once.
        """
        logs = [log for room in rooms for log in self._logs.get(room, {}).values() if log.dirty and log.offer is None]
        for log in logs:
            log.seal()
        if sum(map(_readers, logs)) <= READERS_IN_A_TURN:
            return logs
        logs.sort(key=_readers)
        readers = set[int]()
        for small, log in enumerate(logs):
            readers |= log.live.keys()  # a reader of several is sent to once
            if max(log.readers, len(readers)) > READERS_IN_A_TURN:
                self._spread(logs[small:], self._send(logs[small:]))
                return logs[:small]
        return logs

    def _spread(self, logs: Sequence[RoomLog], sending: Iterator[None]) -> None:
        """Have the spreader do a job, or the rest of it, and clear up then."""

        def job() -> Iterator[None]:
            yield from sending
            for log in logs:
                self._clear_up(log.room)

        self._spreader.add(job())

    def _send(self, logs: Sequence[RoomLog]) -> Iterator[None]:
        """Send what was sealed last to all readers of these logs, a few in each step; a job.

        Between two steps readers come, speak, are told something, fall behind and leave; their cursors see to it that
        each gets each chunk once. A log whose readers all have had their turn does not wait for the others.
        """
        began = time.monotonic()
        sealed = {log.offer: log for log in logs if log.offer is not None}
        try:
            for offer, log in sealed.items():
                DELIVERIES.value += (log.seq - offer.chunk.seq) * log.readers
                if log.aside:
                    yield from self._flush_aside(log)
            for batch in batches([*sealed], SENDS_AT_ONCE):
                (descriptors, pieces, size), shares = batch
                taken = self._write(descriptors, pieces)
                SENT_BYTES.value += size
                if sum(taken) != size:
                    self._fall_behind(batch, taken, sealed)
                if over := {offer: sealed[offer] for offer, _ in shares if not offer.owed}:
                    for log in filter(_aside, over.values()):  # they spoke before the chunk came to them
                        yield from self._flush_aside(log)
                    for offer in over:
                        del sealed[offer]
                    self._finish(over.values())
                yield
            for log in sealed.values():
                yield from self._flush_aside(log)
        except Exception:
            CRASHES.value += 1
            what = "sending to room %(room)s crashed; its readers are served one by one"
            logger.exception(what, {"room": ", ".join(log.room for log in sealed.values())})
            for log in sealed.values():
                log.break_off()
                yield from self._flush_aside(log)
        finally:
            if sealed:
                self._finish(sealed.values())
        FAN_OUT_S.observe(time.monotonic() - began)

    def _finish(self, logs: Iterable[RoomLog]) -> None:
        """End what was sent to all readers of these logs, and have the spreader send what was appended meanwhile."""
        again = []
        for log in logs:
            log.finish()
            if log.dirty:
                log.seal()
                again.append(log)
        if again:
            if self._sent is not None:
                self._sent.set()
                self._sent = None
            self._spread(again, self._send(again))

    def _write(self, descriptors: list[int], pieces: list[bytes]) -> list[int]:
        """Write a piece to each descriptor; return how much is taken of each, -1 if nothing can be sent.

        Here it is decided what gchat costs: nothing but the system call, and no bytecode between two of them. By
        descriptor: a socket's own send() would touch two objects more, which the last call has driven out of the cache
        (measured, a thousand readers: 0.4 us of 9). All are open: a connection leaves its log before its socket closes.
        """
        count, taken = len(descriptors), []  # list[int]() is several times as dear
        if descriptors and descriptors[0] < 0:
            taken = self._write_enciphered(descriptors, pieces)
            descriptors, pieces = descriptors[len(taken) :], pieces[len(taken) :]
        writes = map(os.write, descriptors, pieces)
        while len(taken) < count:
            try:
                taken.extend(writes)  # up to one that fails; what comes before is in the list, and then it goes on
            except BlockingIOError:
                taken.append(0)
            except OSError:
                taken.append(-1)
        return taken

    def _write_enciphered(self, keys: list[int], pieces: list[bytes]) -> list[int]:
        """Do the same through the transports of the readers without descriptors, which are the first."""
        connections, offers, taken = self._connections, self._offers, list[int]()
        for key, data in zip(keys, pieces, strict=True):
            if key >= 0:
                break
            offer = offers.get(key)
            if offer is None:
                offer = offers[key] = connections[-1 - key].writer.offer  # see LogReader
            if len(data) <= OFFER_BYTES:
                try:
                    offer(data)
                    taken.append(len(data))
                    continue
                except OSError:
                    pass
            taken.append(connections[-1 - key].writer.take(data))
        return taken

    def _fall_behind(self, batch: Batch, taken: list[int], sealed: Mapping[Offer, RoomLog]) -> None:
        """Have those of the readers fall behind, or end, that have not taken all."""
        (keys, pieces, _), shares = batch
        for key, data, sent in zip(keys, pieces, taken, strict=True):
            if sent == len(data):
                continue
            SENT_BYTES.value -= len(data) - max(sent, 0)
            logs = [sealed[offer] for offer, (some, _, _) in shares if key in some]
            connection = self._connections.get(logs[0].live[key].session)
            if connection is None:
                continue
            writer = connection.writer
            if sent < 0:
                writer.end()
            else:
                writer.log_reader.fall_behind(logs, sent)
                writer.fall_behind()

    def _flush_aside(self, log: RoomLog) -> Iterator[None]:
        for cursor in list(log.aside):
            connection = self._connections.get(cursor.session)
            if connection is not None and not connection.writer.is_behind and cursor in log.aside:
                connection.writer.flush()
            yield

    def _flush(self, writers: Iterable[Writer]) -> Iterator[None]:
        """Send each what it alone is owed; one whose kernel buffer is full has a watcher for that."""
        for writer in writers:
            if not writer.is_behind and not writer.log_reader.is_live:
                writer.flush()
            yield

    def _clear_up(self, room: str) -> None:
        """After a turn: drop what no reader can need, and logs without readers."""
        logs = self._logs.get(room, {})
        for dialect, log in list(logs.items()):
            log.trim()
            if not (log.readers or log.dirty or log.offer):
                del logs[dialect]
        if not logs:
            self.forget(room)
