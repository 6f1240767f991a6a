"""What the engine has of each room: its stream, topic and epoch. All that is asked here waits.

Everything may raise EngineLost and EngineRefused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from msgspec import Struct

from gchat.cluster.engine_connection import Word
from gchat.cluster.entries import topic, unpacked
from gchat.model.events import TopicIs
from gchat.model.messages import Record


class AskedEngine(Protocol):
    """What is needed of the link."""

    def ask(self, *command: Word) -> Any:
        """Return the answer of the engine that is read from."""

    @property
    def base(self) -> str:
        """The name of the history that the engine has which answers."""

    def key(self, name: str) -> str:
        """Return the engine's key of this name."""


class Stored(Struct, frozen=True, gc=False):
    """A record in a stream, and the term in which it was put there."""

    term: int
    record: Record

    @property
    def last(self) -> int:
        """The number of its last message."""
        return self.record.seq + self.record.message.count - 1


class RoomStreams:
    """The rooms of an engine."""

    def __init__(self, link: AskedEngine) -> None:
        self._link = link

    @property
    def base(self) -> str:
        """The name of the history that is asked."""
        return self._link.base

    def behind(self, room: str, seq: int, count: int) -> list[Stored]:
        """Return at most `count` records with messages behind number `seq`, the oldest first."""
        return self._stored("XRANGE", room, seq + 1, "+", count)

    def until(self, room: str, seq: int | None, count: int) -> list[Stored]:
        """Return the last `count` records up to number `seq`, or of all, the oldest first."""
        end = "+" if seq is None else f"{seq}-18446744073709551615"
        return self._stored("XREVRANGE", room, end, "-", count)[::-1]

    def oldest(self, room: str) -> int:
        """Return the number of the oldest message that is kept, 1 if there is none."""
        found = self._stored("XRANGE", room, "-", "+", 1)
        return found[0].record.seq if found else 1

    def term_of(self, room: str, seq: int) -> int:
        """Return the term of a message, 0 if there is none behind it or with its number."""
        found = self.behind(room, seq - 1, 1)
        return found[0].term if found else 0

    def messages(self, room: str, first: int, limit: int) -> list[Record]:
        """Return at most `limit` messages from a number on, each as a record of its own."""
        found = self.behind(room, first - 1, limit) if limit > 0 else ()
        each = (single for stored in found for single in stored.record.each())
        return [single for single in each if first <= single.seq < first + limit]

    def topic(self, room: str) -> TopicIs | None:
        """Return the topic, None if there is none."""
        return topic(self._link.ask("HGET", self._link.key("topics"), room))

    def lost_in(self, room: str) -> int:
        """Return the term in which the room last lost something that was shown, 0 if it never did."""
        return self._numbers("epochs", [room])[0]

    def stand(self, rooms: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Return of each of these rooms the number of its last message, and what lost_in() does."""
        return zip(self._numbers("heads", rooms), self._numbers("epochs", rooms), strict=True)

    def _numbers(self, name: str, rooms: Sequence[str]) -> list[int]:
        found = self._link.ask("HMGET", self._link.key(name), *rooms) if rooms else []
        return [int(value or 0) for value in found]

    def _stored(self, command: str, room: str, start: Word, end: Word, count: int) -> list[Stored]:
        answer = self._link.ask(command, self._link.key(f"room:{room}"), start, end, "COUNT", count)
        return [Stored(int(id_.partition(b"-")[2]), unpacked(fields[1])) for id_, fields in answer]
