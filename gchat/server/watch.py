"""The watch: a greenlet that looks after what no event tells of, and knows how late the loop is.

It finds readers that make no progress, users who have been silent or disconnected for long enough, connections that do
not end, bans and mutes that are over and a certificate that soon is, and it collects garbage.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from functools import partial
from math import inf
from typing import Protocol

import gevent

from gchat.chat.effects import CloseReason
from gchat.chat.registry import Registry
from gchat.chat.steps import BeDue
from gchat.server.connection import Connection
from gchat.server.faults import Guard
from gchat.server.reader import RECEIVED_BYTES
from gchat.server.roster import Roster
from gchat.server.settings import Config
from gchat.server.taking import Steps
from gchat.server.tls import Tls

#: How often the watch looks while users send something or a connection is ending, and while nothing happens.
WATCH_S, IDLE_S = 0.25, 1.0

#: If it comes later than that, the server stands still: it is stopped, or starved.
STOOD_STILL_S = 1.0

#: Connections that it looks at each time: 2 ms.
WATCHED_AT_ONCE = 500

#: How often it looks at each connection in stall_timeout_s: to look at a thousand more often costs 1 % of a busy core.
LOOKS_IN_A_TIMEOUT = 10

#: The lag of the loop is the largest within this time.
LAG_WINDOW_S = 1.0


class WatchServer(Protocol):
    """What the watch needs of the server."""

    config: Config
    registry: Registry
    roster: Roster
    tls: Tls

    @property
    def steps(self) -> Steps:
        """Where what has become due is done."""

    def awake(self) -> float:
        """Return the registry's clock: see Watch.awake."""


class Watch:
    """The checks that are made again and again; a greenlet runs run()."""

    def __init__(self, server: WatchServer) -> None:
        self._server = server
        self._guard = Guard()
        self._due_at = inf  # when it comes next
        self._stood_still_s = 0.0
        self._held_at: float | None = None
        self._lags: deque[tuple[float, float]] = deque()  # of the loop: when, and how long
        self._to_look_at: list[Connection] = []
        self._next_look_at = 0.0
        self._received_bytes = RECEIVED_BYTES.value  # when it looked last

    def awake(self) -> float:
        """Return a steady clock in seconds that stands still with the server: meanwhile nobody could come back."""
        if self._held_at is not None:
            return self._held_at
        return min(time.monotonic(), self._due_at + STOOD_STILL_S) - self._stood_still_s

    def hold(self) -> None:
        """Stop that clock: the server accepts nobody any more."""
        self._held_at = self.awake()

    def lag_s(self) -> float:
        """Return the largest delay of the loop lately; one that lasts counts already."""
        now = time.monotonic()
        return max([now - self._due_at, 0.0, *(lag for at, lag in self._lags if now - at <= LAG_WINDOW_S)])

    def run(self) -> None:
        """Look, and sleep, for ever."""
        # A full collection among thousands of users holds the hub for too long and finds nothing, because a connection
        # that has ended leaves no cycles. So only what is new is looked at, and all of it when nobody is there to wait.
        gc.freeze()
        gc.disable()
        while True:
            pause_s = self._pause_s()
            self._due_at = time.monotonic() + pause_s
            gevent.sleep(pause_s)
            self._note_lag(time.monotonic())
            for part, function in (
                ("collecting garbage", self._collect_garbage),
                ("looking for readers that are stuck", self._look_for_stalled),
                ("looking for what has become due", self._look_for_due),
                ("looking at the certificate", self._server.tls.look),
                ("ending connections", self._end_connections),
            ):
                self._guard(part, function)

    def _pause_s(self) -> float:
        """Return how long nothing can become due, but not less than WATCH_S."""
        received, self._received_bytes = self._received_bytes, RECEIVED_BYTES.value
        if received != self._received_bytes or self._server.roster.ending or self._to_look_at:
            return WATCH_S
        config = self._server.config
        soonest_s = min(config.server.announce_after_s, config.limits.stall_timeout_s / LOOKS_IN_A_TIMEOUT)
        return max(WATCH_S, min(IDLE_S, soonest_s))

    def _note_lag(self, now: float) -> None:
        lag_s = max(0.0, now - self._due_at)
        self._stood_still_s += max(0.0, lag_s - STOOD_STILL_S)
        while self._lags and now - self._lags[0][0] > LAG_WINDOW_S:
            self._lags.popleft()
        self._lags.append((now, lag_s))
        self._due_at = inf

    def _collect_garbage(self) -> None:
        gc.collect(0 if self._server.registry.sessions else 2)

    def _look_for_stalled(self) -> None:
        now, timeout_s = time.monotonic(), self._server.config.limits.stall_timeout_s
        if not self._to_look_at and now >= self._next_look_at:
            self._next_look_at = now + timeout_s / LOOKS_IN_A_TIMEOUT
            self._to_look_at = list(self._server.roster.by_session.values())
        looked_at = self._to_look_at[-WATCHED_AT_ONCE:]
        del self._to_look_at[-WATCHED_AT_ONCE:]
        for connection in looked_at:
            self._guard("looking at a reader", partial(_look_at, connection, now, timeout_s))

    def _look_for_due(self) -> None:
        """Announce silent users, and end the sessions, bans and mutes whose time has come."""
        now, wall_now = self._server.awake(), self._server.steps.wall_time()
        if self._server.registry.is_due(now) or self._server.registry.order.is_due(wall_now):
            self._server.steps.put(BeDue(now, wall_now))

    def _end_connections(self) -> None:
        now = time.monotonic()
        for connection in list(self._server.roster.ending):
            if now >= connection.deadline:
                self._guard("ending a connection", connection.shut)


def _look_at(connection: Connection, now: float, timeout_s: float) -> None:
    if connection.writer.stalled(now, timeout_s):
        connection.abort(CloseReason.STALLED)
