"""What ids have come to: so that what is asked again, because the answer was lost, is not done again."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

#: Ids that are remembered of one lineage, and of all: its own, and the oldest, are forgotten first.
MAX_IDS, MAX_ALL_IDS = 10_000, 500_000

T = TypeVar("T")


class Ids(Generic[T]):
    """Remembers what became of an id of a lineage."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, T]] = {}  # by lineage
        self._order: deque[tuple[str, str]] = deque()

    def of(self, lineage: str) -> dict[str, T]:
        """Return what is remembered of this lineage."""
        return self._found.get(lineage, {})

    def knows(self, lineage: str) -> bool:
        """Return whether anything is remembered of this lineage."""
        return lineage in self._found

    def add(self, lineage: str, id_: str, outcome: T) -> None:
        """Remember one more."""
        ids = self._found.setdefault(lineage, {})
        ids[id_] = outcome
        if len(ids) > MAX_IDS:
            del ids[next(iter(ids))]
        self._order.append((lineage, id_))
        if len(self._order) > MAX_ALL_IDS:
            lineage, id_ = self._order.popleft()
            ids = self._found.get(lineage, {})
            ids.pop(id_, None)
            if not ids:
                self._found.pop(lineage, None)
