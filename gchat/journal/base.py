"""What a journal is. Some are in memory, some on disk; nothing above this interface knows which one it has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from msgspec import Struct

from gchat.protocol.errors import GchatError
from gchat.protocol.events import Message, Numbered, Record, TopicIs

T = TypeVar("T")


class JournalError(GchatError):
    """Something cannot be kept now, or what was kept cannot be read; its text says why: "the disk is full"."""


class Posting(Struct, frozen=True, gc=False):
    """A message to be kept; ids in it are those of `lineage`."""

    room: str
    message: Message
    lineage: str = ""


class Kept(Struct, frozen=True, gc=False):
    """What became of a posting: what was new of it, with its numbers, and where each of its ids stands.

    There is no record if nothing was new; or if what was new could not be kept, and then `why_not` says why: "the disk
    is full".
    """

    record: Record | None
    numbers: tuple[Numbered, ...] = ()
    why_not: str = ""


class KeptRoom(Struct, frozen=True, gc=False):
    """A room with a history."""

    name: str
    last_seq: int
    topic: str


class Run(Protocol):
    """Calls a function on a native thread of its own, one call after the other; waits for it, and lets others go on."""

    def __call__(self, function: Callable[[], T], /) -> T:
        """Return what it returns; raise what it raises."""


class Journal(Protocol):
    """Numbers messages and keeps them. Numbers are per room, begin at 1, and have no holes.

    A disk is slow: calls that may wait say so, and let others have turns meanwhile. Only the pump appends, one batch
    after the other.
    """

    @property
    def trouble(self) -> str:
        """Why nothing can be kept now; "" if all is well."""

    @property
    def damage(self) -> Sequence[str]:
        """What was found not to be as it was written, each once, as "message 2 of dev"; it only grows."""

    def open(self, rooms: Iterable[str]) -> None:
        """Have these rooms at hand, which everything below needs. May wait. Raises JournalError: none of them is."""

    def append(self, batch: Sequence[Posting], time: float) -> list[Kept]:
        """Keep these messages, in this order, all that are new or none of them; return what became of each. May wait.

        They were said at `time`: the wall clock's, in seconds since the epoch. A message whose id its lineage has used
        before (how long ago and how many before is the journal's matter) is not kept again: it has its old number.
        """

    def read(self, room: str, start: int, limit: int) -> list[Record]:
        """Return at most `limit` messages from number `start` on, oldest first, beginning later if that one is gone.

        Waits if `start` is below at_hand(), and only then. Raises JournalError.
        """

    def find(self, room: str, start: int, limit: int) -> list[Record] | None:
        """Return what read() does, of any room, at hand or not; None if it has no history.

        May wait. Raises JournalError.
        """

    def rooms(self, limit: int) -> list[KeptRoom]:
        """Return at most `limit` rooms with a history, the newest first. May wait. Raises JournalError."""

    def search(self, room: str, text: str, limit: int) -> list[Record]:
        """Return the last `limit` messages that have all the words of `text` (see words), oldest first.

        May wait. Raises JournalError.
        """

    def epoch(self, room: str) -> str:
        """Return the name of the room's log: another name is another log, whose numbers have another meaning."""

    def at_hand(self, room: str) -> int:
        """Return the number from which on the room is read without waiting."""

    def first_seq(self, room: str) -> int:
        """Return the number of the oldest message of the room that is kept, or that of the next if there is none."""

    def next_seq(self, room: str) -> int:
        """Return the number that the room's next message will get; 1 if the room is not at hand."""

    def topic(self, room: str) -> TopicIs | None:
        """Return the room's topic, None if there is none."""

    def forget(self, room: str) -> None:
        """Have a room at hand no more; a journal in memory drops all of it."""

    def limit(self, keep_s: float, keep_messages: int) -> None:
        """Keep no longer what is older than `keep_s` seconds, and of each room only the last so many; 0: no limit."""

    def note(self, kind: str, key: str, value: bytes) -> None:
        """Keep something small for the next run, soon; b"" is as if it had never been there."""

    def notes(self, kind: str) -> dict[str, bytes]:
        """Return the notes of this kind that the run before left, by key. May wait. Raises JournalError."""

    def tidy(self, now: float) -> bool:
        """Do a little of what is not urgent; return whether there is more. May wait, raises nothing.

        `now` is the wall clock's. This is also where a journal in trouble tries whether it can keep things again.
        """

    def close(self) -> None:
        """Write everything that is owed to the disk, and end. May wait, raises nothing."""
