"""Fairness between greenlets: a greenlet that works for long lets the others have a turn in between."""

from __future__ import annotations

from typing import Any

from gevent import getcurrent
from gevent.hub import get_hub

# libev's EV_MAXPRI: an idle watcher of a lower priority would wait until all others are idle.
_BEFORE_IO = 2

# libev's EV_MINPRI.
_AFTER_IO = -2


def breathe() -> None:
    """Let the loop serve every ready socket once, then go on.

    gevent.sleep(0) does not do that: what it schedules runs before the loop looks at its sockets again, fifty times or
    5 ms long (gevent's _run_callbacks). An idle watcher makes the loop poll without waiting, and runs once a turn.
    """
    hub = get_hub()
    watcher = hub.loop.idle(priority=_BEFORE_IO)
    try:
        hub.wait(watcher)
    finally:
        watcher.close()


class Breather:
    """Does the same for one greenlet that breathes often, and keeps the watchers for it."""

    __slots__ = ("_after", "_before")

    def __init__(self) -> None:
        loop = get_hub().loop
        self._before = loop.idle(priority=_BEFORE_IO)
        self._after = loop.timer(0, priority=_AFTER_IO)

    def breathe(self) -> None:
        """Let every ready socket be served once, then go on before those that the loop has found meanwhile."""
        _wait(self._before)

    def breathe_behind(self) -> None:
        """Do the same, but go on after those that the loop has found meanwhile, and after timers.

        A timer that is due at once is never put off while sockets are busy, unlike an idle watcher of that priority.
        """
        _wait(self._after)


def _wait(watcher: Any) -> None:
    hub = get_hub()
    watcher.start(getcurrent().switch)
    try:
        hub.switch()
    finally:
        watcher.stop()
