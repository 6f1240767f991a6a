"""Coming back: who has a token may lose the connection, and be where and who they were, and nobody is told."""

from __future__ import annotations

import pytest

from gchat.chat import registry as module
from gchat.chat.effects import Announce, Close, CloseReason, Deliver, Effect, Enter
from gchat.chat.limits import Limits, TokenBucket
from gchat.chat.registry import AWAY_S, LOBBY, Registry
from gchat.chat.session import Session
from gchat.protocol import commands, events
from gchat.protocol.errors import Code
from gchat.protocol.wire import After, Opening

NOW = 1000.0
TOKEN = "0123456789abcdef"


@pytest.fixture
def registry() -> Registry:
    return Registry(Limits(max_rooms=3))


def comes(registry: Registry, port: int, opening: Opening | None = None, token: str = "") -> tuple[Session, Enter]:
    session, effects = registry.connect(f"127.0.0.1:{port}", opening, token)
    (entered,) = [effect for effect in effects if isinstance(effect, Enter)]
    assert entered.session == session.id
    return session, entered


def announced(effects: list[Effect]) -> list[events.Presence]:
    return [effect.presence for effect in effects if isinstance(effect, Announce)]


def consistent(registry: Registry) -> bool:
    """Whether every table knows the same sessions."""
    members = {session for room in registry.rooms.values() for session in room.members.values()}
    named = set(registry._named.values())
    return members == named == set(registry.sessions.values()) and set(registry._away) <= members


def test_who_opens_gets_the_nick_the_room_and_a_token_that_stays_the_same(registry: Registry) -> None:
    session, entered = comes(registry, 1, Opening(nick="alice", room="#Dev", replay=7), TOKEN)

    assert (session.name, session.room.name, session.token) == ("alice", "dev", TOKEN)
    assert isinstance(entered.greeting, events.Welcome)
    assert (entered.greeting.nick, entered.greeting.room, entered.greeting.token) == ("alice", "dev", TOKEN)
    assert (entered.room, entered.replay) == ("dev", 7)
    again, _ = comes(registry, 2, Opening(token=TOKEN), "another-new-token")
    assert (again.token, again.lineage) == (TOKEN, session.lineage)


def test_a_token_that_nobody_has_is_taken_as_it_is_for_it_may_be_of_a_server_before(registry: Registry) -> None:
    session, _ = comes(registry, 1, Opening(token=TOKEN, nick="alice"), "new-token-0123456789")

    assert (session.token, session.name) == (TOKEN, "alice")


def test_who_loses_the_connection_is_away_and_comes_back_unnoticed(registry: Registry) -> None:
    old, _ = comes(registry, 1, Opening(nick="alice", room="dev"), TOKEN)

    assert registry.disconnect(old, CloseReason.RESET, NOW) == [Close(old.id, CloseReason.RESET)]
    assert registry.is_away(old)
    assert registry.execute(old, commands.Say(("x",)), NOW) == []
    assert registry.away(NOW + AWAY_S - 0.1) == []
    session, effects = registry.connect("127.0.0.1:2", Opening(token=TOKEN))
    assert (session.name, session.room.name) == ("alice", "dev")
    assert announced(effects) == []
    assert registry.away(NOW + 10 * AWAY_S) == []
    assert consistent(registry)


def test_who_stays_away_has_left(registry: Registry) -> None:
    old, _ = comes(registry, 1, Opening(nick="alice"), TOKEN)
    registry.disconnect(old, CloseReason.ENDED, NOW)

    assert announced(registry.away(NOW + AWAY_S)) == [events.Left("alice", 0)]
    assert not registry.sessions
    session, effects = registry.connect("127.0.0.1:2", Opening(token=TOKEN, nick="alice"))
    assert announced(effects) == [events.Entered("alice", 1)]
    assert session.name == "alice"


@pytest.mark.parametrize("reason", [CloseReason.QUIT, CloseReason.ENDLESS, CloseReason.FOREIGN])
def test_a_goodbye_is_told_at_once(registry: Registry, reason: CloseReason) -> None:
    old, _ = comes(registry, 1, Opening(nick="alice"), TOKEN)

    assert announced(registry.disconnect(old, reason, NOW)) == [events.Left("alice", 0)]
    assert not registry.sessions


def test_a_plain_user_who_loses_the_connection_has_left(registry: Registry) -> None:
    old, _ = comes(registry, 1)

    assert announced(registry.disconnect(old, CloseReason.RESET, NOW)) == [events.Left("127.0.0.1:1", 0)]


def test_a_ghost_is_closed_when_its_user_comes_back(registry: Registry) -> None:
    old, _ = comes(registry, 1, Opening(nick="alice"), TOKEN)
    session, effects = registry.connect("127.0.0.1:2", Opening(token=TOKEN))

    assert Close(old.id, CloseReason.REPLACED) in effects
    assert announced(effects) == []
    assert registry.execute(old, commands.Say(("from the ghost",)), NOW) == []
    assert registry.disconnect(old, CloseReason.REPLACED, NOW) == []
    assert registry.sessions == {session.id: session}
    assert consistent(registry)


