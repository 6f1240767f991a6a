"""Two nodes, two engines and a sentinel: the engine that is written to is lost, and the other one takes its place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.cluster.replicas import HOST, Sentinel, TcpEngine
from tests.e2e.harness import Server, User, wait_until
from tests.e2e.nodes import NAMESPACE, node
from tests.e2e.rich_user import joins

long = pytest.mark.skipif(not os.environ.get("GCHAT_TEST_LONG"), reason="takes long: GCHAT_TEST_LONG=1 runs it")

#: A sentinel needs seconds to see what is lost, and then for what it does.
FAILOVER_S = 60.0


class Engines:
    """A primary, its replica, and the sentinel that knows them."""

    def __init__(self, stack: ExitStack) -> None:
        self.primary, self.replica = (stack.enter_context(TcpEngine()) for _ in range(2))
        self.replica.follows(self.primary)
        self.sentinel = stack.enter_context(Sentinel(self.primary))
        wait_until(lambda: self.sentinel.replicas() == {self.replica.port}, "the sentinel knows both", FAILOVER_S)
        self.sentinel.asks("SET", "gchat", "down-after-milliseconds", "1500")  # a busy machine is slow, not lost

    def cut(self) -> None:
        """Have the replica get nothing more, because it asks where no engine is; the sentinel would mend that."""
        self.replica.asks("REPLICAOF", HOST, "1")

    def fail_over(self) -> None:
        """Kill the primary; return when the replica is it."""
        self.primary.kill()
        wait_until(lambda: self.sentinel.primary() == self.replica.port, "the replica is promoted", FAILOVER_S)


@contextmanager
def two_nodes(read_from: str) -> Iterator[tuple[Engines, Server, Server]]:
    with ExitStack() as stack:
        engines = Engines(stack)
        url = engines.sentinel.url
        one, two = (
            stack.enter_context(node(url, name, cluster_read_from=read_from, history_replay_on_join=0))
            for name in ("one", "two")
        )
        yield engines, one, two


def goes_on(speaker: User, *readers: User) -> None:
    """Return when what is said is seen, however often it was refused before."""

    def is_seen() -> bool:
        speaker.says("all is well")
        speaker.has_received()
        return all(reader.has_received(b"] all is well\n") for reader in readers)

    wait_until(is_seen, "what is said is seen", FAILOVER_S)


def test_what_was_read_from_a_replica_outlives_the_primary_and_nobody_is_told() -> None:
    with (
        two_nodes("replica") as (engines, one, two),
        one.join("ann") as ann,
        two.join("ben") as ben,
        joins(two, "eve") as eve,
    ):
        for number in range(50):
            ann.says(f"line {number}")
        eve.sees("said", text="line 49")
        engines.fail_over()
        goes_on(ann, ben)
        told = eve.sees_up_to("said", text="all is well")
        assert not [event for event in told if event["type"] in ("joined", "left", "gap")]
        assert b"lost" not in ann.received
        with joins(one, replay=1000) as late:
            said = [event for event in late.events if event["type"] == "said"]
            assert [event["text"] for event in said[:50]] == [f"line {number}" for number in range(50)]
            assert [event["seq"] for event in said] == list(range(1, len(said) + 1))
            assert late.events[0]["epoch"] == eve.events[0]["epoch"]


@pytest.mark.parametrize("lost", [pytest.param(1, marks=long), 5])
def test_what_a_replica_did_not_have_yet_is_told_with_its_numbers_in_the_rooms_that_lost_it(lost: int) -> None:
    with (
        two_nodes("primary") as (engines, one, two),
        one.join("ann") as ann,
        two.join("ben") as ben,
        joins(two, "eve", rooms=[{"room": "quiet"}, {"room": "lobby"}]) as eve,
    ):
        eve.sees("live", room="lobby")
        epochs = {event["room"]: event["epoch"] for event in eve.events if event["type"] in ("welcome", "joined")}
        ann.says("kept 1", "kept 2")
        eve.sees("said", text="kept 2")
        eve.asks({"type": "say", "room": "quiet", "text": "kept too", "id": "q"})
        eve.sees("ack", id="q")
        wait_until(lambda: engines.primary.asks("WAIT", "1", "1000") == 1, "the replica has what was said", FAILOVER_S)
        engines.cut()
        for number in range(lost):
            ann.says(f"lost {number}")
        eve.sees("said", text=f"lost {lost - 1}")
        ann.says("/ping heard")  # what her node had not heard yet it would say again, so nothing of hers were lost
        ann.sees("> pong heard")
        engines.primary.kill()
        if engines.replica.asks("HGET", f"{{{NAMESPACE}}}:heads", "lobby") != b"2":
            pytest.skip("the sentinel has mended it before")
        engines.fail_over()
        which = "1 message that was shown is lost (3)" if lost == 1 else "5 messages that were shown are lost (3-7)"
        ann.sees(f"> {which}", FAILOVER_S)
        eve.sees("announced", FAILOVER_S, text=which)
        assert eve.sees("joined", room="lobby")["epoch"] != epochs["lobby"]
        goes_on(ann, ben)
        with joins(one, room="quiet") as late:
            assert late.events[0]["epoch"] == epochs["quiet"]
