"""The list of rooms, while the disk answers and while it does not."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import gevent
import pytest
from gevent.event import Event

from gchat.chat.room import Room
from gchat.chat.rooms import RoomTable
from gchat.journal.journal import JournalError
from gchat.journal.parts import KeptRoom
from gchat.server import admin_backend
from gchat.server.admin_backend import AdminBackend


class Journal:
    """Has one stored room more at each answer, given once `disk` is set."""

    def __init__(self) -> None:
        self.disk = Event()
        self.disk.set()
        self.asked = 0
        self.fails = False

    def rooms(self, limit: int) -> list[KeptRoom]:
        assert limit == 500
        self.asked += 1
        self.disk.wait()
        if self.fails:
            raise JournalError("the disk does not work")
        return [KeptRoom(f"stored{number}", number, "") for number in range(1, self.asked + 1)]

    def next_seq(self, room: str) -> int:
        return 8 if room == "lobby" else 1


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def server(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> AdminBackend:
    monkeypatch.setattr(admin_backend, "STORED_ROOMS_S", 0.05)
    rooms = RoomTable("lobby")
    rooms["lobby"].members[1] = cast("Any", object())
    rooms["empty"] = Room("empty")
    registry = SimpleNamespace(rooms=rooms, sessions={})
    app = SimpleNamespace(journal=journal, parts=SimpleNamespace(catalogue=journal), registry=registry)
    return AdminBackend(cast("Any", app))


def names(server: AdminBackend) -> list[str]:
    return [room.name for room in server.rooms()]


def test_rooms_with_members_come_first_and_those_with_a_history_follow(server: AdminBackend) -> None:
    assert [(room.name, room.members, room.seq) for room in server.rooms()] == [("lobby", 1, 7), ("stored1", 0, 1)]


def test_a_stuck_disk_delays_the_list_a_moment_and_is_asked_once(server: AdminBackend, journal: Journal) -> None:
    assert names(server) == ["lobby", "stored1"]
    journal.disk.clear()
    began = time.monotonic()
    for _ in range(3):
        assert names(server) == ["lobby", "stored1"]
    assert time.monotonic() - began < 10
    assert journal.asked == 2
    journal.disk.set()
    gevent.sleep(0)
    assert "stored2" in names(server)


def test_a_history_that_cannot_be_read_leaves_the_last_list(server: AdminBackend, journal: Journal) -> None:
    assert names(server) == ["lobby", "stored1"]
    journal.fails = True
    assert names(server) == ["lobby", "stored1"]
