"""The registry as transcripts, users in and effects out, and against a naive model of who is where."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gchat.chat.effects import (
    Arrive,
    Close,
    CloseReason,
    Deliver,
    DropRoom,
    Effect,
    Enter,
    Leave,
    Presence,
    Publish,
)
from gchat.chat.handlers import execute
from gchat.chat.limits import Limits
from gchat.chat.networks import Network
from gchat.chat.registry import LOBBY, Registry
from gchat.chat.session import Session
from gchat.model import commands, events
from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import folded, name_keys
from gchat.model.messages import Acted, Said
from gchat.model.modes import Change
from gchat.model.names import nick
from tests.chat.talk import NOW, Talk, address, code, entered, join, welcome

# --- Coming and going ------------------------------------------------------------------------------------------------


def test_a_newcomer_is_greeted_and_shown_the_room_and_a_prompt_and_announced() -> None:
    assert Talk(users=1, motd="Be kind").enters() == [
        Enter(2, LOBBY, welcome(2, 2, "Be kind"), replay=10, ready=events.Ready("[You] ")),
        Arrive(2),
        Presence(LOBBY, 2, events.Entered(address(2), 2), 2),
    ]


def test_without_a_prompt_and_a_replay_there_is_a_greeting_alone() -> None:
    assert Talk(prompt="", replay_on_join=0).enters()[:1] == [Enter(1, LOBBY, welcome(1, 1))]


def test_who_leaves_is_closed_and_the_others_are_told() -> None:
    talk = Talk(users=3)

    assert talk.leaves(2) == [
        Close(2, CloseReason.ENDED),
        Presence(LOBBY, 2, events.Left(address(2), 2, everywhere=True), 2),
    ]


def test_that_the_last_one_left_is_told_to_the_operator() -> None:
    left = Presence(LOBBY, 1, events.Left(address(1), 0, everywhere=True), 0)

    assert Talk(users=1).leaves(1) == [Close(1, CloseReason.ENDED), left]


def test_leaving_twice_has_no_effects() -> None:
    talk = Talk(users=2)
    talk.leaves(1)

    assert talk.leaves(1, CloseReason.RESET) == []
    assert len(talk.registry.sessions) == 1


def test_everybody_can_be_sent_away_and_their_leaving_has_no_effects_then() -> None:
    talk = Talk(users=2)

    assert talk.registry.close_all(CloseReason.SHUTDOWN, "Bye") == [
        Deliver(1, events.Closing("Bye", "shutdown")),
        Close(1, CloseReason.SHUTDOWN),
        Deliver(2, events.Closing("Bye", "shutdown")),
        Close(2, CloseReason.SHUTDOWN),
    ]
    assert talk.leaves(1) == []
    assert not talk.registry.sessions


def test_a_nick_is_free_when_its_owner_left() -> None:
    talk = Talk(users=2)
    talk.asks(1, commands.Nick("alice"))
    assert code(talk.asks(2, commands.Nick("alice"))) is Code.NAME_TAKEN

    talk.leaves(1)

    assert talk.asks(2, commands.Nick("alice"))[0] == Deliver(2, events.Named("alice"))


# --- Nicks -----------------------------------------------------------------------------------------------------------


def test_a_nick_is_told_to_its_owner_and_to_the_room() -> None:
    assert Talk(users=2).asks(1, commands.Nick("alice")) == [
        Deliver(1, events.Named("alice")),
        Presence(LOBBY, 1, events.Renamed(address(1), "alice"), 2),
    ]


def test_who_takes_its_own_nick_again_is_not_announced() -> None:
    talk = Talk(users=2)
    talk.asks(1, commands.Nick("alice"))

    assert talk.asks(1, commands.Nick("alice")) == [Deliver(1, events.Named("alice"))]


def test_the_case_of_ones_own_nick_can_change_and_change_back() -> None:
    talk = Talk(users=2)
    old = address(1)
    for name in ("alice", "Alice", "ALICE", "alice"):
        assert talk.asks(1, commands.Nick(name)) == [
            Deliver(1, events.Named(name)),
            Presence(LOBBY, 1, events.Renamed(old, name), 2),
        ]
        old = name
    assert code(talk.asks(2, commands.Nick("ALICE"))) is Code.NAME_TAKEN


@pytest.mark.parametrize("name", ["server", "Server", "ADMIN", "you", "You", "ａｄｍｉｎ", "adrnin", "уоu", "SERVER"])
def test_the_names_of_the_server_are_nobodys(name: str) -> None:
    assert code(Talk(users=1).asks(1, commands.Nick(name))) in (Code.NAME_TAKEN, Code.BAD_NAME)


@pytest.mark.parametrize("name", ["аdmin", "a b", "", "[alice]", "x" * 33, "127.0.0.1:50002", "***"])
def test_what_is_no_nick_is_refused_and_changes_nothing(name: str) -> None:
    talk = Talk(users=1)

    assert code(talk.asks(1, commands.Nick(name))) is Code.BAD_NAME
    assert talk.sessions[1].name == address(1)
    assert not talk.sessions[1].has_nick


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("evan", "EVAN"),
        ("evan", "ｅｖａｎ"),
        ("Ian", "lan"),
        ("Ian", "ian"),
        ("al", "a1"),
        ("paypal", "paypaI"),
        ("modern", "modem"),
        ("сор", "cop"),
        ("straße", "STRASSE"),
    ],
)
def test_a_nick_that_looks_like_anothers_is_refused_both_ways(one: str, other: str) -> None:
    for first, second in ((one, other), (other, one)):
        talk = Talk(users=2)
        talk.asks(1, commands.Nick(first))

        assert code(talk.asks(2, commands.Nick(second))) is Code.NAME_TAKEN
        assert talk.asks(2, commands.Nick("zoe"))[0] == Deliver(2, events.Named("zoe"))


# --- Rooms -----------------------------------------------------------------------------------------------------------


def test_who_moves_is_announced_here_and_there_and_shown_the_new_room() -> None:
    talk = Talk(users=3)
    talk.asks(2, join("dev"))
    talk.asks(2, commands.Topic("bugs"))

    assert talk.asks(1, join("#Dev")) == [
        Presence(LOBBY, 1, events.Left(address(1), 1), 1),
        Leave(1, LOBBY),
        Enter(1, "dev", events.Joined("dev", 2), replay=10),
        Presence("dev", 1, events.Entered(address(1), 2), 2),
    ]


def test_ones_own_room_and_what_is_no_room_cannot_be_joined() -> None:
    talk = Talk(users=1)

    assert code(talk.asks(1, join("LOBBY"))) is Code.BAD_COMMAND
    assert code(talk.asks(1, join("../../x"))) is Code.BAD_NAME
    assert talk.sessions[1].current_name == LOBBY


def test_a_room_keeps_its_topic_while_nobody_is_there() -> None:
    talk = Talk(users=1)
    talk.asks(1, join("dev"))
    talk.asks(1, commands.Topic("bugs"))
    talk.asks(1, join("lobby"))

    talk.asks(1, join("dev"))
    assert talk.asks(1, commands.Topic()) == [Deliver(1, events.TopicIs("bugs", address(1)), room="dev")]


def test_for_a_room_too_many_the_oldest_empty_one_goes() -> None:
    talk = Talk(users=2, max_rooms=3)
    for room in ("old", "new", "lobby"):
        talk.asks(1, join(room))

    assert DropRoom("old") in talk.asks(1, join("third"))
    assert set(talk.registry.rooms) == {LOBBY, "new", "third"}


def test_a_room_too_many_is_refused_when_somebody_is_in_each() -> None:
    talk = Talk(users=3, max_rooms=2)
    talk.asks(1, join("dev"))

    assert code(talk.asks(2, join("ops"))) is Code.TOO_MANY_ROOMS
    assert talk.sessions[2].current_name == LOBBY
    assert entered(talk.asks(2, join("dev"))).room == "dev"


# --- Several rooms ---------------------------------------------------------------------------------------------------


def test_who_joins_one_more_room_stays_in_the_others_and_speaks_in_the_last_or_in_which_they_name() -> None:
    talk = Talk(users=2)

    assert talk.asks(1, commands.Join("dev")) == [
        Enter(1, "dev", events.Joined("dev", 1), replay=10),
        Presence("dev", 1, events.Entered(address(1), 1), 1),
        Deliver(1, events.ModeSet("dev", "", (Change(True, "o", address(1)),)), room="dev"),
    ]
    assert talk.asks(1, commands.Say(("here",))) == [Publish("dev", 1, Said(address(1), ("here",)))]
    assert talk.asks(1, commands.Say(("there",), room="#Lobby")) == [Publish(LOBBY, 1, Said(address(1), ("there",)))]
    assert talk.asks(1, commands.Who(room=LOBBY)) == [
        Deliver(1, events.Users(LOBBY, (address(1), address(2)), 2, address(1)), room=LOBBY)
    ]
    assert talk.asks(1, commands.Nick("alice")) == [
        Deliver(1, events.Named("alice")),
        Presence(LOBBY, 1, events.Renamed(address(1), "alice"), 2, among=(LOBBY, "dev")),
        Presence("dev", 1, events.Renamed(address(1), "alice"), 1, among=(LOBBY, "dev")),
    ]
    assert talk.leaves(1) == [
        Close(1, CloseReason.ENDED),
        Presence(LOBBY, 1, events.Left("alice", 1, everywhere=True), 1, among=(LOBBY, "dev")),
        Presence("dev", 1, events.Left("alice", 0, everywhere=True), 0, among=(LOBBY, "dev")),
    ]


def test_who_parts_is_in_the_room_that_was_entered_before_and_at_last_in_none() -> None:
    talk = Talk(users=2)
    talk.asks(1, commands.Join("dev"))

    assert talk.asks(1, commands.Part(reason="tea", id="p")) == [
        Presence("dev", 1, events.Left(address(1), 0, "tea"), 0),
        Leave(1, "dev"),
        Deliver(1, events.Parted("dev", "p")),
    ]
    assert talk.asks(1, commands.Say(("back",))) == [Publish(LOBBY, 1, Said(address(1), ("back",)))]
    assert talk.asks(1, commands.Part(room=LOBBY))[-1] == Deliver(1, events.Parted(LOBBY))
    for command in (
        commands.Say(("to nobody",)),
        commands.Act("waves"),
        commands.Who(),
        commands.Topic(),
        commands.Topic(text="x"),
        commands.History(commands.Last(1)),
        commands.Search("x"),
        commands.Part(),
        commands.Say(("not there",), room="dev"),
    ):
        assert code(talk.asks(1, command)) is Code.NOT_IN_ROOM
    assert talk.asks(1, commands.Tell(address(2), "still here"))
    assert entered(talk.asks(1, join("dev"))).room == "dev"
    assert talk.sessions[1].current_name == "dev"


def test_each_of_several_lines_to_a_room_that_one_is_not_in_is_refused() -> None:
    talk = Talk(users=1)

    refused = talk.asks(1, commands.Say(("a", "b", "c"), ("1", "2", ""), "dev"))

    why = "You are not in dev; enter it first (/join dev)"
    assert refused == [Deliver(1, events.Refused(Code.NOT_IN_ROOM, why, id_)) for id_ in ("1", "2", "")]


def test_a_user_is_in_so_many_rooms_and_no_more() -> None:
    talk = Talk(users=1, max_rooms_per_user=2)
    talk.asks(1, commands.Join("dev"))

    assert code(talk.asks(1, commands.Join("ops"))) is Code.TOO_MANY_ROOMS
    entered(talk.asks(1, join("ops")))
    assert list(talk.sessions[1].rooms) == [LOBBY, "ops"]


def test_rooms_that_one_is_in_are_not_dropped_for_the_next() -> None:
    talk = Talk(users=1, max_rooms=3)
    talk.asks(1, commands.Join("one"))
    talk.asks(1, commands.Join("two"))

    assert code(talk.asks(1, commands.Join("three"))) is Code.TOO_MANY_ROOMS
    assert DropRoom("two") in talk.asks(1, join("three")), "it is left, and empty then"
    assert list(talk.sessions[1].rooms) == [LOBBY, "one", "three"]


# --- Quiet rooms -----------------------------------------------------------------------------------------------------


def test_users_of_a_network_open_so_many_rooms_in_all_and_enter_as_many_as_they_like() -> None:
    talk = Talk(users=1, rooms_per_network=2)
    here, there = Network("203.0.113.7", is_exempt=False), Network("203.0.113.8", is_exempt=False)
    for _ in range(3):
        talk.enters(here)
    talk.enters(there)
    for number, room in ((1, "local"), (2, "one"), (3, "two")):
        entered(talk.asks(number, join(room)))

    assert code(talk.asks(4, join("three"))) is Code.TOO_MANY_ROOMS
    entered(talk.asks(4, join("local")))
    entered(talk.asks(3, join("instead-of-two")))
    assert code(talk.asks(4, join("two"))) is Code.TOO_MANY_ROOMS, "it is empty: to enter it is to open it"
    entered(talk.asks(4, join("lobby")))
    entered(talk.asks(5, join("two")))
    entered(talk.asks(4, join("two")))


def test_a_room_above_the_limit_is_not_told_who_comes_goes_or_changes() -> None:
    def announced(effects: list[Effect]) -> bool:
        return any(isinstance(effect, Presence) for effect in effects)

    talk = Talk(users=2, presence_quiet_above=3)

    assert announced(talk.enters()), "three are not above three"
    assert not announced(talk.enters())
    assert not announced(talk.asks(1, commands.Nick("alice")))
    assert talk.asks(1, commands.Say(("still heard",)))
    assert announced(talk.leaves(4)), "three are left"
    assert announced(talk.asks(1, commands.Nick("alicia")))


# --- Any order -------------------------------------------------------------------------------------------------------

USERS = st.integers(0, 5)
NICKS = st.sampled_from(
    ("evan", "Evan", "еvan", "EVAN", "l", "I", "1", "modern", "modem", "ｍｏｄｅｍ", "Ian", "ian", "lan", "bob", "BOB",
     "сор", "cop", "admin", "you", "a b", "O0", "OO", "zoë", "Zoe\u0308")
)  # fmt: skip
ROOMS = st.sampled_from(("lobby", "dev", "Dev", "#ops", "third", "fourth", "no room"))


class Talking(RuleBasedStateMachine):
    """The model is where each user is, what each is called, and which rooms there are."""

    @initialize(
        max_rooms=st.integers(1, 4),
        each=st.integers(1, 3),
        quiet=st.integers(0, 4),
        wait_s=st.sampled_from((0.0, 5.0)),
    )
    def opens(self, max_rooms: int, each: int, quiet: int, wait_s: float) -> None:
        self.max_rooms, self.max_rooms_per_user = max_rooms, each
        self.registry = Registry(
            Limits(max_rooms=max_rooms, max_rooms_per_user=each, presence_quiet_above=quiet, announce_after_s=wait_s)
        )
        self.wait_s = wait_s
        self.now = 0.0
        self.silent: dict[int, float] = {}  # users whom the others do not know of, and when they will
        self.users: dict[int, Session] = {}
        self.names: dict[int, str] = {}
        self.places: dict[int, list[str]] = {}  # the last is the current one
        self.quiet = quiet

    def _members(self, room: str) -> set[int]:
        return {user for user, places in self.places.items() if room in places}

    def _check_announced(self, effects: list[Effect], *rooms: str) -> None:
        """Check that these rooms are told once, unless they are too large, and no others."""
        told = [effect.room for effect in effects if isinstance(effect, Presence)]
        assert sorted(told) == sorted(room for room in rooms if len(self._members(room)) <= self.quiet)

    @rule(user=USERS)
    def comes_or_goes(self, user: int) -> None:
        if user not in self.users:
            self.names[user] = f"127.0.0.1:{user}"
            self.users[user], effects = self.registry.connect(self.names[user], now=self.now)
            self.places[user] = [LOBBY]
            greeting = entered(effects).greeting
            assert isinstance(greeting, events.Welcome)
            assert (greeting.session, greeting.online) == (self.users[user].id, len(self.users))
            if self.wait_s:
                self.silent[user] = self.now + self.wait_s
                assert effects == [entered(effects)]
            else:
                self._check_announced(effects, LOBBY)
        else:
            session, rooms = self.users.pop(user), self.places.pop(user)
            del self.names[user]
            effects = self.registry.leave(session, CloseReason.RESET)
            assert Close(session.id, CloseReason.RESET) in effects
            if self.silent.pop(user, None) is None:
                self._check_announced(effects, *rooms)
            else:
                assert effects == [Close(session.id, CloseReason.RESET)]
            assert self.registry.leave(session, CloseReason.RESET) == []

    @rule(wait_s=st.sampled_from((1.0, 5.0)))
    def time_passes(self, wait_s: float) -> None:
        self.now += wait_s
        due = [user for user, at in self.silent.items() if at <= self.now]
        effects = self.registry.due(self.now)
        assert [effect for effect in effects if isinstance(effect, Arrive)] == [
            Arrive(self.users[user].id) for user in due
        ]
        for user in due:
            del self.silent[user]
        self._check_announced(effects, *(room for user in due for room in self.places[user]))

    def _asks(self, user: int, command: commands.Command) -> list[Effect]:
        """Return the effects of a command, without those of a first one, which are checked here."""
        session = self.users[user]
        effects = execute(self.registry, session, command, NOW)
        if self.silent.pop(user, None) is None:
            return effects
        online = len(self._members(LOBBY))
        told = online <= self.quiet
        presence = events.Entered(self.names[user], online)
        expected = [Arrive(session.id), Presence(LOBBY, session.id, presence, online)]
        assert effects[: 1 + told] == expected[: 1 + told]
        return effects[1 + told :]

    def _room(self, user: int, room: str) -> str | None:
        """Return where a command of this user is carried out that names this room, or none."""
        places, room = self.places[user], room.lower().removeprefix("#")
        if not room:
            return places[-1] if places else None
        return room if room in places else None

    @rule(user=USERS, text=st.sampled_from(("hello", "a")), act=st.booleans(), room=st.one_of(st.just(""), ROOMS))
    def speaks(self, user: int, text: str, room: str, *, act: bool) -> None:
        if user in self.users:
            session, name = self.users[user], self.names[user]
            said = commands.Act(text, room=room) if act else commands.Say((text,), room=room)
            (effect,) = self._asks(user, said)
            if (at := self._room(user, room)) is None:
                assert code([effect]) in (Code.NOT_IN_ROOM, Code.BAD_NAME)
            else:
                message = Acted(name, text) if act else Said(name, (text,))
                assert effect == Publish(at, session.id, message)

    @rule(user=USERS, name=NICKS)
    def takes_a_nick(self, user: int, name: str) -> None:
        if user not in self.users:
            return
        session = self.users[user]
        effects = self._asks(user, commands.Nick(name))
        try:
            name = nick(name, 32)
        except Refusal:
            assert code(effects) is Code.BAD_NAME
            return
        others = [*(other for at, other in self.names.items() if at != user), "server", "admin", "you"]
        if any(name_keys(name) & name_keys(other) for other in others):
            assert code(effects) is Code.NAME_TAKEN
            return
        assert effects[0] == Deliver(session.id, events.Named(name))
        self._check_announced(effects, *(self.places[user] if name != self.names[user] else ()))
        self.names[user] = name

    @rule(user=USERS, room=ROOMS, moves=st.booleans())
    def joins(self, user: int, room: str, *, moves: bool) -> None:
        if user not in self.users:
            return
        session, places = self.users[user], self.places[user]
        existed = set(self.registry.rooms)
        leaving = places[-1:] if moves else []
        effects = self._asks(user, join(room) if moves else commands.Join(room))
        room = room.lower().removeprefix("#")
        kept = {
            place for other, rooms in self.places.items() for place in rooms if other != user or place not in leaving
        }
        if room in places:
            assert code(effects) is Code.BAD_COMMAND
        elif " " in room:
            assert code(effects) is Code.BAD_NAME
        elif len(places) - len(leaving) >= self.max_rooms_per_user or (
            room not in existed and len({LOBBY} | kept) >= self.max_rooms
        ):
            assert code(effects) is Code.TOO_MANY_ROOMS
        else:
            self.places[user] = [*(place for place in places if place not in leaving), room]
            assert [effect for effect in effects if isinstance(effect, Leave | Enter)] == [
                *(Leave(session.id, place) for place in leaving),
                entered(effects),
            ]
            assert entered(effects).session == session.id
            assert entered(effects).greeting == events.Joined(room, len(self._members(room)))
            forgotten = {effect.room for effect in effects if isinstance(effect, DropRoom)}
            assert set(self.registry.rooms) == (existed | {room}) - forgotten
            self._check_announced(effects, *leaving, room)

    @rule(user=USERS, room=st.one_of(st.just(""), ROOMS))
    def parts(self, user: int, room: str) -> None:
        if user not in self.users:
            return
        session = self.users[user]
        effects = self._asks(user, commands.Part(room=room))
        if (at := self._room(user, room)) is None:
            assert code(effects) in (Code.NOT_IN_ROOM, Code.BAD_NAME)
            return
        self.places[user].remove(at)
        assert effects[-2:] == [Leave(session.id, at), Deliver(session.id, events.Parted(at))]
        self._check_announced(effects, at)

    @rule(user=USERS, to=USERS, name=NICKS)
    def tells(self, user: int, to: int, name: str) -> None:
        if user in self.users:
            name = self.names.get(to, name)
            found = [self.users[at].id for at, other in self.names.items() if folded(other) == folded(name)]
            (effect,) = self._asks(user, commands.Tell(name, "psst"))
            assert isinstance(effect, Deliver)
            if found:
                sender = self.users[user]
                told = events.Told(self.names[user], "psst", NOW)
                assert effect == Deliver(found[0], told, sender.id, seat=sender.seat)
            else:
                assert code([effect]) is Code.NO_SUCH_USER

    @rule(user=USERS, room=st.one_of(st.just(""), ROOMS))
    def asks_who_is_there(self, user: int, room: str) -> None:
        if user in self.users:
            (effect,) = self._asks(user, commands.Who(room=room))
            if (at := self._room(user, room)) is None:
                assert code([effect]) in (Code.NOT_IN_ROOM, Code.BAD_NAME)
                return
            assert isinstance(effect, Deliver)
            assert isinstance(effect.answer, events.Users)
            here = {self.names[member] for member in self._members(at)}
            assert set(effect.answer.names) == here
            assert (effect.answer.total, effect.answer.you) == (len(here), self.names[user])

    @invariant()
    def everybody_is_where_the_model_says_and_no_names_look_alike(self) -> None:
        if not hasattr(self, "users"):
            return
        assert set(self.registry.sessions) == {session.id for session in self.users.values()}
        for user, session in self.users.items():
            places = self.places[user]
            assert (session.name, list(session.rooms)) == (self.names[user], places)
            assert session.current_name == (places[-1] if places else "")
        for name, room in self.registry.rooms.items():
            assert {session.id for session in self._sessions(name)} == set(room.members)
        assert len(self.registry.rooms) <= max(1, self.max_rooms)
        keys = [key for name in self.names.values() for key in name_keys(name)]
        assert len(keys) == len(set(keys))

    def _sessions(self, room: str) -> list[Session]:
        return [self.users[user] for user in self._members(room)]


TestTalking = Talking.TestCase
TestTalking.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
