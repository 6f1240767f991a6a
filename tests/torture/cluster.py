"""Nodes under torture: an engine, and several servers that share it, each through a wire of its own that can be cut."""

from __future__ import annotations

import socket as native
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import gevent
from gevent import socket, subprocess
from gevent.event import Event
from gevent.server import StreamServer

from gchat.cluster.engine import UrlEngine
from gchat.cluster.engine_url import parsed
from gchat.cluster.entries import unpacked
from gchat.model.messages import Said
from tests.cluster.engines import EngineProcess
from tests.cluster.replicas import HOST, NAME, Sentinel, TcpEngine
from tests.torture.oracle import Texts
from tests.torture.server import Broken, Server

NAMESPACE = "torture"

#: A sentinel takes an engine for lost after the first, because a busy machine is slow; a failover is done within the
#: second.
SILENT_MS, FAILOVER_S = 2000, 60.0

#: Records of one question.
PAGE = 5000


class Wire:
    """A port that leads to the engine. What is on its way while it is cut arrives when it is healed, as with TCP."""

    def __init__(self, engine_path: Path) -> None:
        self.to_engine, self.from_engine = Event(), Event()  # whether anything passes
        self.heal()
        self._path = str(engine_path)
        self._server = StreamServer(("127.0.0.1", 0), self._carry)
        self._server.start()
        self.url = f"valkey://127.0.0.1:{self._server.server_port}"

    def cut(self, *directions: Event) -> None:
        """Let nothing pass: to the engine, from it, or both."""
        for direction in directions or (self.to_engine, self.from_engine):
            direction.clear()

    def heal(self) -> None:
        """Let everything pass."""
        self.to_engine.set()
        self.from_engine.set()

    def close(self) -> None:
        """Lead nowhere."""
        self._server.stop()

    def _carry(self, node: socket.socket, _address: object) -> None:
        with socket.socket(native.AF_UNIX) as engine:
            try:
                engine.connect(self._path)
            except OSError:
                return  # there is none now: so the node's end is closed, too
            ways = (node, engine, self.to_engine), (engine, node, self.from_engine)
            carriers = [gevent.spawn(self._carry_one_way, *way) for way in ways]
            gevent.wait(carriers, count=1)
            gevent.killall(carriers)

    @staticmethod
    def _carry_one_way(source: socket.socket, sink: socket.socket, passes: Event) -> None:
        try:
            while data := source.recv(65536):
                passes.wait()
                sink.sendall(data)
        except OSError:
            pass  # one end is gone: so is the other


class _Engine(EngineProcess):
    """An engine beside which greenlets go on."""

    processes = subprocess


class _TcpEngine(TcpEngine):
    """The same on a port, to be a primary or a replica."""

    processes = subprocess


class Failover:
    """Two engines and a sentinel, which makes the one the primary when the other is lost."""

    def __init__(self) -> None:
        self.engines = _TcpEngine(), _TcpEngine()

    def start(self) -> None:
        """Return when both are there, and the sentinel knows them."""
        with ExitStack() as end:
            primary, replica = (end.enter_context(engine) for engine in self.engines)
            replica.follows(primary)
            self.sentinel = end.enter_context(Sentinel(primary))
            self._end = end.pop_all()
        self._wait(lambda: replica.port in self.sentinel.replicas())
        self.sentinel.asks("SET", NAME, "down-after-milliseconds", str(SILENT_MS))

    def close(self) -> None:
        """End them."""
        self._end.close()

    @property
    def primary(self) -> TcpEngine:
        """The engine that is written to, as the sentinel sees it."""
        port = self.sentinel.primary()
        return next((engine for engine in self.engines if engine.port == port), self.engines[0])

    def happens(self) -> None:
        """Kill the primary, and start it again when the other one has its place. Raises Broken."""
        lost = self.primary
        lost.kill()
        self._wait(lambda: self.sentinel.primary() not in (0, lost.port))
        lost.settings["replicaof"] = f"{HOST} {self.sentinel.primary()}"
        lost.start()
        self._wait(lambda: lost.port in self.sentinel.replicas())

    @staticmethod
    def _wait(until: Callable[[], bool]) -> None:
        began = time.monotonic()
        while not until():
            if time.monotonic() - began > FAILOVER_S:
                raise Broken(f"the sentinel has not done its work in {FAILOVER_S:g} s")
            gevent.sleep(0.05)


