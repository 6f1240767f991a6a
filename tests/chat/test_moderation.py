"""Operators: who is one, what each of them and everybody else may do, and what everybody is told of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.chat import moderation, standing
from gchat.chat.effects import Announce, CloseReason, Deliver, Effect, Enter, ListRooms, Presence, Publish, SaveModes
from gchat.chat.handlers import execute
from gchat.chat.limits import Limits
from gchat.chat.networks import Network
from gchat.chat.registry import LOBBY, Registry
from gchat.chat.room_modes import Modes
from gchat.chat.session import Session
from gchat.model import commands, events
from gchat.model.errors import Code
from gchat.model.hello import Hello
from gchat.model.messages import Numbered
from gchat.model.modes import parse, printed

NOW = 1_800_000_000.0


class House:
    """A registry with users who have nicks and tokens; what they get is kept as effects."""

    is_behind_a_proxy = False

    def __init__(self, *names: str) -> None:
        self.registry = Registry(Limits())
        self.sessions: dict[str, Session] = {}
        for name in names:
            self.comes(name)

    def comes(self, name: str, room: str = "", key: str = "") -> list[Effect]:
        hello = Hello(nick=name, room=room, key=key, token=f"token-of-{name}".ljust(20, "-"))
        host = f"192.0.2.{len(self.sessions) % 250}"
        network = Network("" if self.is_behind_a_proxy else host, self.is_behind_a_proxy)
        address, attempt = f"{host}:{len(self.sessions)}", len(self.sessions)
        self.sessions[name], effects = self.registry.connect(address, hello, "", attempt=attempt, network=network)
        return effects

    def asks(self, name: str, command: commands.Command) -> list[Effect]:
        return execute(self.registry, self.sessions[name], command, NOW)

    def all_join(self, room: str = "dev") -> None:
        for name in self.sessions:
            assert not refusals(self.asks(name, commands.Join(room, leave="current")))

    def operators(self, room: str = "dev") -> list[str]:
        found = self.registry.rooms[room]
        return [seat.known_as for seat, rank in found.ranks.items() if "o" in rank]

    def modes(self, room: str = "dev") -> Modes:
        return self.registry.rooms.modes[room]

    def members(self, room: str = "dev") -> list[str]:
        return [member.name for member in self.registry.rooms[room].members.values()]


def refusals(effects: Sequence[Effect]) -> list[Code]:
    answers = [effect.answer for effect in effects if isinstance(effect, Deliver)]
    return [answer.code for answer in answers if isinstance(answer, events.Refused)]


def announced(effects: Sequence[Effect]) -> list[events.RoomNotice]:
    return [effect.notice for effect in effects if isinstance(effect, Announce)]


def changes(effects: Sequence[Effect]) -> list[str]:
    return [printed(notice.changes) for notice in announced(effects) if isinstance(notice, events.ModeSet)]


@pytest.fixture
def house() -> House:
    """A room `dev`, of which alice is the operator; bob and carol are there too."""
    house = House("alice", "bob", "carol")
    house.all_join()
    return house


# --- Ranks -----------------------------------------------------------------------------------------------------------


def test_the_user_who_enters_an_empty_room_is_its_operator(house: House) -> None:
    assert house.operators() == ["alice"]


def test_of_the_lobby_nobody_is_an_operator() -> None:
    house = House("alice")

    assert house.operators(LOBBY) == []
    assert refusals(house.asks("alice", commands.Mode("+m"))) == [Code.NOT_OPERATOR]


def test_an_operator_makes_others_operators_and_everybody_is_told(house: House) -> None:
    told = house.asks("alice", commands.Mode("+o BOB"))

    assert announced(told) == [events.ModeSet("dev", "alice", parse("+o bob"))]
    assert house.operators() == ["alice", "bob"]
    assert changes(house.asks("bob", commands.Mode("-o alice"))) == ["-o alice"]
    assert house.operators() == ["bob"]
    assert refusals(house.asks("alice", commands.Mode("+o alice"))) == [Code.NOT_OPERATOR]


def test_a_rank_is_there_again_when_the_user_comes_back(house: House) -> None:
    house.asks("alice", commands.Mode("+v bob"))
    for name in ("alice", "bob"):
        house.asks(name, commands.Join("lobby", leave="current"))
    told = house.asks("alice", commands.Join("dev", leave="current"))

    assert house.operators() == ["alice"]
    assert changes(told) == ["+o alice"], "the others see it"
    assert changes(house.asks("bob", commands.Join("dev", leave="current"))) == ["+v bob"]


def test_a_rank_outlives_the_session_of_a_user_with_a_token_and_nobody_gets_it_by_the_nick(house: House) -> None:
    house.registry.leave(house.sessions["alice"], CloseReason.QUIT)
    impostor, _ = house.registry.connect("192.0.2.99:1", Hello(nick="alice", room="dev"), "t" * 22)

    assert house.operators() == []
    house.registry.leave(impostor, CloseReason.QUIT)
    house.comes("alice", "dev")
    assert house.operators() == ["alice"]


def test_an_empty_room_in_which_nothing_was_set_belongs_to_the_next_user_too(house: House) -> None:
    for name in ("alice", "bob", "carol"):
        house.asks(name, commands.Join("lobby", leave="current"))
    house.asks("bob", commands.Join("dev", leave="current"))
    assert house.operators() == ["bob"]

    house.asks("alice", commands.Join("dev", leave="current"))
    assert house.operators() == ["bob", "alice"]


def test_an_empty_room_is_not_taken_over_while_the_operator_who_set_its_modes_may_come_back(house: House) -> None:
    house.asks("alice", commands.Mode("+t"))
    for name in ("alice", "bob", "carol"):
        house.asks(name, commands.Join("lobby", leave="current"))
    house.asks("bob", commands.Join("dev", leave="current"))
    assert house.operators() == []

    house.asks("alice", commands.Join("dev", leave="current"))
    assert house.operators() == ["alice"]


def test_a_user_without_a_token_is_an_operator_until_they_leave() -> None:
    registry = Registry(Limits())
    plain, _ = registry.connect("192.0.2.1:1")
    execute(registry, plain, commands.Join("dev", leave="current"), NOW)
    assert list(registry.rooms["dev"].ranks.values()) == ["o"]

    execute(registry, plain, commands.Join("lobby", leave="current"), NOW)
    assert registry.rooms["dev"].ranks == {}
    assert registry.rooms.modes["dev"] == Modes(), "nothing is stored of it"


def test_a_user_who_is_taken_over_by_another_connection_keeps_the_rank(house: House) -> None:
    house.comes("alice")

    assert house.operators() == ["alice"]
    assert changes(house.asks("alice", commands.Mode("+m"))) == ["+m"]


def test_the_next_run_has_the_modes_and_the_ranks(house: House) -> None:
    effects = [*house.asks("alice", commands.Mode("+kv tea bob")), *house.asks("alice", commands.Mode("+i"))]
    stored = [effect.modes for effect in effects if isinstance(effect, SaveModes)][-1]
    assert stored is not None
    again = House()
    again.registry.rooms.modes.restore({"dev": stored})

    assert refusals(again.comes("bob", "dev", key="tea")) == [Code.INVITE_ONLY]
    assert refusals(again.comes("alice", "dev")) == []
    assert again.operators() == ["alice"]
    assert again.modes().key == "tea"


# --- Modes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["+i", "+m", "+k tea", "+l 5", "+t", "+s", "-n", "+b mallory", "+o bob", "+v bob"])
def test_only_operators_change_modes(house: House, mode: str) -> None:
    before = (house.modes(), dict(house.registry.rooms["dev"].ranks))

    assert refusals(house.asks("bob", commands.Mode(mode))) == [Code.NOT_OPERATOR]
    assert (house.modes(), dict(house.registry.rooms["dev"].ranks)) == before
    assert len(changes(house.asks("alice", commands.Mode(mode)))) == 1


def test_of_several_changes_all_are_made_or_none(house: House) -> None:
    before = house.modes()

    assert refusals(house.asks("alice", commands.Mode("+mko tea nobody"))) == [Code.NO_SUCH_USER]
    assert house.modes() == before
    assert changes(house.asks("alice", commands.Mode("+mko-n tea bob"))) == ["+mko-n tea bob"]


def test_what_changes_nothing_is_not_told(house: House) -> None:
    (answer,) = house.asks("alice", commands.Mode("-i+o alice", id="7"))

    assert isinstance(answer, Deliver)
    assert answer.answer == events.Done("That changes nothing in dev", "7")


def test_a_request_with_an_id_is_acknowledged(house: House) -> None:
    acks = [effect.answer for effect in house.asks("alice", commands.Mode("+m", id="7")) if isinstance(effect, Deliver)]

    assert acks == [events.Acknowledged((Numbered("7"),))]


def test_the_modes_are_told_to_members_and_the_key_to_operators(house: House) -> None:
    house.asks("alice", commands.Mode("+klv tea 9 bob"))
    (told,) = house.asks("alice", commands.Mode())
    assert isinstance(told, Deliver)
    assert told.answer == events.ModesAre("dev", "+kln 9", "tea", ("alice",), ("bob",))

    (told,) = house.asks("carol", commands.Mode())
    assert isinstance(told, Deliver)
    assert told.answer == events.ModesAre("dev", "+kln 9", "", ("alice",), ("bob",))


def test_a_list_is_told(house: House) -> None:
    house.asks("alice", commands.Mode("+bb mallory *spam*"))
    (told,) = house.asks("carol", commands.Mode("+b"))

    assert isinstance(told, Deliver)
    assert told.answer == events.ListIs("dev", "b", ("mallory!*@*", "*spam*!*@*"))


def test_the_address_of_a_user_is_banned_without_being_shown(house: House) -> None:
    (change,) = changes(house.asks("alice", commands.Mode("+b @bob")))

    assert "192" not in change
    assert change.endswith(".cloak")
    house.asks("bob", commands.Join("lobby", leave="current"))
    house.asks("bob", commands.Nick("rob"))
    assert refusals(house.asks("bob", commands.Join("dev", leave="current"))) == [Code.BANNED]


def test_an_address_that_all_users_share_is_not_banned(house: House) -> None:
    house.is_behind_a_proxy = True
    house.comes("dave", "dev")

    assert refusals(house.asks("alice", commands.Mode("+b @dave"))) == [Code.BAD_COMMAND]
    assert changes(house.asks("alice", commands.Mode("+I @dave")))


# --- Speaking and topics ---------------------------------------------------------------------------------------------


def test_in_a_moderated_room_operators_and_voices_speak(house: House) -> None:
    house.asks("alice", commands.Mode("+mv bob"))

    for name in ("alice", "bob"):
        for said in (commands.Say(("hi",)), commands.Act("waves"), commands.Topic("tea")):
            assert any(isinstance(effect, Publish) for effect in house.asks(name, said))
    for said in (commands.Act("waves", id="1"), commands.Topic("tea")):
        assert refusals(house.asks("carol", said)) == [Code.MODERATED]


def test_each_of_several_messages_that_are_refused_is_answered(house: House) -> None:
    house.asks("alice", commands.Mode("+m"))
    effects = house.asks("carol", commands.Say(("a", "b"), ("1", "2")))

    assert [effect.answer.id for effect in effects if isinstance(effect, Deliver)] == ["1", "2"]  # type: ignore[union-attr]
    assert refusals(house.asks("carol", commands.Say(("a", "b")))) == [Code.MODERATED]


def test_a_locked_topic_is_set_and_cleared_by_operators(house: House) -> None:
    house.asks("alice", commands.Mode("+t"))

    assert refusals(house.asks("bob", commands.Topic("tea"))) == [Code.NOT_OPERATOR]
    assert refusals(house.asks("bob", commands.Topic(""))) == [Code.NOT_OPERATOR]
    assert not refusals(house.asks("bob", commands.Topic()))
    assert not refusals(house.asks("alice", commands.Topic("tea")))


# --- Kicks and invitations -------------------------------------------------------------------------------------------


def test_a_kicked_user_is_out_everybody_is_told_and_may_come_back(house: House) -> None:
    effects = house.asks("alice", commands.Kick("bob", "too loud"))
    kicked = events.Kicked("dev", "bob", "alice", "too loud", 2)

    assert announced(effects)[0] == kicked
    assert any(isinstance(effect, Deliver) and effect.answer == kicked for effect in effects), "bob is told too"
    assert house.members() == ["alice", "carol"]
    assert not refusals(house.asks("bob", commands.Join("dev", leave="current")))


def test_a_user_who_is_put_out_while_disconnected_does_not_come_back_by_the_token(house: House) -> None:
    house.registry.disconnect(house.sessions["bob"], CloseReason.RESET, NOW)
    house.asks("alice", commands.Kick("bob"))
    house.asks("alice", commands.Mode("+b bob"))
    effects = house.comes("bob")
    assert house.members() == ["alice", "carol"]
    assert not [effect for effect in effects if isinstance(effect, Enter) and effect.room == "dev"]

    house.registry.disconnect(house.sessions["bob"], CloseReason.RESET, NOW)
    assert refusals(house.comes("bob", "dev")) == [Code.BANNED]
    assert house.members() == ["alice", "carol"]


def test_the_last_word_of_a_user_who_may_not_speak_is_not_told(house: House) -> None:
    house.asks("alice", commands.Mode("+m"))
    left = [effect for effect in house.asks("bob", commands.Part(reason="psst")) if isinstance(effect, Presence)]
    assert [effect.presence for effect in left] == [events.Left("bob", 2)]

    left = [effect for effect in house.asks("alice", commands.Part(reason="tea")) if isinstance(effect, Presence)]
    assert [effect.presence for effect in left] == [events.Left("alice", 1, "tea")]


def test_a_user_who_may_not_speak_does_not_say_why_they_are_away(house: House) -> None:
    house.asks("alice", commands.Mode("+m"))
    assert not [effect for effect in house.asks("bob", commands.BeAway("psst")) if isinstance(effect, Presence)]
    house.asks("bob", commands.Part())
    told = [effect.presence for effect in house.asks("bob", commands.Join("dev")) if isinstance(effect, Presence)]
    assert told == [events.Entered("bob", 3)]

    assert [effect for effect in house.asks("alice", commands.BeAway("tea")) if isinstance(effect, Presence)]


def test_a_user_who_may_speak_no_more_is_told_to_be_back(house: House) -> None:
    house.asks("bob", commands.BeAway("tea"))
    house.asks("alice", commands.Mode("+m"))
    back = [effect for effect in house.asks("bob", commands.BeAway()) if isinstance(effect, Presence)]

    assert [(effect.room, effect.presence) for effect in back] == [("dev", events.Away("bob", ""))]


def test_only_operators_kick_and_only_members_are_kicked(house: House) -> None:
    assert refusals(house.asks("bob", commands.Kick("alice"))) == [Code.NOT_OPERATOR]
    house.asks("bob", commands.Join("lobby", leave="current"))
    assert refusals(house.asks("alice", commands.Kick("bob"))) == [Code.NO_SUCH_USER]
    assert refusals(house.asks("alice", commands.Kick("nobody"))) == [Code.NO_SUCH_USER]
    assert refusals(house.asks("alice", commands.Kick("carol", "x" * 201))) == [Code.BAD_COMMAND]


def test_a_kicked_operator_is_none_when_they_come_back(house: House) -> None:
    house.asks("alice", commands.Mode("+o bob"))
    house.asks("bob", commands.Kick("alice"))
    house.asks("alice", commands.Join("dev", leave="current"))

    assert house.operators() == ["bob"]


def test_an_invitation_lets_in_once(house: House) -> None:
    house.asks("carol", commands.Join("lobby", leave="current"))
    house.asks("alice", commands.Mode("+i"))
    assert refusals(house.asks("carol", commands.Join("dev", leave="current"))) == [Code.INVITE_ONLY]

    (invited,) = house.asks("alice", commands.Invite("carol"))
    assert isinstance(invited, Deliver)
    assert invited.answer == events.Invited("dev", "alice")
    assert invited.receipt == events.Done("carol is invited to dev")
    assert not refusals(house.asks("carol", commands.Join("dev", leave="current")))
    house.asks("carol", commands.Join("lobby", leave="current"))
    assert refusals(house.asks("carol", commands.Join("dev", leave="current"))) == [Code.INVITE_ONLY]


def test_in_a_closed_room_only_operators_invite(house: House) -> None:
    house.asks("carol", commands.Join("lobby", leave="current"))
    assert not refusals(house.asks("bob", commands.Invite("carol")))
    house.asks("alice", commands.Mode("+k tea"))

    assert refusals(house.asks("bob", commands.Invite("carol"))) == [Code.NOT_OPERATOR]
    assert refusals(house.asks("alice", commands.Invite("bob"))) == [Code.BAD_COMMAND], "bob is there"


def test_an_invitation_by_a_user_who_is_no_operator_lets_into_an_open_room_only(house: House) -> None:
    house.asks("carol", commands.Join("lobby", leave="current"))
    (invited,) = house.asks("bob", commands.Invite("carol"))
    assert isinstance(invited, Deliver)
    assert invited.answer == events.Invited("dev", "bob")
    house.asks("alice", commands.Mode("+k tea"))

    assert refusals(house.asks("carol", commands.Join("dev"))) == [Code.BAD_KEY]


def test_invitations_end_with_the_operators_whose_room_it_was(house: House) -> None:
    house.asks("carol", commands.Join("lobby", leave="current"))
    house.asks("alice", commands.Invite("carol"))
    for name in ("alice", "bob"):
        house.asks(name, commands.Part(room="dev"))
    house.asks("bob", commands.Join("dev"))
    house.asks("bob", commands.Mode("+i"))

    assert refusals(house.asks("carol", commands.Join("dev"))) == [Code.INVITE_ONLY]


def test_invitations_to_a_room_that_is_guarded_outlive_an_hour_in_which_nobody_is_there(house: House) -> None:
    house.asks("carol", commands.Join("lobby", leave="current"))
    house.asks("alice", commands.Mode("+i"))
    house.asks("alice", commands.Invite("carol"))
    for name in ("alice", "bob"):
        house.asks(name, commands.Part(room="dev"))

    assert not refusals(house.asks("carol", commands.Join("dev")))
    assert house.operators() == []


@pytest.mark.parametrize("change", ["-o bob", "-o+t BOB"])
def test_an_operator_who_has_left_is_none_any_more_when_another_one_says_so(house: House, change: str) -> None:
    house.asks("alice", commands.Mode("+ov bob bob"))
    house.asks("bob", commands.Part(room="dev"))
    assert refusals(house.asks("alice", commands.Mode("+o bob"))) == [Code.NO_SUCH_USER]
    effects = house.asks("alice", commands.Mode(change))
    assert changes(effects)[0].startswith("-o")
    assert any(isinstance(effect, SaveModes) for effect in effects)
    assert refusals(house.asks("alice", commands.Mode(change))) == [Code.NO_SUCH_USER]

    assert house.operators() == ["alice"]
    house.asks("bob", commands.Join("dev"))
    assert house.operators() == ["alice"]
    assert list(house.registry.rooms["dev"].ranks.values()) == ["o", "v"]


def test_invitations_are_kept_of_so_many_users(house: House) -> None:
    for number in range(moderation.MAX_INVITED + 5):
        house.comes(f"guest{number}")
        house.asks("alice", commands.Invite(f"guest{number}"))

    assert len(house.registry.rooms["dev"].invited) == moderation.MAX_INVITED


def test_a_secret_room_is_listed_for_its_members_only(house: House) -> None:
    house.asks("alice", commands.Mode("+s"))
    house.asks("carol", commands.Join("lobby", leave="current"))

    def listed(name: str) -> list[str]:
        (told,) = house.asks(name, commands.Rooms())
        assert isinstance(told, ListRooms)
        return sorted(room.name for room in told.rooms.rooms)

    assert listed("bob") == ["dev", "lobby"]
    assert listed("carol") == ["lobby"]


# --- Anything, in any order ------------------------------------------------------------------------------------------

_NAMES = st.sampled_from(["alice", "bob", "carol"])
_MODES = ["+i", "-i", "+m", "-m", "+k tea", "-k", "+l 2", "-l", "+t", "-t", "+s", "-s", "-n", "+n"]
_COMMANDS: st.SearchStrategy[commands.Command] = st.one_of(
    st.sampled_from(
        [
            commands.Join("dev"),
            commands.Join("lobby"),
            commands.Part(room="dev"),
            commands.Join("dev", leave="current"),
            commands.Join("lobby", leave="current"),
            commands.Join("dev", key="tea", leave="current"),
        ]
    ),
    st.builds("{}{} {}".format, st.sampled_from("+-"), st.sampled_from("ovbeI"), _NAMES).map(commands.Mode),
    st.sampled_from(_MODES).map(commands.Mode),
    st.builds(commands.Kick, _NAMES),
    st.builds(commands.Invite, _NAMES),
    st.just(commands.Quit()),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_NAMES, _COMMANDS), max_size=40))
def test_whatever_happens_ranks_are_of_members_and_nobody_passes_a_mode(
    asked: list[tuple[str, commands.Command]],
) -> None:
    house = House("alice", "bob", "carol")
    for name, command in asked:
        if not house.registry.is_connected(house.sessions[name]):
            house.comes(name)
        session, rooms = house.sessions[name], house.registry.rooms
        room, modes = rooms.get("dev"), house.modes()
        was_in = room is not None and session.id in room.members
        count = len(room.members) if room else 0
        was_invited = room is not None and session.seat in room.invited
        asking = standing.asking(rooms, room, session) if room else None
        house.asks(name, command)
        room = rooms.get("dev")
        is_in = room is not None and session.id in room.members
        if is_in and not was_in:
            assert isinstance(command, commands.Join)
            assert (asking and asking.is_operator) or (
                not (modes.has("i") and not was_invited and f"{name}!*@*" not in modes.invitations)
                and not (modes.key and command.key != "tea" and not was_invited)
                and not (modes.limit and count >= modes.limit and not was_invited)
                and not (f"{name}!*@*" in modes.bans and f"{name}!*@*" not in modes.exceptions)
            )
        if modes != house.modes() and was_in and not isinstance(command, commands.Join):
            assert asking is not None
            assert asking.is_operator
        if room is not None:
            assert set(room.ranks) <= {user.seat for user in house.sessions.values() if user.id in room.members}
        assert not rooms[LOBBY].ranks
