"""What several rooms are told, and is heard once, one thing at a time; any order of things is in test_log."""

from __future__ import annotations

import pytest

from gchat.roomlog.log import Repeated
from gchat.roomlog.once import MAX_ENDED, OnceCursor
from tests.roomlog.test_log import Peer, Room, catch_up, offered, say, turn


def rooms_of(*readers: Peer, capacities: tuple[int, ...] = (1 << 20, 1 << 20)) -> list[Room]:
    """Return rooms in which `readers` are, and have everything."""
    rooms = [Room(name, capacity, tells_once=True) for name, capacity in zip("ABC", capacities, strict=False)]
    for reader in readers:
        for room in rooms:
            reader.log_reader.follow(room.log)
        reader.flush()
    return rooms


def move(line: bytes, *rooms: Room) -> None:
    """Tell these rooms that somebody did something."""
    repeated = Repeated()
    for room in rooms:
        room.log.append(line, 0, None, repeated=repeated)


def test_a_live_reader_hears_it_in_the_first_room_and_stays_live_in_all() -> None:
    both, one = Peer(1), Peer(2)
    first, second = rooms_of(both)
    one.log_reader.follow(second.log)
    one.flush()
    say(second, b"before\n")
    move(b"moved\n", first, second)
    say(second, b"after\n")

    assert not first.log.aside
    assert not second.log.aside
    assert offered(first) == [(b"moved\n", [1])]
    assert offered(second) == [(b"before\nafter\n", [1]), (b"before\nmoved\nafter\n", [2])]


def test_only_who_reads_both_rooms_is_looked_at_in_the_second() -> None:
    first, second = rooms_of()
    readers = [Peer(1), Peer(2), Peer(3)]
    for reader, rooms in zip(readers, ((first, second), (first,), (second,)), strict=True):
        for room in rooms:
            reader.log_reader.follow(room.log)
        reader.flush()
    move(b"moved\n", first, second)
    assert second.log._in_part == {readers[0].log_reader.descriptor}  # of fifty rooms all readers would be too many


@pytest.mark.parametrize("sent", range(22))
def test_a_reader_that_takes_only_a_part_hears_it_once_in_its_place(sent: int) -> None:
    reader = Peer(1)
    first, second = rooms_of(reader)
    reader.wire.takes = sent
    for number in range(3):
        say(first, b"A %d\n" % number)
        move(b"moved %d\n" % number, *((first, second) if number % 2 else (second, first)))
        say(second, b"B %d\n" % number)
        if number == 1:
            turn(first, reader)
    turn(second, reader)
    turn(first, reader)

    heard = catch_up(reader)
    for number in range(3):
        assert heard.count(b"moved %d\n" % number) == 1
    assert not reader.behind
    assert reader.log_reader.is_live


def test_what_a_reader_fell_off_in_one_room_it_hears_in_the_other() -> None:
    reader = Peer(1)
    small, large = rooms_of(reader, capacities=(10, 1000))
    reader.wire.takes = 0
    move(b"moved\n", small, large)
    for number in range(9):
        say(small, b"number %d\n" % number)
        turn(small, reader)
    turn(large, reader)

    assert catch_up(reader) == b"SKIP A 1-9\nmoved\n"


def test_what_a_reader_has_heard_before_it_fell_off_it_does_not_hear_again() -> None:
    reader = Peer(1)
    small, large = rooms_of(reader, capacities=(10, 1000))
    move(b"moved\n", small, large)
    turn(small, reader)
    reader.wire.takes = 0
    for number in range(9):
        say(small, b"number %d\n" % number)
        turn(small, reader)
    turn(large, reader)

    assert catch_up(reader) == b"moved\nSKIP A 1-9\n"


@pytest.mark.parametrize("is_sent", [True, False])
def test_who_leaves_the_first_room_hears_it_once(*, is_sent: bool) -> None:
    reader = Peer(1)
    first, second = rooms_of(reader)
    if not is_sent:
        reader.wire.takes = 0
        reader.tell(b"own\n")
        reader.flush()
    move(b"moved\n", first, second)
    if is_sent:
        turn(first, reader)
    reader.log_reader.leave(first.log, 1000)
    turn(second, reader)

    assert catch_up(reader) == (b"moved\n" if is_sent else b"own\nmoved\n")


def test_who_enters_the_first_room_later_hears_it_in_the_second() -> None:
    reader = Peer(1)
    first, second = rooms_of()
    reader.log_reader.follow(second.log)
    reader.flush()
    move(b"moved\n", first, second)
    reader.log_reader.follow(first.log)
    turn(first, reader)
    turn(second, reader)

    assert reader.wire.got == b"moved\n"


def test_who_leaves_all_rooms_at_once_hears_it_once() -> None:
    reader = Peer(1)
    rooms = rooms_of(reader)
    reader.wire.takes = 0
    reader.tell(b"own\n")
    reader.flush()
    move(b"moved\n", *rooms)
    reader.log_reader.leave_all(1000)

    assert catch_up(reader) == b"own\nmoved\n"


def test_rooms_that_were_left_are_forgotten_when_nothing_is_to_be_repeated() -> None:
    reader, slow = Peer(1), Peer(2)
    first, second = rooms_of(reader)
    slow.log_reader.follow(second.log)
    slow.wire.takes = 0
    move(b"moved\n", first, second)
    turn(first, reader, slow)
    turn(second, reader, slow)
    for _ in range(2 * MAX_ENDED):
        reader.log_reader.leave(first.log, 1000)
        reader.log_reader.follow(first.log)
    cursor = reader.cursor_in(second)
    assert isinstance(cursor, OnceCursor)
    assert 0 < len(cursor._visits[first.log]) <= MAX_ENDED + 2

    assert catch_up(slow) == b"moved\n"
    second.log.trim()
    reader.log_reader.leave(first.log, 1000)
    reader.log_reader.follow(first.log)
    assert len(cursor._visits[first.log]) == 1
