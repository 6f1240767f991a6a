"""What each id was used for, so that a request repeated because its answer was lost is not carried out twice."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

#: Ids are remembered for at least so long, unless MAX_IDS newer ones came. (The promise of DESIGN.md, section 3.)
IDS_S = 600.0

#: How many ids of one lineage are remembered at least, and how many of all lineages at most.
MAX_IDS, MAX_ALL_IDS = 10_000, 500_000

T = TypeVar("T")


class _Lineage(Generic[T]):
    """The ids of one lineage in two generations: the older one is dropped when the newer one is full or old enough.

    So no id needs a time of its own, and none is forgotten before IDS_S have passed or MAX_IDS newer ones have come.
    """

    __slots__ = ("last", "new", "old", "since")

    def __init__(self, now: float) -> None:
        self.new: dict[str, T] = {}
        self.old: dict[str, T] = {}
        self.since = now  # when the newer generation began
        self.last = now  # when the last id was used

    def __len__(self) -> int:
        return len(self.new) + len(self.old)

    def age(self, now: float) -> int:
        """Begin a generation; return how many ids that has dropped."""
        dropped = len(self.old)
        self.old, self.new, self.since = self.new, {}, now
        return dropped


class UsedIds(Generic[T]):
    """Remembers what the ids of each lineage were used for. `now` is always the same clock's."""

    def __init__(self) -> None:
        self._lineages: OrderedDict[str, _Lineage[T]] = OrderedDict()  # the one that was used last is last
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, lineage: str, id_: str) -> T | None:
        """Return what this id of the lineage was used for, or None."""
        ids = self._lineages.get(lineage)
        if ids is None:
            return None
        found = ids.new.get(id_)
        return found if found is not None or not ids.old else ids.old.get(id_)

    def knows(self, lineage: str) -> bool:
        """Return whether anything is remembered of this lineage."""
        return lineage in self._lineages

    def add(self, lineage: str, id_: str, use: T, now: float) -> None:
        """Remember one more."""
        ids = self._lineages.get(lineage)
        if ids is None:
            ids = self._lineages[lineage] = _Lineage(now)
        elif now != ids.last:
            self._lineages.move_to_end(lineage)
        if len(ids.new) >= MAX_IDS or now - ids.since >= IDS_S:
            self._count -= ids.age(now)
        self._count += id_ not in ids.new
        ids.new[id_] = use
        ids.last = now
        while self._count > MAX_ALL_IDS and len(self._lineages) > 1:
            self._drop_first()

    def expire(self, now: float) -> None:
        """Forget the lineages that have used no id for IDS_S."""
        while self._lineages and now - next(iter(self._lineages.values())).last >= IDS_S:
            self._drop_first()

    def remove(self, lineage: str, id_: str) -> None:
        """Forget this id."""
        ids = self._lineages.get(lineage)
        if ids is None:
            return
        self._count -= len(ids)
        ids.new.pop(id_, None)
        ids.old.pop(id_, None)
        self._count += len(ids)
        if not ids:
            del self._lineages[lineage]

    def _drop_first(self) -> None:
        _, dropped = self._lineages.popitem(last=False)
        self._count -= len(dropped)
