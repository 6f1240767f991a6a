"""The cursor in a log of a dialect that hears once what several rooms are told: in the first that its reader follows.

No reader keeps what it has heard. A log notes where it repeats what others were told before, and a reader, which part
of each log it has heard: from where it came, without what it fell off the ring of. A repeat is left out like one's own
words, when it is read. So it costs a few numbers for each cursor, and nothing in other dialects.
"""

from __future__ import annotations

from collections.abc import Iterable

from gchat.roomlog.chunk import Places
from gchat.roomlog.cursor import Cursor
from gchat.roomlog.log import RoomLog

#: Visits to logs that one reader has ended and that are remembered while there are repeats; then all are forgotten.
MAX_ENDED = 100

_NEVER = 1 << 62


class Visit:
    """The part of a log that one reader hears, as positions."""

    __slots__ = ("begin", "end", "missed_from", "missed_to")

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.end = _NEVER
        self.missed_from = self.missed_to = 0  # the last that it missed

    def has(self, position: int) -> bool:
        """Return whether what stands there was heard, or will be in its turn."""
        return self.begin <= position < self.end and not self.missed_from <= position < self.missed_to


#: The visits of one reader to each log.
Visits = dict[RoomLog, list[Visit]]


class OnceCursor(Cursor):
    """The place of a reader in a log; it knows what the reader has heard of others."""

    __slots__ = ("_visit", "_visits")

    def __init__(self, session: int, descriptor: int, log: RoomLog, others: Iterable[Cursor]) -> None:
        super().__init__(session, descriptor, log)
        self._visit = Visit(self.position)
        self._visits: Visits = {}
        for other in others:
            assert isinstance(other, OnceCursor)
            self._visits = other._visits  # noqa: SLF001  # one for all cursors of a reader
            break
        _forget_ended(self._visits)
        self._visits.setdefault(log, []).append(self._visit)

    def was_told(self, places: Places) -> bool:
        """Return whether the reader is told this in another log before."""
        for log, position in places:
            if log is self.log:
                break
            if any(visit.has(position) for visit in self._visits.get(log, ())):  # type: ignore[call-overload]
                return True
        return False

    def miss(self, end: int) -> None:
        """Note that what there is up to `end` is not read."""
        visit = self._visit
        if visit.missed_to != self.position:  # else it has read nothing since it missed what is before
            visit.missed_from = self.position
        visit.missed_to = end

    def leave(self) -> None:
        """Be gone; what it was told until now counts for as long as it may be repeated."""
        super().leave()
        self._visit.end = self.log.open_end


def _forget_ended(visits: Visits) -> None:
    ended = sum(visit.end != _NEVER for each in visits.values() for visit in each)
    if ended > MAX_ENDED or (ended and not any(log.has_repeats for log in visits)):
        for log, each in list(visits.items()):
            each[:] = [visit for visit in each if visit.end == _NEVER]
            if not each:
                del visits[log]
