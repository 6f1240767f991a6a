"""The memory journal: numbers without holes, the newest kept, read from any number on."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.journal.base import Journal
from gchat.journal.memory import MemoryJournal
from gchat.protocol.events import Acted, Message, Record, Said, TopicSet


def said(*texts: str) -> Said:
    return Said("alice", texts)


def numbered(records: list[Record]) -> list[tuple[int, str]]:
    """Return (number, text) of each message in `records`."""
    found = []
    for record in records:
        message = record.message
        texts = message.texts if isinstance(message, Said) else (message.text,)
        assert len(texts) == message.count
        found += [(record.seq + index, text) for index, text in enumerate(texts)]
    return found


@pytest.fixture
def journal() -> Journal:
    return MemoryJournal(1 << 20)


def test_numbers_begin_at_one_and_have_no_holes(journal: Journal) -> None:
    assert journal.next_seq("lobby") == 1
    assert journal.append([("lobby", said("a", "b")), ("lobby", Acted("bob", "waves"))], 1.0) == [1, 3]
    assert journal.append([("lobby", said("c"))], 2.0) == [4]
    assert journal.next_seq("lobby") == 5


def test_each_room_has_numbers_of_its_own(journal: Journal) -> None:
    batch: list[tuple[str, Message]] = [("a", said("x")), ("b", said("y", "z")), ("a", said("w"))]

    assert journal.append(batch, 1.0) == [1, 1, 2]
    assert (journal.next_seq("a"), journal.next_seq("b"), journal.next_seq("c")) == (3, 3, 1)
    assert numbered(journal.read("b", 1, 10)) == [(1, "y"), (2, "z")]


def test_nothing_appended_is_nothing(journal: Journal) -> None:
    assert journal.append([], 1.0) == []


def test_what_was_said_is_read_as_it_was(journal: Journal) -> None:
    messages: list[Message] = [said("a", "b"), Acted("bob", "waves"), TopicSet("bob", "tea")]
    journal.append([("lobby", message) for message in messages], 12.5)

    assert journal.read("lobby", 1, 10) == [
        Record(seq, 12.5, message) for seq, message in zip((1, 3, 4), messages, strict=True)
    ]


def test_reading_begins_and_ends_within_what_one_read_brought(journal: Journal) -> None:
    journal.append([("lobby", said("a", "b", "c", "d")), ("lobby", said("e", "f"))], 1.0)

    assert numbered(journal.read("lobby", 2, 2)) == [(2, "b"), (3, "c")]
    assert numbered(journal.read("lobby", 4, 2)) == [(4, "d"), (5, "e")]
    assert numbered(journal.read("lobby", 6, 9)) == [(6, "f")]


@pytest.mark.parametrize(("room", "start", "limit"), [("lobby", 3, 10), ("lobby", 1, 0), ("nowhere", 1, 10)])
def test_nothing_is_read_where_there_is_nothing(journal: Journal, room: str, start: int, limit: int) -> None:
    journal.append([("lobby", said("a", "b"))], 1.0)

    assert journal.read(room, start, limit) == []


def test_the_oldest_go_when_there_is_no_place_and_reading_begins_later() -> None:
    journal = MemoryJournal(room_bytes=1000)
    for number in range(1, 101):
        journal.append([("lobby", said(f"message {number}"))], 1.0)

    kept = numbered(journal.read("lobby", 1, 1000))

    assert 1 < len(kept) < 10
    assert kept[-1] == (100, "message 100")
    assert [number for number, _ in kept] == list(range(101 - len(kept), 101))
    assert journal.next_seq("lobby") == 101


def test_the_last_message_stays_however_long_it_is() -> None:
    journal = MemoryJournal(room_bytes=10)
    journal.append([("lobby", said("x" * 8192))], 1.0)

    assert numbered(journal.read("lobby", 1, 10)) == [(1, "x" * 8192)]


def test_one_room_does_not_drive_out_another() -> None:
    journal = MemoryJournal(room_bytes=1000)
    journal.append([("quiet", said("still here"))], 1.0)
    journal.append([("loud", said("x" * 500))] * 100, 1.0)

    assert numbered(journal.read("quiet", 1, 10)) == [(1, "still here")]


def test_a_room_that_is_forgotten_leaves_the_others_as_they_are(journal: Journal) -> None:
    journal.append([("a", said("x")), ("b", said("y"))], 1.0)
    journal.forget("a")
    journal.forget("never was")

    assert journal.read("a", 1, 10) == []
    assert numbered(journal.read("b", 1, 10)) == [(1, "y")]


@settings(max_examples=150, deadline=None)
@given(
    batches=st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5)), max_size=5), max_size=8),
    start=st.integers(-3, 60),
    limit=st.integers(0, 20),
)
def test_any_part_of_a_room_is_the_same_part_of_a_plain_list(
    batches: list[list[tuple[str, int]]], start: int, limit: int
) -> None:
    journal = MemoryJournal(1 << 20)
    said_in: dict[str, list[str]] = {"a": [], "b": []}
    for batch in batches:
        messages: list[tuple[str, Message]] = []
        first = []
        for room, count in batch:
            texts = [f"{room}{len(said_in[room]) + 1 + index}" for index in range(count)]
            first.append(len(said_in[room]) + 1)
            said_in[room] += texts
            messages.append((room, said(*texts)))
        assert journal.append(messages, 1.0) == first

    for room, texts in said_in.items():
        expected = list(enumerate(texts, 1))[max(0, start - 1) :][:limit]
        assert numbered(journal.read(room, start, limit)) == expected
        assert journal.next_seq(room) == len(texts) + 1
