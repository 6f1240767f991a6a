"""The room log: everything a room is told, encoded once, and a cursor for each reader. The heart of the fan-out.

Bytes in, bytes out; knows no socket. No reader has a queue of copies: to broadcast is to append once, a reader is a
place in the log, and what the kernel does not take stays in the log. Slow readers cost no memory beyond the ring.

A reader that has everything is *live*: it has no place of its own, and its next bytes are those of all that are
live, the same object. One whose next bytes are its own (an answer, or a turn in which it spoke itself and does not hear
itself) is *aside* for that turn, and served by itself. One whose kernel buffer is full is *behind*, and costs nothing
until it can be written to again. A reader that falls off the ring finishes its half-sent line, is told which numbers
it missed, and goes on at the live end.

Positions are bytes since the log began. A cursor's position is always at the beginning of a line.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable

# Own bytes that begin with it are telnet commands: the user does not see them, so no newline goes before them.
# (No text can: in UTF-8 there is no such byte.)
_IAC = 255


class Chunk:
    """The bytes of one turn."""

    __slots__ = ("data", "end", "pieces", "seq", "spans", "start")

    def __init__(
        self,
        data: bytes,
        start: int,
        seq: int,
        pieces: list[tuple[int, int, bool]],
        spans: dict[int, list[tuple[int, int]]],
    ) -> None:
        self.data = data
        self.start = start
        self.end = start + len(data)
        self.seq = seq  # the number of the first message here, or of the next one if there is none
        self.pieces = pieces  # (position, next number there, whether each line has a number)
        self.spans = spans  # session: (start, end) of its own messages, which it is not sent

    def seq_at(self, position: int) -> int:
        """Return the number of the first message at or after `position`, which is the beginning of a line."""
        start, seq, numbered = self.pieces[bisect_right(self.pieces, position, key=lambda piece: piece[0]) - 1]
        return seq + self.data.count(b"\n", start - self.start, position - self.start) if numbered else seq

    def heard_by(self, session: int, start: int, end: int) -> list[tuple[int, int]]:
        """Return what `session` hears between two positions of this chunk, as (start, end) pairs."""
        runs = []
        for own_start, own_end in self.spans.get(session, ()):
            if own_start >= end:
                break
            if own_start > start:
                runs.append((start, own_start))
            start = max(start, own_end)
        if start < end:
            runs.append((start, end))
        return runs


class RoomLog:
    """What one room is told, in one dialect: a ring of chunks, and its readers.

    1. `append` in the order of the room; what a turn appended can be read once `seal` made a chunk of it.
    2. At seal every live reader is owed exactly the chunk, and the shell must send it to each of them before
       the next seal (those who become live later have read it by themselves).
    3. The ring holds at least the last chunk, and at most `capacity` bytes beside the oldest.
    """

    def __init__(self, seq: int, capacity: int, encode_skip: Callable[[int, int], bytes]) -> None:
        self.seq = seq  # the number of the next message after `end`
        self.start = 0  # where the ring begins
        self.end = 0  # where the last chunk ends
        self.capacity = capacity
        self.encode_skip = encode_skip
        self.live: dict[int, Cursor] = {}  # by descriptor: the fan-out needs nothing else
        self.aside: dict[Cursor, None] = {}
        self.behind: dict[Cursor, None] = {}
        self._chunks: list[Chunk] = []
        self._starts: list[int] = []  # of the chunks, for bisection
        self._open: list[bytes] = []  # the pieces of the turn that is not yet sealed
        self.open_end = 0  # where the turn that is not yet sealed ends
        self.open_seq = seq
        self._pieces: list[tuple[int, int, bool]] = []
        self._spans: dict[int, list[tuple[int, int]]] = {}

    @property
    def dirty(self) -> bool:
        """Whether there is something to seal."""
        return bool(self._open)

    def append(self, data: bytes, count: int, speaker: Cursor | None) -> None:
        """Append lines: one for each of `count` messages, or any number of them without a number if that is 0.

        `speaker` said this, and does not hear it.
        """
        start, end = self.open_end, self.open_end + len(data)
        if speaker is not None and speaker.log is self:
            speaker.step_aside()
            spans = self._spans.setdefault(speaker.session, [])
            if spans and spans[-1][1] == start:
                start = spans.pop()[0]
            spans.append((start, end))
        self._pieces.append((self.open_end, self.open_seq, count > 0))
        self._open.append(data)
        self.open_end = end
        self.open_seq += count

    def seal(self) -> bytes:
        """Make a chunk of what was appended, and return its bytes: what everybody live is owed."""
        data = self._open[0] if len(self._open) == 1 else b"".join(self._open)
        self._chunks.append(Chunk(data, self.end, self.seq, self._pieces, self._spans))
        self._starts.append(self.end)
        self.end, self.seq = self.open_end, self.open_seq
        self._open, self._pieces, self._spans = [], [], {}
        while len(self._chunks) > 1 and self.end - self._chunks[0].end >= self.capacity:
            self._drop_first()
        return data

    def trim(self) -> None:
        """After a turn, when all that were aside were served: drop everything, if no reader is behind."""
        if not self.behind:
            self._chunks.clear()
            self._starts.clear()
            self.start = self.end

    def read(self, position: int, stop: int, limit: int, session: int) -> tuple[bytes, int]:
        """Return what `session` hears between two positions, and up to where: whole chunks, about `limit` bytes."""
        parts: list[bytes] = []
        size = 0
        while position < stop and (not size or size < limit):
            chunk = self._chunk_at(position)
            end = min(stop, chunk.end)
            if position == chunk.start and end == chunk.end and session not in chunk.spans:
                parts.append(chunk.data)
                size += end - position
            else:
                for run_start, run_end in chunk.heard_by(session, position, end):
                    parts.append(chunk.data[run_start - chunk.start : run_end - chunk.start])
                    size += run_end - run_start
            position = end
        return parts[0] if len(parts) == 1 else b"".join(parts), position

    def locate(self, position: int, taken: int, session: int) -> tuple[int, bytes]:
        """Return where `session` is when it took `taken` bytes of what it hears from `position` on.

        That is the beginning of the next line, and the bytes of the line before it that it did not take.
        """
        while True:
            chunk = self._chunk_at(position)
            for start, end in chunk.heard_by(session, position, chunk.end):
                if taken < end - start:
                    at = start + taken - chunk.start
                    if not at or chunk.data[at - 1] == 10:  # LF
                        return at + chunk.start, b""
                    line_end = chunk.data.index(b"\n", at) + 1
                    return line_end + chunk.start, chunk.data[at:line_end]
                taken -= end - start
            position = chunk.end
            if not taken:
                return position, b""

    def seq_at(self, position: int) -> int:
        """Return the number of the first message at or after a position that the ring still has."""
        return self.seq if position >= self.end else self._chunk_at(position).seq_at(position)

    def heard(self, position: int, stop: int, session: int) -> bytes:
        """Return what `session` hears between two positions, also of the turn that is not yet sealed."""
        data, position = self.read(position, min(stop, self.end), self.end - self.start + 1, session)
        if stop <= self.end:
            return data
        turn = Chunk(b"".join(self._open), self.end, self.seq, self._pieces, self._spans)
        runs = turn.heard_by(session, max(position, self.end), stop)
        return data + b"".join(turn.data[start - turn.start : end - turn.start] for start, end in runs)

    def _chunk_at(self, position: int) -> Chunk:
        starts = self._starts
        last = len(starts) - 1
        return self._chunks[last if starts[last] <= position else bisect_right(starts, position) - 1]

    def _drop_first(self) -> None:
        self.start = self._chunks[0].end
        del self._chunks[0], self._starts[0]


class Cursor:
    """What one session is still owed: its place in a room log, and its own lines, each in its place among the room's.

    The shell's loop is: `peek`, send, `took`; when peek has nothing more, `settle`; when the kernel takes no more,
    `stall`. While it is in its log's `live`, none of these: then it is owed the next chunk, and nothing else.
    """

    __slots__ = (
        "_next",
        "_own",
        "_peeked",
        "_position",
        "_rest",
        "_seq",
        "_silent",
        "_unfinished",
        "descriptor",
        "is_over",
        "log",
        "owed",
        "session",
        "skipped",
    )

    def __init__(self, session: int, descriptor: int) -> None:
        self.session = session
        self.descriptor = descriptor  # where the shell sends to: nothing but a key here
        self.log: RoomLog | None = None
        self.is_over = False  # whether nothing can be sent any more
        self.owed = 0  # bytes of its own lines, waiting for their turn
        self.skipped = 0  # messages that it was told it missed
        self._own: deque[tuple[int, bytes]] | None = None  # those lines, each with its position
        self._rest = b""  # what goes before anything else: an own line, or what is left of a half-sent one
        self._unfinished = False  # whether a prompt stands at the end of what was sent
        self._silent = False  # whether the user does not see what goes first
        self._position = 0
        self._seq = 0  # the number of the first message at or after the position
        self._next = 0  # the position after what was peeked
        self._peeked = 0  # how many bytes that was

    def follow(self, log: RoomLog) -> None:
        """Read `log` from where it ends now. The log before must have been left."""
        if self.is_over:
            return
        self.log = log
        self._position, self._seq = log.open_end, log.open_seq
        log.aside[self] = None

    def leave(self, limit: int) -> None:
        """Read the log no more. What is owed of it becomes own lines, or one skip if that is over `limit` bytes."""
        log = self.log
        if log is None:
            return
        self.step_aside()
        position, owed, own = self._position, 0, self._own or deque()
        lines: list[bytes] = []
        kept = position >= log.start
        for at, line in (*own, (log.open_end, b"")):
            if kept and at > position:
                lines.append(log.heard(position, at, self.session))
                owed += len(lines[-1])
                position = at
            lines.append(line)
        if not kept or owed > limit:
            missed = self._skip(log, log.open_seq)
            before = [line for at, line in own if at <= self._position]
            lines = [*before, missed, *(line for at, line in own if at > self._position)]
        self._own = deque((0, line) for line in lines if line)
        self.owed = sum(map(len, lines))
        log.aside.pop(self, None)
        log.behind.pop(self, None)
        self.log = None

    def tell(self, line: bytes) -> None:
        """Put an own line after all that the room was told until now."""
        if not line or self.is_over:
            return
        self.step_aside()
        if self._own is None:
            self._own = deque()
        self._own.append((self.log.open_end if self.log else 0, line))
        self.owed += len(line)

    def end(self) -> None:
        """Owe nothing any more, and take in nothing: whatever is sent does not arrive."""
        if (log := self.log) is not None:
            self.step_aside()
            log.aside.pop(self, None)
            log.behind.pop(self, None)
            self.log = None
        self.is_over = True
        self._own, self._rest, self.owed = None, b"", 0

    @property
    def missed(self) -> int:
        """How many messages it was told it missed, or will be when it reads again."""
        log = self.log
        if log is None or log.live.get(self.descriptor) is self or self._position >= log.start:
            return self.skipped
        return self.skipped + max(0, log.seq_at(log.start) - self._seq)

    @property
    def lag(self) -> int:
        """How many bytes it is still owed, of its own and of the room's that are sealed; its own words count too."""
        log = self.log
        behind = log.end - self._position if log is not None and log.live.get(self.descriptor) is not self else 0
        return self.owed + len(self._rest) + behind

    def typed(self) -> None:
        """Note that the user pressed Enter: the line with the prompt is finished."""
        self._unfinished = False

    def step_aside(self) -> None:
        """Be live no more: what comes next is served to this cursor by itself."""
        log = self.log
        if log is not None and log.live.pop(self.descriptor, None) is not None:
            log.aside[self] = None
            self._position, self._seq = log.end, log.seq

    def fall_behind(self, chunk: bytes, sent: int) -> None:
        """Be behind: live until now, of the chunk that was just sealed it took only `sent` bytes."""
        log = self.log
        if log is not None and log.live.pop(self.descriptor, None) is not None:
            self._position, self._next, self._peeked = log.end - len(chunk), log.end, len(chunk)
            self.took(sent)
            log.behind[self] = None

    def settle(self) -> None:
        """Be live again, because there is nothing to peek.

        But aside, if the next chunk is not all that it gets, or not with all in it: behind a prompt a new line comes
        first, and in the middle of a turn there may be own lines to come, and what it said itself.
        """
        log = self.log
        if log is not None:
            log.behind.pop(self, None)
            if self._unfinished or log.dirty:
                log.aside[self] = None
            else:
                log.aside.pop(self, None)
                log.live[self.descriptor] = self

    def stall(self) -> None:
        """Be behind: the kernel takes no more now."""
        log = self.log
        if log is not None:
            log.aside.pop(self, None)
            log.behind[self] = None

    def peek(self, limit: int) -> bytes:
        """Return what is to be sent next, about `limit` bytes of it; b"" if there is nothing."""
        data = self._peek(limit)
        if self._unfinished and data and not (self._rest and self._silent):
            self._unfinished = False
            self._rest = data = b"\n" + self._rest
        return data

    def took(self, sent: int) -> None:
        """Note that the first `sent` bytes of what was peeked are gone."""
        rest = self._rest
        if rest:
            self._rest = rest[sent:]
            if not self._rest and not self._silent:
                self._unfinished = not rest.endswith(b"\n")
            return
        log = self.log
        assert log is not None
        if sent == self._peeked:
            self._position = self._next
        else:
            self._position, self._rest = log.locate(self._position, sent, self.session)
        self._seq = log.seq_at(self._position)

    def _skip(self, log: RoomLog, seq: int) -> bytes:
        """Return the line for the messages before number `seq` that were not sent; b"" if there are none."""
        if seq <= self._seq:
            return b""
        self.skipped += seq - self._seq
        return log.encode_skip(self._seq, seq - 1)

    def _peek(self, limit: int) -> bytes:
        while True:
            own, log = self._own, self.log
            if not self._rest and own and (log is None or own[0][0] <= self._position):
                self._rest = own.popleft()[1]
                self._silent = self._rest[0] == _IAC
                self.owed -= len(self._rest)
            if self._rest:
                return self._rest
            if log is None or self._position >= log.end:
                return b""
            if self._position < log.start:
                self._rest = self._skip(log, log.seq)
                self._position, self._seq = log.end, log.seq
                continue
            stop = min(own[0][0], log.end) if own else log.end
            data, self._next = log.read(self._position, stop, limit, self.session)
            self._peeked = len(data)
            if data:
                return data
            self._position = self._next  # all of it was its own
            self._seq = log.seq_at(self._position)
