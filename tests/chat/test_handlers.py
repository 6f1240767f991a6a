"""What each command does, as transcripts: commands in and effects out."""

from __future__ import annotations

import pytest

from gchat.chat.effects import (
    Close,
    CloseReason,
    Deliver,
    Effect,
    ListRooms,
    Presence,
    Publish,
    ReadHistory,
    Search,
)
from gchat.chat.handlers import surcharge
from gchat.chat.registry import LOBBY
from gchat.model import commands, events
from gchat.model.errors import Code, Refusal
from gchat.model.events import RoomListed
from gchat.model.messages import Acted, Said, TopicSet
from tests.chat.talk import Talk, address, code, join

# --- Talking ---------------------------------------------------------------------------------------------------------


def test_what_is_said_done_and_set_goes_to_the_room() -> None:
    talk = Talk(users=1)
    name = address(1)

    assert talk.asks(1, commands.Say(("a", "b"))) == [Publish(LOBBY, 1, Said(name, ("a", "b")))]
    assert talk.asks(1, commands.Act("waves")) == [Publish(LOBBY, 1, Acted(name, "waves"))]
    assert talk.asks(1, commands.Topic("tea")) == [
        Publish(LOBBY, 1, TopicSet(name, "tea")),
        Deliver(1, events.TopicIs("tea", name), room=LOBBY),
    ]
    assert talk.asks(1, commands.Topic()) == [Deliver(1, events.TopicIs("tea", name), room=LOBBY)]
    assert talk.sessions[1].messages == 3


def test_a_cleared_topic_is_nobodys() -> None:
    talk = Talk(users=1)
    talk.asks(1, commands.Topic("tea"))

    assert talk.asks(1, commands.Topic("")) == [
        Publish(LOBBY, 1, TopicSet(address(1), "")),
        Deliver(1, events.TopicIs("", address(1)), room=LOBBY),
    ]
    assert talk.asks(1, commands.Topic()) == [Deliver(1, events.TopicIs("", ""), room=LOBBY)]


@pytest.mark.parametrize("id_", ["", "t1"])
def test_clearing_a_topic_that_is_not_there_is_told_to_the_user_alone(id_: str) -> None:
    talk = Talk(users=2)

    assert talk.asks(1, commands.Topic("", id=id_)) == [Deliver(1, events.TopicIs("", "", id_), room=LOBBY)]


def test_a_private_message_goes_to_its_reader_alone_in_any_case_and_width() -> None:
    talk = Talk(users=2)
    talk.asks(2, commands.Nick("Bob"))

    for to in ("Bob", "bob", "BOB", "ｂｏｂ"):
        assert talk.asks(1, commands.Tell(to, "psst")) == [talk.told(2, 1, "psst")]


def test_a_private_message_finds_who_has_no_nick_by_address() -> None:
    talk = Talk(users=2)

    assert talk.asks(1, commands.Tell(address(2), "hi")) == [talk.told(2, 1, "hi")]


@pytest.mark.parametrize("to", ["nobody", "еvan", "", "evаn", "\x1b[31m", "x" * 8000])
def test_a_private_message_to_a_lookalike_or_nobody_is_refused(to: str) -> None:
    talk = Talk(users=2)
    talk.asks(2, commands.Nick("evan"))

    assert code(talk.asks(1, commands.Tell(to, "psst"))) is Code.NO_SUCH_USER


def test_a_reply_goes_to_who_told_last_also_under_another_name_and_not_after_it_left() -> None:
    talk = Talk(users=3)
    assert code(talk.asks(1, commands.Reply("who?"))) is Code.NO_SUCH_USER
    talk.asks(2, commands.Tell(address(1), "one"))
    talk.asks(3, commands.Tell(address(1), "two"))
    talk.asks(3, commands.Nick("carol"))

    assert talk.asks(1, commands.Reply("yes")) == [talk.told(3, 1, "yes", events.Done("Your reply went to carol"))]
    talk.leaves(3)
    assert code(talk.asks(1, commands.Reply("yes"))) is Code.NO_SUCH_USER


def test_a_reply_answers_what_was_shown_and_not_what_was_only_sent() -> None:
    talk = Talk(users=3)
    talk.asks(2, commands.Tell(address(1), "shown"))
    talk.asks(3, commands.Tell(address(1), "refused, because the reader does not read"), shown=False)

    assert talk.asks(1, commands.Reply("yes")) == [
        talk.told(2, 1, "yes", events.Done(f"Your reply went to {address(2)}"))
    ]


def test_a_mistake_is_answered_with_what_is_wrong_about_it() -> None:
    mistake = commands.Mistake(Refusal(Code.BAD_COMMAND, "No such thing"))

    assert Talk(users=1).asks(1, mistake) == [Deliver(1, events.Refused(Code.BAD_COMMAND, "No such thing"))]


# --- Asking ----------------------------------------------------------------------------------------------------------


