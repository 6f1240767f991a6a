"""Counters of what the server does since its start; each is declared once, beside the code that counts.

    REFUSALS = CounterBy("gchat_refusals", "Requests refused, by code.", "code", Code)
    REFUSALS.add(refusal.code)

is all that a new one takes: /metrics and /status list every counter. Counting is an addition without locks, and for a
Counter without a call: `SENT_BYTES.value += size`. Numbers that are looked up when they are asked for are in gauges.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from gchat.admin.documents import Histogram, Measure
from gchat.chat.effects import CloseReason

#: Seconds: from a fast turn in a small room to a delay that people notice.
BOUNDS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

_declared: list[Counter | CounterBy | Distribution] = []


class Counter:
    """A count. `name` is without _total; `help_` is a sentence."""

    __slots__ = ("help", "name", "value")

    def __init__(self, name: str, help_: str) -> None:
        self.name = name
        self.help = help_
        self.value = 0
        _declared.append(self)

    def measure(self) -> Measure:
        """Return the count as it is now."""
        return Measure(self.name, self.help, "counter", self.value)


class CounterBy:
    """A count for each value of a label; the known values are there from the start."""

    __slots__ = ("help", "label", "name", "values")

    def __init__(self, name: str, help_: str, label: str, known: Iterable[str] = ()) -> None:
        self.name = name
        self.help = help_
        self.label = label
        self.values = {str(value): 0 for value in known}
        _declared.append(self)

    def add(self, value: str) -> None:
        """Count one more."""
        self.values[value] = self.values.get(value, 0) + 1

    def measure(self) -> Measure:
        """Return the counts as they are now."""
        return Measure(self.name, self.help, "counter", dict(self.values), self.label)


class Distribution:
    """A distribution of values: `counts[i]` of them were at most `BOUNDS_S[i]` and above the bound before."""

    __slots__ = ("counts", "help", "name", "sum")

    def __init__(self, name: str, help_: str) -> None:
        self.name = name
        self.help = help_
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum = 0.0
        _declared.append(self)

    def observe(self, value: float) -> None:
        """Count one more."""
        self.counts[bisect_left(BOUNDS_S, value)] += 1
        self.sum += value

    def measure(self) -> Measure:
        """Return the distribution as it is now."""
        return Measure(self.name, self.help, "histogram", Histogram(BOUNDS_S, tuple(self.counts), self.sum))


def measures() -> list[Measure]:
    """Return all counters as they are now, by name."""
    return sorted((counter.measure() for counter in _declared), key=lambda measure: measure.name)


# --- Counters of several modules -------------------------------------------------------------------------------------

CRASHES = Counter("gchat_crashes", "Connections closed because of a fault in the server; its log has the details.")
CLOSED = CounterBy("gchat_connections_closed", "Connections closed since the start, by reason.", "reason", CloseReason)


def count_closed(reason: CloseReason) -> None:
    """Count a connection that is closed; one that was closed by a fault of ours is a crash as well."""
    CLOSED.add(reason)
    if reason is CloseReason.CRASHED:
        CRASHES.value += 1
