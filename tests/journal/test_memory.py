"""What is the memory journal's own: the newest messages stay, and a room that comes again is another."""

from __future__ import annotations

import pytest

from gchat.journal import used_ids
from gchat.journal.journal import Outcome, Posting
from gchat.journal.memory import MemoryJournal
from gchat.journal.sqlite.database import Changes
from gchat.journal.sqlite.rows import rows_of
from gchat.model.messages import Message, Record, Said
from tests.journal.test_contract import at, numbered, said


def append(journal: MemoryJournal, batch: list[tuple[str, Message]], time: float = 1.0) -> list[int]:
    """Append messages without ids; return the first number of each."""
    numbers = []
    for (_, message), kept in zip(
        batch, journal.append([Posting(room, message) for room, message in batch], time), strict=True
    ):
        assert kept.record is not None
        assert kept.record.message == message
        assert not kept.numbers
        numbers.append(kept.record.seq)
    return numbers


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal(1 << 20, "e", lambda function: function())


def test_the_oldest_go_when_there_is_no_place_and_reading_begins_later() -> None:
    journal = MemoryJournal(1000, "e", lambda function: function())
    for number in range(1, 101):
        append(journal, [("lobby", said(f"message {number}"))])

    kept = numbered(journal.read("lobby", 1, 1000))

    assert 1 < len(kept) < 10
    assert kept[-1] == (100, "message 100")
    assert [number for number, _ in kept] == list(range(101 - len(kept), 101))
    assert journal.next_seq("lobby") == 101


def test_the_last_message_stays_however_long_it_is() -> None:
    journal = MemoryJournal(10, "e", lambda function: function())
    append(journal, [("lobby", said("x" * 8192))])

    assert numbered(journal.read("lobby", 1, 10)) == [(1, "x" * 8192)]


def test_one_room_does_not_drive_out_another() -> None:
    journal = MemoryJournal(1000, "e", lambda function: function())
    append(journal, [("quiet", said("still here"))])
    append(journal, [("loud", said("x" * 500))] * 100)

    assert numbered(journal.read("quiet", 1, 10)) == [(1, "still here")]


# --- Ids -------------------------------------------------------------------------------------------------------------


def post(journal: MemoryJournal, *texts_and_ids: tuple[str, str], lineage: str = "alice") -> Outcome:
    texts, their_ids = zip(*texts_and_ids, strict=True)
    (kept,) = journal.append([Posting("lobby", Said("alice", texts, their_ids), lineage)], 1.0)
    return kept


def test_a_flood_of_ids_drives_out_its_own_first_and_memory_is_bounded(
    journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used_ids, "MAX_IDS", 10)
    monkeypatch.setattr(used_ids, "MAX_ALL_IDS", 25)
    post(journal, ("quiet", "1"), lineage="quiet")
    for number in range(20):
        post(journal, ("x", str(number)), lineage="loud")

    assert post(journal, ("quiet", "1"), lineage="quiet").record is None
    assert post(journal, ("x", "19"), lineage="loud").record is None
    for number in range(20, 30):
        post(journal, ("x", str(number)), lineage="loud")
    assert post(journal, ("x", "19"), lineage="loud").record is None
    for number in range(30, 40):
        post(journal, ("x", str(number)), lineage="loud")
    assert post(journal, ("x", "19"), lineage="loud").record is not None
    for number in range(60):
        post(journal, ("x", "1"), lineage=f"one of many {number}")
    assert len(journal._ids) <= 25


def test_an_id_is_remembered_for_ten_minutes_and_forgotten_within_twenty(journal: MemoryJournal) -> None:
    def says(id_: str, time: float) -> bool:
        return journal.append([Posting("lobby", Said("alice", ("x",), (id_,)), "a")], time)[0].record is not None

    for minute in range(30):
        assert says(f"at {minute}", 60.0 * minute)
        assert not says(f"at {max(0, minute - 9)}", 60.0 * minute)
    assert says("at 9", 60.0 * 30)
    assert len(journal._ids) <= 21
    append(journal, [("lobby", said("a lineage that is silent is forgotten when others speak"))], 60.0 * 40)
    assert len(journal._ids) == 0


def test_a_room_that_comes_again_is_another_and_its_epoch_says_so(journal: MemoryJournal) -> None:
    append(journal, [("a", said("x"))])
    epoch, other = journal.epoch("a"), journal.epoch("b")
    assert journal.epoch("a") == epoch
    journal.forget("a")

    assert journal.epoch("a") != epoch
    assert journal.next_seq("a") == 1
    assert journal.epoch("b") == other


def test_the_first_number_is_that_of_the_oldest_message() -> None:
    journal = MemoryJournal(1000, "e", lambda function: function())
    assert journal.first_seq("lobby") == 1
    for number in range(50):
        append(journal, [("lobby", said(str(number)))])

    assert journal.first_seq("lobby") == journal.read("lobby", 1, 1)[0].seq > 1


def test_an_id_whose_message_is_gone_with_its_room_is_new_again(journal: MemoryJournal) -> None:
    post(journal, ("a", "1"), ("b", "2"))
    journal.forget("lobby")

    kept = post(journal, ("b", "2"))
    assert kept.record == Record(1, 1.0, Said("alice", ("b",), ("2",)))
    assert kept.numbers == at(("2", 1))


def test_a_lineage_is_in_no_repr() -> None:
    message = Said("alice", ("a",), ("1",))
    assert "alice" in repr(Posting("lobby", message, "secret"))
    assert "secret" not in repr(Posting("lobby", message, "secret"))
    assert "secret" not in repr(Changes((), rows_of(1, Record(1, 1.0, message), "secret"), (), ()))


def test_no_two_rooms_have_the_same_epoch(journal: MemoryJournal) -> None:
    assert len({journal.epoch(f"room-{number}") for number in range(100)}) == 100
