"""Nodes that share their users: what one does all know, in one order, and a user sees what concerns that user once."""

from __future__ import annotations

import gevent
import pytest

from gchat.chat import checkpoint
from gchat.chat.effects import Announce, Audited, Close, CloseReason, Deliver, Presence, Publish, SaveSession
from gchat.chat.limits import Limits
from gchat.chat.steps import BeDue, Connect, Disconnect, Entrance, Execute
from gchat.journal.journal import Arrival, Outcome
from gchat.model import commands
from gchat.model.errors import Code, Refusal
from gchat.model.events import Announced, Refused
from gchat.model.messages import Record, Said
from gchat.server import sharing
from gchat.server.publication import ArrivedUnheard
from tests.cluster.engines import wait_until_in_loop
from tests.server.fake_feed import Feed, Node


def are_equal(*nodes: Node) -> bool:
    """Whether all nodes know the same."""
    return len({checkpoint.packed(checkpoint.taken(node.registry)) for node in nodes}) == 1


def test_users_are_known_on_all_nodes_under_numbers_that_no_two_nodes_give(feed: Feed, one: Node, two: Node) -> None:
    alice, bob = one.connects("alice", 1), two.connects("bob", 1)
    assert [user.name for user in two.registry.sessions.values()] == ["alice", "bob"]
    assert (alice.id >> 32, bob.id >> 32) == (1, 2)
    assert (alice.node, bob.node) == (one.node, two.node)
    assert are_equal(one, two, feed.join("three"))


def test_the_first_to_ask_for_a_nick_has_it_wherever_the_second_is(feed: Feed, one: Node, two: Node) -> None:
    alice, bob = one.connects("alice", 1), two.connects("bob", 1)
    answers = [
        gevent.spawn(node.sharing.take, Execute(user.id, commands.Nick("carol"), 1.0))
        for node, user in ((one, alice), (two, bob))
    ]
    gevent.sleep(0)
    two.carried_out.clear()
    feed.turn()
    gevent.joinall(answers)
    assert sorted(user.name for user in one.registry.sessions.values()) == ["bob", "carol"]
    refused = [effect.answer for effect in two.did(Deliver) if isinstance(effect.answer, Refused)]
    assert [answer.code for answer in refused] == [Code.NAME_TAKEN]
    assert are_equal(one, two)


def test_what_is_done_once_in_the_cluster_is_done_by_the_origin(feed: Feed, one: Node, two: Node) -> None:
    alice = one.connects("alice", 1, "a-long-token-of-alice")
    two.carried_out.clear()
    one.carried_out.clear()
    one.sharing.put(Execute(alice.id, commands.Topic("tea"), 1.0))
    one.sharing.put(Execute(alice.id, commands.Nick("alicia"), 1.0))
    feed.turn()
    kinds = [type(effect) for effect in one.carried_out]
    assert Publish in kinds
    assert Presence in kinds
    assert SaveSession not in kinds
    others = [type(effect) for effect in two.carried_out]
    assert Presence in others
    assert not {Publish, Audited, SaveSession} & set(others)


def test_an_invitation_is_given_by_the_node_of_the_host_which_knows_its_id(feed: Feed, one: Node, two: Node) -> None:
    alice, bob = one.connects("alice", 1), two.connects("bob", 1)
    for node in (one, two):
        node.carried_out.clear()
    one.sharing.put(Execute(alice.id, commands.Join("dev"), 1.0))
    one.sharing.put(Execute(alice.id, commands.Invite("bob", id="i"), 1.0))
    feed.turn()
    given = [(each.session, each.id) for each in one.carried_out if isinstance(each, Deliver) and each.sender]
    assert given == [(bob.id, "i")]
    assert bob.id not in [each.session for each in two.carried_out if isinstance(each, Deliver)]


