"""How long a client waits before it dials again. Pure but for chance."""

from __future__ import annotations

import random


class Backoff:
    """Waits in seconds: at first `min_s`, each time twice as long, at most `max_s`.

    Each is up to half longer by chance, so that the clients of a server that was started again do not all come at once.
    A connection that lasted `steady_s` was a good one: after it the waits begin anew.
    """

    def __init__(self, min_s: float, max_s: float, steady_s: float) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._steady_s = steady_s
        self._next_s = min_s

    def wait_s(self, lasted_s: float) -> float:
        """Return how long to wait now. The last connection has `lasted_s`; an attempt that failed lasted 0."""
        base_s = self._min_s if lasted_s >= self._steady_s else self._next_s
        self._next_s = min(base_s * 2, self._max_s)
        return min(base_s * random.uniform(1, 1.5), self._max_s)  # noqa: S311  # jitter is no secret
