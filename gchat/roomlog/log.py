"""The room log: everything a room is told, encoded once. The heart of the fan-out.

Bytes in, bytes out; knows no socket. No reader has a queue of copies: to broadcast is to append once, a reader is a
cursor in the log, and what the kernel does not take stays in the log. Slow readers cost no memory beyond the ring.

The turn that is open gathers what is appended; `seal` makes a chunk of it, which the shell then offers to its readers.
That may take longer than a turn of the pump, and meanwhile the next turn is open. What state a reader is in, and what
changes it, stands at the head of cursor.

Positions are bytes since the log began. A cursor's position is always where a message begins, or a line without a
number. How many bytes or lines a message takes is the dialect's affair: numbers are counted by where messages begin.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from gchat.roomlog.chunk import Chunk, Hearer, Offer, Piece, Places, Repeat, Span, place_of


class Ticks:
    """The order of everything that is appended to the logs which share it: one tick for each append."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 0  # the last


class LogCursor(Hearer, Protocol):
    """What the log needs to know of a cursor."""

    descriptor: int
    log: RoomLog

    @property
    def is_owed(self) -> bool:
        """See Cursor.is_owed."""

    def deafen(self, session: int) -> None:
        """See Cursor.deafen."""

    def step_aside(self) -> None:
        """See Cursor.step_aside."""


class Speaker(Protocol):
    """What the log needs to know of a reader that says something."""

    session: int
    descriptor: int

    @property
    def cursors(self) -> Sequence[LogCursor]:
        """Its place in each log that it follows."""


#: The session that says something, and readers that are deaf to it.
Deaf = tuple[int, Sequence[Speaker]]


class Repeated:
    """What several logs are told, one after the other, for readers that hear it in the first that they follow."""

    __slots__ = ("places", "readers")

    def __init__(self) -> None:
        self.places: Places = []
        self.readers: set[int] = set()  # of these logs, by descriptor: they are not offered the other ones whole


