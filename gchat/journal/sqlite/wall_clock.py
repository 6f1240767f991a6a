"""How far the wall clock is believed when it says that messages are old enough to be deleted.

The rule: messages are deleted by age without limit only after the clock has run steadily for a day. Until then at most
one day's worth is deleted: messages up to a day newer than the oldest one, and as much more as time has passed. A
machine may start with its clock years ahead, and correct it a minute later.

"Steadily" means compared with a clock that nobody sets. When the two move apart, the wall clock was set, and the day
begins again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

DAY_S = 86400.0

#: The clock was set if it has moved away from the steady one by so much since the last look.
TOLERANCE_S = 60.0


class WallClock:
    """The wall clock as the journal has seen it in this run."""

    def __init__(self) -> None:
        self._seen: tuple[float, float] | None = None
        self._steady_since = 0.0
        self._oldest: float | None = None  # the time of the oldest message when it was first asked for

    def look(self, now: float, steady: float) -> None:
        """Compare the two clocks."""
        if self._seen is None or abs((now - self._seen[0]) - (steady - self._seen[1])) > TOLERANCE_S:
            self._steady_since = steady
            self._oldest = None
        self._seen = (now, steady)

    def allows(self, since: float, oldest: Callable[[], float | None]) -> float:
        """Return up to which time messages may be deleted now, if those before `since` are too old.

        `oldest` returns the time of the oldest message, None if there is none.
        """
        if self._seen is None:
            return 0.0
        passed = self._seen[1] - self._steady_since
        if passed >= DAY_S:
            return since
        if self._oldest is None:
            self._oldest = oldest()
        return since if self._oldest is None else min(since, self._oldest + DAY_S + passed)

    def caution(self, since: float, allowed: float) -> str:
        """Return why messages from before `since` are not all deleted, "" if they are."""
        if allowed >= since or self._seen is None or self._oldest is None:
            return ""
        now, oldest = (datetime.fromtimestamp(at, UTC) for at in (self._seen[0], self._oldest))
        return (
            f"the clock says {now:%Y-%m-%d} and the oldest message is from {oldest:%Y-%m-%d}; "
            "deleting at most one day's worth until the clock has run steadily for 24 hours"
        )
