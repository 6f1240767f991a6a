"""The last messages of a room, in memory: what is kept, what is dropped, and what is read of it."""

from __future__ import annotations

import pytest

from gchat.journal.recent_messages import RecentMessages
from gchat.model.messages import Acted, Message, Record, Said

MUCH = 1 << 20


def recent(*messages: Message, max_bytes: int = MUCH, first: int = 1) -> RecentMessages:
    found = RecentMessages(first)
    for message in messages:
        found.keep(Record(found.next_seq, 1.0, message), max_bytes)
    return found


def said(*texts: str) -> Said:
    return Said("ann", texts)


def read(
    of: RecentMessages, start: int, limit: int, max_size: int = MUCH, *, last: bool = False
) -> list[tuple[int, str]]:
    records = of.read(start, limit, max_size, last=last)
    return [(record.seq, record.message.texts[0]) for record in records if isinstance(record.message, Said)]


def test_without_a_message_the_first_number_is_that_of_the_next() -> None:
    empty = RecentMessages(7)
    assert (empty.first_seq, empty.next_seq, empty.read(1, 10, MUCH)) == (7, 7, [])


def test_numbers_go_on_by_the_number_of_texts() -> None:
    found = recent(said("a", "b"), Acted("ann", "waves"), said("c"), first=5)
    assert (found.first_seq, found.next_seq) == (5, 9)
    assert [record.seq for record in found.read(1, 10, MUCH)] == [5, 6, 7, 8]


def test_the_oldest_go_when_it_is_too_much_and_the_last_stays_whatever_its_size() -> None:
    found = recent(*(said(str(number) * 100) for number in range(5)), max_bytes=700)
    assert (found.first_seq, found.next_seq) == (4, 6)
    found.keep(Record(6, 1.0, said("x" * 5000)), 700)
    assert (found.first_seq, found.next_seq) == (6, 7)
    found.keep(Record(7, 1.0, said("y")), 700)
    assert (found.first_seq, found.next_seq) == (7, 8)


def test_what_fits_to_the_last_byte_stays() -> None:
    each = recent(said("x" * 100))._size
    assert recent(said("x" * 100), said("x" * 100), max_bytes=2 * each).first_seq == 1
    assert recent(said("x" * 100), said("x" * 100), max_bytes=2 * each - 1).first_seq == 2


def test_what_was_loaded_counts_like_what_was_said() -> None:
    found = RecentMessages(3, [Record(1, 1.0, said("a" * 100)), Record(2, 1.0, said("b" * 100))])
    found.keep(Record(3, 1.0, said("c" * 100)), 700)
    assert found.first_seq == 2


def test_what_is_deleted_is_dropped_but_for_a_record_that_is_partly_left() -> None:
    found = recent(said("a", "b"), said("c", "d"), said("e"))
    found.drop_before(2)
    assert found.first_seq == 1
    found.drop_before(3)
    assert found.first_seq == 3
    found.drop_before(99)
    assert (found.first_seq, found.next_seq) == (6, 6)
    found.keep(Record(6, 1.0, said("f")), MUCH)
    assert read(found, 1, 9) == [(6, "f")]


@pytest.mark.parametrize(
    ("start", "limit", "numbers"),
    [(1, 9, [1, 2, 3, 4, 5]), (2, 2, [2, 3]), (3, 1, [3]), (-5, 2, [1, 2]), (5, 9, [5]), (6, 9, []), (1, 0, [])],
)
@pytest.mark.parametrize("last", [False, True])
def test_a_part_begins_and_ends_within_records(start: int, limit: int, numbers: list[int], *, last: bool) -> None:
    found = recent(said("1", "2"), said("3", "4", "5"))
    assert read(found, start, limit, last=last) == [(number, str(number)) for number in numbers]


def test_of_too_much_text_the_first_or_the_last_are_read_and_one_at_least() -> None:
    found = recent(said("1" * 10, "2" * 10), said("3" * 10))
    sizes = said("1" * 10).size
    assert [seq for seq, _ in read(found, 1, 9, 2 * sizes)] == [1, 2]
    assert [seq for seq, _ in read(found, 1, 9, 2 * sizes, last=True)] == [2, 3]
    assert [seq for seq, _ in read(found, 1, 9, 1)] == [1]
    assert [seq for seq, _ in read(found, 1, 9, 1, last=True)] == [3]
