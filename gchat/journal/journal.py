"""The interface of a journal. One kind is in memory, one on disk; nothing above this interface knows which it has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from msgspec import Struct

from gchat.model.errors import GchatError
from gchat.model.events import TopicIs
from gchat.model.messages import Message, Numbered, Record

T = TypeVar("T")

#: Text in one answer of read() and search(), in characters, and in one of find().
PAGE_SIZE, FOUND_SIZE = 16384, 65536

#: How long one search may take.
SEARCH_S = 0.25


class JournalError(GchatError):
    """Something cannot be stored now, or cannot be read. Its text gives the reason: "the disk is full"."""


class TooMuch(JournalError):
    """A search would take too long; the text says what to do."""

    def __init__(self, text: str = "Too much to search; add a word") -> None:
        super().__init__(text)


class Whisper(Struct, frozen=True, gc=False):
    """A private message. It is never stored, but its id is one of its lineage's ids."""

    to: str
    text: str
    id: str


class Posting(Struct, frozen=True, gc=False):
    """A message to be stored, or a private one whose id is to be checked; the ids in it are those of `lineage`."""

    room: str  # "" for a private message
    message: Message | Whisper
    lineage: str = ""

    def __repr__(self) -> str:
        return f"Posting({self.room!r}, {self.message!r})"  # without the lineage, which identifies a user


class Kept(Struct, frozen=True, gc=False):
    """The outcome for a posting: the part of it that is new, with its numbers, and where its ids stand.

    There is no record if nothing was new, or if the new part could not be stored; then `why_not` is the reason: "the
    disk is full".
    """

    record: Record | None
    numbers: tuple[Numbered, ...] = ()
    why_not: str = ""
    reused: tuple[str, ...] = ()  # ids that were used for something else before; these texts are refused
    is_first: bool = False  # of a private message: it was not sent before


class KeptRoom(Struct, frozen=True, gc=False):
    """A room with a history."""

    name: str
    last_seq: int
    topic: str


class Run(Protocol):
    """Calls a function on a native thread of its own, one call after the other, and lets other greenlets run."""

    def __call__(self, function: Callable[[], T], /) -> T:
        """Return what the function returns, raise what it raises."""


class Journal(Protocol):
    """Numbers messages and stores them. Numbers are per room, begin at 1, and have no gaps.

    A disk is slow: the calls that may wait say so, and other greenlets run meanwhile. Only the pump appends, one batch
    after the other.
    """

    @property
    def trouble(self) -> str:
        """Why nothing can be stored now; "" if all is well."""

    @property
    def damage(self) -> Sequence[str]:
        """What was found to be damaged, each item once, as "message 2 of dev"; the list only grows."""

    @property
    def caution(self) -> str:
        """Why old messages are not deleted yet; "" if all is well."""

    def open(self, rooms: Iterable[str]) -> None:
        """Load these rooms, for the calls below. May wait. Raises JournalError: none of them is loaded."""

    def is_open(self, room: str) -> bool:
        """Return whether a room is loaded: open() would not wait."""

    def append(self, batch: Sequence[Posting], time: float) -> list[Kept]:
        """Store the new messages of this batch, in this order, all or none; return the outcome for each. May wait.

        A room that is not loaded is loaded first. `time` is the wall clock's, in seconds since the epoch. A message
        whose id its lineage has used before is not stored again: it has its old number if the content is the same, and
        is refused if it is not. How long ids are remembered is up to the journal.
        """

    def release(self, lineage: str, id_: str) -> None:
        """Forget an id: the private message that it was used for could not be delivered."""

    def read(self, room: str, start: int, limit: int, *, last: bool = False) -> list[Record]:
        """Return at most `limit` messages from number `start` on, oldest first, beginning later if that one is gone.

        If these have more text than PAGE_SIZE, the first of them are returned or, if so asked, the `last`; one at
        least. Waits if `start` is below at_hand(), and only then. Raises JournalError.
        """

    def find(self, room: str, start: int, limit: int) -> list[Record] | None:
        """Return what read() does, of any room, at hand or not, up to FOUND_SIZE; None if it has no history.

        May wait. Raises JournalError.
        """

    def rooms(self, limit: int) -> list[KeptRoom]:
        """Return at most `limit` rooms with a history, the newest first. May wait. Raises JournalError."""

    def search(self, room: str, text: str, limit: int, steady: Callable[[], float]) -> tuple[list[Record], bool]:
        """Return the last messages with all the words of `text`, oldest first, and whether there may be more.

        What a word is: see search_tokens. At most `limit`, and PAGE_SIZE of text. `steady` is a clock that nobody sets.
        May wait. Raises JournalError: TooMuch if it takes longer than SEARCH_S, or would.
        """

    def epoch(self, room: str) -> str:
        """Return the name of the room's log. Under another name the same numbers mean other messages."""

    def at_hand(self, room: str) -> int:
        """Return the number from which on the room is read without waiting."""

    def first_seq(self, room: str) -> int:
        """Return the number of the oldest message of the room that is stored, or that of the next if there is none."""

    def next_seq(self, room: str) -> int:
        """Return the number that the room's next message will get; 1 if the room is not loaded."""

    def topic(self, room: str) -> TopicIs | None:
        """Return the room's topic, None if there is none."""

    def forget(self, room: str) -> None:
        """Unload a room; a journal in memory drops all of it."""

    def limit(self, keep_s: float, keep_messages: int) -> None:
        """Delete messages older than `keep_s` seconds, and all but the last so many of each room; 0 means no limit."""

    def note(self, kind: str, key: str, value: bytes) -> None:
        """Store something small for the next run, soon; b"" deletes it."""

    def notes(self, kind: str) -> dict[str, bytes]:
        """Return the notes of this kind that the run before left, by key. May wait. Raises JournalError."""

    def tidy(self, now: float, steady: float) -> bool:
        """Do a little of what is not urgent; return whether there is more. May wait, raises nothing.

        `now` is the wall clock's time, `steady` that of a clock that nobody sets. This is also where a journal in
        trouble checks whether it can store messages again.
        """

    def close(self) -> None:
        """Write everything to the disk, and end. May wait, raises nothing."""
