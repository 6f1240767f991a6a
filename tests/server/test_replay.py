"""Replay and the loading of rooms alone, with a disk that answers when the test says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

import gevent
import pytest
from gevent.event import Event

from gchat.journal.journal import JournalError, Posting
from gchat.journal.memory import MemoryJournal
from gchat.model.hello import Hello, WantedRoom
from gchat.model.messages import Record, Said
from gchat.server.replay import MAX_SEARCHES, PAGE_MESSAGES
from gchat.server.writer import Awaited
from tests.server.stage import LOBBY, Stage, User, wait_until


class Journal(MemoryJournal):
    """Has a history, all or the older part of it on a disk that can be slow, or unreadable."""

    def __init__(self, messages: int = 0, *, is_on_disk: bool = False) -> None:
        super().__init__(1 << 24, "epoch", lambda function: function())
        self.disk = Event()
        self.disk.set()
        self.fails = False
        self.is_on_disk = is_on_disk
        self.closed_rooms: set[str] = set()
        self.asked = 0
        numbers = count(1)
        if messages:
            texts = [Said("old", (f"line {next(numbers)}",), ("",)) for _ in range(messages)]
            self.append([Posting(LOBBY, said) for said in texts], 1.0)

    def at_hand(self, room: str) -> int:
        return self.next_seq(room) if self.is_on_disk else super().at_hand(room)

    def read(self, room: str, start: int, limit: int, *, last: bool = False) -> list[Record]:
        if self.is_on_disk:
            self._wait()
        return super().read(room, start, limit, last=last)

    def is_open(self, room: str) -> bool:
        return room not in self.closed_rooms

    def open(self, rooms: Iterable[str]) -> None:
        self._wait()
        self.closed_rooms.difference_update(rooms)

    def search(self, room: str, text: str, limit: int, steady: Callable[[], float]) -> tuple[list[Record], bool]:
        self._wait()
        return super().search(room, text, limit, steady)

    def _wait(self) -> None:
        self.asked += 1
        self.disk.wait()
        if self.fails:
            raise JournalError("the disk does not work")


def said(user: User) -> list[str]:
    """Return the messages that a user sees, without names and times."""
    return [line.partition("[old] ")[2] for line in user.transcript() if "[old] " in line]


def awaits(user: User, awaited: Awaited) -> bool:
    """Return whether the room that a user enters is waiting for this."""
    return [catch_up.awaited for catch_up in user.connection.writer.catch_ups] == [awaited]


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_a_newcomer_sees_the_last_lines_and_then_the_room(is_on_disk: bool) -> None:
    with Stage(Journal(50, is_on_disk=is_on_disk), replay_on_join=3) as stage:
        alice, bob = stage.join("alice"), stage.join()
        assert said(bob) == ["line 48", "line 49", "line 50"]
        alice.says("now")
        bob.sees("[alice] now")
        assert not bob.connection.writer.holds_reading_up


def test_what_is_said_while_a_page_is_read_comes_after_it_without_a_seam() -> None:
    journal = Journal(3 * PAGE_MESSAGES, is_on_disk=True)
    with Stage(journal, replay_on_join=2 * PAGE_MESSAGES) as stage:
        journal.disk.clear()
        bob = stage.connects()
        wait_until(lambda: awaits(bob, Awaited.PAGE), "the page is being read")
        alice = stage.connects()
        wait_until(lambda: awaits(alice, Awaited.PAGE), "her page too")
        journal.append([Posting(LOBBY, Said("old", ("meanwhile",), ("",)))], 2.0)
        journal.disk.set()
        expected = [f"line {number}" for number in range(PAGE_MESSAGES + 1, 3 * PAGE_MESSAGES + 1)]

        assert said(bob) == [*expected, "meanwhile"]


def test_what_cannot_be_read_is_skipped_with_a_notice_and_the_room_goes_on() -> None:
    journal = Journal(50, is_on_disk=True)
    with Stage(journal, replay_on_join=10) as stage:
        journal.fails = True
        bob = stage.join()
        heard = bob.transcript()
        alice = stage.join("alice")
        alice.says("now")
        bob.sees("[alice] now")

        assert [line for line in heard if "skipped" in line] == ["> … 10 messages skipped (41-50), /history 41"]


def test_a_slow_disk_holds_up_only_the_user_that_asked() -> None:
    journal = Journal(50, is_on_disk=True)
    with Stage(journal, replay_on_join=0) as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        journal.disk.clear()
        bob.says("/history 1", "next")
        wait_until(lambda: bob.connection.writer.awaits_answer, "it is asked for")
        alice.says("now")
        bob.sees("[alice] now")
        gevent.sleep(0.02)
        assert b"next" not in alice.received
        journal.disk.set()
        alice.sees("[bob] next")

        assert b"line 50" in bob.received or said(bob)


def test_a_room_that_is_loaded_holds_up_only_those_who_enter_it() -> None:
    journal = Journal()
    journal.closed_rooms.add("dev")
    with Stage(journal) as stage:
        alice, bob, carol = stage.join("alice"), stage.join("bob"), stage.join("carol")
        journal.disk.clear()
        for user in (bob, carol):
            user.says("/join dev", "hello dev")
            wait_until(lambda user=user: awaits(user, Awaited.ROOM), "the room is being loaded")
        alice.says("/ping still here")
        alice.sees("> pong still here")
        journal.disk.set()
        bob.sees("[carol] hello dev")
        carol.transcript()

        assert journal.asked == 1
        assert journal.next_seq("dev") == 3


UNREADABLE = "> Cannot enter dev: its history cannot be read (the disk does not work); try again later"


def test_who_comes_for_a_room_alone_that_cannot_be_loaded_is_told_why_and_closed() -> None:
    journal = Journal()
    journal.closed_rooms.add(LOBBY)
    with Stage(journal) as stage:
        journal.fails = True
        bob = stage.connects()
        bob.sees("> Goodbye: cannot read the history of lobby (the disk does not work); try again later")
        bob.sees_end()


def test_who_joins_a_room_that_cannot_be_loaded_is_told_why_and_may_try_again() -> None:
    journal = Journal()
    journal.closed_rooms.add("dev")
    with Stage(journal) as stage:
        bob = stage.join("bob")
        journal.fails = True
        bob.says("/join dev")
        bob.sees(UNREADABLE)
        assert not stage.registry.find("bob").rooms
        journal.fails = False
        bob.says("/join dev")
        bob.sees("> You are now in dev (1 user online)")


def test_a_user_of_several_rooms_stays_in_the_others_when_one_cannot_be_loaded() -> None:
    journal = Journal()
    journal.closed_rooms.add("dev")
    journal.fails = True
    with Stage(journal) as stage:
        alice = stage.join("alice")
        rooms = tuple(WantedRoom(room) for room in ("dev", LOBBY))
        bob = stage.connects(Hello(nick="bob", rooms=rooms))
        for part in (b'"welcome"', b'"code":"not_kept"', b'{"type":"parted","room":"dev"}', b'"room":"lobby"'):
            wait_until(lambda part=part: part in bob.reads(), str(part))
        assert bob.received.index(b'"welcome"') < bob.received.index(b'"refused"') < bob.received.index(b'"parted"')
        bob.says('{"type":"join","room":"dev","id":"again"}')
        wait_until(lambda: b'"id":"again"' in bob.reads(), "the join is refused")
        alice.says("hello")
        wait_until(lambda: b'"text":"hello"' in bob.reads(), "he hears the lobby")
        assert [*stage.registry.find("bob").rooms] == [LOBBY]
        assert not stage.closed


def test_a_user_that_leaves_while_a_room_is_loaded_is_forgotten() -> None:
    journal = Journal()
    journal.closed_rooms.add("dev")
    with Stage(journal) as stage:
        bob = stage.join("bob")
        journal.disk.clear()
        bob.says("/join dev")
        wait_until(lambda: awaits(bob, Awaited.ROOM), "the room is being loaded")
        bob.connection.writer.end()
        assert not bob.connection.writer.holds_reading_up
        bob.leaves()
        wait_until(lambda: not stage.registry.sessions, "he is gone")
        journal.disk.set()
        gevent.sleep(0.02)

        assert not bob.connection.writer.catch_ups
        assert not stage.pump._room_loading._opening


def test_so_many_searches_at_a_time_and_the_next_is_refused() -> None:
    journal = Journal(5)
    with Stage(journal) as stage:
        users = [stage.join() for _ in range(MAX_SEARCHES + 1)]
        journal.disk.clear()
        for user in users[:-1]:
            user.says("/search line")
            wait_until(lambda user=user: user.connection.writer.awaits_answer, "it is asked for")
        users[-1].says("/search line")
        users[-1].sees("> Too many searches at once; try again in a few seconds")
        journal.disk.set()
        for user in users[:-1]:
            assert [line for line in user.transcript() if "line 5" in line]
