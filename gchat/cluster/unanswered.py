"""What a node puts, until its outcome is known: waiting, or sent in batches whose echo comes by the feed. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

#: Of a batch. One item that is larger goes alone.
MAX_ITEMS, MAX_BYTES = 500, 1_000_000


class Put(Struct):
    """Something that was put: packed, with what asked for it."""

    data: bytes
    cause: Any
    since: float  # when, by the steady clock
    is_unknown: bool = False  # whether the owner was told that its outcome is not known


class Unanswered:
    """The items of a node in their order, each waiting or sent. What is returned is for the owner to be told."""

    def __init__(self) -> None:
        self._waiting: deque[Put] = deque()
        self._sent: dict[int, list[Put]] = {}  # by batch
        self._batch = 0

    def __len__(self) -> int:
        return len(self._waiting) + sum(map(len, self._sent.values()))

    @property
    def has_waiting(self) -> bool:
        """Whether something is not sent yet."""
        return bool(self._waiting)

    @property
    def last_batch(self) -> int:
        """The number of the batch that was sent last; 0: none was."""
        return self._batch

    @property
    def oldest(self) -> float:
        """When that was put, of all whose outcome the owner waits for, which was put first; 0: there is none."""
        waited_for = (item.since for items in self._sent.values() for item in items if not item.is_unknown)
        return next(waited_for, self._waiting[0].since if self._waiting else 0.0)

    def put(self, items: Sequence[tuple[bytes, Any]], now: float) -> None:
        """Take items with their causes, behind all others."""
        self._waiting.extend(Put(data, cause, now) for data, cause in items)

    def send(self) -> tuple[int, list[Put]]:
        """Take the next batch as sent: its number and its items, which are at least one."""
        items = [self._waiting.popleft()]
        size = len(items[0].data)
        while self._waiting and len(items) < MAX_ITEMS and (size := size + len(self._waiting[0].data)) <= MAX_BYTES:
            items.append(self._waiting.popleft())
        self._batch += 1
        self._sent[self._batch] = items
        return self._batch, items

    def settled(self, batch: int) -> list[Put]:
        """Forget a batch, whose outcome is known. Returns its items; none if it was not known of."""
        return self._sent.pop(batch, [])

    def send_again(self, applied: int) -> None:
        """Have the batches wait again that are behind the last one that was carried out."""
        for batch in sorted(self._sent, reverse=True):
            if batch > applied:
                self._waiting.extendleft(reversed(self._sent.pop(batch)))

    def forget(self, batch: float) -> list[Put]:
        """Forget what was sent up to a batch, because its echo never comes. Returns its items."""
        return [item for each in sorted(self._sent) if each <= batch for item in self._sent.pop(each)]

    def late(self, since: float) -> list[Put]:
        """Take out what was put before that time and was not sent."""
        found = []
        while self._waiting and self._waiting[0].since < since:
            found.append(self._waiting.popleft())
        return found

    def not_known(self, since: float) -> list[Put]:
        """Return, once, what was put before that time, was sent, and has had no echo."""
        found = [item for items in self._sent.values() for item in items if item.since < since and not item.is_unknown]
        for item in found:
            item.is_unknown = True
        return found
