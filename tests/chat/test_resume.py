"""Coming back: who has a token may lose the connection, and be where and who they were, and nobody is told."""

from __future__ import annotations

import pytest

from gchat.chat import disconnected as module
from gchat.chat.disconnected import RECONNECT_GRACE_S
from gchat.chat.effects import (
    Arrive,
    Close,
    CloseReason,
    Deliver,
    Effect,
    Enter,
    Leave,
    Presence,
    SavedSession,
    SaveSession,
)
from gchat.chat.handlers import execute
from gchat.chat.limits import Allowance, Limits, Rates
from gchat.chat.networks import Network
from gchat.chat.registry import LOBBY, Registry
from gchat.chat.session import CLOCKS_APART_NS, Session
from gchat.model import commands, events
from gchat.model.errors import Code, Refusal
from gchat.model.hello import Hello, ResumePoint, WantedRoom

NOW = 1000.0
TOKEN = "0123456789abcdef"


@pytest.fixture
def registry() -> Registry:
    return Registry(Limits(max_rooms=3))


def comes(registry: Registry, port: int, hello: Hello | None = None, token: str = "") -> tuple[Session, Enter]:
    session, effects = registry.connect(f"127.0.0.1:{port}", hello, token)
    (entered,) = [effect for effect in effects if isinstance(effect, Enter)]
    assert entered.session == session.id
    return session, entered


def announced(effects: list[Effect]) -> list[events.Movement]:
    return [effect.presence for effect in effects if isinstance(effect, Presence)]


def consistent(registry: Registry) -> bool:
    """Whether every table knows the same sessions."""
    sessions, named = set(registry.sessions.values()), set(registry._names._holders.values())
    members = {(name, session) for name, room in registry.rooms.items() for session in room.members.values()}
    entered = {(name, session) for session in sessions for name in session.rooms}
    return members == entered and named == sessions and set(registry._disconnected) <= sessions


def test_who_opens_gets_the_nick_the_room_and_a_token_that_stays_the_same(registry: Registry) -> None:
    session, entered = comes(registry, 1, Hello(nick="alice", room="#Dev", replay=7), TOKEN)

    assert (session.name, session.current_name, session.token) == ("alice", "dev", TOKEN)
    assert isinstance(entered.greeting, events.Welcome)
    assert (entered.greeting.nick, entered.greeting.room, entered.greeting.token) == ("alice", "dev", TOKEN)
    assert (entered.room, entered.replay) == ("dev", 7)
    again, _ = comes(registry, 2, Hello(token=TOKEN), "another-new-token")
    assert (again.token, again.lineage) == (TOKEN, session.lineage)


def test_a_token_that_nobody_has_is_taken_as_it_is_for_it_may_be_of_a_server_before(registry: Registry) -> None:
    session, _ = comes(registry, 1, Hello(token=TOKEN, nick="alice"), "new-token-0123456789")

    assert (session.token, session.name) == (TOKEN, "alice")


def test_who_loses_the_connection_is_away_and_comes_back_unnoticed(registry: Registry) -> None:
    old, _ = comes(registry, 1, Hello(nick="alice", room="dev"), TOKEN)

    assert registry.disconnect(old, CloseReason.RESET, NOW) == [Close(old.id, CloseReason.RESET)]
    assert registry.is_disconnected(old)
    assert execute(registry, old, commands.Say(("x",)), NOW) == []
    assert registry.due(NOW + RECONNECT_GRACE_S - 0.1) == []
    session, effects = registry.connect("127.0.0.1:2", Hello(token=TOKEN))
    assert (session.name, session.current_name) == ("alice", "dev")
    assert announced(effects) == []
    assert registry.due(NOW + 10 * RECONNECT_GRACE_S) == []
    assert consistent(registry)


