"""The nemesis of several nodes: kills and stops nodes, cuts them off, kills, stops and empties the engine."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence

import gevent

from tests.torture.cluster import Cluster
from tests.torture.load import Rich, Sender
from tests.torture.oracle import Kind
from tests.torture.peer import Peer, World
from tests.torture.server import Broken

KINDS = ("node-kill", "node-stop", "node-cut", "engine-kill", "engine-stop", "engine-empty", "clients")

#: With two engines and a sentinel: what is done to them cannot be mixed with what is done to one.
WITH_FAILOVER = ("failover", "node-kill", "node-stop", "clients")

#: One fault in so many lasts longer than the lease of a node, if that is asked for.
LONG_EVERY, LONG_S = 4, 20.0

#: Users are told if an engine is silent for longer.
PATIENCE_S = 4.0

#: Users are told of an engine that is silent for so long.
TOLD_S = 5.0

#: After a fault something is kept within this, or the run is over. How fast it should be is in the figures.
HEALED_S = 60.0

#: Connections that are cut at a time.
CUT_AT_ONCE = 10


class ClusterNemesis:
    """Does its worst, evenly spread over the messages, one thing after the other."""

    def __init__(
        self, world: World, cluster: Cluster, peers: Sequence[Peer], down_s: float, *, with_long: bool
    ) -> None:
        self.done: Counter[str] = Counter()
        self.reads_from_replica = False
        self.slowest_told_s = 0.0
        self.slowest_flow_s = 0.0
        self._world = world
        self._cluster = cluster
        self._peers = peers
        self._down_s = down_s  # a fault lasts so long, at most
        self._with_long = with_long
        self._plan: list[str] = []

    def plan(self, kinds: Sequence[str], faults: int) -> None:
        """Say what is to be done: each kind as often as the others, in random order."""
        self._plan = [kinds[at % len(kinds)] for at in range(faults)]
        self._world.random.shuffle(self._plan)
        self._world.may_lose = "engine-empty" in kinds or ("failover" in kinds and not self.reads_from_replica)

    @property
    def figures(self) -> dict[str, int]:
        """What was done, and how long it took until all went on."""
        return {
            **{kind: self.done[kind] for kind in dict.fromkeys((*KINDS, *WITH_FAILOVER))},
            "slowest to tell, ms": round(1000 * self.slowest_told_s),
            "slowest to go on, ms": round(1000 * self.slowest_flow_s),
            "slowest ack, ms": round(1000 * self._world.slowest_ack_s),
            "slowest refusal, ms": round(1000 * self._world.slowest_refusal_s),
            "refused when it was back, ms": round(1000 * self._world.slowest_outcome_s),
        }

    @property
    def happened(self) -> bool:
        """Whether all that was asked for was done."""
        return self.done.total() == len(self._plan)

    @property
    def progress(self) -> str:
        """What was done so far."""
        return f"{self.done.total()} of {len(self._plan)} faults"

    def run(self) -> None:
        """Do all of it; the messages set the time. Raises Broken."""
        acts: dict[str, Callable[[], None]] = {
            "node-kill": self._kill_node,
            "node-stop": self._stop_node,
            "node-cut": self._cut_node,
            "engine-kill": self._kill_engine,
            "engine-stop": self._stop_engine,
            "engine-empty": self._cluster.engine.empty,
            "clients": self._cut_clients,
            "failover": self._fail_over,
        }
        for turn, kind in enumerate(self._plan):
            while self._world.acked < self._world.wanted * (turn + 1) / (len(self._plan) + 1):
                gevent.sleep(0.002)
            began = time.monotonic()
            self._world.suffers = True
            acts[kind]()
            self._world.suffers = False
            self.done[kind] += 1
            lasted_s = time.monotonic() - began
            flows_s = self._goes_on(kind)
            print(f"{self.progress}: {kind}, {lasted_s:.1f} s; all went on {flows_s:.1f} s later", flush=True)
        self._world.tormented = False

    def _goes_on(self, kind: str) -> float:
        """Return when something is kept again at each node that has a sender, and after how long. Raises Broken."""
        world, began = self._world, time.monotonic()
        before = world.flowing.copy()
        while any(world.flowing[node] <= before[node] for node in self._talking()):
            if time.monotonic() - began > HEALED_S:
                raise Broken(f"{HEALED_S:g} s after {kind} nothing was kept: {self._cluster.log}")
            gevent.sleep(0.005)
        took_s = time.monotonic() - began
        self.slowest_flow_s = max(self.slowest_flow_s, took_s)
        return took_s

    def _talking(self) -> set[int]:
        """Return the nodes that have something to keep."""
        return {peer.node for peer in self._peers if isinstance(peer, Sender) and peer.connected and not peer.idle}

    def _lasts(self, *, may_be_long: bool = False) -> None:
        is_long = may_be_long and self._with_long and self._world.random.randrange(LONG_EVERY) == 0
        gevent.sleep(LONG_S if is_long else self._world.random.random() * self._down_s)

    # --- Nodes -------------------------------------------------------------------------------------------------------

    def _kill_node(self) -> None:
        at = self._world.random.randrange(len(self._cluster.nodes))
        node = self._cluster.nodes[at]
        node.kill()
        self._world.troubled.pop(at, None)
        self._lasts()
        node.start()

    def _stop_node(self) -> None:
        at = self._world.random.randrange(len(self._cluster.nodes))
        node, began = self._cluster.nodes[at], time.monotonic()
        node.signal(signal.SIGSTOP)
        self._lasts(may_be_long=True)
        self._world.stood[at] += time.monotonic() - began
        node.signal(signal.SIGCONT)

    def _cut_node(self) -> None:
        wire = self._world.random.choice(self._cluster.wires)
        wire.cut(*self._world.random.choice(((), (wire.to_engine,), (wire.from_engine,))))
        self._lasts(may_be_long=True)
        wire.heal()

    # --- The engine --------------------------------------------------------------------------------------------------

    def _kill_engine(self) -> None:
        self._cluster.engine.kill()
        self._lasts()
        self._cluster.engine.start()

    def _stop_engine(self) -> None:
        """Have it stand still; if that is for long, the users of each node are told in time.

        They are told once: those of a node that has not come out of the trouble before are not told again.
        """
        told, before = self._world.troubled, set(self._world.troubled)
        began = time.monotonic()
        self._cluster.engine.stop()
        gevent.sleep(self._world.random.random() * 2 * self._down_s)
        if time.monotonic() - began > PATIENCE_S:
            nodes = {peer.node for peer in self._peers if isinstance(peer, Rich) and peer.connected} - before
            while not nodes <= told.keys() and time.monotonic() - began < 2 * TOLD_S:
                gevent.sleep(0.01)
            self.slowest_told_s = max([self.slowest_told_s, *(told[node] - began for node in nodes & told.keys())])
            if silent := nodes - told.keys():
                self._world.findings.add(Kind.UNEXPECTED, f"users of nodes {silent} are not told of a silent engine")
        self._cluster.engine.go_on()

    def _fail_over(self) -> None:
        assert self._cluster.failover is not None
        self._cluster.failover.happens()

    # --- Users -------------------------------------------------------------------------------------------------------

    def _cut_clients(self) -> None:
        connected = [peer for peer in self._peers if peer.connected]
        for peer in self._world.random.sample(connected, min(CUT_AT_ONCE, len(connected))):
            peer.cut()
