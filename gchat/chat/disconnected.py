"""Disconnected users, who may come back for a while; and which of them is dropped when there are too many."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from gchat.chat.session import Session

#: So many may be away, in all. A flood of connections must not leave ghosts.
MAX_AWAY = 5000


class Away:
    """The sessions without a connection, and until when each is kept.

    When there are too many, the oldest one without a nick and without a word goes first, then the oldest one from the
    network that has most: so a flood from a few networks drives out nobody else.
    """

    def __init__(self) -> None:
        self._until: dict[Session, float] = {}  # the first first
        self._idle: dict[Session, None] = {}  # of these, those without a nick and without a word
        self._by_network: dict[str, dict[Session, None]] = {}

    def __contains__(self, session: Session) -> bool:
        return session in self._until

    def __iter__(self) -> Iterator[Session]:
        return iter(self._until)

    def add(self, session: Session, until: float) -> None:
        """Keep a session until then."""
        self._until[session] = until
        self._by_network.setdefault(session.network.name, {})[session] = None
        if not session.has_nick and not session.messages:
            self._idle[session] = None

    def discard(self, session: Session) -> None:
        """Keep a session no longer, if it is kept."""
        if self._until.pop(session, None) is None:
            return
        self._idle.pop(session, None)
        name = session.network.name
        del self._by_network[name][session]
        if not self._by_network[name]:
            del self._by_network[name]

    def clear(self) -> None:
        """Keep none."""
        for table in (self._until, self._idle, self._by_network):
            table.clear()

    def due(self, now: float) -> list[Session]:
        """Return the sessions that have been kept long enough."""
        return [session for session, until in self._until.items() if until <= now]

    def surplus(self, newest: Session, per_network: int) -> Session | None:
        """Return a session that must go because `newest` came, if there is one; a `per_network` of 0 is no limit."""
        group = self._by_network[newest.network.name]
        if per_network and not newest.network.is_exempt and len(group) > per_network:
            return next(chain((session for session in group if session in self._idle), group))
        if len(self._until) > MAX_AWAY:
            most = max(self._by_network, key=lambda name: len(self._by_network[name]))
            return next(chain(self._idle, self._by_network[most]))
        return None
