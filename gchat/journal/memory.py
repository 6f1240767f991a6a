"""The memory journal: the last messages of each room, for throw-away rooms and tests. It ends with the process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count, islice

from gchat.journal.base import Kept, KeptRoom, Posting, Run
from gchat.journal.ids import Ids
from gchat.journal.numbering import Numbering
from gchat.journal.tail import Tail
from gchat.journal.words import matching
from gchat.protocol.events import Numbered, Record, TopicIs, TopicSet


class _Room:
    """What is kept of one room."""

    __slots__ = ("epoch", "tail", "topic")

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.tail = Tail(1)
        self.topic: TopicIs | None = None


class MemoryJournal:
    """Keeps about `room_bytes` of each room, the oldest goes first; the last message always stays.

    `epoch` is a name that no other journal has. To look through all of a room takes a while, and is left to `run`.
    """

    trouble = ""
    damage: Sequence[str] = ()

    def __init__(self, room_bytes: int, epoch: str, run: Run) -> None:
        self.room_bytes = room_bytes
        self._run = run
        self._epoch = epoch
        self._made = count()  # rooms: each has an epoch of its own, also one that comes again
        self._rooms: dict[str, _Room] = {}
        self._ids: Ids[tuple[str, Numbered]] = Ids()  # of each, the epoch of its room's log

    def open(self, rooms: Iterable[str]) -> None:
        """See Journal.open."""

    def append(self, batch: Sequence[Posting], time: float) -> list[Kept]:
        """See Journal.append."""
        numbering = Numbering(self.next_seq, self._known)
        kept = [numbering.number(posting, time) for posting in batch]
        for posting, outcome in zip(batch, kept, strict=True):
            if record := outcome.record:
                room = self._room(posting.room)
                room.tail.keep(record, self.room_bytes)
                if isinstance(record.message, TopicSet):
                    room.topic = TopicIs(record.message.text, record.message.name)
        for (lineage, id_), number in numbering.fresh.items():
            self._ids.add(lineage, id_, (self._room(number.room).epoch, number))
        return kept

    def _known(self, lineage: str, id_: str) -> Numbered | None:
        """Return where the message with this id stands, if it does: the log that it was in may be gone."""
        epoch, number = self._ids.of(lineage).get(id_, ("", None))
        return number if number is not None and self._room(number.room).epoch == epoch else None

    def read(self, room: str, start: int, limit: int) -> list[Record]:
        """See Journal.read."""
        return self._room(room).tail.read(start, limit)

    def find(self, room: str, start: int, limit: int) -> list[Record] | None:
        """See Journal.find."""
        return self.read(room, start, limit) if room in self._rooms and self.next_seq(room) > 1 else None

    def rooms(self, limit: int) -> list[KeptRoom]:
        """See Journal.rooms."""
        kept = ((name, room) for name, room in reversed(self._rooms.items()) if room.tail.next_seq > 1)
        return [
            KeptRoom(name, room.tail.next_seq - 1, room.topic.text if room.topic else "")
            for name, room in islice(kept, limit)
        ]

    def search(self, room: str, text: str, limit: int) -> list[Record]:
        """See Journal.search."""
        records = self._room(room).tail.records.copy()
        return self._run(lambda: matching(records, text, limit))

    def epoch(self, room: str) -> str:
        """See Journal.epoch."""
        return self._room(room).epoch

    def at_hand(self, room: str) -> int:  # noqa: ARG002
        """See Journal.at_hand."""
        return 0

    def first_seq(self, room: str) -> int:
        """See Journal.first_seq."""
        return self._room(room).tail.first_seq

    def next_seq(self, room: str) -> int:
        """See Journal.next_seq."""
        return self._room(room).tail.next_seq

    def topic(self, room: str) -> TopicIs | None:
        """See Journal.topic."""
        return self._room(room).topic

    def forget(self, room: str) -> None:
        """See Journal.forget."""
        self._rooms.pop(room, None)

    def limit(self, keep_s: float, keep_messages: int) -> None:
        """See Journal.limit: what is kept is so little that it is not counted."""

    def note(self, kind: str, key: str, value: bytes) -> None:
        """See Journal.note: there is no next run."""

    def notes(self, kind: str) -> dict[str, bytes]:  # noqa: ARG002
        """See Journal.notes."""
        return {}

    def tidy(self, now: float) -> bool:  # noqa: ARG002
        """See Journal.tidy."""
        return False

    def close(self) -> None:
        """See Journal.close."""

    def _room(self, name: str) -> _Room:
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = _Room(f"{self._epoch}-{next(self._made)}")
        return room
