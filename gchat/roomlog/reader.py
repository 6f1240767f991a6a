"""The reader of room logs: all that one connection is still owed, of several rooms and of its own lines.

What it gets has one order. Each append to a log has a tick, and an own line has the tick of the last append before it:
it comes after all that the rooms were told until then, and before all that they are told later. A reader that is live
in several logs gets the chunk of each as it is offered, so only the order in each room is certain there; but while an
own line is to come, the reader is live nowhere, and what it is sent is merged by ticks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heapreplace

from gchat.model.audience import OwnLines
from gchat.roomlog.chunk import Sessions
from gchat.roomlog.cursor import Cursor
from gchat.roomlog.leavings import Own, leavings
from gchat.roomlog.log import RoomLog
from gchat.roomlog.once import OnceCursor

# More is not copied to save a system call.
_COPIED_BYTES = 8192

# Above every tick.
_NEVER = 1 << 62

#: What a cursor found, the position after it, and its size; or without a cursor, own lines.
_Peeked = tuple[Cursor | None, int, int]


class LogReader:
    """What one session is still owed: a cursor for each log that it follows, and own lines in their place among them.

    The shell's loop is: `peek`, send, `took`; when peek has nothing more, `settle`; when the kernel takes no more,
    `stall`. While `is_live`, none of these: then the logs offer it what comes next.
    """

    __slots__ = (
        "_is_seen",
        "_own",
        "_peeked",
        "_rest",
        "_then",
        "before",
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
        # Where the shell may write the chunks of a log to: nothing but a key here. A reader without one has a negative
        # key: what it is offered goes through its transport.
        self.descriptor = -1 - session if descriptor is None else descriptor
        self.cursors: tuple[Cursor, ...] = ()
        self.is_behind = False  # whether the kernel takes no more
        self.is_over = False  # whether nothing can be sent any more
        self.owed = 0  # bytes of its own lines, waiting for their turn
        self.skipped = 0  # messages that it was told it missed
        self._own: list[Own] = []  # those lines
        self._rest = b""  # what goes before anything else: own lines, or what is left of a half-sent message
        self._is_seen, self._then = True, b""  # of the rest: see OwnLines
        self.before = b""  # what goes before that which is seen next
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
        if log.tells_once:
            cursor: Cursor = OnceCursor(self.session, self.descriptor, log, self.cursors)
        else:
            cursor = Cursor(self.session, self.descriptor, log)
        self.cursors += (cursor,)
        log.readers += 1
        (log.behind if self.is_behind else log.aside)[cursor] = None

    def leave(self, log: RoomLog, limit: int) -> None:
        """Read `log` no more. What is owed of it becomes own lines, or one skip if they are over `limit` bytes then."""
        if (cursor := self.cursor_in(log)) is not None:
            self._leave((cursor,), limit)

    def leave_all(self, limit: int) -> None:
        """Do so for all logs at once. Skips are of those of which most is owed."""
        self._leave(self.cursors, limit)

    def _leave(self, leaving: Sequence[Cursor], limit: int) -> None:
        for cursor in leaving:
            cursor.leave()
        self.cursors = tuple(cursor for cursor in self.cursors if cursor not in leaving)
        self._own = leavings(leaving, self._own, limit - self.owed, self._skip)
        self.owed = sum(len(line[3].data) for line in self._own)
        if self._own:
            self._step_aside()

    def hear_again(self, others: Sessions) -> None:
        """Hear again these sessions, which the reader may have been deaf to."""
        for cursor in self.cursors:
            cursor.hear_again(others)

    def end(self) -> None:
        """Owe nothing any more, and take in nothing: whatever is sent does not arrive."""
        for cursor in self.cursors:
            cursor.leave()
        self.cursors = ()
        self.is_over = True
        self._own, self._rest, self.owed = [], b"", 0

    @property
    def is_live(self) -> bool:
        """Whether it follows logs, and all of them offer it what comes next."""
        for cursor in self.cursors:
            if not cursor.is_live:
                return False
        return bool(self.cursors)

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
        if cursors := self.cursors:
            for cursor in cursors:
                cursor.step_aside()
            log = cursors[0].log
            self._own.append((log.ticks.now, log, log.open_end, line))
        else:  # what it follows later comes after
            self._own.append((0, None, 0, line))
        self.owed += len(line.data)

    def typed(self) -> None:
        """Note that the user has begun a new line: nothing needs to go before what is seen next."""
        self.before = b""

    def _step_aside(self) -> None:
        for cursor in self.cursors:
            cursor.step_aside()

    # --- Sending -----------------------------------------------------------------------------------------------------

    def fall_behind(self, logs: Iterable[RoomLog], sent: int) -> None:
        """Note that the kernel took only `sent` bytes of what this reader, live in these logs, hears of their chunks.

        These are their last ones, which are offered now.
        """
        peeked: list[_Peeked] = []
        for log in logs:
            cursor = self.cursor_in(log)
            if cursor is not None and log.offer is not None and log.set_apart(self.descriptor) is not None:
                chunk = log.offer.chunk
                cursor.position = chunk.start
                log.behind[cursor] = None
                peeked.append((cursor, chunk.end, len(chunk.heard_by(cursor))))
        self._peeked = peeked
        self.took(sent)
        self.stall()

    def settle(self) -> None:
        """Be live again, because there is nothing to peek.

        But aside, if the next chunk is not what comes next: something goes before it, or an own line has its place in
        an open turn.
        """
        self.is_behind = False
        waits = bool(self.before or self._own)
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
        if self.before and data and self._is_seen:
            self._rest = data = self.before + self._rest
            self.before = b""
        return data

    def took(self, sent: int) -> None:
        """Note that the first `sent` bytes of what was peeked are gone."""
        rest = self._rest
        if rest:
            self._rest = rest[sent:]
            if not self._rest:
                self.before = self._then or self.before
                self._is_seen, self._then = True, b""
            return
        peeked, self._peeked = self._peeked, ()
        for cursor, position, size in peeked:
            if sent < size:
                if cursor is not None:
                    self._rest = cursor.take(sent)
                elif sent:
                    self._next_own_lines()
                    self._rest = self._rest[sent:]
                return
            if cursor is None:
                del self._own[0]
                self.owed -= size
            else:
                cursor.position = position
            sent -= size

    def _peek(self, limit: int) -> bytes:
        while not self._rest:
            own, cursors = self._own, self.cursors
            cursor = cursors[0] if len(cursors) == 1 else self._sole()
            if cursor is not None and not self.before:
                if cursor.position >= cursor.log.end and not own:
                    return b""
                if data := self._run(cursor, limit):
                    return data
                self.took(0)  # all of it was its own
            ready, is_next = self._ready()
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

    def _sole(self) -> Cursor | None:
        """Return the only cursor that may have something to read before own lines; None if there are several.

        Mostly it is one: a user in many rooms has spoken in one of them.
        """
        cursors = self.cursors
        if not (self._own and cursors):
            return None
        busy = [cursor for cursor in cursors if cursor.position < cursor.log.open_end]
        return None if len(busy) > 1 else (busy or cursors)[0]

    def _ready(self) -> tuple[list[tuple[Cursor, int]], bool]:
        """Return which cursors have something to read before the next own line, and up to where.

        And whether that line comes next: not if what comes before it is in an open turn. Cursors that fell off their
        rings go on at the live end, and what is to be sent first is their notices.
        """
        ready: list[tuple[Cursor, int]] = []
        own = self._own
        is_next = bool(own)
        for cursor in self.cursors:
            log = cursor.log
            stop = self._place(own[0], cursor) if own else log.end
            if cursor.position >= stop or (not own and cursor.is_live):
                continue
            if cursor.position < log.start:
                self._rest += self._skip(cursor, log.seq)
                cursor.miss(log.end)
                cursor.jump()
            if cursor.position < stop:
                is_next = False
                if cursor.position < log.end:
                    ready.append((cursor, min(stop, log.end)))
        return ready, is_next

    @staticmethod
    def _place(told: Own, cursor: Cursor) -> int:
        """Return where own lines have their place in a log: up to there, it is read before."""
        tick, log, place, _ = told
        return place if log is cursor.log else cursor.stop_before(tick)

    def _next_own_lines(self) -> None:
        line = self._own.pop(0)[3]
        self._rest, self._is_seen, self._then = line.data, line.is_seen, line.then
        self.owed -= len(self._rest)

    def _skip(self, cursor: Cursor, seq: int) -> bytes:
        """Return the line for the messages before number `seq` that were not sent; b"" if there are none."""
        if seq <= cursor.seq:
            return b""
        self.skipped += seq - cursor.seq
        return cursor.log.encode_skip(cursor.seq, seq - 1)

    def _read(self, ready: list[tuple[Cursor, int]], limit: int) -> bytes:
        """Return what the cursor hears up to its stop, about `limit` bytes, and note where it is then."""
        cursor, stop = ready[0]
        parts: list[bytes] = []
        position, size = cursor.log.read(parts, cursor.position, stop, limit, cursor)
        self._peeked = ((cursor, position, size),)
        return b"".join(parts)

    def _run(self, cursor: Cursor, limit: int) -> bytes:
        """Do the same where only one log has something, with own lines between: one system call instead of three."""
        log, position = cursor.log, cursor.position
        parts: list[bytes] = []
        peeked: list[_Peeked] = []
        size = 0
        if position < log.start:
            return b""  # first it is told what it missed
        stop = log.end
        for tick, home, place, line in self._own:
            if home is not log:
                place = cursor.stop_before(tick)
            if place > stop:
                break
            if position < place and not (parts and size + place - position > _COPIED_BYTES):
                position, more = log.read(parts, position, place, limit - size, cursor)
                peeked.append((cursor, position, more))
                size += more
            if position < place or size >= _COPIED_BYTES or line.then:
                stop = position
                break
            parts.append(line.data)
            peeked.append((None, 0, len(line.data)))
            size += len(line.data)
        if position < stop and not (parts and size + stop - position > _COPIED_BYTES):
            position, more = log.read(parts, position, stop, limit - size, cursor)
            peeked.append((cursor, position, more))
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
            position, more = log.read(parts, position, min(stop, log.place_of(until)), limit - size, cursor)
            peeked.append((cursor, position, more))
            size += more
            if position < stop:
                heapreplace(heap, (log.tick_at(position), position, stop, index))
            else:
                heappop(heap)
        self._peeked = peeked
        return b"".join(parts)
