"""The memory journal: the last messages of each room, for throw-away rooms and tests. It ends with the process."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from gchat.protocol.events import Message, Record, Said

#: What a message takes beside its text, roughly: its Record and its place in the deque.
_RECORD_BYTES = 200


class _Kept:
    """What is kept of one room."""

    __slots__ = ("next_seq", "records", "size")

    def __init__(self) -> None:
        self.records: deque[tuple[Record, int]] = deque()  # each with its size
        self.size = 0  # bytes, roughly
        self.next_seq = 1


class MemoryJournal:
    """Keeps about `room_bytes` of each room, the oldest goes first; the last message always stays."""

    def __init__(self, room_bytes: int) -> None:
        self.room_bytes = room_bytes
        self._rooms: dict[str, _Kept] = {}

    def append(self, batch: Sequence[tuple[str, Message]], time: float) -> list[int]:
        """See Journal.append."""
        numbers = []
        for room, message in batch:
            kept = self._rooms.get(room)
            if kept is None:
                kept = self._rooms[room] = _Kept()
            seq, size = kept.next_seq, _size(message)
            numbers.append(seq)
            kept.next_seq = seq + message.count
            kept.records.append((Record(seq, time, message), size))
            kept.size += size
            while kept.size > self.room_bytes and len(kept.records) > 1:
                kept.size -= kept.records.popleft()[1]
        return numbers

    def read(self, room: str, start: int, limit: int) -> list[Record]:
        """See Journal.read. It looks from the newest back to `start`: most who ask want the end."""
        kept = self._rooms.get(room)
        newer: list[Record] = []
        for record, _ in reversed(kept.records) if kept else ():
            if record.seq + record.message.count <= start:
                break
            newer.append(record)
        found = []
        while newer and limit > 0:
            record = _part(newer.pop(), start, limit)
            found.append(record)
            limit -= record.message.count
        return found

    def next_seq(self, room: str) -> int:
        """See Journal.next_seq."""
        kept = self._rooms.get(room)
        return kept.next_seq if kept else 1

    def forget(self, room: str) -> None:
        """See Journal.forget."""
        self._rooms.pop(room, None)


def _part(record: Record, start: int, limit: int) -> Record:
    """Return of a record the at most `limit` messages from number `start` on."""
    message = record.message
    skip = max(0, start - record.seq)
    if not isinstance(message, Said) or (not skip and message.count <= limit):
        return record
    return Record(record.seq + skip, record.time, Said(message.name, message.texts[skip : skip + limit]))


def _size(message: Message) -> int:
    texts = message.texts if isinstance(message, Said) else (message.text,)
    return _RECORD_BYTES + sum(map(len, texts))