def test_who_stays_away_has_left(registry: Registry) -> None:
    old, _ = comes(registry, 1, Hello(nick="alice"), TOKEN)
    registry.disconnect(old, CloseReason.ENDED, NOW)

    assert announced(registry.due(NOW + RECONNECT_GRACE_S)) == [events.Left("alice", 0, everywhere=True)]
    assert not registry.sessions
    session, effects = registry.connect("127.0.0.1:2", Hello(token=TOKEN, nick="alice"))
    assert announced(effects) == [events.Entered("alice", 1)]
    assert session.name == "alice"


@pytest.mark.parametrize("reason", [CloseReason.QUIT, CloseReason.ENDLESS, CloseReason.FOREIGN])
def test_a_goodbye_is_told_at_once(registry: Registry, reason: CloseReason) -> None:
    old, _ = comes(registry, 1, Hello(nick="alice"), TOKEN)

    assert announced(registry.disconnect(old, reason, NOW)) == [events.Left("alice", 0, everywhere=True)]
    assert not registry.sessions


def test_a_plain_user_who_loses_the_connection_has_left(registry: Registry) -> None:
    old, _ = comes(registry, 1)

    assert announced(registry.disconnect(old, CloseReason.RESET, NOW)) == [
        events.Left("127.0.0.1:1", 0, everywhere=True)
    ]


def test_a_ghost_is_closed_when_its_user_comes_back(registry: Registry) -> None:
    old, _ = comes(registry, 1, Hello(nick="alice"), TOKEN)
    session, effects = registry.connect("127.0.0.1:2", Hello(token=TOKEN))

    assert Close(old.id, CloseReason.REPLACED) in effects
    assert announced(effects) == []
    assert execute(registry, old, commands.Say(("from the ghost",)), NOW) == []
    assert registry.disconnect(old, CloseReason.REPLACED, NOW) == []
    assert registry.sessions == {session.id: session}
    assert consistent(registry)


def test_who_has_no_nick_is_called_by_the_new_address_and_the_room_is_told(registry: Registry) -> None:
    comes(registry, 1, Hello(), TOKEN)
    session, effects = registry.connect("127.0.0.1:2", Hello(token=TOKEN))

    assert session.name == "127.0.0.1:2"
    assert announced(effects) == [events.Renamed("127.0.0.1:1", "127.0.0.1:2")]
    assert consistent(registry)


def test_who_comes_back_from_the_same_address_is_not_somebody_else(registry: Registry) -> None:
    old, _ = comes(registry, 1, Hello(), TOKEN)
    registry.disconnect(old, CloseReason.RESET, NOW)
    session, effects = registry.connect("127.0.0.1:1", Hello(token=TOKEN))

    assert announced(effects) == []
    assert registry.sessions == {session.id: session}
    assert consistent(registry)


def test_who_comes_back_may_ask_for_another_nick_and_another_room(registry: Registry) -> None:
    comes(registry, 1, Hello(nick="alice"), TOKEN)
    session, effects = registry.connect("127.0.0.1:2", Hello(token=TOKEN, nick="alicia", room="dev"))

    assert (session.name, session.current_name) == ("alicia", "dev")
    assert announced(effects) == [events.Left("alice", 0), events.Entered("alicia", 1)]
    _, effects = registry.connect("127.0.0.1:3", Hello(token=TOKEN, nick="alix"))
    assert announced(effects) == [events.Renamed("alicia", "alix")]
    assert consistent(registry)


def test_a_nick_that_is_taken_and_a_room_that_is_none_are_refused_and_the_rest_stands(registry: Registry) -> None:
    comes(registry, 1, Hello(nick="alice"), TOKEN)
    session, effects = registry.connect("127.0.0.1:2", Hello(nick="ALICE", room="a b"), "other-token-0123456789")
    codes = [
        effect.answer.code
        for effect in effects
        if isinstance(effect, Deliver) and isinstance(effect.answer, events.Refused)
    ]

    assert codes == [Code.NAME_TAKEN, Code.BAD_NAME]
    assert (session.name, session.current_name) == ("127.0.0.1:2", LOBBY)
    assert consistent(registry)


