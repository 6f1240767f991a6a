"""Counts of what the server does, each at the cost of an addition: no labels and no locks."""

from __future__ import annotations

from bisect import bisect_left

#: Seconds: from a fast turn in a small room to a delay that people notice.
BOUNDS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Distribution:
    """How often values fell where: `counts[i]` of them were at most `BOUNDS_S[i]` and above the bound before."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one more."""
        self.counts[bisect_left(BOUNDS_S, value)] += 1
        self.sum += value


class Counts:
    """Counts of the pump and the connections since the start."""

    def __init__(self) -> None:
        self.messages = 0
        self.deliveries = 0  # messages times readers of the room; skipped messages are among them
        self.sent_bytes = 0
        self.received_bytes = 0
        self.skipped = 0  # by connections that have ended
        self.opened = 0
        self.crashes = 0
        self.commit_failures = 0
        self.commit_s = Distribution()
        self.fan_out_s = Distribution()
