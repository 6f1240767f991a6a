"""The memory journal: the last messages of each room, for throw-away rooms and tests. It ends with the process."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from gchat.journal.base import Kept, Posting
from gchat.protocol.events import Message, Record, Said

#: What a message takes beside its text, roughly: its Record and its place in the deque.
_RECORD_BYTES = 200


#: Ids that are remembered of one lineage, and of all: the oldest are forgotten first, whoever fills it up.
MAX_IDS, MAX_ALL_IDS = 10_000, 200_000


class _Room:
    """What is kept of one room."""

    __slots__ = ("epoch", "next_seq", "records", "size")

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.records: deque[tuple[Record, int]] = deque()  # each with its size
        self.size = 0  # bytes, roughly
        self.next_seq = 1


class _Ids:
    """The numbers that ids have got, by lineage."""

    def __init__(self) -> None:
        self._numbers: dict[str, dict[str, int]] = {}
        self._order: deque[tuple[str, str]] = deque()

    def of(self, lineage: str) -> dict[str, int]:
        """Return the numbers of this lineage's ids."""
        return self._numbers.get(lineage, {})

    def add(self, lineage: str, id_: str, number: int) -> None:
        """Remember one more."""
        ids = self._numbers.setdefault(lineage, {})
        ids[id_] = number
        if len(ids) > MAX_IDS:
            del ids[next(iter(ids))]
        self._order.append((lineage, id_))
        if len(self._order) > MAX_ALL_IDS:
            lineage, id_ = self._order.popleft()
            ids = self._numbers.get(lineage, {})
            ids.pop(id_, None)
            if not ids:
                self._numbers.pop(lineage, None)


class MemoryJournal:
    """Keeps about `room_bytes` of each room, the oldest goes first; the last message always stays.

    `epoch` is a name that no other journal has.
    """

    def __init__(self, room_bytes: int, epoch: str) -> None:
        self.room_bytes = room_bytes
        self._epoch = epoch
        self._forgotten = 0  # rooms: one that comes again is another
        self._rooms: dict[str, _Room] = {}
        self._ids = _Ids()

    def append(self, batch: Sequence[Posting], time: float) -> list[Kept]:
        """See Journal.append."""
        return [self._append(posting, time) for posting in batch]

    def _append(self, posting: Posting, time: float) -> Kept:
        room, message = self._room(posting.room), posting.message
        ids = message.ids if isinstance(message, Said) else (message.id,) if message.id else ()
        if not ids:
            return Kept(self._keep(room, message, time))
        known = self._ids.of(posting.lineage)
        numbers, fresh, seq = [], [], room.next_seq
        for at, id_ in enumerate(ids):
            number = known.get(id_) if id_ else None
            if number is None:
                number = seq
                seq += 1
                fresh.append(at)
                if id_:
                    self._ids.add(posting.lineage, id_, number)
                    known = self._ids.of(posting.lineage)
            if id_:
                numbers.append((id_, number))
        if not fresh:
            return Kept(None, tuple(numbers))
        if isinstance(message, Said) and len(fresh) < len(ids):
            message = Said(
                message.name, tuple(message.texts[at] for at in fresh), tuple(message.ids[at] for at in fresh)
            )
        return Kept(self._keep(room, message, time), tuple(numbers))

    def _keep(self, room: _Room, message: Message, time: float) -> Record:
        record, size = Record(room.next_seq, time, message), _RECORD_BYTES + message.size
        room.next_seq += message.count
        room.records.append((record, size))
        room.size += size
        while room.size > self.room_bytes and len(room.records) > 1:
            room.size -= room.records.popleft()[1]
        return record

    def read(self, room: str, start: int, limit: int) -> list[Record]:
        """See Journal.read. It looks from the newest back to `start`: most who ask want the end."""
        newer: list[Record] = []
        for record, _ in reversed(self._room(room).records):
            if record.seq + record.message.count <= start:
                break
            newer.append(record)
        found = []
        while newer and limit > 0:
            record = _part(newer.pop(), start, limit)
            found.append(record)
            limit -= record.message.count
        return found

    def epoch(self, room: str) -> str:
        """See Journal.epoch."""
        return self._room(room).epoch

    def first_seq(self, room: str) -> int:
        """See Journal.first_seq."""
        kept = self._room(room)
        return kept.records[0][0].seq if kept.records else kept.next_seq

    def next_seq(self, room: str) -> int:
        """See Journal.next_seq."""
        return self._room(room).next_seq

    def forget(self, room: str) -> None:
        """See Journal.forget."""
        self._forgotten += self._rooms.pop(room, None) is not None

    def _room(self, name: str) -> _Room:
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = _Room(f"{self._epoch}-{self._forgotten}")
        return room


def _part(record: Record, start: int, limit: int) -> Record:
    """Return of a record the at most `limit` messages from number `start` on."""
    message = record.message
    skip = max(0, start - record.seq)
    if not isinstance(message, Said) or (not skip and message.count <= limit):
        return record
    part = slice(skip, skip + limit)
    return Record(record.seq + skip, record.time, Said(message.name, message.texts[part], message.ids[part]))
