"""The cursor of one reader in one room log: its state there, and its place.

A cursor is in one of the states below, and its place among the cursors of the log is the state: nothing else says it.
Two things are of the reader, and so of all its cursors at once: to be behind, and to have own lines to come, while
which none is live. One that falls off the ring is told which numbers it missed, and goes on at the live end, in the
same state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum

from gchat.roomlog.chunk import Places, Sessions
from gchat.roomlog.log import RoomLog

#: Sessions that one reader is deaf to at a time, in one log; the first are forgotten.
MAX_DEAF = 100


class State(Enum):
    """What a reader is sent next of a log."""

    LIVE = "the last chunk, if that has not come to it yet; then the next, without what it does not hear; no position"
    ASIDE = "what its cursor finds, because own lines, or what goes before a line, come before the next chunk"
    BEHIND = "what its cursor finds, when the kernel takes more; until then it costs nothing"
    GONE = "nothing of this log; the offer does not come to it"


_Change = tuple[State, State]

_STEP_ASIDE = {(State.LIVE, State.ASIDE)}
_FALL_BEHIND = {(State.LIVE, State.BEHIND), (State.ASIDE, State.BEHIND)}
_GO: set[_Change] = {(state, State.GONE) for state in State if state is not State.GONE}

#: Which states a step changes into which; in all others a cursor stays as it is. Steps are methods: of the reader, in
#: all its logs, of one cursor, or of the log; and what is not here changes nothing.
TRANSITIONS: Mapping[str, set[_Change]] = {
    # Behind, if its reader is.
    "follow": {(State.GONE, State.ASIDE), (State.GONE, State.BEHIND)},
    # The reader speaks: it is live still if the last chunk has come to it, else aside, at the start of that chunk.
    "append": _STEP_ASIDE,
    # It is told an own line: at the end of the last chunk, or at the start of it if that has not come to it.
    "tell": _STEP_ASIDE,
    "step_aside": _STEP_ASIDE,
    # Sending broke off before it came to the reader.
    "break_off": _STEP_ASIDE,
    "finish": _STEP_ASIDE,
    # The kernel takes no more.
    "fall_behind": _FALL_BEHIND,
    "stall": _FALL_BEHIND,
    # It has read all that is sealed: it is aside only if something is to come before the next chunk.
    "settle": {(State.ASIDE, State.LIVE), (State.BEHIND, State.LIVE), (State.BEHIND, State.ASIDE)},
    # In one log; in the others, what is owed of that one comes before the next chunk.
    "leave": _GO | _STEP_ASIDE,
    "leave_all": _GO,
    "end": _GO,
}


class Cursor:
    """The place of one reader in one room log. See LogReader, which moves it."""

    # A user may have fifty of them: they are small.
    __slots__ = ("_since", "deaf_to", "descriptor", "log", "position", "seq", "session")

    def __init__(self, session: int, descriptor: int, log: RoomLog) -> None:
        self.session = session  # of its reader, which does not hear itself
        self.deaf_to: Sessions = ()
        self.descriptor = descriptor
        self.log = log
        self.position = log.open_end
        # At rest, which is when nobody is sending to it: the number of the first message at or after the position.
        self.seq = log.open_seq
        self._since = log.ticks.now  # what has this tick or an earlier one is not for it

    @property
    def state(self) -> State:
        """Where the reader stands in this log."""
        log = self.log
        if self in log.behind:
            return State.BEHIND
        if self in log.aside:
            return State.ASIDE
        return State.LIVE if self.is_live else State.GONE

    @property
    def is_live(self) -> bool:
        """Whether the log offers it what comes next, so that it has no position of its own."""
        return self.log.live.get(self.descriptor) is self

    @property
    def is_owed(self) -> bool:
        """Whether it has still to read what is sealed; it is not live."""
        return self.position < self.log.end

    @property
    def lag(self) -> int:
        """How many bytes of what is sealed it is still owed; its own words count too."""
        log = self.log
        if not self.is_live:
            return max(0, log.end - self.position)
        return len(log.offer.chunk.data) if log.offer is not None and log.owes(self.descriptor) else 0

    @property
    def missed(self) -> int:
        """How many messages it will be told that it missed, when its reader reads again."""
        log = self.log
        return 0 if self.position >= log.start or self.is_live else max(0, log.seq_at(log.start) - self.seq)

    def deafen(self, session: int) -> None:
        """Hear nothing any more of what this session says; in a log, it begins with something that it says now."""
        if session not in self.deaf_to:
            self.deaf_to = (*self.deaf_to[1 - MAX_DEAF :], session)

    def hear_again(self, others: Sessions) -> None:
        """Hear these sessions, until one is named again."""
        if not set(others).isdisjoint(self.deaf_to):
            self.deaf_to = tuple(session for session in self.deaf_to if session not in others)

    def stop_before(self, tick: int) -> int:
        """Return up to where it is to read before an own line with this tick; not beyond its position: nothing."""
        return self.log.place_of(tick) if tick > self._since else self.position

    def told(self, cuts: Iterable[int] | None = None) -> Iterator[tuple[int, bytes]]:
        """Return all that it hears from its position on; see RoomLog.told, and with `cuts` told_between."""
        if cuts is None:
            return self.log.told(self.position, self)
        return self.log.told_between(cuts, self.position, self)

    @property
    def next_tick(self) -> int:
        """The tick of what comes next; of what the ring has lost, the first that it can have had."""
        log = self.log
        return next(log.told(self.position, self))[0] if self.position >= log.start else self._since + 1

    def take(self, taken: int) -> bytes:
        """Move behind the message in which `taken` bytes of what it hears end; return the rest of that message."""
        self.position, rest = self.log.locate(self.position, taken, self)
        return rest

    def rest(self) -> None:
        """Note the number at its position, which the ring may lose now."""
        log = self.log
        if log.start <= self.position <= log.end:
            self.seq = log.seq_at(self.position)

    def jump(self) -> None:
        """Be at the live end, where the reader has read all that is sealed."""
        self.position, self.seq = self.log.end, self.log.seq

    def miss(self, end: int) -> None:
        """Note that what there is up to `end` is not read."""

    def was_told(self, _places: Places) -> bool:
        """Return whether the reader is told this in another log before: see OnceCursor."""
        return False

    def step_aside(self) -> None:
        """Be live no more: what comes next is served to this cursor by itself."""
        if (reached := self.log.set_apart(self.descriptor)) is not None:
            self.position, self.seq = reached
            self.log.aside[self] = None

    def stall(self) -> None:
        """Be behind."""
        self.step_aside()
        self.rest()
        self.log.aside.pop(self, None)
        self.log.behind[self] = None

    def settle(self, *, waits: bool) -> None:
        """Be live again, but aside if its reader `waits`, or if it is a newcomer, who hears only the end of a chunk."""
        log = self.log
        if self in log.behind:
            del log.behind[self]
        elif self in log.aside:
            del log.aside[self]
        else:
            return
        if waits or self.position > log.end:
            log.aside[self] = None
            self.rest()
        else:
            log.include(self)

    def leave(self) -> None:
        """Be gone: the log knows it no more."""
        self.step_aside()
        self.log.aside.pop(self, None)
        self.log.behind.pop(self, None)
        self.log.readers -= 1
