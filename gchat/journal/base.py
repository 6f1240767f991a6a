"""What a journal is. The memory journal is in memory; nothing above this interface knows which one it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gchat.protocol.events import Message, Record


class Journal(Protocol):
    """Numbers messages and keeps them. Numbers are per room, begin at 1, and have no holes.

    Calls may wait (a disk is slow); the caller is the pump alone, so what it reads is all that it has appended.
    """

    def append(self, batch: Sequence[tuple[str, Message]], time: float) -> list[int]:
        """Keep (room, message) pairs in this order, and return the first number of each.

        They were said at `time`: the wall clock's, in seconds since the epoch.
        """

    def read(self, room: str, start: int, limit: int) -> list[Record]:
        """Return at most `limit` messages from number `start` on, oldest first, beginning later if that one is gone."""

    def next_seq(self, room: str) -> int:
        """Return the number that the room's next message will get."""

    def forget(self, room: str) -> None:
        """Drop what is kept of a room that no longer exists."""
