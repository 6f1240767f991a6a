"""A node that loads its registry anew: its users are shown what is not as it was, once, and each change since once."""

from __future__ import annotations

import gevent
import pytest

from gchat.chat.effects import Close, Deliver, Enter, Leave, Presence
from gchat.chat.session import Session
from gchat.chat.steps import Execute
from gchat.model import commands
from gchat.model.commands import Command
from gchat.model.events import Named, Parted, Renamed
from tests.server.fake_feed import Feed, Node


@pytest.fixture
def alice(one: Node, two: Node) -> Session:
    return one.connects("alice", 1)


@pytest.fixture
def bob(one: Node, two: Node) -> Session:
    return two.connects("bob", 1)


def asks(node: Node, user: Session, *asked: Command) -> None:
    """Have a user of a node ask for this; nobody has heard of it yet."""
    for command in asked:
        node.sharing.put(Execute(user.id, command, 1.0))  # type: ignore[arg-type]


def loads_anew(*nodes: Node) -> None:
    """Have nodes lose their place, and hear all that there is."""
    for node in nodes:
        node.carried_out.clear()
        node.lose_place()
    gevent.sleep(0.01)


def rooms(node: Node, user: Session) -> list[str]:
    """Return the rooms that a user's connection is told to enter, and with a minus those to leave."""
    found = [effect for effect in node.carried_out if isinstance(effect, Enter | Leave) and effect.session == user.id]
    return [f"-{effect.room}" if isinstance(effect, Leave) else effect.room for effect in found]


def answers(node: Node, user: Session, kind: type) -> list[object]:
    """Return what a user is told of this kind."""
    told = [effect for effect in node.carried_out if isinstance(effect, Deliver) and effect.session == user.id]
    return [effect.answer for effect in told if isinstance(effect.answer, kind)]


def test_a_room_that_is_asked_for_while_the_registry_is_loaded_is_entered_once(one: Node, alice: Session) -> None:
    asks(one, alice, commands.Join("dev"))
    loads_anew(one)
    assert rooms(one, alice) == ["dev"]


def test_a_room_that_is_left_meanwhile_is_left_once(feed: Feed, one: Node, alice: Session) -> None:
    asks(one, alice, commands.Join("dev"))
    feed.turn()
    asks(one, alice, commands.Part("dev"))
    loads_anew(one)
    assert rooms(one, alice) == ["-dev"]
    assert answers(one, alice, Parted) == [Parted("dev")]


def test_a_nick_that_is_taken_meanwhile_is_told_once(one: Node, alice: Session) -> None:
    asks(one, alice, commands.Nick("alicia"))
    loads_anew(one)
    assert answers(one, alice, Named) == [Named("alicia")]


def test_a_node_that_loses_its_place_while_it_loads_shows_nothing_again(
    feed: Feed, one: Node, alice: Session, bob: Session
) -> None:
    asks(one, alice, commands.Join("dev"))
    feed.turn()
    one.carried_out.clear()
    one.sharing.find_place("")
    one.heard = 0  # and nothing is heard behind it, before the place is lost again
    loads_anew(one)
    assert rooms(one, alice) == []
    assert [effect for effect in one.carried_out if isinstance(effect, Presence | Deliver | Close)] == []


@pytest.mark.parametrize("is_heard", [True, False])
def test_a_user_comes_back_once_although_the_place_is_lost_again_meanwhile(
    feed: Feed, one: Node, two: Node, alice: Session, is_heard: bool
) -> None:
    asks(one, alice, commands.Join("dev"))
    feed.turn()
    feed.gives_up(one)
    loads_anew(one)
    if is_heard:
        loads_anew(one)
    else:  # what comes back was not carried out, and is put again behind all
        under_way = feed.entries.pop()
        loads_anew(one)
        feed.entries.append(under_way)
    feed.turn()
    for node in (one, two):
        found = node.registry.sessions[alice.id]
        assert (found.name, list(found.rooms)) == ("alice", ["lobby", "dev"])
    assert [effect for effect in one.carried_out if isinstance(effect, Deliver | Close)] == []


# --- What the engine has lost ----------------------------------------------------------------------------------------


def test_a_room_whose_entry_is_lost_is_left_before_it_is_entered_again(
    feed: Feed, one: Node, two: Node, alice: Session
) -> None:
    asks(one, alice, commands.Join("dev"))
    feed.turn()
    feed.loses(1)
    asks(one, alice, commands.Join("dev"))
    loads_anew(one, two)
    assert rooms(one, alice) == ["-dev", "dev"]
    assert answers(one, alice, Parted) == [Parted("dev")]


def test_a_nick_that_is_lost_is_taken_back_from_its_user_who_is_told(
    feed: Feed, one: Node, two: Node, alice: Session
) -> None:
    asks(one, alice, commands.Nick("alicia"))
    feed.turn()
    feed.loses(1)
    loads_anew(one, two)
    assert answers(one, alice, Named) == [Named("alice")]


def test_what_happens_after_a_loss_is_seen_although_as_much_was_heard_before(
    feed: Feed, one: Node, two: Node, alice: Session, bob: Session
) -> None:
    asks(two, bob, commands.Join("dev"), commands.Part("dev"))
    feed.turn()
    feed.loses(2)
    asks(two, bob, commands.Nick("robert"))
    loads_anew(one, two)
    seen = [effect.presence for effect in one.carried_out if isinstance(effect, Presence)]
    assert seen == [Renamed("bob", "robert")]
