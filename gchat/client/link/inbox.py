"""What a link has heard and the iteration has not taken yet."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gevent.event import Event

from gchat.client.link.errors import TimedOut


class Inbox:
    """Notices from the reader to the iteration; the reader waits while there are too many.

    While a call waits for an answer of the server, the reader must go on, because that call may stand in the way of
    the iteration. What does not fit then is put through `squeeze`: the last notice and the new one go in, and what
    takes their place comes out.
    """

    def __init__(
        self, limit: int, squeeze: Callable[[Any, Any], list[Any]], stalled: Callable[[], object] = bool
    ) -> None:
        self._limit = limit
        self._squeeze = squeeze
        self._stalled = stalled  # called when the reader has to wait
        self._notices: deque[Any] = deque()
        self._in_a_hurry = 0
        self._arrived = Event()
        self._space = Event()
        self.ended = False

    @property
    def is_full(self) -> bool:
        """Whether the reader has to wait."""
        return len(self._notices) >= self._limit

    def put(self, notice: Any) -> None:
        """Add a notice, when there is space; do nothing after the end."""
        while self.is_full and not self._in_a_hurry and not self.ended:
            self._stalled()
            self._space.clear()
            self._space.wait()
        if self.ended:
            return
        if self.is_full:
            self._notices.extend(self._squeeze(self._notices.pop(), notice))
        else:
            self._notices.append(notice)
        self._arrived.set()

    def get(self, timeout_s: float | None = None) -> Any:
        """Return the next notice, when there is one. Raises StopIteration after the last, or TimedOut."""
        ends_at = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._notices:
            if self.ended:
                raise StopIteration
            self._arrived.clear()
            left_s = None if ends_at is None else ends_at - time.monotonic()
            if left_s is not None and left_s <= 0:
                raise TimedOut(f"nothing happened for {timeout_s:g} s")
            self._arrived.wait(left_s)
        notice = self._notices.popleft()
        self._space.set()
        return notice

    def end(self, *, drop: bool = False) -> None:
        """Take no more; with `drop` forget what waits."""
        self.ended = True
        if drop:
            self._notices.clear()
        self._arrived.set()
        self._space.set()

    @contextmanager
    def hurry(self) -> Iterator[None]:
        """Do not let the reader wait meanwhile."""
        self._in_a_hurry += 1
        self._space.set()
        try:
            yield
        finally:
            self._in_a_hurry -= 1