def test_who_has_no_nick_is_called_by_the_new_address_and_the_room_is_told(registry: Registry) -> None:
    comes(registry, 1, Opening(), TOKEN)
    session, effects = registry.connect("127.0.0.1:2", Opening(token=TOKEN))

    assert session.name == "127.0.0.1:2"
    assert announced(effects) == [events.Renamed("127.0.0.1:1", "127.0.0.1:2")]
    assert consistent(registry)


def test_who_comes_back_from_the_same_address_is_not_somebody_else(registry: Registry) -> None:
    old, _ = comes(registry, 1, Opening(), TOKEN)
    registry.disconnect(old, CloseReason.RESET, NOW)
    session, effects = registry.connect("127.0.0.1:1", Opening(token=TOKEN))

    assert announced(effects) == []
    assert registry.sessions == {session.id: session}
    assert consistent(registry)


def test_who_comes_back_may_ask_for_another_nick_and_another_room(registry: Registry) -> None:
    comes(registry, 1, Opening(nick="alice"), TOKEN)
    session, effects = registry.connect("127.0.0.1:2", Opening(token=TOKEN, nick="alicia", room="dev"))

    assert (session.name, session.room.name) == ("alicia", "dev")
    assert announced(effects) == [events.Left("alice", 0), events.Entered("alicia", 1)]
    _, effects = registry.connect("127.0.0.1:3", Opening(token=TOKEN, nick="alix"))
    assert announced(effects) == [events.Renamed("alicia", "alix")]
    assert consistent(registry)


def test_a_nick_that_is_taken_and_a_room_that_is_none_are_refused_and_the_rest_stands(registry: Registry) -> None:
    comes(registry, 1, Opening(nick="alice"), TOKEN)
    session, effects = registry.connect("127.0.0.1:2", Opening(nick="ALICE", room="a b"), "other-token-0123456789")
    codes = [
        effect.answer.code
        for effect in effects
        if isinstance(effect, Deliver) and isinstance(effect.answer, events.Refused)
    ]

    assert codes == [Code.NAME_TAKEN, Code.BAD_NAME]
    assert (session.name, session.room.name) == ("127.0.0.1:2", LOBBY)
    assert consistent(registry)


def test_a_place_in_another_room_is_no_place_here(registry: Registry) -> None:
    place = After("epoch", 7)

    assert comes(registry, 1, Opening(after=place), TOKEN)[1].after == place
    assert comes(registry, 2, Opening(room="dev", after=place), "t" * 16)[1].after == place
    assert comes(registry, 3, Opening(room="#DEV", after=place), "v" * 16)[1].after == place
    assert comes(registry, 4, Opening(room="no room", after=place), "u" * 16)[1].after is None


def test_what_one_was_told_is_answered_also_after_the_other_has_come_back(registry: Registry) -> None:
    alice, _ = comes(registry, 1, Opening(nick="alice"), TOKEN)
    bob, _ = comes(registry, 2)
    registry.execute(alice, commands.Tell("127.0.0.1:2", "psst"), NOW)
    session, _ = comes(registry, 3, Opening(token=TOKEN))

    (effect,) = registry.execute(bob, commands.Reply("yes"), NOW)
    assert isinstance(effect, Deliver)
    assert effect.session == session.id
    registry.disconnect(session, CloseReason.RESET, NOW)
    (effect,) = registry.execute(bob, commands.Reply("there?"), NOW)
    assert isinstance(effect, Deliver)
    assert isinstance(effect.answer, events.Refused)


def test_a_flood_of_ghosts_is_bounded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_AWAY", 3)
    for port in range(1, 11):
        session, _ = comes(registry, port, Opening(), f"token-0123456789-{port}")
        registry.disconnect(session, CloseReason.RESET, NOW)

    assert sorted(session.id for session in registry.sessions.values()) == [8, 9, 10]
    assert consistent(registry)


def test_when_everybody_leaves_those_who_are_away_do_too(registry: Registry) -> None:
    old, _ = comes(registry, 1, Opening(nick="alice"), TOKEN)
    registry.disconnect(old, CloseReason.RESET, NOW)
    registry.leave_all(CloseReason.SHUTDOWN, "bye")

    assert registry.away(NOW + AWAY_S) == []
    assert consistent(registry)


def test_a_user_who_was_told_something_holds_nobody_back_who_has_left(registry: Registry) -> None:
    alice, _ = comes(registry, 1, Opening(nick="alice"), TOKEN)
    bob, _ = comes(registry, 2)
    registry.execute(alice, commands.Tell("127.0.0.1:2", "psst"), NOW)
    seat = alice.seat
    for port in range(3, 10):
        alice, _ = comes(registry, port, Opening(token=TOKEN))
    assert bob.correspondent is seat
    registry.leave(alice, CloseReason.QUIT)

    (effect,) = registry.execute(bob, commands.Reply("still there?"), NOW)
    assert isinstance(effect, Deliver)
    assert isinstance(effect.answer, events.Refused)
    assert bob.correspondent is not None
    assert bob.correspondent.session is None


def test_what_one_may_say_is_not_renewed_by_coming_back(registry: Registry) -> None:
    old, _ = comes(registry, 1, Opening(), TOKEN)
    old.bucket = TokenBucket(1, NOW)

    assert comes(registry, 2, Opening(token=TOKEN))[0].bucket is old.bucket
