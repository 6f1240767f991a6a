"""The writing half of a connection: all that one user is still owed, and how far it has gone out.

Two things can keep a user waiting, and each is a state. Whether bytes go out:

    flow       what is owed                                                          next
    OPEN       goes out with the turn of the pump that tells it                      BEHIND, BROKEN
    BEHIND     waits until the kernel takes more: a watcher tells, and it goes on    OPEN, BROKEN
    BROKEN     is nothing any more, because nothing arrives                          none

And of each room that is entered, what was missed, until the user is live there, has left, or is gone:

    awaited    what is to come                                                       next
    ROOM       the history of the room, which the journal loads                      DELIVERY
    DELIVERY   what was missed, when it is the turn of this room: see next_catch_up  PAGE
    PAGE       the next messages of it, which are read from the disk                 DELIVERY

What goes out is the log reader's. It is the pump that sends, and the spreader to those that are behind: a thousand
peers may begin to read in the same round of the loop, and each is sent much. An error of writing ends the writing
alone: the reading half does not hear of it, and what the peer had said before is still read.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from typing import Protocol

from gchat.chat.effects import Enter
from gchat.model.audience import OwnLines, Where
from gchat.model.messages import Record
from gchat.roomlog.cursor import Cursor
from gchat.roomlog.log import RoomLog
from gchat.roomlog.reader import LogReader
from gchat.server.counters import Counter
from gchat.server.transport import Transport, Watcher

SENT_BYTES = Counter("gchat_sent_bytes", "Bytes sent to users.")

#: Bytes offered to the kernel at once for a peer that is behind.
SLICE_BYTES = 65536

#: Own lines waiting for a reader, in bytes: above, its commands are not read, and private messages to it are refused.
MAX_OWED_BYTES = 65536

#: Less than this taken in `stall_timeout_s` is not reading.
MIN_PROGRESS_BYTES = 1024


class Flow(Enum):
    """Whether bytes go out; see the table above."""

    OPEN = auto()
    BEHIND = auto()
    BROKEN = auto()


class Awaited(Enum):
    """What is to come next of a room that is entered; see the table above."""

    ROOM = auto()
    DELIVERY = auto()
    PAGE = auto()


#: The tables above, for `_set_flow` and CatchUp.
NEXT_FLOWS = {
    Flow.OPEN: {Flow.BEHIND, Flow.BROKEN},
    Flow.BEHIND: {Flow.OPEN, Flow.BROKEN},
    Flow.BROKEN: set[Flow](),
}
NEXT_AWAITED = {
    Awaited.ROOM: {Awaited.DELIVERY},
    Awaited.DELIVERY: {Awaited.PAGE},
    Awaited.PAGE: {Awaited.DELIVERY},
}


class CatchUp:
    """What a newcomer to a room has still to be shown before it is live there: from number `next` on."""

    __slots__ = ("awaited", "effect", "held", "next", "page", "where", "why_not")

    def __init__(self, effect: Enter) -> None:
        self.effect = effect
        self.where = Where(effect.room)
        self.awaited = Awaited.ROOM
        self.held: list[OwnLines] = []  # what the user was told while the room was loaded, for after the greeting
        self.why_not = ""  # it could not be loaded
        self.next = 0
        self.page: list[Record] | None = None  # what was read

    def wait_for(self, awaited: Awaited) -> None:
        """Note what is to come now."""
        assert awaited in NEXT_AWAITED[self.awaited], (self.awaited, awaited)
        self.awaited = awaited


class WriterOwner(Protocol):
    """What a writer tells of itself; it is called by the pump, the spreader, and in the hub."""

    def takes_more(self) -> None:
        """Have flush called soon: the kernel takes more. In the hub."""

    def caught_up(self) -> None:
        """Go on: everything is sent."""

    def writing_broke(self) -> None:
        """Go on without: nothing can be sent any more."""

    def crashed(self) -> None:
        """Log the error of ours that is being handled, and close this connection, but no other."""


class _Nobody:
    """The owner of a writer whose connection is closed."""

    def takes_more(self) -> None:
        """Do nothing."""

    def caught_up(self) -> None:
        """Do nothing."""

    def writing_broke(self) -> None:
        """Do nothing."""

    def crashed(self) -> None:
        """Do nothing."""


_NOBODY = _Nobody()


class Writer:
    """Sends what one user is owed."""

    __slots__ = (
        "_mark",
        "_mark_at",
        "_owner",
        "_transport",
        "_watcher",
        "awaits_answer",
        "catch_ups",
        "flow",
        "log_reader",
        "offer",
    )

    def __init__(self, session: int, transport: Transport, owner: WriterOwner) -> None:
        self._transport = transport
        self.offer = transport.offer
        self._owner: WriterOwner = owner
        self._watcher: Watcher | None = None  # while behind
        self._mark = 0  # bytes that the peer had taken
        self._mark_at = 0.0  # at this time, which is when it last made progress
        self.log_reader = LogReader(session, transport.descriptor)
        self.flow = Flow.OPEN
        self.catch_ups: tuple[CatchUp, ...] = ()  # of the rooms that are being entered
        self.awaits_answer = False  # what was searched for or looked up, which is read from the disk

    # --- Sending: the pump, and the spreader ------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what is owed, as far as the kernel takes it. Never waits, never raises."""
        reader = self.log_reader
        try:
            while data := reader.peek(SLICE_BYTES):
                sent = self._transport.send(data)
                reader.took(sent)
                SENT_BYTES.value += sent
                if sent < len(data):
                    reader.stall()
                    self.fall_behind()
                    return
            reader.settle()
            self.go_on()
            self._owner.caught_up()
        except OSError:
            self.end()
        except Exception:  # it must not take down the pump
            self._owner.crashed()

    def take(self, data: bytes) -> int:
        """Send what a log offers, if `offer` cannot; return how much is taken, -1 if nothing can be sent."""
        try:
            return self._transport.send(data)
        except OSError:
            return -1

    def fall_behind(self) -> None:
        """Send no more before the kernel takes it: it has just taken less than all."""
        if self.flow is Flow.OPEN:
            self._set_flow(Flow.BEHIND)
            self._watcher = self._transport.writable()
        assert self._watcher is not None
        self._watcher.start(self._takes_more)

    def _takes_more(self) -> None:
        assert self._watcher is not None
        self._watcher.stop()  # until flush has been called
        self._owner.takes_more()

    def go_on(self) -> None:
        """Send again with the next turn, or never: the watcher goes on no more."""
        if self.flow is Flow.BEHIND:
            self._set_flow(Flow.OPEN)

    @property
    def is_behind(self) -> bool:
        """Whether the kernel took no more; the watcher tells when it does."""
        return self.flow is Flow.BEHIND

    @property
    def is_broken(self) -> bool:
        """Whether nothing can be sent any more."""
        return self.flow is Flow.BROKEN

    @property
    def takes_messages(self) -> bool:
        """Whether the user reads what it is told: a private message to it is not refused."""
        return self.flow is not Flow.BROKEN and self.log_reader.owed <= MAX_OWED_BYTES

    @property
    def holds_reading_up(self) -> bool:
        """Whether so much is still to come that the next command is not read."""
        return self.log_reader.owed > MAX_OWED_BYTES or self.awaits_answer or bool(self.catch_ups)

    def end(self) -> None:
        """Owe the user nothing any more, because nothing arrives."""
        if self.flow is not Flow.BROKEN:
            self._set_flow(Flow.BROKEN)
        self.log_reader.end()
        self.catch_ups = ()
        self._owner.writing_broke()

    def leave(self, log: RoomLog) -> None:
        """Follow a log no more. What is owed of it goes out, or is one skip."""
        cursor = self.log_reader.cursor_in(log)
        if cursor is not None:
            self._send_what_lacks((cursor,))
        self.log_reader.leave(log, MAX_OWED_BYTES)

    def leave_all(self) -> None:
        """Do so for all logs."""
        self._send_what_lacks(self.log_reader.cursors)
        self.log_reader.leave_all(MAX_OWED_BYTES)

    def _send_what_lacks(self, cursors: Iterable[Cursor]) -> None:
        """Send a reader that is not behind the chunks that have not come to it yet: they are not to become a skip."""
        if not self.log_reader.is_behind and (lacking := [cursor for cursor in cursors if cursor.lag]):
            for cursor in lacking:
                cursor.step_aside()
            self.flush()

    def close(self) -> None:
        """Let go of the transport, which is closed next."""
        # The fan-out writes to descriptors: the next connection with this one would be sent our rooms.
        assert not self.log_reader.cursors
        if self.flow is not Flow.BROKEN:
            self._set_flow(Flow.BROKEN)
        # A cycle of the two would stay for as long as anybody is here: the watch collects only what is new.
        self._owner = _NOBODY

    def stalled(self, now: float, timeout_s: float) -> bool:
        """Return whether the kernel has held bytes for `timeout_s` of which the peer has taken next to none."""
        held, taken = self._transport.in_kernel()
        if not held or not self._mark_at or taken - self._mark >= MIN_PROGRESS_BYTES:
            self._mark, self._mark_at = taken, now
        return now - self._mark_at >= timeout_s

    def _set_flow(self, flow: Flow) -> None:
        assert flow in NEXT_FLOWS[self.flow], (self.flow, flow)
        self.flow = flow
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    # --- Waiting: the pump, and what reads for it ---------------------------------------------------------------------

    def enter(self, effect: Enter) -> CatchUp:
        """Note that a room is being entered."""
        catch_up = CatchUp(effect)
        self.catch_ups += (catch_up,)
        return catch_up

    def catch_up_in(self, room: str) -> CatchUp | None:
        """Return what is still to be shown of a room; None if that is not being entered."""
        for catch_up in self.catch_ups:
            if catch_up.where.room == room:
                return catch_up
        return None

    @property
    def next_catch_up(self) -> CatchUp | None:
        """What is to be given a page now: of one room at a time, when the kernel has taken the page before.

        So a user who reads nothing costs as much memory in many rooms as in one.
        """
        if self.log_reader.owed:
            return None
        found = None
        for catch_up in self.catch_ups:
            if catch_up.awaited is Awaited.PAGE:
                return None
            if catch_up.page is not None:
                return catch_up
            if found is None and catch_up.awaited is Awaited.DELIVERY:
                found = catch_up
        return found

    def drop(self, catch_up: CatchUp) -> None:
        """Note that nothing more of it is to come: the user is live, or has left."""
        self.catch_ups = tuple(other for other in self.catch_ups if other is not catch_up)
