"""The cursor of one reader: its place in a room log, and its own lines, each in its place among the room's.

A reader is in one of the states below, and its place among the readers of the log is the state: nothing else says it.
One that falls off the ring finishes its half-sent message, is told which numbers it missed, and goes on at the live
end, in the same state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import Enum

from gchat.model.audience import OwnLines
from gchat.roomlog.log import RoomLog


class State(Enum):
    """What a reader is sent next."""

    LIVE = "the last chunk, if that has not come to it yet; then the next: the same bytes as all; it has no position"
    SPEAKING = "the next chunk without its own messages, some of which are in the open turn already"
    ASIDE = "what its cursor finds, because own lines, or what goes before a line, come before the next chunk"
    BEHIND = "what its cursor finds, when the kernel takes more; until then it costs nothing"
    GONE = "nothing of this log; the offer does not come to it"


_Change = tuple[State, State]

_STEP_ASIDE = {(State.LIVE, State.ASIDE), (State.SPEAKING, State.ASIDE)}
_GO: set[_Change] = {(state, State.GONE) for state in State if state is not State.GONE}

#: Which states a step changes into which; in all others a reader stays as it is. Steps are methods, of the cursor
#: or of the log, and what is not here changes nothing.
TRANSITIONS: Mapping[str, set[_Change]] = {
    "follow": {(State.GONE, State.ASIDE)},
    # The reader speaks: it is live still if the last chunk has come to it, else aside, at the start of that chunk.
    "append": {(State.LIVE, State.SPEAKING), (State.LIVE, State.ASIDE)},
    # It is told an own line: at the end of the last chunk, or at the start of it if that has not come to it.
    "tell": _STEP_ASIDE,
    "step_aside": _STEP_ASIDE,
    # The chunk goes to a speaker in part.
    "seal": {(State.SPEAKING, State.LIVE)},
    # Sending broke off before it came to the reader.
    "finish": {(State.LIVE, State.ASIDE)},
    # The kernel takes no more.
    "fall_behind": {(State.LIVE, State.BEHIND)},
    "stall": {(State.ASIDE, State.BEHIND)},
    # It has read all that is sealed: it is aside only if something is to come before the next chunk.
    "settle": {(old, new) for old in (State.ASIDE, State.BEHIND) for new in (State.LIVE, State.SPEAKING)}
    | {(State.BEHIND, State.ASIDE)},
    "leave": _GO,
    "end": _GO,
}


class Cursor:
    """What one session is still owed: its place in a room log, and its own lines, each in its place among the room's.

    The shell's loop is: `peek`, send, `took`; when peek has nothing more, `settle`; when the kernel takes no more,
    `stall`. While `is_live`, none of these: then the log offers it what comes next.
    """

    __slots__ = (
        "_before",
        "_is_seen",
        "_next",
        "_own",
        "_peeked",
        "_position",
        "_rest",
        "_seq",
        "_then",
        "descriptor",
        "is_over",
        "log",
        "owed",
        "session",
        "skipped",
    )

    def __init__(self, session: int, descriptor: int | None) -> None:
        self.session = session
        # Where the shell may write the chunks of a log to: nothing but a key here. A reader without one is never live.
        self.descriptor = -1 if descriptor is None else descriptor
        self.log: RoomLog | None = None
        self.is_over = False  # whether nothing can be sent any more
        self.owed = 0  # bytes of its own lines, waiting for their turn
        self.skipped = 0  # messages that it was told it missed
        self._own: deque[tuple[int, OwnLines]] | None = None  # those lines, each with its position
        self._rest = b""  # what goes before anything else: own lines, or what is left of a half-sent message
        self._is_seen, self._then = True, b""  # of the rest: see OwnLines
        self._before = b""  # what goes before that which is seen next
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
        lines: list[OwnLines] = []
        kept = position >= log.start
        for at, line in (*own, (log.open_end, OwnLines(b""))):
            if kept and at > position:
                lines.append(OwnLines(log.heard(position, at, self.session)))
                owed += len(lines[-1].data)
                position = at
            lines.append(line)
        if not kept or owed > limit:
            missed = OwnLines(self._skip(log, log.open_seq))
            before = [line for at, line in own if at <= self._position]
            lines = [*before, missed, *(line for at, line in own if at > self._position)]
        self._own = deque((0, line) for line in lines if line.data)
        self.owed = sum(len(line.data) for line in lines)
        log.aside.pop(self, None)
        log.behind.pop(self, None)
        self.log = None

    def tell(self, line: OwnLines) -> None:
        """Put own lines after all that the room was told until now."""
        if not line.data or self.is_over:
            return
        self.step_aside()
        if self._own is None:
            self._own = deque()
        self._own.append((self.log.open_end if self.log else 0, line))
        self.owed += len(line.data)

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
    def state(self) -> State:
        """Where the reader stands in its log."""
        log = self.log
        if log is None:
            return State.GONE
        if self in log.behind:
            return State.BEHIND
        if self in log.aside:
            return State.ASIDE
        return State.SPEAKING if log.speaking.get(self.descriptor) is self else State.LIVE

    @property
    def is_live(self) -> bool:
        """Whether the log offers it what comes next, so that it has no position of its own."""
        log, descriptor = self.log, self.descriptor
        return log is not None and (log.live.get(descriptor) is self or log.speaking.get(descriptor) is self)

    @property
    def keeps_up(self) -> bool:
        """Whether it has taken everything that it was sent."""
        return self.log is not None and self not in self.log.behind

    @property
    def is_owed(self) -> bool:
        """Whether it has still to read what is sealed, and is not live."""
        return self.log is not None and self._position < self.log.end

    @property
    def missed(self) -> int:
        """How many messages it was told it missed, or will be when it reads again."""
        log = self.log
        if log is None or self.is_live or self._position >= log.start:
            return self.skipped
        return self.skipped + max(0, log.seq_at(log.start) - self._seq)

    @property
    def lag(self) -> int:
        """How many bytes it is still owed, of its own and of the room's that are sealed; its own words count too."""
        log = self.log
        if log is None:
            behind = 0
        elif not self.is_live:
            behind = log.end - self._position
        else:
            behind = len(log.offer.chunk.data) if log.offer is not None and log.offer.owes(self.descriptor) else 0
        return self.owed + len(self._rest) + behind

    def typed(self) -> None:
        """Note that the user has begun a new line: nothing needs to go before what is seen next."""
        self._before = b""

    def step_aside(self) -> None:
        """Be live no more: what comes next is served to this cursor by itself."""
        log = self.log
        if log is None:
            return
        if log.live.pop(self.descriptor, None) is not None:
            self._position, self._seq = log.set_apart(self.descriptor)
            log.aside[self] = None
        elif log.speaking.pop(self.descriptor, None) is not None:
            self._position, self._seq = log.end, log.seq
            log.aside[self] = None

    def fall_behind(self, size: int, sent: int) -> None:
        """Note that the kernel took only `sent` of the `size` bytes that this live reader hears of the last chunk."""
        log = self.log
        if log is not None and log.offer is not None and log.live.pop(self.descriptor, None) is not None:
            chunk = log.offer.chunk
            self._position, self._next, self._peeked = chunk.start, chunk.end, size
            self.took(sent)
            log.behind[self] = None

    def settle(self) -> None:
        """Be live again, because there is nothing to peek.

        But aside, if the next chunk is not what comes next: something goes before it, an own line in the open turn has
        its place in it, and a newcomer hears only the end of it. Without a descriptor it is always aside.
        """
        log = self.log
        if log is None:
            return
        log.behind.pop(self, None)
        if self.descriptor < 0 or self._before or self._own or self._position > log.end:
            log.aside[self] = None
            return
        log.aside.pop(self, None)
        if log.has_spoken(self.session):
            log.speaking[self.descriptor] = self
        else:
            log.live[self.descriptor] = self
            log.set_apart(self.descriptor)

    def stall(self) -> None:
        """Be behind: the kernel takes no more now."""
        log = self.log
        if log is not None:
            log.aside.pop(self, None)
            log.behind[self] = None

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
                line = own.popleft()[1]
                self._rest, self._is_seen, self._then = line.data, line.is_seen, line.then
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
