"""A user that reads several rooms, as far as the shell knows of it: who may is the registry's affair."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from gchat.chat.effects import Announce, CloseReason, Deliver, Enter, Leave
from gchat.journal.journal import Posting
from gchat.model.events import Announced, Joined, TopicIs
from gchat.model.hello import Hello
from gchat.model.messages import Said
from gchat.server import fanout
from tests.server.stage import LOBBY, Stage, User, wait_until
from tests.server.test_replay import Journal


def enters(stage: Stage, user: User, room: str, replay: int = 0) -> None:
    """Have a user read one more room."""
    stage.pump.submit([Enter(user.connection.session.id, room, Joined(room, 1), replay)])


def tells(stage: Stage, room: str, *texts: str) -> None:
    stage.pump.submit([Announce(room, Announced(text)) for text in texts])


def spoken(lines: list[str]) -> list[str]:
    return [line.removeprefix("> Announcement: ") for line in lines if "told" in line]


def told(user: User) -> list[str]:
    """Return what the rooms of a user were told by the server."""
    return spoken(user.transcript())


def test_who_enters_a_second_room_reads_both_and_who_leaves_one_reads_the_other() -> None:
    with Stage() as stage:
        alice = stage.join("alice")
        alice.transcript()
        enters(stage, alice, "dev")
        tells(stage, "dev", "told dev")
        tells(stage, LOBBY, "told lobby")
        assert sorted(told(alice)) == ["told dev", "told lobby"]
        stage.pump.submit([Leave(alice.connection.session.id, "dev")])
        tells(stage, "dev", "told dev again")
        tells(stage, LOBBY, "told lobby again")

        assert told(alice) == ["told lobby again"]
        assert [cursor.log.room for cursor in alice.connection.log_reader.cursors] == [LOBBY]


def test_an_answer_comes_after_what_all_rooms_were_told_before() -> None:
    with Stage() as stage:
        alice = stage.join("alice")
        enters(stage, alice, "dev")
        alice.transcript()
        for room in (LOBBY, "dev"):
            tells(stage, room, f"told {room}")
        stage.pump.submit([Deliver(alice.connection.session.id, TopicIs("the answer", "bob"), room=LOBBY)])
        tells(stage, "dev", "told later")
        heard = alice.transcript()

        assert sorted(spoken(heard[:2])) == ["told dev", "told lobby"]
        assert "the answer" in heard[2]
        assert spoken(heard[3:]) == ["told later"]


@pytest.mark.parametrize("readers_in_a_turn", [0, 1])  # it is one reader, whatever its rooms
def test_who_is_in_two_rooms_gets_what_a_turn_told_both_in_one_write(
    monkeypatch: pytest.MonkeyPatch, readers_in_a_turn: int
) -> None:
    written: list[bytes] = []

    def write(descriptor: int, data: bytes) -> int:
        written.append(data)
        return os.write(descriptor, data)

    monkeypatch.setattr(fanout, "os", SimpleNamespace(write=write))
    monkeypatch.setattr(fanout, "READERS_IN_A_TURN", readers_in_a_turn)
    with Stage() as stage:
        alice = stage.join("alice")
        enters(stage, alice, "dev")
        alice.transcript()
        written.clear()
        stage.pump.submit([Announce(room, Announced(f"told {room}")) for room in (LOBBY, "dev")])

        assert sorted(told(alice)) == ["told dev", f"told {LOBBY}"]
        assert len(written) == 1


@pytest.mark.parametrize("in_slices", [False, True])
def test_who_is_slow_in_two_rooms_gets_all_of_both_in_their_order(
    *, in_slices: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_slices:
        monkeypatch.setattr(fanout, "READERS_IN_A_TURN", 0)
    with Stage() as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        for user in (alice, bob):
            enters(stage, user, "dev")
            user.transcript()
        texts = {room: [f"told {room} {number:03} {'x' * 200}" for number in range(100)] for room in (LOBBY, "dev")}
        for number in range(100):
            for room, lines in texts.items():
                tells(stage, room, lines[number])
            bob.transcript()
        assert alice.connection.writer.is_behind
        heard = told(alice)

        for room, lines in texts.items():
            assert [line for line in heard if line.startswith(f"told {room}")] == lines


def test_two_rooms_are_caught_up_with_at_once_and_an_answer_names_the_room_that_it_is_about() -> None:
    journal = Journal(50, is_on_disk=True)
    journal.append([Posting("dev", Said("old", (f"dev {number}",), ("",))) for number in range(5)], 1.0)
    with Stage(journal) as stage:
        bot = stage.connects(Hello(nick="bot", replay=0))
        wait_until(lambda: b'"welcome"' in bot.reads(), "welcome")
        journal.disk.clear()
        enters(stage, bot, "dev", replay=5)
        enters(stage, bot, "ops", replay=5)
        stage.pump.submit([Deliver(bot.connection.session.id, TopicIs("tea", "bob"), room="dev")])
        wait_until(lambda: b'"topic"' in bot.reads(), "the topic")
        assert [catch_up.where.room for catch_up in bot.connection.writer.catch_ups] == ["dev"]
        journal.disk.set()
        wait_until(lambda: b"dev 4" in bot.reads(), "all of dev")
        topic = next(line for line in bot.received.splitlines() if b'"topic"' in line)

        assert b'"room":"dev"' in topic
        wait_until(lambda: not bot.connection.writer.catch_ups, "live everywhere")
        assert {cursor.log.room for cursor in bot.connection.log_reader.cursors} == {LOBBY, "dev", "ops"}


def history_of(*rooms: str, messages: int, size: int = 0, is_on_disk: bool = False) -> Journal:
    journal = Journal(is_on_disk=is_on_disk)
    for room in rooms:
        texts = [f"{room} line {number} {'x' * size}".rstrip() for number in range(messages)]
        journal.append([Posting(room, Said("old", (text,), ("",))) for text in texts], 1.0)
    return journal


def test_who_reads_nothing_is_given_a_page_of_one_room_at_a_time_and_gets_all_when_reading() -> None:
    rooms, size = [f"room{number}" for number in range(20)], 500
    with Stage(history_of(*rooms, messages=100, size=size)) as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        alice.transcript()
        for room in rooms:
            enters(stage, alice, room, replay=100)
        for _ in range(len(rooms)):
            bob.transcript()
            assert alice.connection.log_reader.owed < 2 * 100 * size
            catch_ups = alice.connection.writer.catch_ups
        assert len(catch_ups) >= len(rooms) - 1
        wait_until(lambda: alice.reads() and not alice.connection.writer.catch_ups, "she is live in all of them")
        heard = [line.partition("[old] ")[2] for line in alice.transcript() if "[old] " in line]

        for room in rooms:
            assert [line.split(" ")[2] for line in heard if line.startswith(f"{room} ")] == [*map(str, range(100))]


def test_who_leaves_a_room_that_is_caught_up_with_is_given_the_pages_of_the_others() -> None:
    journal = history_of("dev", "ops", messages=5, is_on_disk=True)
    with Stage(journal) as stage:
        alice = stage.join("alice")
        alice.transcript()
        journal.disk.clear()
        for room in ("dev", "ops"):
            enters(stage, alice, room, replay=5)
        wait_until(lambda: journal.asked == 1, "a page of dev is being read")
        stage.pump.submit([Leave(alice.connection.session.id, "dev")])
        wait_until(lambda: journal.asked == 2, "a page of ops is being read")
        journal.disk.set()
        wait_until(lambda: not alice.connection.writer.catch_ups, "she is live in ops")
        heard = alice.transcript()

        assert [line.partition("[old] ")[2] for line in heard if "[old] " in line] == [
            f"ops line {n}" for n in range(5)
        ]


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_rooms_of_which_pages_are_empty_to_the_user_are_all_entered(*, is_on_disk: bool) -> None:
    rooms = [f"room{number}" for number in range(5)]
    with Stage(history_of(*rooms, messages=300, is_on_disk=is_on_disk)) as stage:
        alice = stage.join("alice")
        alice.says("/ignore old")
        alice.transcript()
        for room in rooms:
            enters(stage, alice, room, replay=300)
        alice.transcript()
        wait_until(lambda: not alice.connection.writer.catch_ups, "she is live in all of them")

        assert {cursor.log.room for cursor in alice.connection.log_reader.cursors} == {LOBBY, *rooms}


def test_who_is_closed_reads_no_room() -> None:
    with Stage() as stage:
        alice = stage.join("alice")
        enters(stage, alice, "dev")
        alice.transcript()
        alice.says("/quit")
        alice.sees_end()

        assert not alice.connection.log_reader.cursors
        assert not stage.pump.fan_out._logs


@pytest.mark.parametrize(("reason", "keeps"), [(CloseReason.STALLED, False), (CloseReason.ENDED, True)])
def test_what_who_reads_nothing_is_owed_is_gathered_at_the_end_only_if_it_can_be_sent(
    reason: CloseReason, *, keeps: bool
) -> None:
    with Stage() as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        for user in (alice, bob):
            enters(stage, user, "dev")
            user.transcript()
        for number in range(40):
            for room in (LOBBY, "dev"):
                tells(stage, room, f"told {room} {number:03} {'x' * 1000}")
            bob.transcript()
        log_reader = alice.connection.log_reader
        assert alice.connection.writer.is_behind
        alice.connection.disconnect(reason)
        bob.transcript()

        assert not log_reader.cursors
        assert bool(log_reader.lag) is keeps


def test_an_answer_about_no_room_names_none_that_the_user_has_left() -> None:
    with Stage() as stage:
        bot = stage.join()
        bot.says('GCHAT/1 {"nick":"bot","rooms":[]}')
        wait_until(lambda: b'"type":"live"' in bot.reads(), "it is in no room")
        bot.says('{"type":"join","room":"dev"}', '{"type":"join","room":"ops"}')
        wait_until(lambda: b'"live","room":"ops"' in bot.reads(), "it is in two")
        assert bot.connection.room == "ops"
        bot.says('{"type":"part","room":"ops"}', '{"type":"ping"}')
        wait_until(lambda: b'"pong"' in bot.reads(), "it is in one")
        assert bot.connection.room == "dev"
        bot.says('{"type":"part","room":"dev"}', '{"type":"ping","id":"last"}')
        wait_until(lambda: b'"last"' in bot.reads(), "it is in none")
        assert bot.connection.room == ""

        assert b"lobby" not in bot.received