def test_who_names_several_rooms_is_in_these_and_no_others_each_with_its_place(registry: Registry) -> None:
    one, two = ResumePoint("e1", 1), ResumePoint("e2", 2)
    hello = Hello(rooms=(WantedRoom("dev", one), WantedRoom("Lobby"), WantedRoom("a b"), WantedRoom("#ops", two)))
    session, effects = registry.connect("127.0.0.1:1", hello, TOKEN)
    entered = [effect for effect in effects if isinstance(effect, Enter)]

    assert [(effect.room, effect.after) for effect in entered] == [("dev", one), (LOBBY, None), ("ops", two)]
    assert [type(effect.greeting) for effect in entered] == [events.Welcome, events.Joined, events.Joined]
    assert session.current_name == "ops"
    assert announced(effects) == [events.Entered("127.0.0.1:1", 1)] * 3
    answers = [effect.answer for effect in effects if isinstance(effect, Deliver)]
    assert [answer.code for answer in answers if isinstance(answer, events.Refused)] == [Code.BAD_NAME]
    again, effects = registry.connect("127.0.0.1:1", Hello(token=TOKEN, rooms=(WantedRoom("ops"),), room="dev"))
    assert (list(again.rooms), announced(effects)) == (["ops", "dev"], [events.Left("127.0.0.1:1", 0)])
    assert consistent(registry)


def test_who_comes_back_and_names_no_room_is_in_all_that_were_entered(registry: Registry) -> None:
    place = ResumePoint("epoch", 7)
    comes(registry, 1, Hello(nick="alice"), TOKEN)
    session = registry.find("alice")
    registry.join(session, WantedRoom("dev"))
    registry.disconnect(session, CloseReason.RESET, NOW)
    again, effects = registry.connect("127.0.0.1:2", Hello(token=TOKEN, after=place))

    assert list(again.rooms) == [LOBBY, "dev"]
    assert [(effect.room, effect.after) for effect in effects if isinstance(effect, Enter)] == [
        (LOBBY, None),
        ("dev", place),
    ]
    assert announced(effects) == []
    assert consistent(registry)


def test_who_wants_no_room_is_in_none_also_after_coming_back(registry: Registry) -> None:
    for port, hello in ((1, Hello(nick="alice", rooms=())), (2, Hello(token=TOKEN))):
        session, effects = registry.connect(f"127.0.0.1:{port}", hello, TOKEN)

        welcomed, ready = [effect.answer for effect in effects if isinstance(effect, Deliver)][-2:]
        assert isinstance(welcomed, events.Welcome)
        assert (welcomed.room, welcomed.nick) == ("", "alice")
        assert isinstance(ready, events.Ready)
        assert (dict(session.rooms), announced(effects)) == ({}, [])
    assert registry.find("alice") is session


def test_after_a_restart_everybody_is_where_they_were() -> None:
    saved = {
        "several": SavedSession("alice", has_nick=True, rooms=("dev", LOBBY)),
        "none": SavedSession("bob", has_nick=True),
        "one, as it was stored once": SavedSession("carol", has_nick=True, room="dev"),
        "more than there can be": SavedSession("dave", has_nick=True, rooms=("dev", "ops")),
    }
    registry = Registry(Limits(max_rooms=2))
    registry.restore(saved, NOW)

    assert {session.name: list(session.rooms) for session in registry.sessions.values()} == {
        "alice": ["dev", LOBBY],
        "bob": [],
        "carol": ["dev"],
        "dave": ["dev", LOBBY],
    }


def test_a_place_in_another_room_is_no_place_here(registry: Registry) -> None:
    place = ResumePoint("epoch", 7)

    assert comes(registry, 1, Hello(after=place), TOKEN)[1].after == place
    assert comes(registry, 2, Hello(room="dev", after=place), "t" * 16)[1].after == place
    assert comes(registry, 3, Hello(room="#DEV", after=place), "v" * 16)[1].after == place
    assert comes(registry, 4, Hello(room="no room", after=place), "u" * 16)[1].after is None


