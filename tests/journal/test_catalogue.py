"""Rooms with a history, and their messages, of both journals: at hand or not, and without taking them to hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from gchat.cluster.journal import SharedJournal
from gchat.journal.journal import Posting
from gchat.journal.memory import MemoryJournal
from gchat.journal.parts import KeptRoom
from gchat.journal.sqlite.database import Database
from gchat.journal.sqlite.journal import SqliteJournal
from gchat.model.messages import Said, TopicSet
from tests.journal.test_contract import Subject, in_memory, numbered, on_an_engine
from tests.journal.test_contract import in_file as in_a_file

T = TypeVar("T")

Listed = MemoryJournal | SqliteJournal | SharedJournal


def in_file(path: Path) -> SqliteJournal:
    def at_once(call: Callable[[], T], /) -> T:
        return call()

    return SqliteJournal(Database(str(path), "NORMAL", "e", "b"), lambda _urgency: at_once)


@pytest.fixture(params=[in_memory, in_a_file, on_an_engine])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    with ExitStack() as end:
        yield request.param(end)


@pytest.fixture
def journal(subject: Subject) -> Listed:
    assert isinstance(subject.journal, Listed)
    return subject.journal


def fill(subject: Subject, *rooms: str, messages: int = 3) -> None:
    for room in rooms:
        for number in range(1, messages + 1):
            subject.append([Posting(room, Said("alice", (f"{room} {number}",)))], 1_700_000_000.0)


def test_rooms_with_a_history_are_listed_newest_first_and_as_many_as_wanted(
    subject: Subject,
    journal: Listed,
) -> None:
    fill(subject, "lobby", "dev", "ops")
    subject.append([Posting("dev", TopicSet("alice", "bugs"))], 1_700_000_000.0)
    assert journal.rooms(9) == [KeptRoom("ops", 3, ""), KeptRoom("dev", 4, "bugs"), KeptRoom("lobby", 3, "")]
    assert [room.name for room in journal.rooms(2)] == ["ops", "dev"]


def test_a_room_without_a_message_has_no_history(journal: Listed) -> None:
    journal.open(("dev",))
    assert journal.next_seq("dev") == 1
    assert journal.epoch("dev")
    assert journal.rooms(9) == []
    assert journal.find("dev", 1, 9) is None
    assert journal.find("nowhere", 1, 9) is None


def test_messages_of_a_room_are_found_from_any_number_on(subject: Subject, journal: Listed) -> None:
    fill(subject, "dev", messages=10)
    for start, limit, numbers in ((1, 3, [1, 2, 3]), (8, 9, [8, 9, 10]), (11, 9, []), (500, 9, [])):
        found = journal.find("dev", start, limit)
        assert found is not None
        assert numbered(found) == [(number, f"dev {number}") for number in numbers]


def test_a_room_of_an_earlier_run_is_found_and_is_not_taken_to_hand(tmp_path: Path) -> None:
    journal = in_file(tmp_path / "db")
    fill(Subject(journal), "lobby", "dev", messages=300)
    journal.close()
    journal = in_file(tmp_path / "db")
    assert [room.last_seq for room in journal.rooms(9)] == [300, 300]
    for start in (1, 150, 299):
        found = journal.find("dev", start, 2)
        assert found is not None
        assert numbered(found) == [(start, f"dev {start}"), (start + 1, f"dev {start + 1}")]
    assert journal.next_seq("dev") == 1, "it is not at hand"
    journal.close()


def test_a_room_whose_messages_were_all_thrown_away_keeps_its_number(tmp_path: Path) -> None:
    journal = in_file(tmp_path / "db")
    fill(Subject(journal), "dev", messages=5)
    journal.limit(3600.0, 0)
    now = 1_700_100_000.0
    for _ in range(100):
        journal.tidy(now, 0.0)
    (room,) = journal.rooms(9)
    assert room.last_seq == 5
    assert (journal.find("dev", 1, 9) or [])[-1:] == journal.read("dev", 1, 9)[-1:]
    journal.close()
