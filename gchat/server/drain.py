"""The drain: before a server stops, its users are sent elsewhere, some at a time, and nobody sees them leave.

nobody new is accepted, and GET /readyz answers 503, so that a proxy sends its connections to others
over some seconds, in random order, programs are told `closing` with the code "moving": they come back elsewhere, or
here when the server runs again, with their tokens
whoever is left, as users of nc, gets the farewell at the end, when the server stops
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol

import gevent

from gchat.chat.effects import CloseReason
from gchat.server import systemd
from gchat.server.connection import Connection
from gchat.server.logs import logger
from gchat.server.opening import FAREWELL
from gchat.server.roster import Roster
from gchat.server.stopping import Stopping
from gchat.server.taking import Steps
from gchat.server.watch import Watch

#: What a program is told that is sent elsewhere.
MOVING = "This server is about to stop; come back at once"

#: How often some are sent.
_TICK_S = 0.05


class DrainedServer(Protocol):
    """The server, as far as it is drained."""

    roster: Roster
    stopping: Stopping
    watch: Watch

    @property
    def steps(self) -> Steps:
        """Where it is told that a user is gone."""

    @property
    def connections(self) -> int:
        """How many connections there are."""


class Drain:
    """How a server comes to its end. `close` ends the accepting of connections."""

    def __init__(self, server: DrainedServer, close: Callable[[], None]) -> None:
        self._server = server
        self._close = close
        self._ends_at = 0.0
        self.is_on = False

    @property
    def left_s(self) -> float:
        """How long it goes on."""
        return max(0.0, self._ends_at - time.monotonic()) if self.is_on else 0.0

    def begin(self, over_s: float, stop_s: float) -> None:
        """Send all programs elsewhere over so many seconds, then stop the server, which takes at most `stop_s`.

        Never waits. A drain that is on goes on as it is.
        """
        if self.is_on or self._server.stopping.is_set():
            return
        self.is_on = True
        self._ends_at = time.monotonic() + over_s
        online = {"online": len(self._server.roster.by_session), "seconds": over_s}
        logger.info("draining for %(seconds)g s: connected users: %(online)d", online)
        extended_us = int((over_s + stop_s) * 1_000_000)
        systemd.notify("STATUS=Draining: users are sent elsewhere", f"EXTEND_TIMEOUT_USEC={extended_us}")
        self._close()
        if not self._server.steps.are_shared:
            self._server.watch.hold()  # until the server runs again nobody can come back
        gevent.spawn(self._run)

    def _run(self) -> None:
        import random  # noqa: PLC0415  # 0.1 MiB that a server does not need until it drains

        server = self._server
        while (left_s := self.left_s) > 0 and server.connections and not server.stopping.is_set():
            programs = [connection for connection in server.roster.by_session.values() if _comes_back(connection)]
            count = math.ceil(len(programs) / max(1.0, left_s / _TICK_S))
            self._move(random.sample(programs, count))
            gevent.sleep(min(_TICK_S, left_s))
        self._move([connection for connection in server.roster.by_session.values() if _comes_back(connection)])
        server.stopping.set()

    def _move(self, connections: list[Connection]) -> None:
        for connection in connections:
            connection.disconnect(CloseReason.MOVING, MOVING)

    def end(self) -> None:
        """Say goodbye to all who are still here."""
        self._server.steps.stop(FAREWELL, MOVING)


def _comes_back(connection: Connection) -> bool:
    """Return whether a program is at the other end that comes back by itself."""
    return connection.is_open and connection.dialect.traits.has_hello
