"""The memory journal: the last messages of each room, for throw-away rooms and tests. It ends with the process."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import count, islice

from gchat.journal.base import Kept, Posting
from gchat.journal.ids import Ids
from gchat.protocol.events import Message, Numbered, Record, Said

#: What a message takes beside its text, roughly: its Record and its place in the deque.
_RECORD_BYTES = 200


#: A list is cut at its beginning only now and then.
_DROPPED_AT_ONCE = 64


class _Room:
    """What is kept of one room."""

    __slots__ = ("_dropped", "_records", "_size", "epoch", "next_seq")

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.next_seq = 1
        self._records: list[Record] = []
        self._dropped = 0  # of those, from the first on
        self._size = 0  # bytes of the others, roughly

    @property
    def first_seq(self) -> int:
        """The number of the oldest message, or of the next if there is none."""
        return self._records[self._dropped].seq if self._records else self.next_seq

    def keep(self, message: Message, time: float, room_bytes: int) -> Record:
        """Add one, and drop the oldest, but never it, until all is within `room_bytes`."""
        record = Record(self.next_seq, time, message)
        self.next_seq += message.count
        self._records.append(record)
        self._size += _RECORD_BYTES + message.size
        while self._size > room_bytes and self._dropped < len(self._records) - 1:
            self._size -= _RECORD_BYTES + self._records[self._dropped].message.size
            self._dropped += 1
        if self._dropped >= _DROPPED_AT_ONCE:
            del self._records[: self._dropped]
            self._dropped = 0
        return record

    def read(self, start: int, limit: int) -> list[Record]:
        """See Journal.read."""
        if start >= self.next_seq:
            return []
        at = bisect_right(self._records, start, self._dropped, key=lambda record: record.seq)
        found = []
        for record in islice(self._records, max(self._dropped, at - 1), None):
            if limit <= 0:
                break
            part = _part(record, start, limit)
            found.append(part)
            limit -= part.message.count
        return found


class MemoryJournal:
    """Keeps about `room_bytes` of each room, the oldest goes first; the last message always stays.

    `epoch` is a name that no other journal has.
    """

    def __init__(self, room_bytes: int, epoch: str) -> None:
        self.room_bytes = room_bytes
        self._epoch = epoch
        self._made = count()  # rooms: each has an epoch of its own, also one that comes again
        self._rooms: dict[str, _Room] = {}
        self._ids: Ids[tuple[str, Numbered]] = Ids()  # of each, the epoch of its room's log

    def append(self, batch: Sequence[Posting], time: float) -> list[Kept]:
        """See Journal.append."""
        return [self._append(posting, time) for posting in batch]

    def _append(self, posting: Posting, time: float) -> Kept:
        room, message = self._room(posting.room), posting.message
        ids = message.ids if isinstance(message, Said) else (message.id,) if message.id else ()
        if not ids:
            return Kept(room.keep(message, time, self.room_bytes))
        numbers: list[Numbered] = []
        fresh: list[int] = []
        for at, id_ in enumerate(ids):
            known = self._known(posting.lineage, id_)
            if known is None:
                known = Numbered(id_, posting.room, room.next_seq + len(fresh))
                fresh.append(at)
                if id_:
                    self._ids.add(posting.lineage, id_, (room.epoch, known))
            if id_:
                numbers.append(known)
        if not fresh:
            return Kept(None, tuple(numbers))
        if isinstance(message, Said) and len(fresh) < len(ids):
            message = Said(
                message.name, tuple(message.texts[at] for at in fresh), tuple(message.ids[at] for at in fresh)
            )
        return Kept(room.keep(message, time, self.room_bytes), tuple(numbers))

    def _known(self, lineage: str, id_: str) -> Numbered | None:
        """Return where the message with this id stands, if it does: the log that it was in may be gone."""
        epoch, numbered = self._ids.of(lineage).get(id_, ("", None))
        if numbered is None or self._room(numbered.room).epoch != epoch:
            return None
        return numbered

    def read(self, room: str, start: int, limit: int) -> list[Record]:
        """See Journal.read."""
        return self._room(room).read(start, limit)

    def epoch(self, room: str) -> str:
        """See Journal.epoch."""
        return self._room(room).epoch

    def first_seq(self, room: str) -> int:
        """See Journal.first_seq."""
        return self._room(room).first_seq

    def next_seq(self, room: str) -> int:
        """See Journal.next_seq."""
        return self._room(room).next_seq

    def forget(self, room: str) -> None:
        """See Journal.forget."""
        self._rooms.pop(room, None)

    def _room(self, name: str) -> _Room:
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = _Room(f"{self._epoch}-{next(self._made)}")
        return room


def _part(record: Record, start: int, limit: int) -> Record:
    """Return of a record the at most `limit` messages from number `start` on."""
    message = record.message
    skip = max(0, start - record.seq)
    if not isinstance(message, Said) or (not skip and message.count <= limit):
        return record
    part = slice(skip, skip + limit)
    return Record(record.seq + skip, record.time, Said(message.name, message.texts[part], message.ids[part]))
