"""The memory journal: numbers without holes, the newest kept, read from any number on."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.journal import used_ids
from gchat.journal.journal import Journal, Kept, Posting, Whisper
from gchat.journal.memory import MemoryJournal
from gchat.journal.sqlite.database import Changes
from gchat.journal.sqlite.rows import rows_of
from gchat.model.messages import Acted, Message, Numbered, Record, Said, TopicSet


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


def append(journal: Journal, batch: list[tuple[str, Message]], time: float = 1.0) -> list[int]:
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
def journal() -> Journal:
    return MemoryJournal(1 << 20, "e", lambda function: function())


def test_numbers_begin_at_one_and_have_no_holes(journal: Journal) -> None:
    assert journal.next_seq("lobby") == 1
    assert append(journal, [("lobby", said("a", "b")), ("lobby", Acted("bob", "waves"))]) == [1, 3]
    assert append(journal, [("lobby", said("c"))], 2.0) == [4]
    assert journal.next_seq("lobby") == 5


def test_each_room_has_numbers_of_its_own(journal: Journal) -> None:
    batch: list[tuple[str, Message]] = [("a", said("x")), ("b", said("y", "z")), ("a", said("w"))]

    assert append(journal, batch) == [1, 1, 2]
    assert (journal.next_seq("a"), journal.next_seq("b"), journal.next_seq("c")) == (3, 3, 1)
    assert numbered(journal.read("b", 1, 10)) == [(1, "y"), (2, "z")]


def test_nothing_appended_is_nothing(journal: Journal) -> None:
    assert append(journal, []) == []


def test_what_was_said_is_read_as_it_was(journal: Journal) -> None:
    messages: list[Message] = [said("a", "b"), Acted("bob", "waves"), TopicSet("bob", "tea")]
    append(journal, [("lobby", message) for message in messages], 12.5)

    each = [said("a"), said("b"), *messages[1:]]
    assert journal.read("lobby", 1, 10) == [Record(seq, 12.5, message) for seq, message in enumerate(each, 1)]


def test_a_page_is_bounded_by_its_text_and_has_one_message_at_least(journal: Journal) -> None:
    append(journal, [("lobby", said(*("x" * 8000 for _ in range(5))))] * 2)
    append(journal, [("lobby", said("y" * 20000))])

    def read(start: int, limit: int, *, last: bool = False) -> list[int]:
        return [record.seq for record in journal.read("lobby", start, limit, last=last)]

    assert read(1, 100) == [1, 2]
    assert read(4, 100) == [4, 5]
    assert read(1, 10, last=True) == [9, 10]
    assert read(3, 4, last=True) == [5, 6]
    assert read(6, 1, last=True) == read(6, 1) == [6]
    assert read(10, 100) == [10]
    assert read(1, 100, last=True) == read(11, 100) == [11]
    assert [record.seq for record in journal.find("lobby", 1, 100) or []] == list(range(1, 9))


def test_reading_begins_and_ends_within_what_one_read_brought(journal: Journal) -> None:
    append(journal, [("lobby", said("a", "b", "c", "d")), ("lobby", said("e", "f"))])

    assert numbered(journal.read("lobby", 2, 2)) == [(2, "b"), (3, "c")]
    assert numbered(journal.read("lobby", 4, 2)) == [(4, "d"), (5, "e")]
    assert numbered(journal.read("lobby", 6, 9)) == [(6, "f")]


@pytest.mark.parametrize(("room", "start", "limit"), [("lobby", 3, 10), ("lobby", 1, 0), ("nowhere", 1, 10)])
def test_nothing_is_read_where_there_is_nothing(journal: Journal, room: str, start: int, limit: int) -> None:
    append(journal, [("lobby", said("a", "b"))])

    assert journal.read(room, start, limit) == []


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


def test_a_room_that_is_forgotten_leaves_the_others_as_they_are(journal: Journal) -> None:
    append(journal, [("a", said("x")), ("b", said("y"))])
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
    journal = MemoryJournal(1 << 20, "e", lambda function: function())
    said_in: dict[str, list[str]] = {"a": [], "b": []}
    for batch in batches:
        messages: list[tuple[str, Message]] = []
        first = []
        for room, count in batch:
            texts = [f"{room}{len(said_in[room]) + 1 + index}" for index in range(count)]
            first.append(len(said_in[room]) + 1)
            said_in[room] += texts
            messages.append((room, said(*texts)))
        assert append(journal, messages) == first

    for room, texts in said_in.items():
        expected = list(enumerate(texts, 1))[max(0, start - 1) :][:limit]
        assert numbered(journal.read(room, start, limit)) == expected
        assert journal.next_seq(room) == len(texts) + 1


# --- Ids -------------------------------------------------------------------------------------------------------------


def at(*numbers: tuple[str, int], room: str = "lobby") -> tuple[Numbered, ...]:
    return tuple(Numbered(id_, room, seq) for id_, seq in numbers)


def post(journal: Journal, *texts_and_ids: tuple[str, str], lineage: str = "alice") -> Kept:
    texts, their_ids = zip(*texts_and_ids, strict=True)
    (kept,) = journal.append([Posting("lobby", Said("alice", texts, their_ids), lineage)], 1.0)
    return kept


def test_a_message_with_an_id_is_kept_once_and_has_its_old_number_again(journal: Journal) -> None:
    assert post(journal, ("a", "1"), ("b", "2")).numbers == at(("1", 1), ("2", 2))
    again = post(journal, ("a", "1"), ("c", "3"), ("no id", ""), ("b", "2"))

    assert again.numbers == at(("1", 1), ("3", 3), ("2", 2))
    assert again.record == Record(3, 1.0, Said("alice", ("c", "no id"), ("3", "")))
    assert post(journal, ("b", "2")) == Kept(None, at(("2", 2)))
    assert numbered(journal.read("lobby", 1, 9)) == [(1, "a"), (2, "b"), (3, "c"), (4, "no id")]


def test_the_same_id_twice_at_once_is_one_message(journal: Journal) -> None:
    kept = post(journal, ("a", "1"), ("a", "1"))

    assert kept.numbers == at(("1", 1), ("1", 1))
    assert journal.next_seq("lobby") == 2


def test_ids_of_others_are_others(journal: Journal) -> None:
    post(journal, ("a", "1"))

    assert post(journal, ("a", "1"), lineage="bob").numbers == at(("1", 2))


def test_actions_and_topics_have_ids_too(journal: Journal) -> None:
    for message in (Acted("alice", "waves", "1"), TopicSet("alice", "tea", "2")):
        first, second = journal.append([Posting("lobby", message, "alice")] * 2, 1.0)
        assert first.record is not None
        assert second == Kept(None, first.numbers)


def test_a_flood_of_ids_drives_out_its_own_first_and_memory_is_bounded(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
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
    assert isinstance(journal, MemoryJournal)
    assert len(journal._ids) <= 25


def test_an_id_is_remembered_for_ten_minutes_and_forgotten_within_twenty(journal: Journal) -> None:
    def says(id_: str, time: float) -> bool:
        return journal.append([Posting("lobby", Said("alice", ("x",), (id_,)), "a")], time)[0].record is not None

    for minute in range(30):
        assert says(f"at {minute}", 60.0 * minute)
        assert not says(f"at {max(0, minute - 9)}", 60.0 * minute)
    assert says("at 9", 60.0 * 30)
    assert isinstance(journal, MemoryJournal)
    assert len(journal._ids) <= 21
    append(journal, [("lobby", said("a lineage that is silent is forgotten when others speak"))], 60.0 * 40)
    assert len(journal._ids) == 0


def test_a_room_that_comes_again_is_another_and_its_epoch_says_so(journal: Journal) -> None:
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


def test_an_id_whose_message_is_gone_with_its_room_is_new_again(journal: Journal) -> None:
    post(journal, ("a", "1"), ("b", "2"))
    journal.forget("lobby")

    kept = post(journal, ("b", "2"))
    assert kept.record == Record(1, 1.0, Said("alice", ("b",), ("2",)))
    assert kept.numbers == at(("2", 1))


SAID = ("lobby", Said("alice", ("a",), ("1",)))
ACTED = ("lobby", Acted("alice", "a", "1"))
SET = ("lobby", TopicSet("alice", "a", "1"))
TOLD = ("", Whisper("bob", "a", "1"))
USES: list[tuple[str, Message | Whisper]] = [
    SAID,
    ACTED,
    SET,
    TOLD,
    ("lobby", Said("alice", ("b",), ("1",))),
    ("dev", Said("alice", ("a",), ("1",))),
    ("", Whisper("bob", "b", "1")),
    ("", Whisper("carol", "a", "1")),
]


@pytest.mark.parametrize("second", USES)
@pytest.mark.parametrize("first", USES)
@pytest.mark.parametrize("at_once", [True, False])
def test_an_id_has_one_meaning_whatever_it_was_used_for_first(
    journal: Journal, first: tuple[str, Message | Whisper], second: tuple[str, Message | Whisper], at_once: bool
) -> None:
    batch = [Posting(*first, "alice"), Posting(*second, "alice")]
    kept = journal.append(batch, 1.0) if at_once else journal.append(batch[:1], 1.0) + journal.append(batch[1:], 1.0)

    assert kept[0].numbers
    if first == second:
        assert kept[1] == Kept(None, kept[0].numbers)
    else:
        assert kept[1] == Kept(None, reused=("1",))
    assert journal.next_seq("lobby") + journal.next_seq("dev") == 2 + (kept[0].record is not None)


def test_another_nick_makes_no_other_message(journal: Journal) -> None:
    first, second = (
        journal.append([Posting("lobby", Said(name, ("a",), ("1",)), "alice")], 1.0)[0] for name in ("alice", "eve")
    )

    assert second == Kept(None, first.numbers)


def test_of_several_texts_only_those_whose_ids_were_used_for_something_else_are_refused(journal: Journal) -> None:
    post(journal, ("a", "1"), ("b", "2"))
    kept = post(journal, ("c", "3"), ("other", "1"), ("b", "2"), ("no id", ""), ("d", "3"))

    assert kept.record == Record(3, 1.0, Said("alice", ("c", "no id"), ("3", "")))
    assert kept.numbers == at(("3", 3), ("2", 2))
    assert kept.reused == ("1", "3")


def test_the_id_of_a_private_message_that_was_not_delivered_is_free_again(journal: Journal) -> None:
    (kept,) = journal.append([Posting(*TOLD, "alice")], 1.0)
    assert kept.is_first
    journal.release("alice", "1")

    (kept,) = journal.append([Posting(*TOLD, "alice")], 1.0)
    assert kept.is_first


def test_a_lineage_is_in_no_repr() -> None:
    message = Said("alice", ("a",), ("1",))
    assert "alice" in repr(Posting("lobby", message, "secret"))
    assert "secret" not in repr(Posting("lobby", message, "secret"))
    assert "secret" not in repr(Changes((), rows_of(1, Record(1, 1.0, message), "secret"), (), ()))


def test_no_two_rooms_have_the_same_epoch(journal: Journal) -> None:
    assert len({journal.epoch(f"room-{number}") for number in range(100)}) == 100