def test_what_one_was_told_is_answered_also_after_the_other_has_come_back(registry: Registry) -> None:
    alice, _ = comes(registry, 1, Hello(nick="alice"), TOKEN)
    bob, _ = comes(registry, 2)
    bob.told_by(alice.seat)
    session, _ = comes(registry, 3, Hello(token=TOKEN))

    (effect,) = execute(registry, bob, commands.Reply("yes"), NOW)
    assert isinstance(effect, Deliver)
    assert effect.session == session.id
    registry.disconnect(session, CloseReason.RESET, NOW)
    (effect,) = execute(registry, bob, commands.Reply("there?"), NOW)
    assert isinstance(effect, Deliver)
    assert isinstance(effect.answer, events.Refused)


# --- Of too many disconnected users ----------------------------------------------------------------------------------

HERE, THERE = Network("203.0.113.7", is_exempt=False), Network("203.0.113.8", is_exempt=False)


def goes_away(registry: Registry, port: int, network: Network, nick: str = "", *, stayed_s: float = 60.0) -> Session:
    hello, address = Hello(nick=nick), f"127.0.0.1:{port}"
    session, _ = registry.connect(address, hello, f"token-0123456789-{port}", network=network, now=NOW - stayed_s)
    registry.disconnect(session, CloseReason.RESET, NOW)
    return session


def test_a_flood_of_ghosts_is_bounded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DISCONNECTED", 3)
    sessions = [goes_away(registry, port, HERE) for port in range(1, 11)]

    assert list(registry.sessions.values()) == sessions[-3:]
    assert consistent(registry)


