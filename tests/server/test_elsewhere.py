"""Users of other nodes who come and go, as the operator of this one sees it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gchat.chat.effects import Arrive, Close, CloseReason
from gchat.chat.limits import Limits
from gchat.chat.networks import Network
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.server.elsewhere import Elsewhere

OWN, OTHER = "one-0000a", "two-0000b"
HOME = "192.0.2.7"


class Onlooker:
    """Notes what it sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def came(self, session: Session) -> None:
        self.seen.append(("came", session.name))

    def went(self, session: Session, reason: CloseReason) -> None:
        self.seen.append((reason.value, session.name))


class Cluster:
    """A registry with users of two nodes, as one of them sees it."""

    def __init__(self) -> None:
        self.registry = Registry(Limits(announce_after_s=0.0))
        self.onlooker = Onlooker()
        self.elsewhere = Elsewhere(self.registry, SimpleNamespace(node=OWN), self.onlooker)

    def comes(self, address: str, node: str = OTHER) -> Session:
        session, effects = self.registry.connect(address, node=node, network=Network(HOME, is_exempt=False))
        self.elsewhere.show(effects)
        return session

    def leaves(self, session: Session) -> None:
        self.elsewhere.show(self.registry.leave(session, CloseReason.QUIT))


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_users_of_other_nodes_are_seen_to_come_and_go_and_those_of_this_one_are_not(cluster: Cluster) -> None:
    ann, ben = cluster.comes("192.0.2.7:1"), cluster.comes("192.0.2.7:2", OWN)

    assert cluster.elsewhere.of_network(HOME) == 1

    cluster.leaves(ann)
    cluster.leaves(ben)

    assert cluster.onlooker.seen == [("came", "192.0.2.7:1"), ("quit", "192.0.2.7:1")]
    assert cluster.elsewhere.of_network(HOME) == 0


def test_the_end_of_a_connection_is_seen_once(cluster: Cluster) -> None:
    ann = cluster.comes("192.0.2.7:1")
    cluster.elsewhere.show([Arrive(ann.id), Close(ann.id, CloseReason.RESET), Close(ann.id, CloseReason.RESET)])
    cluster.elsewhere.show([Arrive(99), Close(99, CloseReason.RESET)])

    assert cluster.onlooker.seen == [("came", "192.0.2.7:1"), ("reset", "192.0.2.7:1")]


def test_what_was_missed_is_seen_when_the_registry_was_loaded_anew(cluster: Cluster) -> None:
    ann = cluster.comes("192.0.2.7:1")
    stays = cluster.comes("192.0.2.7:2")
    cluster.registry.leave(ann, CloseReason.QUIT)
    cluster.registry.connect("192.0.2.7:3", node=OTHER, network=Network(HOME, is_exempt=False))
    cluster.onlooker.seen.clear()

    cluster.elsewhere.renew()

    assert sorted(cluster.onlooker.seen) == [("came", "192.0.2.7:3"), ("reset", "192.0.2.7:1")]
    assert cluster.elsewhere.of_network(HOME) == 2
    cluster.leaves(stays)
    assert cluster.elsewhere.of_network(HOME) == 1
