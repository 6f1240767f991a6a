"""Nodes under torture: an engine, and several servers that share it, each through a wire of its own that can be cut."""

from __future__ import annotations

import socket as native
import sys
from collections.abc import Sequence
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
from tests.torture.oracle import Texts
from tests.torture.server import Server

NAMESPACE = "torture"

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

    def __init__(self, directory: Path, nodes: int, keep_messages: int) -> None:
        self.engine = _Engine()
        self.wires = [Wire(self.engine.path) for _ in range(nodes)]
        self.nodes = [Node(directory / f"n{at}", f"n{at}", wire.url) for at, wire in enumerate(self.wires)]
        for node in self.nodes:
            node._environment["GCHAT_HISTORY_KEEP_MESSAGES"] = str(keep_messages)

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
        self.engine.__enter__()
        for node in self.nodes:
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
        self.engine.__exit__()

    def history(self, rooms: Sequence[str]) -> dict[str, Texts]:
        """Return what the engine has of rooms in the end, read without a node."""
        engine = UrlEngine(parsed(self.engine.url)).connect(is_for_reading=True)
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
