"""Users whose connections other nodes have, as they come and go: shown to the operator, and counted by network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from gchat.chat.effects import Arrive, Close, CloseReason
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.server.roster import Onlooker


class OwnNode(Protocol):
    """What knows which node this is."""

    node: str


class Elsewhere:
    """Those users who are announced, and connected. The core tells of them with the effects that it tells of all."""

    def __init__(self, registry: Registry, own: OwnNode, onlooker: Onlooker) -> None:
        self._registry = registry
        self._own = own
        self._onlooker = onlooker
        self._users: dict[int, Session] = {}  # by id: a session that is over is known to nobody else
        self._by_network: Counter[str] = Counter()

    def of_network(self, network: str) -> int:
        """Return how many there are of a network."""
        return self._by_network[network]

    def show(self, effects: Iterable[object]) -> None:
        """Take what came of a step."""
        for effect in effects:
            if isinstance(effect, Arrive):
                session = self._registry.sessions.get(effect.session)
                if session is not None and session.node != self._own.node:
                    self._came(session)
            elif isinstance(effect, Close) and effect.session in self._users:
                self._went(effect.session, effect.reason)

    def renew(self) -> None:
        """Take who is there, after the registry was loaded anew."""
        registry, own = self._registry, self._own.node
        there = {
            session.id: session
            for session in registry.sessions.values()
            if session.node != own and session.has_arrived and not registry.is_disconnected(session)
        }
        for id_ in self._users.keys() - there.keys():
            self._went(id_, CloseReason.RESET)
        for id_ in there.keys() - self._users.keys():
            self._came(there[id_])

    def _came(self, session: Session) -> None:
        if session.id not in self._users:
            self._by_network[session.network.name] += 1
            self._users[session.id] = session
            self._onlooker.came(session)

    def _went(self, id_: int, reason: CloseReason) -> None:
        session = self._users.pop(id_)
        network = session.network.name
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]
        self._onlooker.went(session, reason)
