"""The roster: which connections there are, how many have ended and why; each that opens and closes is logged once."""

from __future__ import annotations

import time
from collections.abc import Callable
from logging import DEBUG, INFO
from typing import Protocol

import gevent

from gchat.chat.effects import CloseReason
from gchat.chat.session import Session
from gchat.server.connection import Connection
from gchat.server.counters import CLOSED, Counter, count_closed
from gchat.server.listener import Peer
from gchat.server.logs import logger

OPENED = Counter("gchat_connections_opened", "Connections accepted since the start.")


class Onlooker(Protocol):
    """An observer of users who come and go."""

    def came(self, session: Session) -> None:
        """Note that a user is here."""

    def went(self, session: Session, reason: CloseReason) -> None:
        """Note that a user's connection has ended."""


class Roster:
    """Implements connection.Attendance."""

    def __init__(self, onlooker: Onlooker, release: Callable[[Peer], None]) -> None:
        self._onlooker = onlooker
        self._release = release  # counts a peer out that the door has counted in
        self.by_session: dict[int, Connection] = {}  # those whose session goes on
        self.ending: dict[Connection, None] = {}  # the others
        self.skipped = 0  # messages that slow readers missed whose connections have ended

    def wait_heard(self, timeout_s: float) -> None:
        """Wait until all that was received is carried out: when the server stops, no user is read slowly any more."""
        until = time.monotonic() + timeout_s
        gevent.sleep(0)  # readers that wait go on with the line that they have taken already
        while any(connection.reader.has_lines for connection in self.by_session.values()) and time.monotonic() < until:
            gevent.sleep(0.01)

    def arrived(self, connection: Connection) -> None:
        """Count and log a user whom the others learn of."""
        session = connection.session
        logger.info("opened %(session)d %(address)s", {"session": session.id, "address": connection.peer.address})
        OPENED.value += 1
        self._onlooker.came(session)

    def closing(self, connection: Connection) -> None:
        """See Attendance.closing."""
        self.ending[connection] = None

    def closed(self, connection: Connection) -> None:
        """Count a connection out, and log it: the last word on it."""
        self.ending.pop(connection, None)
        self._release(connection.peer)
        session, reason = connection.session, connection.reason
        count_closed(reason)
        self.skipped += connection.log_reader.skipped
        if session.is_announced:
            self._onlooker.went(session, reason)
        fields = {
            "session": session.id,
            "address": session.address,
            "nick": session.name if session.has_nick else "-",
            "reason": reason.value,
            "messages": session.messages,
            "seconds": round(time.monotonic() - connection.opened_at, 1),
        }
        logger.log(
            INFO if session.is_announced else DEBUG,
            "closed %(session)d %(address)s %(nick)s: %(reason)s; messages: %(messages)d, seconds: %(seconds)s",
            fields,
        )

    def turned_away(self, peer: Peer, reason: CloseReason) -> None:
        """Count and log a peer that there is no place for."""
        count_closed(reason)
        logger.info("turned away %(address)s: %(reason)s", {"address": peer.address, "reason": reason.value})

    def refused_proxy(self, peer: Peer, why: str) -> None:
        """Count and log a trusted proxy that did not say whose connection it is."""
        count_closed(CloseReason.PROXY)
        logger.warning(
            "refused %(address)s: %(why)s; a trusted proxy has to send one first: switch that on there, or take its "
            "address out of server.trusted_proxies",
            {"address": peer.address, "why": why},
        )

    def never_in(self, peer: Peer, reason: CloseReason, what: str = "") -> None:
        """Count a peer that did not get as far as a session; `what` it was is in the log instead of the reason."""
        count_closed(reason)
        logger.debug("not admitted: %(address)s: %(reason)s", {"address": peer.address, "reason": what or reason.value})

    def summary(self) -> str:
        """Return how many connections have ended, by reason."""
        return ", ".join(f"{count:,} {reason}" for reason, count in sorted(CLOSED.values.items()) if count) or "none"
