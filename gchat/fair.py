"""Fairness between greenlets: a greenlet that works for long lets the others have a turn in between."""

from __future__ import annotations

from gevent.hub import get_hub

# libev's EV_MAXPRI: an idle watcher of a lower priority would wait until all others are idle.
_BEFORE_IO = 2


def breathe() -> None:
    """Let every socket that is ready be served once, then go on.

    gevent.sleep(0) does not do that: what it schedules runs before the loop looks at its sockets again, fifty times or
    5 ms long (gevent's _run_callbacks). An idle watcher makes the loop poll without waiting, and comes once a turn.
    """
    hub = get_hub()
    watcher = hub.loop.idle(priority=_BEFORE_IO)
    try:
        hub.wait(watcher)
    finally:
        watcher.close()
