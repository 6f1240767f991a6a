"""The time of the cluster: a clock that stands still while the engine does, and is the same on all nodes. Pure."""

from __future__ import annotations


class ClusterTime:
    """A node's view of it, in seconds since the epoch less those for which the engine stood; it never goes back.

    It goes on from beat to beat by the node's steady clock, but not for longer than `silence_s`, because a longer
    silence is not counted.
    """

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._beaten = self._at = self._last = 0.0
        self._skew_s = 0.0

    def beaten(self, now: float, stood: float, at: float) -> None:
        """Take what the engine answered to a beat: its time, and for how long it stood; `at` is of the steady clock."""
        self._beaten, self._at = now - stood, at
        self._skew_s = now - at

    def at(self, steady: float) -> float:
        """Return the time of the cluster."""
        self._last = max(self._last, self._beaten + min(steady - self._at, self._silence_s))
        return self._last

    def engine_at(self, steady: float) -> float:
        """Return the engine's own time."""
        return steady + self._skew_s
