"""What the next turn of the pump takes of users who say much, who wait for each other in the order in which they came.

Without a bound a turn would take as long as what thousands say and ask at once, and everybody would wait for all of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gevent.event import Event

#: What a turn takes, in bytes; a line counts too. To read, store and show it takes about 1 ms.
FULL_TURN = 1 << 14

#: What a line costs a turn, as much as so many bytes of it; and a user who enters.
LINE_WEIGHT, ENTRY_WEIGHT = 1024, 1 << 12


class TurnShare:
    """The weight that the next turn still takes, and the users that wait for another.

    What goes into the next turn, however full that is, is counted without a call: `share.left -= weight`.
    """

    __slots__ = ("_waiting", "_wake", "left")

    def __init__(self, wake: Callable[[], None]) -> None:
        # With nothing left, users who say much wait: others wait already, or the turn would be long.
        self.left = FULL_TURN
        self._waiting: deque[tuple[int, Event]] = deque()
        self._wake = wake  # has a turn of the pump come soon

    @property
    def is_wanted(self) -> bool:
        """Whether users wait for a turn that may take them."""
        return bool(self._waiting)

    def wait(self, weight: int) -> None:
        """Wait for a turn in which there is room for so much, if there is none in the next, and take it."""
        if self.left > 0:
            self.left -= weight
            return
        let_in = Event()
        waiting = weight, let_in
        self._waiting.append(waiting)
        self._wake()
        try:
            let_in.wait()
        finally:
            if not let_in.is_set():
                self._waiting.remove(waiting)

    def renew(self) -> None:
        """Begin the share of another turn, and let in those who have waited longest."""
        self.left = FULL_TURN
        while self.is_wanted and self.left > 0:
            weight, let_in = self._waiting.popleft()
            self.left -= weight
            let_in.set()
        if self._waiting:
            self.left = min(self.left, 0)
