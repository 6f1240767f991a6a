"""The numbers of a batch alone: nothing is used up by numbering, and what follows when a batch is not stored."""

from __future__ import annotations

import pytest

from gchat.journal.journal import Outcome, Posting, Whisper
from gchat.journal.numbering import SEQ_BITS, Numbering, Use, digest_of, ids_of, use_of
from gchat.model.messages import Acted, Message, Numbered, Record, Said, TopicSet


class Journal:
    """What a journal knows before the batch."""

    def __init__(self) -> None:
        self.heads = {"lobby": 5}
        self.known: dict[tuple[str, str], Use] = {}

    def numbering(self) -> Numbering:
        return Numbering(lambda room: self.heads.get(room, 1), lambda lineage, id_: self.known.get((lineage, id_)))


@pytest.fixture
def journal() -> Journal:
    return Journal()


def said(*texts: str, ids: tuple[str, ...] = (), room: str = "lobby") -> Posting:
    return Posting(room, Said("ann", texts, ids), "anns")


def test_numbers_go_on_in_the_batch_and_the_journal_is_as_before(journal: Journal) -> None:
    for _ in range(2):
        numbering = journal.numbering()
        postings = [said("a", "b"), said("c"), said("x", room="dev"), Posting("lobby", Acted("ann", "waves"))]
        records = [numbering.number(posting, 2.5).record for posting in postings]
        assert [record.seq for record in records if record] == [5, 7, 1, 8]
        assert numbering.heads == {"lobby": 9, "dev": 2}
        assert numbering.used(is_stored=True) == []
    assert journal.heads == {"lobby": 5}


def test_each_text_with_an_id_has_its_number_and_others_count_too(journal: Journal) -> None:
    numbering = journal.numbering()
    outcome = numbering.number(said("a", "b", "c", ids=("1", "", "3")), 2.5)
    assert outcome.record == Record(5, 2.5, Said("ann", ("a", "b", "c"), ("1", "", "3")))
    assert outcome.numbers == (Numbered("1", "lobby", 5), Numbered("3", "lobby", 7))
    assert {(id_, use & ((1 << SEQ_BITS) - 1), room) for _, id_, use, room in numbering.used(is_stored=True)} == {
        ("1", 5, "lobby"),
        ("3", 7, "lobby"),
    }


def test_a_repetition_in_the_middle_takes_no_number_from_those_behind_it(journal: Journal) -> None:
    journal.known["anns", "2"] = use_of(digest_of(Said, "lobby", "b"), 3)
    numbering = journal.numbering()
    outcome = numbering.number(said("a", "b", "c", ids=("1", "2", "3")), 2.5)
    assert outcome.record == Record(5, 2.5, Said("ann", ("a", "c"), ("1", "3")))
    assert outcome.numbers == (Numbered("1", "lobby", 5), Numbered("2", "lobby", 3), Numbered("3", "lobby", 6))
    behind = numbering.number(said("d"), 2.5).record
    assert behind is not None
    assert (behind.seq, numbering.heads) == (7, {"lobby": 8})


@pytest.mark.parametrize(
    "used_for",
    [
        use_of(digest_of(Said, "lobby", "other"), 3),
        use_of(digest_of(Said, "dev", "a"), 3),
        use_of(digest_of(Acted, "lobby", "a"), 3),
        use_of(digest_of(Whisper, "bob ", "a")),
    ],
)
def test_an_id_that_meant_anything_else_is_refused_and_takes_no_number(journal: Journal, used_for: Use) -> None:
    journal.known["anns", "1"] = used_for
    numbering = journal.numbering()
    assert numbering.number(said("a", ids=("1",)), 2.5) == Outcome(None, reused=("1",))
    assert (numbering.heads, numbering.used(is_stored=True)) == ({}, [])
    assert numbering.number(Posting("lobby", Said("bob", ("a",), ("1",)), "bobs"), 2.5).record is not None


def test_a_whisper_uses_its_id_and_is_first_once(journal: Journal) -> None:
    numbering = journal.numbering()
    whisper = Whisper("bob", "psst", "1", "anns")
    assert numbering.number(whisper, 2.5) == Outcome(None, (Numbered("1"),), is_first=True)
    assert numbering.number(whisper, 2.5) == Outcome(None, (Numbered("1"),))
    assert numbering.number(Whisper("bob", "other", "1", "anns"), 2.5) == Outcome(None, reused=("1",))
    assert numbering.number(Whisper("bob", "psst", "1", "bobs"), 2.5).is_first
    for is_stored in (False, True):  # it does not depend on the disk
        assert [(lineage, id_, room) for lineage, id_, _, room in numbering.used(is_stored=is_stored)] == [
            ("anns", "1", None),
            ("bobs", "1", None),
        ]


def test_when_nothing_is_stored_what_was_stored_before_is_answered_and_the_rest_refused(journal: Journal) -> None:
    journal.known["anns", "old"] = use_of(digest_of(Said, "lobby", "b"), 3)
    numbering = journal.numbering()
    again, mixed, new = said("b", ids=("old",)), said("b", "c", ids=("old", "new")), said("d")
    whisper = Whisper("bob", "psst", "w", "anns")
    outcomes = {posting: numbering.number(posting, 2.5) for posting in (again, mixed, new, whisper)}

    def refused(posting: Posting | Whisper) -> Outcome:
        return numbering.refused(posting, outcomes[posting], "full")

    assert refused(again) == Outcome(None, (Numbered("old", "lobby", 3),))
    assert refused(mixed) == Outcome(None, (Numbered("old", "lobby", 3),), "full")
    assert refused(new) == Outcome(None, (), "full")
    assert refused(whisper) == outcomes[whisper]
    assert [id_ for _, id_, _, _ in numbering.used(is_stored=False)] == ["w"]


def test_a_repetition_of_what_this_batch_could_not_store_is_refused_too(journal: Journal) -> None:
    numbering = journal.numbering()
    first, second = (numbering.number(said("a", ids=("1",)), 2.5) for _ in range(2))
    assert (second.record, second.numbers) == (None, first.numbers)
    assert numbering.refused(said("a", ids=("1",)), second, "full") == Outcome(None, (), "full")


@pytest.mark.parametrize(
    ("message", "ids"),
    [
        (Said("ann", ("a", "b")), ()),
        (Said("ann", ("a", "b"), ("1", "")), ("1", "")),
        (Acted("ann", "waves", "1"), ("1",)),
        (TopicSet("ann", "tea"), ()),
    ],
)
def test_the_ids_of_a_message_are_those_of_its_texts(message: Message, ids: tuple[str, ...]) -> None:
    assert ids_of(message) == ids


def test_the_largest_number_and_the_digest_do_not_mix() -> None:
    most = (1 << SEQ_BITS) - 1
    assert use_of(1, most) >> SEQ_BITS == 1
    assert use_of(0, most) == most
    assert digest_of(Said, "a", "b\nc") != digest_of(Said, "a b", "c")
