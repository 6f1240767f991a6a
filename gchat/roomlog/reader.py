"""The reader of room logs: all that one connection is still owed, of several rooms and of its own lines.

What it gets has one order. Each append to a log has a tick, and an own line has the tick of the last append before it:
it comes after all that the rooms were told until then, and before all that they are told later. A reader that is live
in several logs gets the chunk of each as it is offered, so only the order in each room is certain there; but while an
own line is to come, the reader is live nowhere, and what it is sent is merged by ticks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heapreplace
from itertools import chain

from gchat.model.audience import OwnLines
from gchat.roomlog.cursor import Cursor
from gchat.roomlog.log import RoomLog

# More is not copied to save a system call.
_COPIED_BYTES = 8192

# Above every tick.
_NEVER = 1 << 62

#: Own lines, and their place: a tick, and what that is in the log that was followed first, so as not to search for it.
_Own = tuple[int, RoomLog | None, int, OwnLines]

#: What a cursor found, the position after it, and its size; or without a cursor, own lines.
_Peeked = tuple[Cursor | None, int, int]

# After all own lines comes what is left of the log.
_LAST: tuple[_Own] = ((_NEVER, None, 0, OwnLines(b"", is_seen=False)),)


class Reader:
    """What one session is still owed: a cursor for each log that it follows, and own lines in their place among them.

    The shell's loop is: `peek`, send, `took`; when peek has nothing more, `settle`; when the kernel takes no more,
    `stall`. While `is_live`, none of these: then the logs offer it what comes next.
    """

    __slots__ = (
        "_before",
        "_is_seen",
        "_own",
        "_peeked",
        "_rest",
        "_then",
        "cursors",
        "descriptor",
        "is_behind",
        "is_over",
        "owed",
        "session",
        "skipped",
    )

    def __init__(self, session: int, descriptor: int | None) -> None:
        self.session = session
        # Where the shell may write the chunks of a log to: nothing but a key here. A reader without one is never live.
        self.descriptor = -1 if descriptor is None else descriptor
        self.cursors: tuple[Cursor, ...] = ()
        self.is_behind = False  # whether the kernel takes no more
        self.is_over = False  # whether nothing can be sent any more
        self.owed = 0  # bytes of its own lines, waiting for their turn
        self.skipped = 0  # messages that it was told it missed
        self._own: deque[_Own] | None = None  # those lines
        self._rest = b""  # what goes before anything else: own lines, or what is left of a half-sent message
        self._is_seen, self._then = True, b""  # of the rest: see OwnLines
        self._before = b""  # what goes before that which is seen next
        self._peeked: Sequence[_Peeked] = ()  # in order

    # --- Rooms -------------------------------------------------------------------------------------------------------

    def cursor_in(self, log: RoomLog) -> Cursor | None:
        """Return the cursor in this log, None if it is not followed."""
        for cursor in self.cursors:
            if cursor.log is log:
                return cursor
        return None

    def follow(self, log: RoomLog) -> None:
        """Read `log` too, from where it ends now."""
        if self.is_over:
            return
        assert self.cursor_in(log) is None
        cursor = Cursor(self.session, self.descriptor, log)
        self.cursors += (cursor,)
        (log.behind if self.is_behind else log.aside)[cursor] = None

    def leave(self, log: RoomLog, limit: int) -> None:
        """Read `log` no more. What is owed of it becomes own lines, or one skip if that is over `limit` bytes."""
        if (cursor := self.cursor_in(log)) is None:
            return
        cursor.leave()
        self.cursors = tuple(other for other in self.cursors if other is not cursor)
        position, owed, own = cursor.position, 0, self._own or ()
        lines: list[_Own] = []
        kept = position >= log.start
        last: _Own = (log.ticks.now, log, log.open_end, OwnLines(b""))
        for told in (*own, last):
            place = self._place(told, cursor)
            if kept and place > position:
                lines.append((told[0], None, 0, OwnLines(log.heard(position, place, self.session))))
                owed += len(lines[-1][3].data)
                position = place
            lines.append(told)
        if not kept or owed > limit:
            before = sum(self._place(told, cursor) <= cursor.position for told in own)
            lines = [*own, last]
            lines.insert(before, (lines[before][0], None, 0, OwnLines(self._skip(cursor, log.open_seq))))
        self._own = deque(told for told in lines if told[3].data) or None
        self.owed = sum(len(told[3].data) for told in lines)
        if self._own:
            self._step_aside()

    def end(self) -> None:
        """Owe nothing any more, and take in nothing: whatever is sent does not arrive."""
        for cursor in self.cursors:
            cursor.leave()
        self.cursors = ()
        self.is_over = True
        self._own, self._rest, self.owed = None, b"", 0

    @property
    def is_live(self) -> bool:
        """Whether it follows logs, and all of them offer it what comes next."""
        return bool(self.cursors) and all(cursor.is_live for cursor in self.cursors)

    @property
    def lag(self) -> int:
        """How many bytes it is still owed, of its own and of the rooms' that are sealed; its own words count too."""
        return self.owed + len(self._rest) + sum(cursor.lag for cursor in self.cursors)

    @property
    def missed(self) -> int:
        """How many messages it was told it missed, or will be when it reads again."""
        return self.skipped + sum(cursor.missed for cursor in self.cursors)

    # --- Own lines ---------------------------------------------------------------------------------------------------

    def tell(self, line: OwnLines) -> None:
        """Put own lines after all that the rooms were told until now."""
        if not line.data or self.is_over:
            return
        self._step_aside()
        if self._own is None:
            self._own = deque()
        if self.cursors:
            log = self.cursors[0].log
            self._own.append((log.ticks.now, log, log.open_end, line))
        else:  # what it follows later comes after
            self._own.append((0, None, 0, line))
        self.owed += len(line.data)

    def typed(self) -> None:
        """Note that the user has begun a new line: nothing needs to go before what is seen next."""
        self._before = b""

    def _step_aside(self) -> None:
        for cursor in self.cursors:
            cursor.step_aside()

    # --- Sending -----------------------------------------------------------------------------------------------------

    def fall_behind(self, log: RoomLog, size: int, sent: int) -> None:
        """Note that the kernel took only `sent` of the `size` bytes that this reader, live in `log`, hears of a chunk.

        It is the last chunk, which is offered now.
        """
        cursor = self.cursor_in(log)
        if cursor is not None and log.offer is not None and log.live.pop(self.descriptor, None) is not None:
            chunk = log.offer.chunk
            cursor.position = chunk.start
            log.behind[cursor] = None
            self._peeked = ((cursor, chunk.end, size),)
            self.took(sent)
            self.stall()

    def settle(self) -> None:
        """Be live again, because there is nothing to peek.

        But aside, if the next chunk is not what comes next: something goes before it, or an own line has its place in
        an open turn. Without a descriptor it is always aside.
        """
        self.is_behind = False
        waits = bool(self.descriptor < 0 or self._before or self._own)
        for cursor in self.cursors:
            cursor.settle(waits=waits)

    def stall(self) -> None:
        """Be behind, in all logs: the kernel takes no more now."""
        self.is_behind = True
        for cursor in self.cursors:
            cursor.stall()

    def peek(self, limit: int) -> bytes:
        """Return what is to be sent next, about `limit` bytes of it; b"" if there is nothing."""
        data = self._peek(limit)
        if self._before and data and self._is_seen:
            self._rest = data = self._before + self._rest
            self._before = b""
        return data

    def took(self, sent: int) -> None:
        """Note that the first `sent` bytes of what was peeked are gone."""
        rest = self._rest
        if rest:
            self._rest = rest[sent:]
            if not self._rest:
                self._before = self._then or self._before
                self._is_seen, self._then = True, b""
            return
        peeked, self._peeked = self._peeked, ()
        for cursor, position, size in peeked:
            if cursor is None:
                if not sent:
                    return
                self._next_own_lines()
                self._rest = self._rest[sent:]
            elif sent >= size:
                cursor.move(position)
            else:
                self._rest = cursor.take(sent)
            if sent < size:
                return
            sent -= size

    def _peek(self, limit: int) -> bytes:
        while not self._rest:
            own = self._own
            if own is not None and len(self.cursors) == 1 and not self._before:
                if data := self._run(own, self.cursors[0], limit):
                    return data
                self.took(0)  # all of it was its own
            ready, is_next = self._ready(own)
            if self._rest:
                break
            if ready:
                data = self._read(ready, limit) if len(ready) == 1 else self._merge(ready, limit)
                if data:
                    return data
                self.took(0)  # likewise
            elif is_next:
                self._next_own_lines()
            else:
                return b""
        return self._rest

    def _ready(self, own: deque[_Own] | None) -> tuple[list[tuple[Cursor, int]], bool]:
        """Return which cursors have something to read before the next own line, and up to where.

        And whether that line comes next: not if what comes before it is in an open turn. Cursors that fell off their
        rings go on at the live end, and what is to be sent first is their notices.
        """
        ready: list[tuple[Cursor, int]] = []
        is_next = own is not None
        for cursor in self.cursors:
            log = cursor.log
            stop = self._place(own[0], cursor) if own else log.end
            if cursor.position >= stop or (own is None and cursor.is_live):
                continue
            if cursor.position < log.start:
                self._rest += self._skip(cursor, log.seq)
                cursor.jump()
            if cursor.position < stop:
                is_next = False
                if cursor.position < log.end:
                    ready.append((cursor, min(stop, log.end)))
        return ready, is_next

    @staticmethod
    def _place(told: _Own, cursor: Cursor) -> int:
        """Return where own lines have their place in a log: up to there, it is read before."""
        tick, log, place, _ = told
        return place if log is cursor.log else cursor.stop_before(tick)

    def _next_own_lines(self) -> None:
        own = self._own
        assert own is not None
        line = own.popleft()[3]
        self._rest, self._is_seen, self._then = line.data, line.is_seen, line.then
        self.owed -= len(self._rest)
        if not own:
            self._own = None  # an empty deque takes 0.6 KiB

    def _skip(self, cursor: Cursor, seq: int) -> bytes:
        """Return the line for the messages before number `seq` that were not sent; b"" if there are none."""
        if seq <= cursor.seq:
            return b""
        self.skipped += seq - cursor.seq
        return cursor.log.encode_skip(cursor.seq, seq - 1)

    def _read(self, ready: list[tuple[Cursor, int]], limit: int) -> bytes:
        """Return what the cursor hears up to its stop, about `limit` bytes, and note where it is then."""
        cursor, stop = ready[0]
        data, position = cursor.log.read(cursor.position, stop, limit, self.session)
        self._peeked = ((cursor, position, len(data)),)
        return data

    def _run(self, own: deque[_Own], cursor: Cursor, limit: int) -> bytes:
        """Do the same for a reader of one log, with its own lines between: one system call instead of three."""
        log, position = cursor.log, cursor.position
        parts: list[bytes] = []
        peeked: list[_Peeked] = []
        size = 0
        if position < log.start:
            return b""  # first it is told what it missed
        for told in chain(own, _LAST):
            place, line = self._place(told, cursor), told[3]
            if position < place and position < log.end:
                if parts and size + min(place, log.end) - position > _COPIED_BYTES:
                    break
                data, position = log.read(position, min(place, log.end), limit - size, self.session)
                parts.append(data)
                peeked.append((cursor, position, len(data)))
                size += len(data)
            if position < place or size >= min(limit, _COPIED_BYTES) or line.then or not line.is_seen:
                break
            parts.append(line.data)
            peeked.append((None, 0, len(line.data)))
            size += len(line.data)
        self._peeked = peeked
        return b"".join(parts)

    def _merge(self, ready: list[tuple[Cursor, int]], limit: int) -> bytes:
        """Do the same for several, in the order of ticks."""
        parts: list[bytes] = []
        peeked: list[_Peeked] = []
        size = 0
        heap = [
            (cursor.log.tick_at(cursor.position), cursor.position, stop, index)
            for index, (cursor, stop) in enumerate(ready)
        ]
        heapify(heap)
        while heap and size < limit:
            _, position, stop, index = heap[0]
            cursor, log = ready[index][0], ready[index][0].log
            until = min((tick for tick, *_ in heap[1:3]), default=_NEVER)
            data, position = log.read(position, min(stop, log.place_of(until)), limit - size, self.session)
            parts.append(data)
            peeked.append((cursor, position, len(data)))
            size += len(data)
            if position < stop:
                heapreplace(heap, (log.tick_at(position), position, stop, index))
            else:
                heappop(heap)
        self._peeked = peeked
        return b"".join(parts)