def test_who_lists_the_room_and_no_other_and_not_more_than_can_be_read() -> None:
    talk = Talk(users=5, who_max=2)
    talk.asks(5, join("dev"))

    assert talk.asks(1, commands.Who()) == [
        Deliver(1, events.Users(LOBBY, (address(1), address(2)), 4, address(1)), room=LOBBY)
    ]


def test_rooms_are_listed_by_size_without_the_empty_ones_but_first_where_the_user_is() -> None:
    talk = Talk(users=4)
    for number, room in ((1, "dev"), (2, "dev"), (3, "ops"), (4, "dev"), (4, "gone"), (4, "lobby")):
        talk.asks(number, join(room))
    talk.asks(3, commands.Topic("pager"))

    rooms = (
        RoomListed("lobby", 1, "", here=True),
        RoomListed("dev", 2, "", here=False),
        RoomListed("ops", 1, "pager", here=False),
    )
    assert talk.asks(4, commands.Rooms()) == [
        ListRooms(4, events.RoomList(rooms, 3)),
    ]


def test_a_list_of_rooms_is_bounded_and_long_topics_are_cut() -> None:
    talk = Talk(users=101)
    for number in range(1, 101):
        talk.asks(number, join(f"room{number:03}"))
        talk.asks(number, commands.Topic("\u00e9" * (300 if number % 2 else 80)))

    (answer,) = talk.asks(101, commands.Rooms())

    assert isinstance(answer, ListRooms)
    rooms = answer.rooms.rooms
    assert (answer.rooms.total, rooms[0].name) == (101, "lobby")
    assert [(room.name, room.topic) for room in rooms[1:3]] == [
        ("room001", "\u00e9" * 79 + "…"),
        ("room002", "\u00e9" * 80),
    ]
    assert 12288 - 200 < sum(len(f"{room.name}{room.topic}".encode()) for room in rooms) <= 12288


@pytest.mark.parametrize(
    ("command", "effect"),
    [
        (commands.Ping("x"), Deliver(1, events.Pong("x"))),
        (commands.Help("nick"), Deliver(1, events.HelpText("nick"))),
        (commands.History(commands.Last(20)), ReadHistory(1, LOBBY, commands.Last(20), 100)),
        (commands.History(commands.From(1200)), ReadHistory(1, LOBBY, commands.From(1200), 100)),
        (commands.Search("tea", 20, id="s"), Search(1, LOBBY, "tea", 20, "s")),
        (commands.Search("tea"), Search(1, LOBBY, "tea", 100)),
        (commands.Search("x" * 200, 5000), Search(1, LOBBY, "x" * 200, 100)),
    ],
)
def test_a_question_is_answered(command: commands.Command, effect: Effect) -> None:
    assert Talk(users=1).asks(1, command) == [effect]


def test_a_search_for_too_much_is_refused_with_its_id() -> None:
    message = "Search too long: 1,201 characters, the limit is 200"

    assert Talk(users=1).asks(1, commands.Search("x" * 1201, id="s")) == [
        Deliver(1, events.Refused(Code.BAD_COMMAND, message, "s"))
    ]


def test_a_line_that_was_not_understood_holds_nothing_when_it_is_answered() -> None:
    """A refusal that was raised holds the frames that it went through, and their lines, in a ring."""
    talk = Talk(users=1)
    refusal = Refusal(Code.BAD_COMMAND, "What?")

    assert code(talk.asks(1, commands.Mistake(refusal))) is Code.BAD_COMMAND
    assert refusal.__traceback__ is None


def test_who_quits_is_told_goodbye_first() -> None:
    assert Talk(users=2).asks(1, commands.Quit()) == [
        Deliver(1, events.Closing("Goodbye", "quit")),
        Close(1, CloseReason.QUIT),
        Presence(LOBBY, 1, events.Left(address(1), 1, everywhere=True), 1),
    ]


# --- What it costs ---------------------------------------------------------------------------------------------------


def test_a_command_costs_what_it_costs_the_others() -> None:
    talk = Talk(users=250)

    def costs(command: commands.Command) -> int:
        return 1 + surcharge(talk.registry, command, talk.asks(1, command))

    assert [costs(command) for command in (commands.Say(("x",)), commands.Tell("x", "x"), commands.Ping(""))] == [1] * 3
    assert 1 < costs(commands.History(commands.From(1))) < costs(commands.Search("x"))
    assert costs(commands.Nick("x")) == 2 + 2, "250 users are told"
    assert costs(commands.Join("dev")) == 3, "nobody is there"
    assert costs(commands.Nick("y")) == 2 + 2, "251 users of two rooms are told"
    assert costs(commands.Part(room=LOBBY)) == 2 + 2
    assert costs(join("lobby")) == 3 + 2
    talk.registry.limits.presence_quiet_above = 100
    assert costs(commands.Nick("x")) == 2, "nobody is told"
