"""The last messages of a room, in memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable

from gchat.journal.paging import page
from gchat.model.messages import Record, Said

#: What a message takes in addition to its text, roughly: its Record and its place in the list.
_RECORD_BYTES = 200


class RecentMessages:
    """The messages from `first_seq` up to `next_seq`, which is the number of the next."""

    __slots__ = ("_next_seq", "_size", "_sizes", "records")

    def __init__(self, next_seq: int, records: Iterable[Record] = ()) -> None:
        self._next_seq = next_seq  # as it was before the last records came
        # A list would move all that stays when the oldest goes (measured: 5 % of a turn of ten lines).
        self.records = deque(records)
        self._sizes = deque(map(_size, self.records))  # to sum up the texts once is enough
        self._size = sum(self._sizes)

    @property
    def first_seq(self) -> int:
        """The number of the oldest message, or of the next if there is none."""
        return self.records[0].seq if self.records else self.next_seq

    @property
    def next_seq(self) -> int:
        """The number of the next message."""
        if not self.records:
            return self._next_seq
        last = self.records[-1]
        return max(self._next_seq, last.seq + last.message.count)

    def keep(self, record: Record, max_bytes: int) -> None:
        """Add the next one, and drop the oldest, but never it, until all is within `max_bytes`."""
        records, sizes, message = self.records, self._sizes, record.message
        # Of what is mostly said, the same without a call.
        size = _RECORD_BYTES + (len("".join(message.texts)) if type(message) is Said else message.size)
        records.append(record)
        sizes.append(size)
        self._size += size
        while self._size > max_bytes and len(records) > 1:
            records.popleft()
            self._size -= sizes.popleft()

    def drop_before(self, seq: int) -> None:
        """Drop what has a number below `seq`; a record that is partly above it stays."""
        self._next_seq = self.next_seq
        while self.records and self.records[0].seq + self.records[0].message.count <= seq:
            self.records.popleft()
            self._size -= self._sizes.popleft()

    def read(self, start: int, limit: int, max_size: int, *, last: bool = False) -> list[Record]:
        """Return at most `limit` messages from number `start` on, oldest first, beginning later if that one is gone.

        If these have more text than `max_size`, the first of them, or the `last`; one at least.
        """
        first = max(start, self.first_seq)
        stop = min(first + limit, self.next_seq)
        if first >= stop:
            return []
        begin = bisect_right(self.records, first, key=_seq) - 1
        end = bisect_left(self.records, stop, key=_seq)
        places = range(begin, end)
        each = (
            record
            for at in (reversed(places) if last else places)
            for record in self.records[at].each(last_first=last)
            if first <= record.seq < stop
        )
        found, _ = page(each, max_size)
        return found[::-1] if last else found


def _seq(record: Record) -> int:
    return record.seq


def _size(record: Record) -> int:
    return _RECORD_BYTES + record.message.size
