"""A cluster in this process: nodes with registries and pumps that write down, and a feed that a test turns by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from types import SimpleNamespace
from typing import Any, cast

from gevent.event import AsyncResult, Event

from gchat.chat.effects import Close, CloseReason
from gchat.chat.limits import Limits
from gchat.chat.registry import Registry
from gchat.chat.session import Session, lineage_of
from gchat.chat.steps import Connect, Entrance
from gchat.model.hello import Hello
from gchat.server.connection import Connection
from gchat.server.sharing import Sharing
from gchat.server.taking import Taking


class Feed:
    """What all nodes hear, in one order."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.entries: list[tuple[Node, bytes, Taking | None]] = []  # a node that is gone has no step
        self.checkpoint: tuple[int, bytes] | None = None

    def join(self, name: str, limits: Limits | None = None) -> Node:
        """Return one more node, which knows what the others know."""
        node = Node(self, name, limits or Limits())
        node.sharing.join(lambda: None)
        self.turn()
        return node

    def gives_up(self, node: Node) -> None:
        """Have all nodes hear that one is gone."""
        self.entries.append((node, b"", None))
        self.turn()

    def loses(self, count: int) -> None:
        """Forget what was put last, as an engine does that fails over to a replica which is behind."""
        del self.entries[-count:]

    def turn(self) -> None:
        """Have all nodes hear all that was put."""
        for node in self.nodes:
            node.hear()


class Node:
    """One node, and stands for its link and its pump."""

    def __init__(self, feed: Feed, name: str, limits: Limits) -> None:
        self._feed = feed
        self.node = f"{name}-{len(feed.nodes) + 1:05x}"
        self.heard = 0
        self.known_n = 0
        self._heard: list[object] = []  # all that this node has heard of the history that there is now
        self.is_up = Event()
        self.is_up.set()
        self.warning = ""
        self.letters: list[tuple[str, bytes]] = []
        self.connections: dict[int, Connection] = {}
        self.carried_out: list[Any] = []
        self.waits = 0
        self.seen: list[tuple[str, str]] = []  # of users of other nodes
        self._done: list[Taking] = []  # whose outcome this node has
        self.registry = Registry(Limits())
        self.sharing = Sharing(self.registry, limits, cast("Any", self), cast("Any", self), self)
        feed.nodes.append(self)

    def came(self, session: Session) -> None:
        """See Onlooker.came."""
        self.seen.append(("came", session.name))

    def went(self, session: Session, reason: CloseReason) -> None:
        """See Onlooker.went."""
        self.seen.append((reason.value, session.name))

    # --- The link ----------------------------------------------------------------------------------------------------

    @property
    def was_empty(self) -> bool:
        """Whether this node is the first."""
        return self._feed.nodes[0] is self

    @property
    def attached_n(self) -> int:
        """The number of the last entry."""
        return self.heard

    @property
    def nodes(self) -> Mapping[str, bytes]:
        """The nodes that are there."""
        return {node.node: b"" for node in self._feed.nodes}

    @property
    def checkpoint_n(self) -> int:
        """The newest checkpoint's."""
        return -1 if self._feed.checkpoint is None else self._feed.checkpoint[0]

    def start(self) -> None:
        """Attach."""
        self.lose_place()

    def lose_place(self) -> None:
        """Load the registry anew, and hear again what was behind the checkpoint."""
        both = zip(self._heard, self._feed.entries, strict=False)
        self.known_n = sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], both))
        del self._heard[self.known_n :]
        self.heard = self.sharing.find_place("")
        self.hear()

    def hear(self) -> None:
        """Hear all that was put; what this node put itself has its cause the first time."""
        while self.heard < len(self._feed.entries):
            origin, data, taking = self._feed.entries[self.heard]
            self._heard[self.heard :] = [self._feed.entries[self.heard], *self._heard[self.heard + 1 :]]
            self.heard += 1
            if taking is None:
                self.sharing.gone(origin.node)
                continue
            is_own = origin is self and taking not in self._done
            self._done.append(taking)
            self.sharing.happened(data, taking if is_own else None)

    def put(self, items: Sequence[tuple[bytes, Taking]]) -> None:
        """Put steps into the feed."""
        self._feed.entries += ((self, data.removeprefix(b"\0"), taking) for data, taking in items)

    def time(self) -> float:
        """Return the time of the cluster."""
        return 100.0

    def wall_time(self) -> float:
        """Return the time of the engine's clock."""
        return 1e9

    def checkpoint(self) -> tuple[int, bytes] | None:
        """Return the newest one."""
        return self._feed.checkpoint

    def keep_checkpoint(self, n: int, data: bytes) -> None:
        """Store one."""
        self._feed.checkpoint = (n, data)

    def send(self, node: str, data: bytes) -> bool:
        """Send a letter."""
        self.letters.append((node, data))
        return any(each.node == node for each in self._feed.nodes)

    # --- The pump ----------------------------------------------------------------------------------------------------

    def submit(self, effects: Sequence[Any]) -> None:
        """Write effects down; a connection whose session is over is gone."""
        self.carried_out += effects
        for effect in effects:
            if isinstance(effect, Close):
                self.connections.pop(effect.session, None)

    submit_said = submit

    def wait_carried_out(self, session: int | None = None) -> None:  # noqa: ARG002
        """Wait for nothing."""
        self.waits += 1

    # --- For tests ---------------------------------------------------------------------------------------------------

    def connects(self, nick: str, port: int, token: str = "") -> Session:
        """Have a user connect to this node, and all nodes hear of it."""
        met: list[Session] = []

        def meet(session: Session) -> None:
            met.append(session)
            self.connections[session.id] = cast("Connection", SimpleNamespace(session=session))

        hello = Hello(nick=nick, token=token or None)
        lineage = lineage_of(token) if token else ""
        step = Connect(Entrance(f"127.0.0.1:{port}", port), 1.0, hello, token, lineage)
        self.sharing._put(Taking(self.sharing._own(step), meet, AsyncResult()))
        self._feed.turn()
        return met[0]

    def owes(self) -> list[bytes]:
        """Return what this node has put and has not heard."""
        return [data for origin, data, _ in self._feed.entries[self.heard :] if origin is self]

    def is_refused(self) -> None:
        """Have the engine refuse what this node put last."""
        self.sharing.refused(self._feed.entries.pop()[2], "the engine is down")

    def is_not_known(self) -> None:
        """Have the engine not answer in time to what this node put last."""
        self.sharing.not_known(self._feed.entries[-1][2])

    def did(self, kind: type) -> list[Any]:
        """Return what of this kind was carried out, and forget everything."""
        found = [effect for effect in self.carried_out if isinstance(effect, kind)]
        self.carried_out.clear()
        return found
