"""What the next turn of the pump takes of users who say much, who wait for each other in the order in which they came.

Without a bound a turn would take as long as what thousands say and ask at once, and everybody would wait for all of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gevent.event import Event

#: What a turn takes, in bytes; a line counts too. To read, store and show it takes about 1 ms.
FULL_TURN = 1 << 14

#: What a line costs a turn, as much as so many bytes of it; and a user who enters.
LINE_WEIGHT, ENTRY_WEIGHT = 1024, 1 << 12


class TurnShare:
    """The weight that has been let into the next turn, and the users that wait for another."""

    __slots__ = ("_is_closed", "_taken", "_waiting", "_wake", "is_full")

    def __init__(self, wake: Callable[[], None]) -> None:
        # Whether the next turn takes no more of users who say much: others wait already, or it would be long.
        self.is_full = False
        self._is_closed = False
        self._taken = 0
        self._waiting: deque[tuple[int, Event]] = deque()
        self._wake = wake  # has a turn of the pump come soon

    @property
    def is_wanted(self) -> bool:
        """Whether users wait for a turn that may take them."""
        return bool(self._waiting) and not self._is_closed

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Have all users who say much wait meanwhile; those who say little notice nothing."""
        self._is_closed = self.is_full = True
        try:
            yield
        finally:
            self._is_closed = False
            self._look()
            self._wake()

    def take(self, weight: int) -> None:
        """Count what goes into the next turn, however full that is."""
        self._taken += weight
        if self._taken >= FULL_TURN:
            self.is_full = True

    def wait(self, weight: int) -> None:
        """Wait for a turn in which there is room for so much, if there is none in the next, and take it."""
        if not self.is_full:
            self.take(weight)
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
        self._taken = 0
        while self.is_wanted and self._taken < FULL_TURN:
            weight, let_in = self._waiting.popleft()
            self._taken += weight
            let_in.set()
        self._look()

    def _look(self) -> None:
        self.is_full = self._is_closed or self._taken >= FULL_TURN or bool(self._waiting)
