"""The cursor of one reader: its place in a room log, and its own lines, each in its place among the room's.

A reader that has everything is *live*: it has no place of its own, and its next bytes are those of all that are
live, the same object. One whose next bytes are its own is *aside*, and served by itself. One whose kernel buffer is
full is *behind*, and costs nothing until it can be written to again. A reader that falls off the ring finishes its
half-sent line, is told which numbers it missed, and goes on at the live end. The table of all states is in log.
"""

from __future__ import annotations

from collections import deque

from gchat.roomlog.log import RoomLog

# Own bytes that begin with it are telnet commands: the user does not see them, so no newline goes before them.
# (No text can: in UTF-8 there is no such byte.)
_IAC = 255


class Cursor:
    """What one session is still owed: its place in a room log, and its own lines, each in its place among the room's.

    The shell's loop is: `peek`, send, `took`; when peek has nothing more, `settle`; when the kernel takes no more,
    `stall`. While `is_live`, none of these: then the log offers it what comes next.
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

    def __init__(self, session: int, descriptor: int | None) -> None:
        self.session = session
        # Where the shell may write the chunks of a log to: nothing but a key here. A reader without one is never live.
        self.descriptor = -1 if descriptor is None else descriptor
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
        """Note that the user pressed Enter: the line with the prompt is finished."""
        self._unfinished = False

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
        """Be behind: live until now, it took only `sent` of the `size` bytes that it hears of the last chunk."""
        log = self.log
        if log is not None and log.offer is not None and log.live.pop(self.descriptor, None) is not None:
            chunk = log.offer.chunk
            self._position, self._next, self._peeked = chunk.start, chunk.end, size
            self.took(sent)
            log.behind[self] = None

    def settle(self) -> None:
        """Be live again, because there is nothing to peek.

        But aside, if the next chunk is not what comes next: a new line does behind a prompt, an own line in the open
        turn has its place in that chunk, and a newcomer hears only the end of it. Always aside without a descriptor.
        """
        log = self.log
        if log is None:
            return
        log.behind.pop(self, None)
        if self.descriptor < 0 or self._unfinished or self._own or self._position > log.end:
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
