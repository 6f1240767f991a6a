"""The interface of a journal: one log for each room, which gives messages their numbers and stores them.

This is all that a journal must be able to do. What it may be able to do in addition (to be searched, to keep notes, to
delete what is old) are interfaces of their own, in parts and notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from gchat.model.errors import GchatError
from gchat.model.events import TopicIs
from gchat.model.messages import Message, Numbered, Record

#: Text in one answer of read(), in characters.
PAGE_SIZE = 16384


class JournalError(GchatError):
    """Something cannot be stored now, or cannot be read. Its text gives the reason: "the disk is full"."""


class Posting(Struct, frozen=True, gc=False):
    """A message to be stored; the ids in it are those of `lineage`.

    `cause` means nothing to the journal: an Arrival brings it back.
    """

    room: str
    message: Message
    lineage: str = ""
    cause: object = None

    def __repr__(self) -> str:
        return f"Posting({self.room!r}, {self.message!r})"  # without the lineage, which identifies a user


class Whisper(Struct, frozen=True, gc=False):
    """A private message, or an invitation to `room`. It is never stored, but its id is one of the ids of `lineage`.

    `cause` is that of a Posting.
    """

    to: str
    text: str
    id: str
    lineage: str = ""
    cause: object = None
    room: str = ""

    def __repr__(self) -> str:
        return f"Whisper({self.to!r}, {self.text!r}, {self.id!r})"


#: What a journal is asked to do at once, in this order.
Batch = Sequence[Posting | Whisper]


class Outcome(Struct, frozen=True, gc=False):
    """The outcome of a posting: the part of it that is new, as a record, and the numbers of all its ids.

    There is no record if nothing was new, or if the new part could not be stored; then `why_not` is the reason: "the
    disk is full".
    """

    record: Record | None
    numbers: tuple[Numbered, ...] = ()
    why_not: str = ""
    reused: tuple[str, ...] = ()  # ids that were used for something else before; these texts are refused
    is_first: bool = False  # of a private message: it was not sent before


class Arrival(Struct, frozen=True):
    """An outcome that append() did not return: of a posting of ours, whose `cause` it has, or of another process's."""

    room: str | None  # None: of a private message
    outcome: Outcome
    cause: object = None
    is_known: bool = True  # False: it takes long, and what became of it may come later, or never


class Journal(Protocol):
    """Numbers messages and stores them; it may be shared with other processes.

    1. Numbers are per room, begin at 1, and have no gaps.
    2. A message is stored when append() returns its outcome, or when it arrives; so it may be shown, and acknowledged.
    3. What append() has returned and what was accepted is in next_seq(), topic() and read(), and nothing else is.
    4. A journal that other processes append to returns None for what they may get in between. All records of a room,
       ours and theirs, then arrive in the order of their numbers.

    A disk is slow: the calls that may wait say so, and other greenlets run meanwhile. Only the pump appends, one batch
    after the other.
    """

    def open(self, rooms: Iterable[str]) -> None:
        """Load these rooms, for the calls below. May wait. Raises JournalError: none of them is loaded."""

    def is_open(self, room: str) -> bool:
        """Return whether a room is loaded: open() would not wait."""

    def append(self, batch: Batch, time: float) -> Sequence[Outcome | None]:
        """Store the new messages of this batch, in this order, all or none; return the outcome for each. May wait.

        The outcome is None for a posting whose outcome arrives later. A room need not be loaded for that; else one that
        is not is loaded first. `time` is the wall clock's, in seconds since the epoch. A message whose id its lineage
        has used before is not stored again: it has its old number if the content is the same, and is refused if it is
        not. How long ids are remembered is up to the journal. Raises JournalError: nothing is stored, and nothing
        arrives later.
        """

    def release(self, lineage: str, id_: str) -> None:
        """Forget an id: the private message that it was used for could not be delivered."""

    def follow(self, deliver: Callable[[Sequence[Arrival]], None]) -> None:
        """Have everything that arrives from now on delivered. A journal of one process never does.

        `deliver` does not wait, and accepts nothing before it returns. A record that is delivered again, as engines do
        that deliver at least once, is neither accepted nor shown again.
        """

    def accept(self, arrival: Arrival) -> None:
        """Count the record of an arrival as said: it is about to be shown."""

    def renew(self, room: str) -> None:
        """Have a room go on as another log, under another epoch: see effects.Rebased. In one process it never does."""

    def read(self, room: str, start: int, limit: int, *, last: bool = False) -> list[Record]:
        """Return at most `limit` messages from number `start` on, oldest first, beginning later if that one is gone.

        If these have more text than PAGE_SIZE, the first of them are returned or, if so asked, the `last`; one at
        least. Waits if `start` is below at_hand(), and only then. Raises JournalError.
        """

    def epoch(self, room: str) -> str:
        """Return the name of the room's log. Under another name the same numbers mean other messages."""

    def at_hand(self, room: str) -> int:
        """Return the number from which on the room is read without waiting."""

    def first_seq(self, room: str) -> int:
        """Return the number of the oldest message of the room that is stored, or that of the next if there is none."""

    def next_seq(self, room: str) -> int:
        """Return the number after the last message of the room; 1 if the room is not loaded."""

    def topic(self, room: str) -> TopicIs | None:
        """Return the room's topic, None if there is none."""

    def forget(self, room: str) -> None:
        """Unload a room; a journal in memory drops all of it."""

    def close(self) -> None:
        """Store everything that is not stored yet, and end. May wait, raises nothing."""
