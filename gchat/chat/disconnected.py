"""Disconnected sessions, whose users may come back for a while, and the choice of which to drop when they are many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from gchat.chat.session import Session

#: A user who has lost the connection may come back within this time, and nobody is told of it.
RECONNECT_GRACE_S = 15.0

#: A user without a nick who was here for less than this is not waited for.
MIN_STAY_S = 1.0

#: The most sessions that are kept, of all networks. A flood of connections must not leave ghosts.
MAX_DISCONNECTED = 5000


class Disconnected:
    """The sessions without a connection, and until when each is kept.

    When there are too many, the oldest one without a nick and without a message is dropped first, then the oldest one
    from the network that has most: a flood from a few networks drives out nobody else.
    """

    def __init__(self) -> None:
        self.until: dict[Session, float] = {}  # the earliest first
        self._idle: dict[Session, None] = {}  # of these, those without a nick and without a message
        self._by_network: dict[str, dict[Session, None]] = {}

    def __contains__(self, session: Session) -> bool:
        return session in self.until

    def __iter__(self) -> Iterator[Session]:
        return iter(self.until)

    def add(self, session: Session, until: float) -> None:
        """Keep a session until this time."""
        self.until[session] = until
        self._by_network.setdefault(session.network.name, {})[session] = None
        if not session.has_nick and not session.messages:
            self._idle[session] = None

    def discard(self, session: Session) -> None:
        """Stop keeping a session, if it is kept."""
        if self.until.pop(session, None) is None:
            return
        self._idle.pop(session, None)
        name = session.network.name
        del self._by_network[name][session]
        if not self._by_network[name]:
            del self._by_network[name]

    def clear(self) -> None:
        """Stop keeping all sessions."""
        for table in (self.until, self._idle, self._by_network):
            table.clear()

    def restore(self, until: Iterable[tuple[Session, float]]) -> None:
        """Keep these sessions and no others, in this order."""
        self.clear()
        for session, at in until:
            self.add(session, at)

    def due(self, now: float) -> list[Session]:
        """Return the sessions whose time has come."""
        return [session for session, until in self.until.items() if until <= now]

    def surplus(self, newest: Session, per_network: int | None) -> Session | None:
        """Return the session to drop because `newest` was added, None if all can stay.

        A network that is not exempt has at most `per_network`; None means no limit.
        """
        group = self._by_network[newest.network.name]
        if per_network is not None and not newest.network.is_exempt and len(group) > per_network:
            return next(chain((session for session in group if session in self._idle), group))
        if len(self.until) > MAX_DISCONNECTED:
            most = max(map(len, self._by_network.values()))
            of_largest = (session for session in self.until if len(self._by_network[session.network.name]) == most)
            return next(chain(self._idle, of_largest))
        return None