class Node(Server):
    """One server of several."""

    def __init__(self, directory: Path, name: str, url: str) -> None:
        directory.mkdir()
        super().__init__(directory, directory, "full")
        self._options = []
        self._environment |= {
            "GCHAT_CLUSTER_URL": url,
            "GCHAT_CLUSTER_NAME": name,
            "GCHAT_CLUSTER_NAMESPACE": NAMESPACE,
        }


class Cluster:
    """An engine and its nodes. Beside what a Server does, its parts can be done things to."""

    def __init__(self, directory: Path, nodes: int, keep_messages: int, read_from: str = "") -> None:
        self.engine: EngineProcess = _Engine()
        self.failover = Failover() if read_from else None
        self.wires = [Wire(self.engine.path) for _ in range(nodes)]
        self.nodes = [Node(directory / f"n{at}", f"n{at}", wire.url) for at, wire in enumerate(self.wires)]
        self._settings = {"GCHAT_HISTORY_KEEP_MESSAGES": str(keep_messages)}
        if read_from:
            self._settings["GCHAT_CLUSTER_READ_FROM"] = read_from

    @property
    def ports(self) -> list[int]:
        """Where users come to."""
        return [node.port for node in self.nodes]

    @property
    def slowest_start_s(self) -> float:
        """How long it took until a node listened, at most."""
        return max(node.slowest_start_s for node in self.nodes)

    @property
    def complaints(self) -> list[str]:
        """Lines of the logs that no server should write, whatever happens to it."""
        return [line for node in self.nodes for line in node.complaints]

    @property
    def log(self) -> str:
        """What was logged last, of each."""
        return "\n".join(f"{node.log[-1000:]}" for node in self.nodes)

    def start(self) -> None:
        """Return when all listen. Raises Broken."""
        if self.failover is not None:
            self.failover.start()
            self._settings["GCHAT_CLUSTER_URL"] = self.failover.sentinel.url
        else:
            self.engine.__enter__()
        for node in self.nodes:
            node._environment |= self._settings
            node.start()

    def stop(self) -> None:
        """End the nodes with SIGTERM. Raises Broken if one does not end well, and in time."""
        for node in self.nodes:
            node.stop()

    def kill(self) -> None:
        """End the nodes, but not the engine: it has the history."""
        for node in self.nodes:
            node.kill()
        for wire in self.wires:
            wire.close()

    def close(self) -> None:
        """End the engine, too."""
        if self.failover is not None:
            self.failover.close()
        else:
            self.engine.__exit__()

    def history(self, rooms: Sequence[str]) -> dict[str, Texts]:
        """Return what the engine has of rooms in the end, read without a node."""
        url = (self.failover.primary if self.failover is not None else self.engine).url
        engine = UrlEngine(parsed(url)).connect(is_for_reading=True)
        try:
            return {room: self._texts(engine, room) for room in rooms}
        finally:
            engine.close()

    @staticmethod
    def _texts(engine: object, room: str) -> Texts:
        texts: Texts = {}
        after = "-"
        while True:
            page = engine.call(  # type: ignore[attr-defined]
                "XRANGE", f"{{{NAMESPACE}}}:room:{room}", after, "+", "COUNT", PAGE, timeout_s=30
            )
            for id_, (_, data) in page:
                record = unpacked(data)
                message = record.message
                said = message.texts if isinstance(message, Said) else (message.text,)
                texts |= {record.seq + at: text for at, text in enumerate(said)}
                after = f"({id_.decode()}"
            if len(page) < PAGE:
                return texts


def main() -> None:
    """Be a wire to the engine at the path that is the argument, and say on stdout where."""
    print(Wire(Path(sys.argv[1])).url, flush=True)
    Event().wait()


if __name__ == "__main__":
    main()
