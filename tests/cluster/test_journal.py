"""The shared journal on real engines that lose what they had: what is lost is told exactly, and nothing else is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from gchat.cluster.entries import packed_step
from gchat.cluster.journal import SharedJournal
from gchat.journal.journal import JournalError, Posting
from gchat.journal.parts import Lacking, parts_of
from gchat.model.events import TopicIs
from gchat.model.messages import Message, Said, TopicSet
from tests.cluster.engines import EngineProcess, at_once, wait_until_in_loop
from tests.cluster.members import ROOM, Node


@pytest.fixture
def alice(engine: EngineProcess) -> Iterator[Node]:
    with Node(engine.url, "alice") as node:
        yield node


@pytest.fixture
def bob(engine: EngineProcess, alice: Node) -> Iterator[Node]:
    with Node(engine.url, "bob") as node:
        yield node


def test_a_shared_journal_has_every_part_that_a_journal_may_have() -> None:
    parts = parts_of(SharedJournal(1 << 20, at_once))

    lacking = [name for name in parts.__struct_fields__ if isinstance(getattr(parts, name), Lacking)]
    assert lacking == []


def test_an_engine_that_is_killed_and_comes_back_has_lost_nothing(
    engine: EngineProcess, alice: Node, bob: Node
) -> None:
    alice.says(30)
    bob.shows("alice 30")
    epoch = alice.epoch
    engine.kill()
    alice.says()
    engine.start()
    for node in (alice, bob):
        node.shows("alice 31")
    assert alice.shown == bob.shown == [(seq, f"alice {seq}") for seq in range(1, 32)]
    assert alice.losses == bob.losses == []
    assert alice.epoch == bob.epoch == epoch


def test_an_engine_that_forgets_everything_while_it_runs_is_noticed_and_what_was_shown_is_counted(
    engine: EngineProcess, alice: Node, bob: Node
) -> None:
    alice.says(277)
    bob.shows("alice 277")
    epoch = alice.epoch
    engine.empty()
    for node in (alice, bob):
        wait_until_in_loop(lambda node=node: node.losses == [(ROOM, 277, 1, 277)])  # type: ignore[misc]
    assert alice.epoch == bob.epoch != epoch
    bob.says(2)
    for node in (alice, bob):
        node.shows("bob 2")
    assert alice.shown == bob.shown == [(1, "bob 1"), (2, "bob 2")]


def test_an_engine_that_is_restarted_empty_is_another_history(engine: EngineProcess, alice: Node, bob: Node) -> None:
    alice.says(20)
    bob.says(5)
    alice.is_answered()
    wait_until_in_loop(lambda: len(alice.shown) == len(bob.shown) == 25)
    epoch = alice.epoch
    engine.kill()
    engine.forget()
    engine.start()
    for node in (alice, bob):
        wait_until_in_loop(lambda node=node: node.losses == [(ROOM, 25, 1, 25)])  # type: ignore[misc]
    assert alice.epoch == bob.epoch != epoch
    alice.says()
    bob.shows("alice 21")
    assert bob.shown == [(1, "alice 21")]


def test_two_runs_of_an_engine_that_go_on_from_the_same_point_are_not_taken_for_one(
    engine: EngineProcess, alice: Node, bob: Node, tmp_path: Path
) -> None:
    alice.says(3)
    bob.shows("alice 3")
    alice.is_answered()
    shutil.copytree(engine.directory / "appendonlydir", tmp_path / "earlier")  # as a replica has it that is behind
    engine.kill()
    engine.start()
    alice.says()
    alice.is_answered()
    bob.shows("alice 4")
    bob.is_cut_off()
    engine.kill()
    engine.forget()
    shutil.copytree(tmp_path / "earlier", engine.directory / "appendonlydir")
    engine.start()
    alice.is_attached()
    alice.says()
    alice.shows("alice 5")
    bob.is_back()
    bob.shows("alice 5")
    assert alice.losses == bob.losses == [(ROOM, 1, 4, 4)]
    assert alice.shown == bob.shown == [(1, "alice 1"), (2, "alice 2"), (3, "alice 3"), (4, "alice 5")]
    assert alice.epoch == bob.epoch


def test_what_a_node_had_not_heard_of_its_own_is_said_again_and_told_only_where_it_was_shown(
    engine: EngineProcess, alice: Node, bob: Node, tmp_path: Path
) -> None:
    alice.says(3)
    bob.shows("alice 3")
    alice.is_answered()
    shutil.copytree(engine.directory / "appendonlydir", tmp_path / "earlier")
    with pytest.MonkeyPatch.context() as slow:
        slow.setattr(alice.link, "_hear", lambda _entry: Event().wait())  # as on a machine that has much to do
        alice.says()
        bob.shows("alice 4")
        engine.kill()
        wait_until_in_loop(lambda: not alice.link.is_up.is_set(), "alice has noticed")
    engine.forget()
    shutil.copytree(tmp_path / "earlier", engine.directory / "appendonlydir")
    engine.start()
    alice.shows("alice 4")
    wait_until_in_loop(lambda: bob.losses and bob.shown == alice.shown, "bob sees it again")
    assert bob.losses == [(ROOM, 1, 4, 4)]
    assert all(count == 0 for _, count, *_ in alice.losses)  # the name of the log may be another
    assert alice.acked["alice 4"] == 4
    assert alice.shown == [(seq, f"alice {seq}") for seq in range(1, 5)]


def test_a_room_that_nobody_had_spoken_in_has_lost_nothing(engine: EngineProcess, alice: Node) -> None:
    epoch = alice.epoch
    engine.empty()
    wait_until_in_loop(lambda: alice.losses == [(ROOM, 0, 1, 0)])
    assert alice.epoch != epoch


def test_what_was_said_while_a_node_was_cut_off_is_caught_up_with_although_the_feed_has_it_no_more(
    engine: EngineProcess, alice: Node, bob: Node
) -> None:
    alice.says(3)
    bob.shows("alice 3")
    bob.is_cut_off()
    alice.says(1200)
    alice.is_answered()
    alice.journal.link.do("XTRIM", alice.journal.key("feed"), "MAXLEN", 1)
    bob.is_back()
    bob.shows("alice 1203")
    assert bob.shown == alice.shown
    assert bob.losses == []


def test_what_is_said_while_a_place_in_the_feed_is_looked_for_is_not_missed(
    engine: EngineProcess, alice: Node, bob: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = bob.find_place

    def slow(base: str) -> int:
        if alice.link.base == base:
            alice.says()
            alice.is_answered()
        return looked(base)

    monkeypatch.setattr(bob, "find_place", slow)
    alice.says()
    bob.shows("alice 1")
    bob.is_cut_off()
    engine.empty()
    wait_until_in_loop(lambda: alice.losses)
    bob.is_back()
    bob.shows("alice 2")
    assert bob.shown == [(1, "alice 2")]


def test_what_is_said_in_a_room_that_is_not_open_waits_for_nothing(engine: EngineProcess, alice: Node) -> None:
    engine.stop()
    others: list[str] = []
    gevent.spawn(others.append, "had a turn")
    alice.journal.append([Posting("elsewhere", Said("ci", ("deployed",), ("1",)), "ci", "of ci")], 0)
    assert others == []
    engine.go_on()
    wait_until_in_loop(lambda: alice.acked == {"of ci": 1}, "it is stored")
    assert not alice.journal.is_open("elsewhere")
    alice.journal.open(["elsewhere"])
    assert [record.message for record in alice.journal.read("elsewhere", 1, 9)] == [Said("ci", ("deployed",), ("1",))]


def test_topics_are_told_of_every_room_open_here_or_not(alice: Node, bob: Node) -> None:
    alice.journal.open(["dev"])
    alice.journal.append([Posting("dev", TopicSet("alice", "tea"), cause="topic")], 0)
    wait_until_in_loop(lambda: alice.topics == bob.topics == [("dev", TopicIs("tea", "alice"))])


def test_notes_are_kept_when_that_is_said_and_each_node_has_them(engine: EngineProcess, alice: Node, bob: Node) -> None:
    alice.journal.note("hooks", "a", b"1")
    alice.journal.note("hooks", "b", b"2")
    alice.journal.note("hooks", "b", b"")
    alice.journal.keep()
    assert bob.journal.notes("hooks") == {"a": b"1"}

    engine.kill()
    alice.journal.note("hooks", "c", b"3")
    with pytest.raises(JournalError):
        alice.journal.keep()
    engine.start()
    alice.is_attached()
    assert alice.journal.notes("hooks") == {"a": b"1", "c": b"3"}
    assert not alice.journal.tidy(0, 0)
    bob.is_attached()
    assert bob.journal.notes("hooks") == {"a": b"1", "c": b"3"}


def test_a_room_keeps_about_as_many_messages_as_it_is_told_to(alice: Node) -> None:
    alice.journal.limit(0, 100)
    assert alice.journal.caution == ""
    alice.says(1000)
    alice.is_answered()
    assert 100 <= alice.link.do("XLEN", alice.journal.key(f"room:{ROOM}")) <= 300
    alice.journal.limit(86400, 100)
    assert "keep_days" in alice.journal.caution


def test_a_fault_in_an_entry_leaves_nobody_without_an_answer(alice: Node) -> None:
    told: list[tuple[object, bool]] = []
    alice.journal.follow(lambda arrivals: told.extend((each.cause, each.is_known) for each in arrivals))

    def crash(room: str, topic: TopicIs) -> None:
        raise ZeroDivisionError

    alice.topic_set = crash  # type: ignore[method-assign]
    batch: list[Message] = [Said("alice", ("one",)), TopicSet("alice", "two"), Said("alice", ("three",))]
    alice.journal.append([Posting(ROOM, message, "", message) for message in batch], 0)
    wait_until_in_loop(lambda: told == list(zip(batch, (True, False, False), strict=True)))


def test_a_fault_in_a_step_leaves_nobody_without_an_answer(alice: Node) -> None:
    unknown: list[object] = []
    alice.not_known = unknown.append  # type: ignore[method-assign, assignment]

    def crash(step: bytes, cause: object | None) -> None:
        raise ZeroDivisionError

    alice.happened = crash  # type: ignore[method-assign]
    alice.link.put([(packed_step(step), step) for step in (b"one", b"two")])
    wait_until_in_loop(lambda: unknown == [b"one", b"two"])
