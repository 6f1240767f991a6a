"""Several links on a real engine: what happens comes to all in one order, and a node that is lost is given up, once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import count
from typing import Any

import gevent
import pytest
from gevent.hub import get_hub

from gchat.cluster import attachment
from gchat.cluster import link as links
from gchat.cluster.engine_connection import EngineConnection, EngineLost, EngineRefused
from gchat.cluster.entries import Fed, packed
from gchat.journal.journal import JournalError, Posting
from gchat.model.messages import Said
from tests.cluster.engines import EngineProcess, wait_until_in_loop
from tests.cluster.owners import Owner, agreed, started


def freeze(owner: Owner) -> gevent.event.Event:
    """Have a node neither beat nor hear, as if its process stood still; return what has it go on."""
    goes_on = gevent.event.Event()
    attached = owner.link._attachment
    assert attached is not None
    real = attached.beat

    def beat(info: bytes) -> attachment.Beaten:
        goes_on.wait()
        return real(info)

    attached.beat = beat  # type: ignore[method-assign]
    return goes_on


# --- What happens ----------------------------------------------------------------------------------------------------


def test_steps_and_messages_of_three_nodes_come_to_all_in_one_order(engine: EngineProcess, end: ExitStack) -> None:
    nodes = started(engine, end, "alice", "bob", "carol")
    for at in range(100):
        for node in nodes:
            node.steps(f"{node.link.node} {at}a")
            node.says(f"{node.link.node} {at}b")
            node.steps(f"{node.link.node} {at}c", f"{node.link.node} {at}d")
        gevent.sleep(0)

    happened = agreed(*nodes, count=1200)

    assert len(happened) == 1200
    for node in nodes:
        own = [each for each in happened if each.startswith(node.link.node)]
        assert own == [f"{node.link.node} {at}{letter}" for at in range(100) for letter in "abcd"]
        assert node.carried_out == own
        assert not node.refusals
        assert not node.unknown


def test_a_large_step_goes_through(engine: EngineProcess, end: ExitStack) -> None:
    alice, bob = started(engine, end, "alice", "bob")
    alice.steps("x" * 3_000_000, *("y" * 600_000 for _ in range(5)))

    agreed(alice, bob, count=6)


def test_an_engine_that_is_killed_loses_and_doubles_no_step(engine: EngineProcess, end: ExitStack) -> None:
    nodes = started(engine, end, "alice", "bob")
    numbers = count()
    for _ in range(3):
        for _ in range(40):
            for node in nodes:
                node.steps(f"{node.link.node} {next(numbers)}")
            gevent.sleep(0.002)
        engine.kill()
        gevent.sleep(0.05)
        engine.start()
        wait_until_in_loop(lambda: all(node.link.is_up.is_set() for node in nodes))
    happened = agreed(*nodes, count=240)

    assert len(set(happened)) == len(happened) == 240
    assert [node.places for node in nodes] == [[0], [0]]


# --- Who is there ----------------------------------------------------------------------------------------------------


def test_each_node_knows_what_the_others_tell_of_themselves(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "BEAT_S", 0.05)
    nodes = started(engine, end, "alice", "bob")
    for node in nodes:
        node.link.info = node.link.node.encode
    told = {node.link.node: node.link.node.encode() for node in nodes}

    wait_until_in_loop(lambda: all(node.link.nodes == told for node in nodes))
    nodes[1].link.close()
    wait_until_in_loop(lambda: list(nodes[0].link.nodes) == [nodes[0].link.node])
    assert not nodes[0].happened


def test_a_node_that_does_not_beat_is_gone_once_and_finds_its_place_again(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "BEAT_S", 0.05)
    monkeypatch.setattr(links, "LEASE_S", 0.5)
    alice, bob, carol = nodes = started(engine, end, "alice", "bob", "carol")
    bob.steps("before")
    goes_on = freeze(bob)

    wait_until_in_loop(lambda: bob.link.node in alice.gone)
    wait_until_in_loop(lambda: bob.link.node not in alice.link.nodes)
    bob.steps("after")
    goes_on.set()
    wait_until_in_loop(lambda: len(bob.places) == 2, "bob finds its place again")
    wait_until_in_loop(lambda: not bob.link.unanswered)
    gevent.sleep(1)
    wait_until_in_loop(lambda: bob.link.node in alice.link.nodes)

    assert alice.gone == carol.gone == bob.gone == [bob.link.node]
    assert "before" in agreed(*nodes, count=2)
    assert bob.unknown + [cause for cause, _ in bob.refusals] + bob.carried_out[1:] == ["after"]
    assert ("after" in bob.carried_out) == ("after" in alice.happened)


def test_what_was_sent_before_a_node_was_given_up_is_not_said_twice(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "BEAT_S", 0.05)
    monkeypatch.setattr(links, "LEASE_S", 0.5)
    alice, bob = nodes = started(engine, end, "alice", "bob")
    goes_on = freeze(bob)
    hear = bob.link._hear
    bob.link._hear = lambda heard: gevent.sleep(1000)  # type: ignore[method-assign]  # noqa: ARG005
    bob.steps("once")
    wait_until_in_loop(lambda: alice.happened == ["once", f"gone {bob.link.node}"])
    alice.keep()
    bob.link._hear = hear  # type: ignore[method-assign]
    goes_on.set()

    wait_until_in_loop(lambda: len(bob.places) == 2 and not bob.link.unanswered)
    assert bob.unknown == ["once"]
    assert not bob.carried_out
    assert not bob.refusals
    bob.steps("again")
    assert agreed(*nodes, count=3) == ["once", f"gone {bob.link.node}", "again"]


def test_nor_is_it_when_the_engine_is_lost_before_the_node_has_caught_up(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "BEAT_S", 0.05)
    monkeypatch.setattr(links, "LEASE_S", 0.5)
    alice, bob = nodes = started(engine, end, "alice", "bob")
    goes_on = freeze(bob)
    hear = bob.link._hear
    bob.link._hear = lambda heard: gevent.sleep(1000)  # type: ignore[method-assign]  # noqa: ARG005
    bob.steps("once")
    wait_until_in_loop(lambda: alice.happened == ["once", f"gone {bob.link.node}"])
    goes_on.set()
    wait_until_in_loop(lambda: len(bob.places) == 2 and bob.link.is_up.is_set())
    attached = bob.link._attachment
    engine.ask("CLIENT", "KILL", "TYPE", "normal")
    wait_until_in_loop(lambda: bob.link._attachment not in (None, attached) and bob.link.is_up.is_set())
    bob.link._hear = hear  # type: ignore[method-assign]
    engine.ask("CLIENT", "KILL", "TYPE", "normal")
    bob.steps("again")

    assert agreed(*nodes, count=3) == ["once", f"gone {bob.link.node}", "again"]
    wait_until_in_loop(lambda: not bob.link.unanswered)
    assert bob.carried_out == ["once", "again"]


def test_an_engine_that_stood_still_gives_nobody_up_and_the_time_of_the_cluster_stood_as_well(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "BEAT_S", 0.1)
    monkeypatch.setattr(links, "LEASE_S", 1.5)
    monkeypatch.setattr(links, "SILENCE_S", 0.6)
    nodes = started(engine, end, "alice", "bob", "carol")
    wait_until_in_loop(lambda: all(len(node.link.nodes) == 3 for node in nodes))
    times, began_at = [node.link.time() for node in nodes], time.monotonic()
    engine.stop()
    gevent.sleep(3)
    engine.go_on()
    wait_until_in_loop(lambda: all(node.link.is_up.is_set() for node in nodes))
    gevent.sleep(1)
    passed = time.monotonic() - began_at
    nodes[0].steps("all are there")

    assert agreed(*nodes, count=1) == ["all are there"]
    assert all(len(node.link.nodes) == 3 for node in nodes)
    for node, before in zip(nodes, times, strict=True):
        assert 0 <= node.link.time() - before <= passed - 2


def test_a_node_that_is_closed_is_told_to_be_gone_only_if_it_says_so(engine: EngineProcess, end: ExitStack) -> None:
    alice, bob, carol = started(engine, end, "alice", "bob", "carol")
    bob.steps("bob's last")
    bob.link.close()
    carol.link.is_gone_at_end = True
    carol.link.close()

    wait_until_in_loop(lambda: len(alice.happened) == 2)
    assert alice.happened == ["bob's last", f"gone {carol.link.node}"]
    assert engine.ask("ZRANGE", "{test}:leases", 0, -1) == [alice.link.node.encode()]


def test_two_nodes_never_have_the_same_number(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter([7, 7, 7, 8])
    monkeypatch.setattr(secrets, "randbelow", lambda _: next(drawn))

    alice, bob = started(engine, end, "alice", "bob")

    assert [alice.link.node, bob.link.node] == ["alice-00007", "bob-00008"]


# --- Places ----------------------------------------------------------------------------------------------------------


def test_a_newcomer_goes_on_from_the_newest_checkpoint(engine: EngineProcess, end: ExitStack) -> None:
    (alice,) = started(engine, end, "alice")
    alice.steps("a")
    agreed(alice, count=1)
    older = alice.link.heard
    alice.steps("b")
    agreed(alice, count=2)
    alice.keep()
    alice.link.keep_checkpoint(older, b"older")
    alice.steps("c")
    agreed(alice, count=3)

    (bob,) = started(engine, end, "bob")

    assert bob.places == [2]
    assert agreed(alice, bob, count=3) == ["a", "b", "c"]
    assert (alice.link.was_empty, bob.link.was_empty) == (True, False)
    assert bob.link.checkpoint_n == alice.link.checkpoint_n == 2


def test_a_node_that_has_nothing_to_begin_with_may_keep_that(engine: EngineProcess, end: ExitStack) -> None:
    (alice,) = started(engine, end, "alice")

    assert alice.link.checkpoint() is None
    assert alice.link.checkpoint_n == -1
    alice.keep()
    assert alice.link.checkpoint() == (0, b"\x90")


def test_a_node_that_was_behind_the_trimmed_feed_finds_its_place(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "BEAT_S", 0.02)
    monkeypatch.setattr(links, "FEED_ENTRIES", 100)
    monkeypatch.setattr(links, "FEED_S", 0)
    alice, bob = started(engine, end, "alice", "bob")
    hears = gevent.event.Event()
    arrived = bob.arrived
    bob.arrived = lambda told: (hears.wait(), arrived(told))[1]  # type: ignore[method-assign]
    for at in range(600):
        alice.steps(str(at))
        wait_until_in_loop(lambda: not alice.link.unanswered)
    gevent.sleep(0.1)
    assert engine.ask("XLEN", "{test}:feed") == 600, "nothing is dropped that is not in a checkpoint"
    alice.keep()
    wait_until_in_loop(lambda: 100 <= engine.ask("XLEN", "{test}:feed") < 300, "the feed is trimmed")
    alice.steps("end")
    bob.arrived = arrived  # type: ignore[method-assign]
    hears.set()

    assert agreed(alice, bob, count=601) == [*map(str, range(600)), "end"]
    assert bob.places == [0, 600]


def test_an_engine_that_is_emptied_while_nothing_is_said_is_found_out(engine: EngineProcess, end: ExitStack) -> None:
    nodes = started(engine, end, "alice", "bob")
    nodes[0].steps("lost")
    agreed(*nodes, count=1)
    bases = {node.link.base for node in nodes}

    engine.empty()
    wait_until_in_loop(lambda: not bases & {node.link.base for node in nodes}, deadline_s=5)
    wait_until_in_loop(lambda: all(node.link.is_up.is_set() for node in nodes))

    assert [node.places for node in nodes] == [[0, 0], [0, 0]]
    assert sum(node.link.was_empty for node in nodes) == 1
    nodes[1].steps("found")
    assert agreed(*nodes, count=1) == ["found"]
    assert nodes[0].link.base == nodes[1].link.base


# --- Letters ---------------------------------------------------------------------------------------------------------


def test_an_engine_that_is_emptied_again_before_a_node_has_its_place_has_another_history(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alice,) = started(engine, end, "alice")
    bases = [alice.link.base]
    find_place = alice.find_place

    def find(base: str, ask: Callable[..., Any]) -> int:
        bases.append(base)
        if len(bases) == 2:
            engine.empty()
            raise EngineLost("emptied")
        return find_place(base, ask)

    monkeypatch.setattr(alice, "find_place", find)
    engine.empty()
    wait_until_in_loop(lambda: len(bases) == 3)
    assert len(set(bases)) == 3
    alice.steps("goes on")
    agreed(alice, count=1)
    assert alice.link.was_empty


def test_a_letter_comes_to_its_node_and_to_no_other(engine: EngineProcess, end: ExitStack) -> None:
    alice, bob, carol = started(engine, end, "alice", "bob", "carol")
    letters = [b"first", bytes(range(256)), b"x" * 1_000_000, b""]

    assert all(alice.link.send(bob.link.node, letter) for letter in letters)
    wait_until_in_loop(lambda: len(bob.letters) == 4)

    assert bob.letters == letters
    assert not alice.letters
    assert not carol.letters
    assert not alice.link.send("nobody-00000", b"hello")


# --- An engine that cannot -------------------------------------------------------------------------------------------


def test_what_is_put_is_refused_when_the_engines_memory_is_full_and_nobody_is_given_up(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "BEAT_S", 0.05)
    monkeypatch.setattr(links, "LEASE_S", 0.5)
    alice, bob = nodes = started(engine, end, "alice", "bob")
    engine.ask("CONFIG", "SET", "maxmemory", "1")
    alice.steps("a step")
    bob.says("a message")

    wait_until_in_loop(lambda: alice.refusals and bob.refusals)
    assert alice.refusals == [("a step", "the memory of the engine is full")]
    assert bob.refusals == [("a message", "the memory of the engine is full")]
    gevent.sleep(1)
    assert all(node.link.is_up.is_set() and len(node.link.nodes) == 2 for node in nodes)
    alice.keep()

    engine.ask("CONFIG", "SET", "maxmemory", "0")
    alice.steps("another")
    assert agreed(*nodes, count=1) == ["another"]
    assert not alice.troubles


def test_a_node_that_was_replaced_keeps_no_checkpoint(engine: EngineProcess, end: ExitStack) -> None:
    (alice,) = started(engine, end, "alice")
    engine.ask("HSET", "{test}:fence", alice.link.node, "77")

    with pytest.raises(EngineRefused, match="FENCED"):
        alice.keep()
    assert alice.link.checkpoint() is None


def test_without_an_engine_nothing_is_asked_for_long(engine: EngineProcess, end: ExitStack) -> None:
    (alice,) = started(engine, end, "alice")
    engine.kill()
    wait_until_in_loop(lambda: not alice.link.is_up.is_set())

    for ask in (alice.keep, alice.link.checkpoint, lambda: alice.link.send("bob-00000", b"")):
        with pytest.raises(JournalError):
            ask()


# --- What befell others ----------------------------------------------------------------------------------------------


def test_scripts_that_were_flushed_are_loaded_again(engine: EngineProcess, end: ExitStack) -> None:
    alice, bob = nodes = started(engine, end, "alice", "bob")
    engine.ask("SCRIPT", "FLUSH")
    alice.steps("a")
    bob.says("b")

    assert sorted(agreed(*nodes, count=2)) == ["a", "b"]
    assert not alice.refusals + bob.refusals
    assert not alice.unknown + bob.unknown


def sent(owner: Owner, node: str, letter: bytes) -> bool:
    try:
        return owner.link.send(node, letter)
    except EngineLost:
        return False


@pytest.mark.parametrize("kind", ["pubsub", "normal"])
def test_connections_that_the_engine_cuts_are_made_again(engine: EngineProcess, end: ExitStack, kind: str) -> None:
    alice, bob = nodes = started(engine, end, "alice", "bob")
    for at in range(5):
        engine.ask("CLIENT", "KILL", "TYPE", kind)
        alice.steps(str(at))
        wait_until_in_loop(lambda: not alice.link.unanswered)

    assert agreed(*nodes, count=5) == list("01234")
    wait_until_in_loop(lambda: sent(alice, bob.link.node, b"hello"))
    wait_until_in_loop(lambda: bob.letters == [b"hello"])
    assert alice.link.ask("PING") == b"PONG"


@pytest.mark.parametrize("at", range(5))
def test_any_connection_that_is_cut_alone_is_made_again(engine: EngineProcess, end: ExitStack, at: int) -> None:
    (alice,) = started(engine, end, "alice")
    wait_until_in_loop(lambda: len(engine.ask("CLIENT", "LIST").splitlines()) == 5)
    cut = engine.ask("CLIENT", "LIST").decode().splitlines()[at].split()[0].removeprefix("id=")
    engine.ask("CLIENT", "KILL", "ID", cut)
    alice.steps("a")

    assert agreed(alice, count=1) == ["a"]
    wait_until_in_loop(lambda: sent(alice, alice.link.node, b"hello"))
    assert alice.link.ask("PING") == b"PONG"


def test_a_large_batch_is_not_too_large_for_the_engine(engine: EngineProcess, end: ExitStack) -> None:
    alice, bob = nodes = started(engine, end, "alice", "bob")
    texts = [str(at) for at in range(2000)]
    alice.link.put([(packed(Posting("lobby", Said("alice", (text,), (text,)))), text) for text in texts])

    assert agreed(*nodes, count=2000) == texts
    assert bob.link.heard < 10


def test_a_feed_that_was_deleted_by_hand_goes_on(engine: EngineProcess, end: ExitStack) -> None:
    alice, bob = nodes = started(engine, end, "alice", "bob")
    alice.steps("a")
    agreed(*nodes, count=1)
    engine.ask("DEL", "{test}:feed")
    bob.steps("b")

    assert agreed(*nodes, count=2) == ["a", "b"]


def test_a_node_reads_in_fewer_answers_what_nobody_there_waits_for(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "READ_PACE_S", 1.0)
    alice, bob, carol = nodes = started(engine, end, "alice", "bob", "carol")
    carol.link.is_read = lambda _room: False
    for said in range(1, 11):
        alice.says(f"{said}")
        wait_until_in_loop(lambda: len(alice.happened) == len(bob.happened) == said)  # noqa: B023
        gevent.sleep(0.002)
    assert len(carol.happened) < 10
    assert agreed(*nodes, count=10) == [f"{said}" for said in range(1, 11)]


def test_what_came_is_shown_before_more_is_asked_for(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real_ask = EngineConnection.ask

    def ask(connection: EngineConnection, *command: Any, **rest: Any) -> Any:
        if command[0] == "XREAD":
            seen.append("asked")
        return real_ask(connection, *command, **rest)

    monkeypatch.setattr(EngineConnection, "ask", ask)
    (alice,) = started(engine, end, "alice")
    real_arrived = alice.arrived

    def arrived(told: Sequence[tuple[Fed, Any]]) -> None:
        real_arrived(told)
        seen.append("came")
        get_hub().loop.run_callback(seen.append, "shown")  # as the pump is woken

    monkeypatch.setattr(alice, "arrived", arrived)
    alice.steps("a")

    wait_until_in_loop(lambda: "shown" in seen and seen[-1] == "asked")
    came = seen.index("came")
    assert seen[came : came + 3] == ["came", "shown", "asked"]


def test_a_fault_of_ours_ends_no_link(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    alice, bob = nodes = started(engine, end, "alice", "bob")
    real = alice.arrived
    faults = [ValueError("a fault")]

    def arrived(told: Sequence[tuple[Fed, Any]]) -> None:
        if faults:
            raise faults.pop()
        real(told)

    monkeypatch.setattr(alice, "arrived", arrived)
    bob.steps("a")

    assert agreed(*nodes, count=1) == ["a"]
    assert "a fault" in capfd.readouterr().err