class RoomLog:
    """What one room is told, in one dialect: a ring of chunks, and its readers.

    1. `append` in the order of the room; what a turn appended can be read once `seal` made a chunk of it.
    2. At seal every live reader is owed exactly the chunk. The shell sends it to all that the offer names, and ends the
       offer with `finish` before the next seal. Readers that become live meanwhile have read it by themselves.
    3. The ring holds at least the last chunk, and at most `capacity` bytes beside the oldest.
    """

    def __init__(
        self,
        room: str,
        seq: int,
        capacity: int,
        encode_skip: Callable[[int, int], bytes],
        ticks: Ticks,
        *,
        tells_once: bool = False,
    ) -> None:
        self.room = room  # its name, for whoever has the log only
        self.ticks = ticks  # of all logs that one reader may follow
        self.tick = 0  # of the last append to this one
        self.seq = seq  # the number of the next message after `end`
        self.start = 0  # where the ring begins
        self.end = 0  # where the last chunk ends
        self.capacity = capacity
        self.tells_once = tells_once  # whether its readers hear once what several logs are told
        self.encode_skip = encode_skip
        self.readers = 0  # how many cursors follow this log
        self.live: dict[int, LogCursor] = {}  # by descriptor: the fan-out needs nothing else
        self.aside: dict[LogCursor, None] = {}
        self.behind: dict[LogCursor, None] = {}
        self.offer: Offer | None = None  # of the last chunk, while it is sent
        self._chunks: list[Chunk] = []
        self._starts: list[int] = []  # of the chunks, for bisection
        self._order: list[int] | None = None  # the descriptors of those that are live, rising, if it is known
        self._open: list[bytes] = []  # the pieces of the turn that is not yet sealed
        self.open_end = 0  # where the turn that is not yet sealed ends
        self.open_seq = seq
        self._pieces: list[Piece] = []
        self._spans: dict[int, list[Span]] = {}
        self._repeats: list[Repeat] = []
        self._repeats_end = 0  # where the last of them ends
        self._in_part = set[int]()  # descriptors of readers, if they are any, that may not hear all of the open turn

    @property
    def has_repeats(self) -> bool:
        """Whether somebody may be still to read what other logs were told before."""
        return self._repeats_end > self.start

    @property
    def dirty(self) -> bool:
        """Whether there is something to seal."""
        return bool(self._open)

    @property
    def gathered(self) -> int:
        """How many bytes the open turn has."""
        return self.open_end - self.end

    def append(
        self,
        data: bytes,
        count: int,
        speaker: Speaker | None,
        seq: int | None = None,
        deaf: Deaf | None = None,
        *,
        repeated: Repeated | None = None,
    ) -> None:
        """Append the bytes of `count` messages: if these are several, one line for each (see chunk.Piece).

        `speaker` said this, and does not hear it, nor do those who are `deaf` to it, or were told it in another of the
        logs in which it is `repeated`. The first message has the number `seq`; without it, the next. Messages without
        bytes have numbers all the same.
        """
        if seq is None:
            seq = self.open_seq
        self.open_seq = seq + count
        if not data:
            if not self._open:
                self.seq = self.open_seq
            return
        start = self.open_end
        self.open_end = end = start + len(data)
        if speaker is not None:
            if (spans := self._spans.get(speaker.session)) is not None:
                _extend(spans, start, end)
            else:
                self._spans[speaker.session] = [(start, end)]
                self._hears_in_part(speaker.descriptor)
        if deaf is not None:
            self._deafen(*deaf, start, end)
        if repeated is not None:
            self._repeat(repeated, start, end)
        ticks = self.ticks
        self.tick = ticks.now = tick = ticks.now + 1
        self._pieces.append((start, seq, count, tick))
        self._open.append(data)

    def seal(self) -> Offer:
        """Make a chunk of what was appended, and offer it to all that are live."""
        assert self.offer is None
        data = self._open[0] if len(self._open) == 1 else b"".join(self._open)
        chunk = Chunk(data, self.end, self.seq, self._pieces, self._spans, repeats=self._repeats)
        if self._order is None:
            self._order = sorted(self.live)
        self.offer = Offer(chunk, self._order, self.live, self._in_part)
        self._chunks.append(chunk)
        self._starts.append(self.end)
        self.end, self.seq = self.open_end, self.open_seq
        self._open, self._pieces, self._spans, self._repeats, self._in_part = [], [], {}, [], set()
        while len(self._chunks) > 1 and self.end - self._chunks[0].end >= self.capacity:
            self._drop_first()
        return self.offer

    def break_off(self) -> None:
        """Offer the last chunk to nobody any more: live readers that it has not come to go on by themselves."""
        assert self.offer is not None
        for descriptor in self.offer.owed.copy():
            self.live[descriptor].step_aside()

    def finish(self) -> None:
        """End the offer; it is broken off if it is not done."""
        self.break_off()
        self.offer = None

    def owes(self, descriptor: int) -> bool:
        """Return whether the last chunk has not yet come to this live reader."""
        return self.offer is not None and self.offer.owes(descriptor)

    def include(self, cursor: LogCursor) -> None:
        """Offer what comes next to this reader, which has read all that is sealed."""
        self.live[cursor.descriptor] = cursor
        self._order = None

    def set_apart(self, descriptor: int) -> tuple[int, int] | None:
        """Offer nothing more to this descriptor; return the position and number that it has reached, if it was live."""
        if self.live.pop(descriptor, None) is None:
            return None
        self._order = None
        offer = self.offer
        if offer is not None and offer.excuse(descriptor):
            return offer.chunk.start, offer.chunk.seq
        return self.end, self.seq

    def trim(self) -> None:
        """After a turn, when those aside were served: drop everything, if no reader needs it."""
        if self.behind or self.offer is not None:
            return
        for cursor in self.aside:
            if cursor.is_owed:
                return
        self._chunks.clear()
        self._starts.clear()
        self.start = self.end

    def read(self, parts: list[bytes], position: int, stop: int, limit: int, hearer: Hearer) -> tuple[int, int]:
        """Add to `parts` what a reader hears between two positions: whole chunks, about `limit` bytes.

        Return up to where, and how many bytes that is.
        """
        size = 0
        while position < stop and (not size or size < limit):
            chunk = self._chunk_at(position)
            if chunk.end >= stop:
                return stop, size + chunk.hear(parts, hearer, position, stop)
            size += chunk.hear(parts, hearer, position, chunk.end)
            position = chunk.end
        return position, size

    def locate(self, position: int, taken: int, hearer: Hearer) -> tuple[int, bytes]:
        """Return where a reader is when it took `taken` bytes of what it hears from a position on.

        That is where the next message begins, and the bytes of the message before it that it did not take.
        """
        while True:
            chunk = self._chunk_at(position)
            position, taken = chunk.locate(hearer, position, taken)
            if position < chunk.end:
                message_end = chunk.end_of_message(position)
                return message_end, chunk.data[position - chunk.start : message_end - chunk.start]
            if not taken:
                return position, b""

    def seq_at(self, position: int) -> int:
        """Return the number of the first message at or after a position that the ring still has."""
        return self.seq if position >= self.end else self._chunk_at(position).seq_at(position)

    def tick_at(self, position: int) -> int:
        """Return the tick of what stands at a position that the ring still has."""
        return self._chunk_at(position).tick_at(position)

    def place_of(self, tick: int) -> int:
        """Return where the first begins that was appended after `tick`, of what there still is and of the open turn."""
        if tick >= self.tick:
            return self.open_end
        if self._pieces and tick >= self._pieces[0][3]:
            return place_of(tick, self._pieces, self.open_end)
        index = bisect_right(self._chunks, tick, key=_first_tick) - 1
        return place_of(tick, self._chunks[index].pieces, self._chunks[index].end) if index >= 0 else self.start

    def told(self, position: int, hearer: Hearer) -> Iterator[tuple[int, bytes]]:
        """Return what a reader hears from a position on, also of the turn not yet sealed.

        Append by append, with the tick of each.
        """
        first = max(0, bisect_right(self._starts, position) - 1)
        for chunk in self._chunks[first:]:
            yield from chunk.told(position, hearer)
        if self._open:
            yield from self._turn().told(position, hearer)

    def told_between(self, cuts: Iterable[int], position: int, hearer: Hearer) -> Iterator[tuple[int, bytes]]:
        """Return the same, but all that was appended up to each of these ticks, which rise, at once."""
        for tick in (*cuts, self.tick):
            stop = self.place_of(tick)
            if stop > position:
                parts: list[bytes] = []
                at, _ = self.read(parts, position, min(stop, self.end), self.end - self.start + 1, hearer)
                if stop > self.end:
                    self._turn().hear(parts, hearer, max(at, self.end), stop)
                yield tick, b"".join(parts)
                position = stop

    def _turn(self) -> Chunk:
        """Return what the open turn is as it stands."""
        return Chunk(b"".join(self._open), self.end, self.seq, self._pieces, self._spans, repeats=self._repeats)

    def _repeat(self, repeated: Repeated, start: int, end: int) -> None:
        """Have readers not hear what is appended now, if they hear it in another log."""
        repeated.places.append((self, start))
        here = {*self.live, *[cursor.descriptor for cursors in (self.aside, self.behind) for cursor in cursors]}
        if len(repeated.places) > 1:
            self._repeats.append((start, end, repeated.places))
            self._repeats_end = end
            for descriptor in here & repeated.readers:
                self._hears_in_part(descriptor)
        repeated.readers |= here

    def _deafen(self, by: int, readers: Sequence[Speaker], start: int, end: int) -> None:
        """Have readers, as far as they follow this log, not hear what a session says there in the open turn."""
        followers = [cursor for reader in readers for cursor in reader.cursors if cursor.log is self]
        if not followers:
            return
        spans = self._spans.setdefault(by, [])
        if not spans or spans[-1][1] < end:
            _extend(spans, start, end)
        for cursor in followers:
            cursor.deafen(by)
            self._hears_in_part(cursor.descriptor)

    def _hears_in_part(self, descriptor: int) -> None:
        """Have a reader, if it is one, not be offered all of what is appended now."""
        self._in_part.add(descriptor)
        if self.offer is not None and self.offer.owes(descriptor):
            self.live[descriptor].step_aside()

    def _chunk_at(self, position: int) -> Chunk:
        starts = self._starts
        last = len(starts) - 1
        return self._chunks[last if starts[last] <= position else bisect_right(starts, position) - 1]

    def _drop_first(self) -> None:
        self.start = self._chunks[0].end
        del self._chunks[0], self._starts[0]


def _first_tick(chunk: Chunk) -> int:
    return chunk.pieces[0][3]


def _extend(spans: list[Span], start: int, end: int) -> None:
    """Add a span behind the others; what touches the last is one with it."""
    if spans and spans[-1][1] == start:
        start = spans.pop()[0]
    spans.append((start, end))
