"""How far behind the feed a node is, in time. Pure."""

from __future__ import annotations

from collections import deque


class FeedLag:
    """What a node was told of the feed's end, and when; times are of its steady clock."""

    def __init__(self) -> None:
        self._ahead: deque[tuple[int, float]] = deque()  # the feed's last n, and when that was told

    def told(self, n: int, now: float) -> None:
        """Take that the feed goes up to n. Where it went further before, it is another one."""
        if self._ahead and n < self._ahead[-1][0]:
            self._ahead.clear()
        if not self._ahead or n > self._ahead[-1][0]:
            self._ahead.append((n, now))

    def at(self, now: float, heard: int) -> float:
        """Return for how many seconds at least the node has not heard what is behind `heard`; 0: it has heard all."""
        while self._ahead and self._ahead[0][0] <= heard:
            self._ahead.popleft()
        return now - self._ahead[0][1] if self._ahead else 0.0
