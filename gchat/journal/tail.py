"""The last messages of a room, in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import islice

from gchat.protocol.events import Record, Said

#: What a message takes in addition to its text, roughly: its Record and its place in the list.
_RECORD_BYTES = 200


class Tail:
    """The messages from `first_seq` up to `next_seq`, which is the number of the next."""

    __slots__ = ("_size", "_sizes", "next_seq", "records")

    def __init__(self, next_seq: int, records: Iterable[Record] = ()) -> None:
        self.next_seq = next_seq
        self.records = list(records)
        self._sizes = [_size(record) for record in self.records]  # to sum up the texts once is enough
        self._size = sum(self._sizes)

    @property
    def first_seq(self) -> int:
        """The number of the oldest message, or of the next if there is none."""
        return self.records[0].seq if self.records else self.next_seq

    def keep(self, record: Record, max_bytes: int) -> None:
        """Add the next one, and drop the oldest, but never it, until all is within `max_bytes`."""
        self.next_seq += record.message.count
        size = _size(record)
        self.records.append(record)
        self._sizes.append(size)
        self._size += size
        drop = 0
        while self._size > max_bytes and drop < len(self.records) - 1:
            self._size -= self._sizes[drop]
            drop += 1
        self._drop(drop)

    def drop_before(self, seq: int) -> None:
        """Drop what has a number below `seq`; a record that is partly above it stays."""
        drop = 0
        while drop < len(self.records) and self.records[drop].seq + self.records[drop].message.count <= seq:
            self._size -= self._sizes[drop]
            drop += 1
        self._drop(drop)

    def _drop(self, count: int) -> None:
        if count:
            del self.records[:count], self._sizes[:count]

    def read(self, start: int, limit: int) -> list[Record]:
        """Return at most `limit` messages from number `start` on, oldest first, beginning later if that one is gone."""
        if start >= self.next_seq:
            return []
        at = bisect_right(self.records, start, key=lambda record: record.seq)
        found = []
        for record in islice(self.records, max(0, at - 1), None):
            if limit <= 0:
                break
            part = _part(record, start, limit)
            found.append(part)
            limit -= part.message.count
        return found


def _size(record: Record) -> int:
    return _RECORD_BYTES + record.message.size


def _part(record: Record, start: int, limit: int) -> Record:
    """Return of a record the at most `limit` messages from number `start` on."""
    message = record.message
    skip = max(0, start - record.seq)
    if not isinstance(message, Said) or (not skip and message.count <= limit):
        return record
    part = slice(skip, skip + limit)
    return Record(record.seq + skip, record.time, Said(message.name, message.texts[part], message.ids[part]))
