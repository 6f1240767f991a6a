"""Rooms that are yet to be loaded: what is told meanwhile, and what becomes of one that is given up."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from gchat.journal.memory import MemoryJournal
from gchat.model.hello import Hello, WantedRoom
from gchat.server.writer import Awaited
from tests.server.stage import Stage, User, wait_until
from tests.server.test_replay import UNREADABLE, Journal, awaits


class Rooms(Journal):
    """A journal that notes which rooms it has loaded, and which it was told to forget."""

    def __init__(self, *rooms: str) -> None:
        super().__init__()
        self.closed_rooms.update(rooms)
        self.opened: list[str] = []
        self.forgotten: list[str] = []
        self.disk.clear()

    def open(self, rooms: Iterable[str]) -> None:
        self.opened += rooms
        super().open(self.opened[-1:])

    def forget(self, room: str) -> None:
        self.forgotten.append(room)
        self.closed_rooms.add(room)
        MemoryJournal.forget(self, room)


def waits(user: User, room: str) -> None:
    user.says(f"/join {room}")
    wait_until(lambda: awaits(user, Awaited.ROOM), f"{room} is being loaded")


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_user_is_told_while_a_room_is_loaded_comes_behind_the_greeting_or_instead(*, fails: bool) -> None:
    journal = Rooms("dev")
    with Stage(journal) as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        waits(bob, "dev")
        alice.says("/msg bob psst")
        alice.transcript()
        assert b"psst" not in bob.reads()
        journal.fails = fails
        journal.disk.set()
        bob.sees(UNREADABLE if fails else "> You are now in dev (1 user online)")
        bob.sees("[alice -> you] psst")
        if fails:
            bob.sees("> You have left dev; /join ROOM enters another, or this one again")


def test_users_who_wait_for_a_room_are_told_how_many_are_in_it_when_they_enter() -> None:
    journal = Rooms("dev")
    with Stage(journal) as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        waits(alice, "dev")
        waits(bob, "dev")
        journal.disk.set()
        alice.sees("> You are now in dev (2 users online)")
        bob.sees("> You are now in dev (2 users online)")


def gives_up(stage: Stage, bob: User, alice: User) -> None:
    """Have bob leave while dev is being loaded for him, and alice open another room in its place."""
    waits(bob, "dev")
    bob.connection.writer.end()  # it is not read meanwhile
    bob.leaves()
    wait_until(lambda: len(stage.registry.sessions) == 2, "bob is gone")
    alice.says("/join other")
    alice.sees("> You are now in other (1 user online)")


def test_a_room_that_is_given_up_while_it_is_loaded_does_not_stay_in_memory() -> None:
    journal = Rooms("dev")
    with Stage(journal, max_rooms=2) as stage:
        alice, bob, _ = (stage.join(nick) for nick in ("alice", "bob", "carol"))
        gives_up(stage, bob, alice)
        assert journal.forgotten == ["dev"]
        journal.disk.set()
        wait_until(lambda: journal.forgotten == ["dev", "dev"], "it is forgotten when it is loaded")
        assert not journal.is_open("dev")


def test_a_room_that_is_given_up_and_entered_again_while_it_is_loaded_stays() -> None:
    journal = Rooms("dev")
    with Stage(journal, max_rooms=2) as stage:
        alice, bob, carol = (stage.join(nick) for nick in ("alice", "bob", "carol"))
        gives_up(stage, bob, alice)
        alice.says("/join lobby")
        alice.sees("> You are now in lobby (2 users online)")
        waits(carol, "dev")
        journal.disk.set()
        carol.sees("> You are now in dev (1 user online)")
        carol.says("hello")
        carol.transcript()
        assert (journal.opened, journal.forgotten) == (["dev"], ["dev", "other"])
        assert journal.next_seq("dev") == 2


def test_each_room_is_loaded_by_itself_and_once() -> None:
    journal = Rooms("a", "b")
    with Stage(journal) as stage:
        users = [stage.join(nick) for nick in ("alice", "bob", "carol")]
        for user, room in zip(users, "aba", strict=True):
            waits(user, room)
        journal.disk.set()
        users[0].sees("> You are now in a (2 users online)")
        users[1].sees("> You are now in b (1 user online)")
        users[2].sees("> You are now in a (2 users online)")
        assert sorted(journal.opened) == ["a", "b"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_user_is_welcomed_first_also_where_another_room_is_at_hand_earlier(*, fails: bool) -> None:
    journal = Rooms("slow")
    with Stage(journal) as stage:
        wanted = tuple(WantedRoom(room) for room in ("slow", "quick", "lobby"))
        alice = stage.connects(Hello("alice", rooms=wanted))
        wait_until(lambda: journal.opened, "the first room is being loaded")
        assert alice.reads() == b""
        journal.fails = fails
        journal.disk.set()
        wait_until(lambda: alice.reads().count(b'"type":"joined"') == 2, "it has entered the others")
        told = [line["type"] for line in map(json.loads, alice.received.splitlines())]
        assert told[0] == "welcome"
        assert told.count("live") == (2 if fails else 3)
