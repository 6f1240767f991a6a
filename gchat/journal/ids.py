"""What each id was used for, so that a request repeated because its answer was lost is not carried out twice."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

#: Ids are remembered for at least so long. (The promise of DESIGN.md, section 3.)
IDS_S = 600.0

#: How many ids are remembered for one lineage, and for all of them. The oldest are forgotten first.
MAX_IDS, MAX_ALL_IDS = 10_000, 500_000

T = TypeVar("T")


class Ids(Generic[T]):
    """Remembers what the ids of each lineage were used for."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, T]] = {}  # by lineage
        self._order: deque[tuple[str, str]] = deque()

    def get(self, lineage: str, id_: str) -> T | None:
        """Return what this id of the lineage was used for, or None."""
        ids = self._found.get(lineage)
        return ids.get(id_) if ids else None

    def knows(self, lineage: str) -> bool:
        """Return whether anything is remembered of this lineage."""
        return lineage in self._found

    def add(self, lineage: str, id_: str, use: T) -> None:
        """Remember one more."""
        ids = self._found.setdefault(lineage, {})
        ids[id_] = use
        if len(ids) > MAX_IDS:
            del ids[next(iter(ids))]
        self._order.append((lineage, id_))
        if len(self._order) > MAX_ALL_IDS:
            self.remove(*self._order.popleft())

    def remove(self, lineage: str, id_: str) -> None:
        """Forget this id."""
        ids = self._found.get(lineage, {})
        ids.pop(id_, None)
        if not ids:
            self._found.pop(lineage, None)