def test_users_without_a_nick_or_a_word_go_first(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DISCONNECTED", 3)
    alice = goes_away(registry, 1, HERE, "alice")
    talker, _ = registry.connect("127.0.0.1:2", Hello(), "token-0123456789-2", network=HERE)
    execute(registry, talker, commands.Say(("hello",)), NOW)
    registry.disconnect(talker, CloseReason.RESET, NOW)
    ghosts = [goes_away(registry, port, THERE) for port in range(3, 10)]

    assert set(registry.sessions.values()) == {alice, talker, ghosts[-1]}
    assert consistent(registry)


def test_then_go_those_from_the_network_that_has_most(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DISCONNECTED", 3)
    alice = goes_away(registry, 1, HERE, "alice")
    many = [goes_away(registry, port, THERE, f"evil{port}") for port in range(2, 10)]

    assert list(registry.sessions.values()) == [alice, *many[-2:]]
    assert consistent(registry)


def test_a_network_has_only_so_many_and_an_exempt_one_as_many_as_there_are() -> None:
    registry = Registry(Limits(connections_per_network=2))
    kept = [goes_away(registry, port, THERE, f"other{port}") for port in (1, 2)]
    kept += [goes_away(registry, port, Network("127.0.0.1"), f"local{port}") for port in range(3, 9)]
    first, second = (goes_away(registry, port, HERE, f"here{port}") for port in (11, 12))
    ghost = goes_away(registry, 13, HERE)
    assert ghost not in registry.sessions.values(), "without a nick it goes first, though it came last"
    third = goes_away(registry, 14, HERE, "here14")

    assert first not in registry.sessions.values()
    assert set(registry.sessions.values()) == {*kept, second, third}
    assert consistent(registry)


@pytest.mark.parametrize(
    ("nick", "stayed_s", "stays"), [("", 0.5, False), ("", 1.0, True), ("alice", 0.5, True)], ids=str
)
def test_a_user_without_a_nick_who_has_only_passed_does_not_come_back(
    registry: Registry, nick: str, stayed_s: float, *, stays: bool
) -> None:
    session = goes_away(registry, 1, HERE, nick, stayed_s=stayed_s)

    assert registry.is_disconnected(session) is stays
    assert consistent(registry)


def test_coming_back_for_a_moment_does_not_make_a_user_one_who_has_only_passed(registry: Registry) -> None:
    goes_away(registry, 1, HERE)
    again, _ = registry.connect("127.0.0.1:2", Hello(token="token-0123456789-1"), network=HERE, now=NOW)
    registry.disconnect(again, CloseReason.RESET, NOW)

    assert registry.is_disconnected(again)


def test_when_everybody_leaves_those_who_are_away_do_too(registry: Registry) -> None:
    old, _ = comes(registry, 1, Hello(nick="alice"), TOKEN)
    registry.disconnect(old, CloseReason.RESET, NOW)
    registry.close_all(CloseReason.SHUTDOWN, "bye")

    assert registry.due(NOW + RECONNECT_GRACE_S) == []
    assert consistent(registry)


def test_a_user_who_was_told_something_holds_nobody_back_who_has_left(registry: Registry) -> None:
    alice, _ = comes(registry, 1, Hello(nick="alice"), TOKEN)
    bob, _ = comes(registry, 2)
    bob.told_by(alice.seat)
    seat = alice.seat
    for port in range(3, 10):
        alice, _ = comes(registry, port, Hello(token=TOKEN))
    assert bob.correspondent is seat
    registry.leave(alice, CloseReason.QUIT)

    (effect,) = execute(registry, bob, commands.Reply("still there?"), NOW)
    assert isinstance(effect, Deliver)
    assert isinstance(effect.answer, events.Refused)
    assert bob.correspondent is not None
    assert bob.correspondent.session is None


def test_what_one_may_say_is_not_renewed_by_coming_back(registry: Registry) -> None:
    old, _ = comes(registry, 1, Hello(), TOKEN)
    old.allowance = Allowance(Rates(), NOW)

    assert comes(registry, 2, Hello(token=TOKEN))[0].allowance is old.allowance


# --- Two attempts with one token, and peers that have ended ----------------------------------------------------------


def opens(
    registry: Registry, port: int, attempt: int, *, has_ended: bool = False, nick: str = "", room: str = ""
) -> tuple[Session, list[Effect]]:
    return registry.connect(
        f"127.0.0.1:{port}", Hello(token=TOKEN, nick=nick, room=room), attempt=attempt, has_ended=has_ended
    )


def test_the_newest_attempt_wins_in_whatever_order_they_are_heard(registry: Registry) -> None:
    living, _ = opens(registry, 2, attempt=2, nick="alice")

    with pytest.raises(Refusal) as refused:
        opens(registry, 1, attempt=1)
    assert refused.value.code is Code.REPLACED
    assert registry.sessions == {living.id: living}
    newest, effects = opens(registry, 3, attempt=3)
    assert Close(living.id, CloseReason.REPLACED) in effects
    assert newest.name == "alice"
    assert consistent(registry)


def test_of_two_nodes_whose_clocks_may_differ_the_newest_attempt_is_the_one_heard_last(registry: Registry) -> None:
    def opens_at(node: str, attempt: int) -> Session:
        return registry.connect("127.0.0.1:1", Hello(token=TOKEN), attempt=attempt, node=node)[0]

    opens_at("one", CLOCKS_APART_NS)
    newest = opens_at("two", 1)
    assert list(registry.sessions) == [newest.id]

    opens_at("one", CLOCKS_APART_NS + 2)
    with pytest.raises(Refusal, match="again from elsewhere"):
        opens_at("two", 1)


def test_an_older_attempt_that_was_greeted_in_plain_changes_nothing_when_it_opens(registry: Registry) -> None:
    late, _ = registry.connect("127.0.0.1:1", attempt=1)
    living, _ = opens(registry, 2, attempt=2, nick="alice")

    with pytest.raises(Refusal):
        registry.open(late, Hello(token=TOKEN), "t" * 16)
    registry.leave(late, CloseReason.REPLACED)
    assert registry.sessions == {living.id: living}
    assert consistent(registry)


def test_a_peer_that_has_ended_takes_nothing_over_from_one_that_is_there(registry: Registry) -> None:
    owner, _ = opens(registry, 1, attempt=1, nick="alice")
    guest, effects = opens(registry, 2, attempt=2, has_ended=True)

    assert Close(owner.id, CloseReason.REPLACED) not in effects
    assert (owner.name, guest.name, guest.lineage) == ("alice", "127.0.0.1:2", owner.lineage)
    assert consistent(registry)
    left = registry.disconnect(guest, CloseReason.ENDED, NOW)
    assert announced(left) == [events.Left("127.0.0.1:2", 1, everywhere=True)]
    assert SaveSession(owner.lineage, None) not in left
    again, effects = opens(registry, 3, attempt=3)
    assert (again.name, announced(effects)) == ("alice", [])


def test_a_peer_that_has_ended_leaves_no_ghost(registry: Registry) -> None:
    brief, _ = opens(registry, 1, attempt=1, has_ended=True, nick="ci")

    assert announced(registry.disconnect(brief, CloseReason.ENDED, NOW)) == [events.Left("ci", 0, everywhere=True)]
    assert not registry.sessions


def test_a_peer_that_has_ended_is_in_the_way_of_nobody(registry: Registry) -> None:
    away, _ = opens(registry, 1, attempt=1, nick="alice")
    registry.disconnect(away, CloseReason.RESET, NOW)
    ended, _ = opens(registry, 3, attempt=3, has_ended=True)
    living, effects = opens(registry, 2, attempt=2)  # heard after the one that came later and is gone

    assert (ended.name, living.name) == ("127.0.0.1:3", "alice")
    assert Close(ended.id, CloseReason.REPLACED) not in effects
    assert consistent(registry)


def test_a_session_that_nobody_comes_back_for_is_forsaken(registry: Registry) -> None:
    brief, _ = opens(registry, 1, attempt=1, nick="ci")
    registry.forsake(brief)

    assert announced(registry.disconnect(brief, CloseReason.ENDED, NOW)) == [events.Left("ci", 0, everywhere=True)]
    again, _ = opens(registry, 2, attempt=2, nick="ci")
    assert again.name == "ci"


# --- Hellos that come after the greeting in plain --------------------------------------------------------------------


@pytest.mark.parametrize("is_announced", [False, True])
def test_a_late_opening_makes_a_rich_user_of_the_same_session(*, is_announced: bool) -> None:
    registry = Registry(Limits(announce_after_s=1.0))
    session, _ = registry.connect("127.0.0.1:1", now=0.0)
    if is_announced:
        assert announced(registry.due(1.0)) == [events.Entered("127.0.0.1:1", 1)]
    effects = registry.open(session, Hello(nick="alice"), TOKEN)

    told = events.Renamed("127.0.0.1:1", "alice") if is_announced else events.Entered("alice", 1)
    assert announced(effects) == [told]
    assert (Arrive(session.id) in effects) == (not is_announced)
    left, entered = [effect for effect in effects if isinstance(effect, Enter | Leave)]
    assert left == Leave(session.id, LOBBY)
    assert isinstance(entered, Enter)
    assert isinstance(entered.greeting, events.Welcome)
    assert (entered.greeting.nick, entered.greeting.token) == ("alice", TOKEN)
    assert registry.due(100.0) == []
    assert consistent(registry)


@pytest.mark.parametrize("is_announced", [False, True])
def test_a_late_opening_takes_its_ghost_back(*, is_announced: bool) -> None:
    registry = Registry(Limits(announce_after_s=1.0))
    ghost, _ = opens(registry, 1, attempt=1, nick="alice", room="dev")
    session, _ = registry.connect("127.0.0.1:2", attempt=2, now=0.0)
    if is_announced:
        registry.due(1.0)
    effects = registry.open(session, Hello(token=TOKEN), "t" * 16)

    assert announced(effects) == ([events.Left("127.0.0.1:2", 0, everywhere=True)] if is_announced else [])
    assert (session.name, session.current_name) == ("alice", "dev")
    left, entered = [effect for effect in effects if isinstance(effect, Enter | Leave)]
    assert (left, entered.room) == (Leave(session.id, LOBBY), "dev")
    assert Close(ghost.id, CloseReason.REPLACED) in effects
    assert registry.sessions == {session.id: session}
    assert consistent(registry)


# --- Silence ---------------------------------------------------------------------------------------------------------


def test_a_silent_user_is_announced_in_time_or_at_the_first_command() -> None:
    registry = Registry(Limits(announce_after_s=1.0))
    first, effects = registry.connect("127.0.0.1:1", now=10.0)
    second, _ = registry.connect("127.0.0.1:2", now=10.5)

    assert announced(effects) == []
    assert announced(execute(registry, second, commands.Who(), NOW)) == [events.Entered("127.0.0.1:2", 2)]
    assert registry.due(10.9) == []
    assert announced(registry.due(11.0)) == [events.Entered("127.0.0.1:1", 2)]
    assert registry.due(100.0) == []
    assert announced(registry.leave(first, CloseReason.ENDED)) == [events.Left("127.0.0.1:1", 1, everywhere=True)]


def test_nobody_is_told_of_a_user_who_was_never_announced() -> None:
    registry = Registry(Limits(announce_after_s=1.0))
    session, _ = registry.connect("127.0.0.1:1", now=0.0)

    assert registry.leave(session, CloseReason.PROBE) == [Close(session.id, CloseReason.PROBE)]
    assert registry.due(9.0) == []
    assert consistent(registry)


def test_a_user_who_was_put_out_before_a_late_hello_was_heard_stays_out(registry: Registry) -> None:
    session, _ = registry.connect("127.0.0.1:1")
    registry.leave(session, CloseReason.KICKED)

    assert registry.open(session, Hello(nick="bob"), TOKEN) == []
    assert not registry.sessions
    assert not registry.rooms[LOBBY].members
    assert consistent(registry)


# --- What a hello costs ----------------------------------------------------------------------------------------------


def test_a_hello_costs_the_rooms_that_it_may_enter() -> None:
    registry = Registry(Limits(max_rooms_per_user=5))
    session, _ = registry.connect("127.0.0.1:1", Hello(), TOKEN)
    for room in ("one", "two"):
        execute(registry, session, commands.Join(room), NOW)

    assert registry.entries(Hello(nick="bob")) == 1
    assert registry.entries(Hello(rooms=())) == 1
    assert registry.entries(Hello(room="dev", rooms=(WantedRoom("dev"), WantedRoom("ops")))) == 2
    assert registry.entries(Hello(token=TOKEN)) == 3, "those that the session is in"
    assert registry.entries(Hello(token=TOKEN, room="no room")) == 3, "it may stay there"
    assert registry.entries(Hello(rooms=tuple(WantedRoom(f"room{number}") for number in range(900)))) == 5


def test_of_a_long_list_of_rooms_the_first_are_granted_and_the_others_are_one_refusal() -> None:
    registry = Registry(Limits(max_rooms_per_user=5))
    rooms = tuple(WantedRoom(f"room{number}") for number in range(900))
    session, effects = registry.connect("127.0.0.1:1", Hello(rooms=rooms), TOKEN)

    assert list(session.rooms) == [f"room{number}" for number in range(5)]
    assert [
        effect.answer.code
        for effect in effects
        if isinstance(effect, Deliver) and isinstance(effect.answer, events.Refused)
    ] == [Code.TOO_MANY_ROOMS]