def test_a_fault_in_a_step_is_one_on_all_nodes_and_ends_none(
    feed: Feed, one: Node, two: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise ValueError("a fault")

    monkeypatch.setattr(BeDue, "take", fault)
    asked = gevent.spawn(one.sharing.take, BeDue(1.0, 1.0))
    gevent.sleep(0)
    feed.turn()
    with pytest.raises(Refusal, match="internal error"):
        asked.get()
    monkeypatch.undo()
    two.connects("bob", 1)
    assert are_equal(one, two)


# --- While the engine cannot be asked --------------------------------------------------------------------------------


def test_while_nothing_can_be_put_rooms_are_told_once_and_what_needs_a_step_is_refused_at_once(
    one: Node, feed: Feed
) -> None:
    alice = one.connects("alice", 1)
    one.carried_out.clear()
    one.sharing.unable("the engine is down")
    (told,) = one.did(Announce)
    assert told.room == "lobby"
    assert told.notice == Announced(
        "What is said cannot be kept now (the engine is down); reading goes on", is_of_operator=False
    )
    with pytest.raises(Refusal, match="Not possible now: the engine is down"):
        one.sharing.take(Execute(alice.id, commands.Nick("bob"), 1.0))
    one.sharing.execute(alice, commands.Nick("bob", id="n"), 1.0)
    (refused,) = one.did(Deliver)
    assert (refused.answer.code, refused.answer.id) == (Code.NOT_KEPT, "n")
    assert [type(effect.answer).__name__ for effect in one.sharing.execute(alice, commands.Who(), 1.0)] == ["Users"]  # type: ignore[union-attr]
    one.sharing.unable("")
    assert [effect.notice.text for effect in one.did(Announce)] == ["What is said is kept again"]


def test_a_user_leaves_at_once_whom_the_others_learn_of_later(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "PAY_S", 0.001)
    one, two = feed.join("one"), feed.join("two")
    alice = one.connects("alice", 1)
    bob = one.connects("bob", 2)
    one.carried_out.clear()
    one.sharing.unable("the engine is down")
    one.sharing.execute(alice, commands.Quit(), 1.0)
    one.sharing.put(Disconnect(bob.id, CloseReason.RESET, 1.0))
    gevent.sleep(0)
    one.is_refused()
    assert [effect.session for effect in one.did(Close)] == [alice.id, bob.id]
    assert len(two.registry.sessions) == 2
    one.sharing.unable("")
    wait_until_in_loop(lambda: len(one.owes()) == 2)
    feed.turn()
    assert not two.registry.sessions
    assert are_equal(one, two)


def test_limits_that_are_set_while_the_engine_is_down_hold_when_it_is_back(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "PAY_S", 0.001)
    one, two = feed.join("one"), feed.join("two")
    one.sharing.unable("the engine is down")
    one.sharing.configure(Limits(nick_max=9))
    one.is_refused()
    assert one.registry.limits.nick_max == Limits().nick_max
    one.sharing.unable("")
    wait_until_in_loop(lambda: len(one.owes()) == 1)
    feed.turn()
    assert [node.registry.limits.nick_max for node in (one, two)] == [9, 9]


def test_a_peer_that_was_told_that_it_is_not_let_in_is_not_there_when_that_was_not_so(feed: Feed, one: Node) -> None:
    meeting = gevent.spawn(one.sharing.take, Connect(Entrance("127.0.0.1:7"), 1.0))
    gevent.sleep(0)
    one.is_not_known()
    with pytest.raises(Refusal, match="it is not known whether it was done"):
        meeting.get()
    feed.turn()
    assert len(one.registry.sessions) == 1
    gevent.sleep(0)
    feed.turn()
    assert not one.registry.sessions


# --- Messages --------------------------------------------------------------------------------------------------------


def test_who_ignores_a_user_of_another_node_does_not_hear_that_user(feed: Feed, one: Node, two: Node) -> None:
    one.connects("alice", 1)
    bob = two.connects("bob", 1)
    said = Arrival("lobby", Outcome(Record(1, 1.0, Said("alice", ("hello",)))))
    two.carried_out.clear()
    two.sharing.deliver([said])
    assert two.did(Arrival) == [said]
    two.sharing.put(Execute(bob.id, commands.Ignore("alice"), 1.0))
    feed.turn()
    two.sharing.deliver([said])
    (unheard,) = two.did(ArrivedUnheard)
    assert unheard.by_whom.readers == (bob.id,)


# --- Limits, and loading anew ----------------------------------------------------------------------------------------


def test_the_limits_that_were_configured_last_hold_on_all_nodes(feed: Feed, one: Node) -> None:
    assert one.registry.limits.max_rooms == Limits().max_rooms
    two = feed.join("two", Limits(max_rooms=7))
    assert (one.registry.limits.max_rooms, two.registry.limits.max_rooms) == (7, 7)


def test_a_node_that_lost_its_place_knows_everything_again_and_its_users_see_nothing_of_it(
    feed: Feed, one: Node, two: Node
) -> None:
    alice = one.connects("alice", 1)
    two.connects("bob", 1)
    one.carried_out.clear()
    one.lose_place()
    gevent.sleep(0)
    assert one.connections[alice.id].session is one.registry.sessions[alice.id]
    assert [effect for effect in one.carried_out if isinstance(effect, Presence | Deliver | Close)] == []
    assert are_equal(one, two)


def test_users_of_a_node_that_was_believed_gone_come_back_with_what_they_had_if_it_is_free(
    feed: Feed, one: Node, two: Node
) -> None:
    alice, zoe = one.connects("alice", 1), one.connects("zoe", 2)
    feed.gives_up(one)
    assert not two.registry.sessions
    two.connects("alice", 5)
    one.carried_out.clear()
    one.lose_place()
    gevent.sleep(0)
    feed.turn()
    named = {user.address: user.name for user in two.registry.sessions.values()}
    assert named == {"127.0.0.1:5": "alice", "127.0.0.1:1": "127.0.0.1:1", "127.0.0.1:2": "zoe"}
    told = {effect.session: effect.answer for effect in one.carried_out if isinstance(effect, Deliver)}
    assert set(told) == {alice.id}
    assert "alice was taken while this server was cut off" in str(told[alice.id])
    assert one.did(Close) == []
    assert one.connections[zoe.id].session is one.registry.sessions[zoe.id]
    assert are_equal(one, two)
