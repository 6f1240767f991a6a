"""What a journal is. The memory journal is in memory; nothing above this interface knows which one it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from gchat.protocol.events import Message, Numbered, Record


class Posting(Struct, frozen=True, gc=False):
    """A message to be kept; ids in it are those of `lineage`."""

    room: str
    message: Message
    lineage: str = ""


class Kept(Struct, frozen=True, gc=False):
    """What became of a posting: what was new of it, with its numbers, and where each of its ids stands.

    There is no record if nothing was new.
    """

    record: Record | None
    numbers: tuple[Numbered, ...] = ()


class Journal(Protocol):
    """Numbers messages and keeps them. Numbers are per room, begin at 1, and have no holes.

    Calls may wait (a disk is slow); the caller is the pump alone, so what it reads is all that it has appended.
    """

    def append(self, batch: Sequence[Posting], time: float) -> list[Kept]:
        """Keep these messages, in this order; return what became of each.

        They were said at `time`: the wall clock's, in seconds since the epoch. A message whose id its lineage has used
        before (how long ago and how many before is the journal's matter) is not kept again: it has its old number.
        """

    def read(self, room: str, start: int, limit: int) -> list[Record]:
        """Return at most `limit` messages from number `start` on, oldest first, beginning later if that one is gone."""

    def epoch(self, room: str) -> str:
        """Return the name of the room's log: another name is another log, whose numbers have another meaning."""

    def first_seq(self, room: str) -> int:
        """Return the number of the oldest message of the room that is kept, or that of the next if there is none."""

    def next_seq(self, room: str) -> int:
        """Return the number that the room's next message will get."""

    def forget(self, room: str) -> None:
        """Drop what is kept of a room that no longer exists."""
