"""Tries: how often users of each network have sent a wrong secret lately. Pure: the time is always given.

Only wrong secrets count, and only against the network that they came from: whoever guesses keeps nobody else out.
"""

from __future__ import annotations

#: Wrong secrets that a network may send at once, and the seconds after which one of them is forgiven.
MAX_WRONG, FORGIVEN_S = 10, 20.0

#: Networks that are remembered; the one that has been quiet for longest is forgotten for one more.
MAX_NETWORKS = 10_000


class Tries:
    """The wrong secrets of each network, as far as they are not forgiven."""

    def __init__(self) -> None:
        self._wrong: dict[str, tuple[float, float]] = {}  # by network: how many, and when that was; the oldest first

    def of(self, network: str, now: float) -> float:
        """Return how many wrong secrets of a network are not forgiven yet."""
        count, at = self._wrong.get(network, (0.0, now))
        return max(0.0, count - (now - at) / FORGIVEN_S)

    def wait_s(self, network: str, now: float) -> float:
        """Return the seconds until users of a network may try again; 0 means now."""
        return max(0.0, (self.of(network, now) - MAX_WRONG + 1) * FORGIVEN_S)

    def add(self, network: str, now: float) -> None:
        """Count a wrong secret."""
        count = self.of(network, now) + 1
        self._wrong.pop(network, None)
        self._wrong[network] = count, now
        if len(self._wrong) > MAX_NETWORKS:
            del self._wrong[next(iter(self._wrong))]
