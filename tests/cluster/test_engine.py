"""Where an engine is: a replica that takes over, with and without a sentinel, and what is lost then; on real ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import gevent
import pytest

from gchat.cluster import engine as engines
from gchat.cluster.engine import UrlEngine
from gchat.cluster.engine_url import parsed
from tests.cluster.engines import wait_until_in_loop
from tests.cluster.members import ROOM, Node, reads_from
from tests.cluster.replicas import HOST, Sentinel, TcpEngine

FAILOVERS = int(os.environ.get("GCHAT_TEST_FAILOVERS", "3"))


@pytest.fixture
def primary() -> Iterator[TcpEngine]:
    with TcpEngine(repl_diskless_sync_delay=0) as process:
        yield process


@pytest.fixture
def replica(primary: TcpEngine) -> Iterator[TcpEngine]:
    with TcpEngine(replicaof=f"{HOST} {primary.port}", repl_diskless_sync_delay=0) as process:
        is_in_sync(process)
        yield process


def is_in_sync(replica: TcpEngine) -> None:
    wait_until_in_loop(
        lambda: b"master_link_status:up" in replica.asks("INFO", "replication"), "the replica is in sync"
    )


def test_a_replica_that_takes_over_without_the_last_messages_loses_exactly_these(
    primary: TcpEngine, replica: TcpEngine
) -> None:
    with Node(primary.url, "alice") as alice, Node(primary.url, "bob") as bob:
        alice.says(616)
        bob.shows("alice 616")
        wait_until_in_loop(lambda: replica.asks("HGET", "{test}:heads", ROOM) == b"616")
        epoch = alice.epoch
        replica.asks("REPLICAOF", "NO", "ONE")
        bob.says(100)
        alice.says(21)
        for node in (alice, bob):
            node.is_answered()
            wait_until_in_loop(lambda node=node: len(node.shown) == 737)  # type: ignore[misc]
            node.moves_to(replica.url)
        primary.kill()
        for node in (alice, bob):
            wait_until_in_loop(lambda node=node: node.losses)  # type: ignore[misc]
            assert node.losses == [(ROOM, 121, 617, 737)]
            assert len(node.gone_texts) == 121
        assert alice.epoch == bob.epoch != epoch
        assert alice.epoch.partition(".")[0] == epoch.partition(".")[0], "it is the same history, as far as it goes"
        bob.says()
        alice.shows("bob 101")
        assert alice.shown[-1] == (617, "bob 101")
        with Node(replica.url, "carol") as carol:
            assert carol.epoch == alice.epoch
            assert carol.journal.next_seq(ROOM) == 618


def test_a_node_that_had_not_seen_what_is_lost_has_lost_nothing(primary: TcpEngine, replica: TcpEngine) -> None:
    with Node(primary.url, "alice") as alice, Node(primary.url, "bob") as bob:
        alice.says(10)
        bob.shows("alice 10")
        wait_until_in_loop(lambda: replica.asks("HGET", "{test}:heads", ROOM) == b"10")
        bob.is_cut_off()
        replica.asks("REPLICAOF", "NO", "ONE")
        alice.says(5)
        alice.is_answered()
        for node in (alice, bob):
            node.moves_to(replica.url)
        primary.kill()
        wait_until_in_loop(lambda: alice.losses == [(ROOM, 5, 11, 15)])
        alice.says()
        bob.is_back()
        bob.shows("alice 16")
        assert bob.shown[-1] == (11, "alice 16")
        assert bob.losses in ([], [(ROOM, 0, 1, 0)])
        wait_until_in_loop(lambda: bob.epoch == alice.epoch, "both call the room's log the same")


def test_what_was_read_from_the_replica_is_not_lost_when_it_takes_over(
    primary: TcpEngine, replica: TcpEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "LOOK_S", 60.0)  # it is not noticed that the replica gets nothing any more
    told: list[str] = []
    engine = UrlEngine(parsed(primary.url), reads_replica=True, say=told.append)
    with Node(engine, "alice") as alice:
        alice.says(100)
        alice.shows("alice 100")
        assert told == [f"reading from the replica {HOST}:{replica.port}"]
        primary.asks("ACL", "SETUSER", "default", "-psync", "-sync")  # else it comes back; and who reads is not told
        primary.asks("CLIENT", "KILL", "TYPE", "replica")
        alice.says(20)
        wait_until_in_loop(lambda: primary.asks("HGET", "{test}:heads", ROOM) == b"120")
        gevent.sleep(0.05)
        assert len(alice.shown) == 100
        primary.kill()
        replica.asks("REPLICAOF", "NO", "ONE")
        alice.moves_to(replica.url)
        alice.shows("alice 120")  # nobody had seen them, so they are said again
        assert alice.losses == []
        assert alice.shown == [(seq, f"alice {seq}") for seq in range(1, 121)]


def test_a_replica_that_gets_nothing_any_more_is_not_read_from(
    primary: TcpEngine, replica: TcpEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "LOOK_S", 0.05)
    monkeypatch.setattr(engines, "SYNC_S", 0.2)
    told: list[str] = []
    engine = UrlEngine(parsed(primary.url), reads_replica=True, say=told.append)
    with Node(engine, "alice") as alice:
        replica.asks("REPLICAOF", HOST, "1")
        alice.says(20)
        alice.shows("alice 20")
        assert "no replica of valkey://" in told[1]
        assert "a failover may lose messages that were shown" in told[1]
        replica.follows(primary)
        wait_until_in_loop(lambda: len(told) == 3)
        assert told[2] == told[0]
        alice.says()
        alice.shows("alice 21")
        assert alice.losses == []
        assert len(told) == 3, "each is said once"


def test_a_replica_that_stands_still_holds_nobody_up_for_long(primary: TcpEngine, replica: TcpEngine) -> None:
    told: list[str] = []
    engine = UrlEngine(parsed(primary.url), reads_replica=True, say=told.append)
    with Node(engine, "alice") as alice:
        alice.says()
        alice.shows("alice 1")
        replica.stop()
        alice.says()
        alice.shows("alice 2")
        assert "does not answer" in told[1]
        replica.go_on()
        wait_until_in_loop(lambda: reads_from(alice) == replica.port)
        alice.says()
        alice.shows("alice 3")
        assert alice.losses == []


@pytest.mark.timeout(120 + 20 * FAILOVERS)
def test_sentinels_name_the_primary_and_failovers_lose_nothing_that_was_shown(
    primary: TcpEngine, replica: TcpEngine
) -> None:
    processes = {process.port: process for process in (primary, replica)}
    with Sentinel(primary) as sentinel, ExitStack() as end:
        wait_until_in_loop(lambda: sentinel.replicas() == {replica.port}, "the sentinel knows the replica")
        nodes = [
            end.enter_context(Node(UrlEngine(parsed(sentinel.url), reads_replica=True), name))
            for name in ("alice", "bob")
        ]
        talking = [gevent.spawn(talk, node) for node in nodes]
        for _ in range(FAILOVERS):
            gevent.sleep(0.5)
            lost = processes[sentinel.primary()]
            lost.kill()
            wait_until_in_loop(lambda lost=lost: sentinel.primary() not in (0, lost.port), "another is promoted", 60)  # type: ignore[misc]
            for node in nodes:
                node.is_attached()
            lost.settings["replicaof"] = f"{HOST} {sentinel.primary()}"
            lost.start()
            wait_until_in_loop(lambda lost=lost: sentinel.replicas() == {lost.port}, "it follows", 60)  # type: ignore[misc]
            for node in nodes:
                wait_until_in_loop(lambda node=node, lost=lost: reads_from(node) == lost.port, "it is read from", 60)  # type: ignore[misc]
        gevent.killall(talking)
        for node in nodes:
            node.is_answered()
        most = max(len(node.shown) for node in nodes)
        for node in nodes:
            wait_until_in_loop(lambda node=node: len(node.shown) == most)  # type: ignore[misc]
            assert node.losses == []
            texts = [text for _, text in node.shown]
            assert len(texts) == len(set(texts))
            assert [seq for seq, _ in node.shown] == list(range(1, most + 1))
            shown = dict(node.shown)
            assert all(shown[seq] == text for text, seq in node.acked.items())
            assert not node.refused_texts.intersection(texts)
        assert nodes[0].shown == nodes[1].shown


def talk(node: Node) -> None:
    while True:
        node.says()
        gevent.sleep(0.01)
