"""The nodes of a cluster, as the operator of any of them sees them: by what each tells of itself with its beats."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol

import msgspec
from msgspec import Struct

from gchat.admin.documents import Measure, NodeInfo
from gchat.chat.session import Session
from gchat.cluster.attachment import runs
from gchat.cluster.link import EngineLink
from gchat.dialects import rich
from gchat.server.counters import Distribution
from gchat.server.fanout import DELIVERIES
from gchat.server.roster import Roster

PUT_S = Distribution("gchat_put_seconds", "Time from putting something into the engine until it came by the feed.")


class ToldOfItself(Struct, array_like=True, frozen=True):
    """What a node tells of itself. A node of another version may tell more."""

    since: float = 0.0  # when it started, in seconds since the epoch
    online: int = 0
    connections: int = 0
    deliveries: int = 0
    lag_s: float = 0.0


class NodeServer(Protocol):
    """What a node tells of itself, and the operator's view of others."""

    @property
    def roster(self) -> Roster:
        """Which connections there are."""

    @property
    def connections(self) -> int:
        """How many connections there are."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ToldOfItself).decode


class Nodes:
    """All nodes, as of their last beats, and the numbers of this one's link."""

    def __init__(self, link: EngineLink, server: NodeServer) -> None:
        self._link = link
        self._server = server
        self._since = time.time()
        link.info = lambda: _encode(self._own())
        link.took = PUT_S.observe

    @property
    def own_name(self) -> str:
        """What this node is called."""
        return named(self._link.node)

    def name_of(self, session: Session) -> str:
        """Return what the node is called that has the connection of a user."""
        return named(session.node)

    def all(self) -> list[NodeInfo]:
        """Return the nodes, in the order of their names; this one as it is now."""
        told = {node: _told(info) for node, info in self._link.nodes.items()} | {self._link.node: self._own()}
        return [self._shown(node, told[node]) for node in sorted(told)]

    def _shown(self, node: str, told: ToldOfItself) -> NodeInfo:
        return NodeInfo(
            id=node,
            name=named(node),
            here=node == self._link.node,
            online=told.online,
            connections=told.connections,
            deliveries=told.deliveries,
            lag_s=round(told.lag_s, 1),
            since=rich.rfc3339(told.since) if told.since else "",
        )

    def _own(self) -> ToldOfItself:
        server = self._server
        online = len(server.roster.by_session)
        return ToldOfItself(self._since, online, server.connections, DELIVERIES.value, self._lag_s)

    @property
    def _lag_s(self) -> float:
        return self._link.lag.at(time.monotonic(), self._link.heard)

    def gauges(self) -> Iterator[Measure]:
        """Return the numbers of the cluster as this node sees it."""
        link = self._link
        yield Measure("gchat_engine_up", "1 while the engine answers.", "gauge", link.is_up.is_set())
        term = "Restarts and changes of the engine since it was empty."
        yield Measure("gchat_engine_term", term, "gauge", runs(link.term))
        lag = "How far behind the feed this node is; 0 if it has heard all."
        yield Measure("gchat_feed_lag_seconds", lag, "gauge", self._lag_s)
        unanswered = "Messages and steps that this node has put, whose outcome has not come yet."
        yield Measure("gchat_unanswered", unanswered, "gauge", link.unanswered)
        yield Measure("gchat_feed_entries", "Entries of the feed up to the one heard last.", "counter", link.heard)
        yield Measure("gchat_nodes", "Nodes that are alive.", "gauge", len(link.nodes))


def named(node: str) -> str:
    """Return what a node is called, without its number."""
    return node.rpartition("-")[0]


def _told(info: bytes) -> ToldOfItself:
    try:
        return _decode(info)
    except msgspec.DecodeError:  # it has told nothing yet, or nothing that this version can read
        return ToldOfItself()
