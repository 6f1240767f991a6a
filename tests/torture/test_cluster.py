"""What nodes under torture stand on: a wire to the engine that can be cut, and a nemesis that does all it is to do."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import gevent
import pytest
from gevent import socket

from tests.cluster.engines import EngineProcess
from tests.torture.cluster import Wire
from tests.torture.cluster_nemesis import KINDS, ClusterNemesis
from tests.torture.load import Rich
from tests.torture.peer import World


@pytest.fixture
def wire() -> Iterator[Wire]:
    with EngineProcess() as engine:
        wire = Wire(engine.path)
        yield wire
        wire.close()


def node_of(wire: Wire) -> socket.socket:
    host, _, port = wire.url.removeprefix("valkey://").partition(":")
    return socket.create_connection((host, int(port)), 20)


@pytest.mark.parametrize("direction", [(), ("to_engine",), ("from_engine",)])
def test_what_is_on_its_way_through_a_cut_wire_arrives_when_it_is_healed(
    wire: Wire, direction: tuple[str, ...]
) -> None:
    with node_of(wire) as node:
        node.sendall(b"PING\r\n")
        assert node.recv(100) == b"+PONG\r\n"
        wire.cut(*(getattr(wire, name) for name in direction))
        node.sendall(b"PING\r\n")
        node.settimeout(0.1)
        with pytest.raises(TimeoutError):
            node.recv(100)
        wire.heal()
        node.settimeout(20)
        assert node.recv(100) == b"+PONG\r\n"


def test_a_wire_to_an_engine_that_ends_ends_too() -> None:
    with EngineProcess() as engine:
        wire = Wire(engine.path)
        with node_of(wire) as node:
            node.sendall(b"PING\r\n")
            assert node.recv(100) == b"+PONG\r\n"
            engine.kill()
            assert node.recv(100) == b""
        with node_of(wire) as node:
            assert node.recv(100) == b""
        wire.close()


class FakeCluster:
    """Notes what is done to it."""

    log = ""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.engine, self.nodes, self.wires = self, [self], [self]
        self.to_engine = self.from_engine = None

    def __getattr__(self, name: str) -> object:
        return lambda *_arguments: self.done.append(name)


class AlwaysThere(Rich):
    """A reader on whom nothing makes an impression."""

    connected = True

    def cut(self) -> None:
        pass


def test_each_kind_of_fault_is_done_as_often_and_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.torture.cluster_nemesis.PATIENCE_S", 0.0)
    monkeypatch.setattr("tests.torture.cluster_nemesis.TOLD_S", 0.0)
    world, cluster = World(100, Random(1)), FakeCluster()
    nemesis = ClusterNemesis(world, cluster, [AlwaysThere(world, "r00", ["room"])], 0.0, with_long=False)  # type: ignore[arg-type]
    nemesis.plan(KINDS, 2 * len(KINDS))
    assert world.may_lose

    def people() -> None:
        while not world.enough:
            world.acked += 1
            gevent.sleep(0)

    gevent.spawn(people)
    nemesis.run()

    assert nemesis.happened
    assert {kind: nemesis.done[kind] for kind in KINDS} == dict.fromkeys(KINDS, 2)
    counts = {name: cluster.done.count(name) for name in set(cluster.done)}
    assert counts == {"kill": 4, "start": 4, "signal": 4, "cut": 2, "heal": 2, "stop": 2, "go_on": 2, "empty": 2}
    assert "are not told of a silent engine" in str(world.findings.examples)
