"""How far the wall clock is believed when it says that messages are old enough to be deleted.

The rule: messages are deleted by age without limit only after the clock has run steadily for a day. Until then at most
one day's worth is deleted: messages up to a day newer than the oldest one, and as much more as time has passed. A
machine may start with its clock years ahead, and correct it a minute later.

"Steadily" means compared with a clock that nobody sets. When the two move apart, the wall clock was set, and the day
begins again. What was granted before stays, and outlives the run: a server that is started again and again while its
clock is ahead deletes one day's worth in all, not one for each start. A grant ends with that day, or when the clock has
run steadily for an hour and all that is too old may go anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

DAY_S = 86400.0

#: A grant that does not stand in the way ends after so much steady time of one run. A loop of restarts is faster.
HOUR_S = 3600.0

#: The clock was set if it has moved away from the steady one by so much since the last look.
TOLERANCE_S = 60.0


class Grant(Struct, frozen=True):
    """What may be deleted although the clock is in doubt: a day's worth, and as much as time has passed since."""

    oldest: float  # the time of the oldest message when it was made
    passed_s: float = 0.0  # of steady time, in all runs until now

    @property
    def until(self) -> float:
        """The time up to which messages may be deleted."""
        return self.oldest + DAY_S + self.passed_s


class WallClock:
    """The wall clock as the journal has seen it in this run; `grant` is what the run before has left, if anything."""

    def __init__(self, grant: Grant | None = None) -> None:
        self.grant = grant  # None while nothing is in doubt
        self._seen: tuple[float, float] | None = None
        self._steady_since = 0.0

    def look(self, now: float, steady: float) -> None:
        """Compare the two clocks."""
        if self._seen is None or abs((now - self._seen[0]) - (steady - self._seen[1])) > TOLERANCE_S:
            self._steady_since = steady
        elif self.grant is not None:
            self.grant = Grant(self.grant.oldest, self.grant.passed_s + steady - self._seen[1])
        self._seen = (now, steady)

    def allows(self, since: float, oldest: Callable[[], float | None]) -> float:
        """Return up to which time messages may be deleted now, if those before `since` are too old.

        `oldest` returns the time of the oldest message, None if there is none.
        """
        if self._seen is None:
            return 0.0
        steady_s = self._seen[1] - self._steady_since
        if steady_s < DAY_S:
            if self.grant is None and (found := oldest()) is not None:
                self.grant = Grant(found)
            if self.grant is not None and self.grant.until < since:
                return self.grant.until
        if steady_s >= HOUR_S:
            self.grant = None
        return since

    def caution(self, since: float, allowed: float) -> str:
        """Return why messages from before `since` are not all deleted, "" if they are."""
        if allowed >= since or self._seen is None or self.grant is None:
            return ""
        now, oldest = (datetime.fromtimestamp(at, UTC) for at in (self._seen[0], self.grant.oldest))
        return (
            f"the clock says {now:%Y-%m-%d} and the oldest message is from {oldest:%Y-%m-%d}; "
            "deleting at most one day's worth until the clock has run steadily for 24 hours"
        )
