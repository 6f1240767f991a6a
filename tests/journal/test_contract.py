"""What every journal must do. One more journal is tested by one more line in JOURNALS."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from typing import TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from gchat.cluster.engine import UrlEngine
from gchat.cluster.engine_url import parsed
from gchat.cluster.journal import SharedJournal
from gchat.cluster.link import EngineLink
from gchat.journal.journal import PAGE_SIZE, Arrival, Batch, Journal, Outcome, Posting, Whisper
from gchat.journal.memory import MemoryJournal
from gchat.journal.sqlite.database import Database
from gchat.journal.sqlite.journal import SqliteJournal
from gchat.model.events import TopicIs
from gchat.model.messages import Acted, Message, Numbered, Record, Said, TopicSet
from tests.cluster.engines import EngineProcess, wait_until_in_loop
from tests.journal.minimal_journal import MinimalJournal
from tests.journal.shared_journal import Engine

T = TypeVar("T")

ROOMS = ("lobby", "dev", "a", "b", "nowhere")


def at_once(function: Callable[[], T], /) -> T:
    return function()


class Subject:
    """A journal, and all that is appended to it: what becomes of it, whether the journal says so at once or later."""

    def __init__(self, journal: Journal, settle: Callable[[], None] = lambda: None) -> None:
        self.journal = journal
        self._settle = settle  # has everything arrive that is under way
        self._arrivals: list[Arrival] = []
        journal.follow(self._arrivals.extend)
        journal.open(ROOMS)

    def append(self, batch: Batch, time: float = 1.0) -> list[Outcome]:
        tagged = [structs.replace(posting, cause=place) for place, posting in enumerate(batch)]
        outcomes = dict(enumerate(self.journal.append(tagged, time)))
        self._settle()
        arrived, self._arrivals[:] = self._arrivals.copy(), []
        for arrival in arrived:
            if arrival.outcome.record is not None:
                self.journal.accept(arrival)
            assert isinstance(arrival.cause, int)
            assert outcomes[arrival.cause] is None
            outcomes[arrival.cause] = arrival.outcome
        assert len(outcomes) == len(batch)
        return [outcome for outcome in outcomes.values() if outcome is not None]

    def says(self, *messages: tuple[str, Message], time: float = 1.0) -> list[int]:
        """Append messages without ids; return the first number of each."""
        numbers = []
        outcomes = self.append([Posting(room, message) for room, message in messages], time)
        for (_, message), outcome in zip(messages, outcomes, strict=True):
            assert outcome.record is not None
            assert outcome.record.message == message
            assert not outcome.numbers
            numbers.append(outcome.record.seq)
        return numbers

    def posts(self, *texts_and_ids: tuple[str, str], lineage: str = "alice") -> Outcome:
        texts, ids = zip(*texts_and_ids, strict=True)
        (outcome,) = self.append([Posting("lobby", Said("alice", texts, ids), lineage)])
        return outcome

    def texts(self, room: str, start: int = 1, limit: int = 1000) -> list[tuple[int, str]]:
        return numbered(self.journal.read(room, start, limit))


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


def at(*numbers: tuple[str, int], room: str = "lobby") -> tuple[Numbered, ...]:
    return tuple(Numbered(id_, room, seq) for id_, seq in numbers)


# --- The journals ----------------------------------------------------------------------------------------------------


def in_memory(_end: ExitStack) -> Subject:
    return Subject(MemoryJournal(1 << 20, "e", at_once))


def in_file(end: ExitStack) -> Subject:
    directory = tempfile.mkdtemp(prefix="gchat-test-")
    end.callback(shutil.rmtree, directory)
    journal = SqliteJournal(Database(f"{directory}/history.db", "normal", "e", "b"), lambda _urgency: at_once)
    end.callback(journal.close)
    return Subject(journal)


def minimal(_end: ExitStack) -> Subject:
    return Subject(MinimalJournal())


def shared(_end: ExitStack) -> Subject:
    engine = Engine()
    return Subject(engine.journal(), engine.turn)


@cache
def engine() -> EngineProcess:
    """Return the engine of these tests; each journal has a namespace of its own in it."""
    process = EngineProcess()
    process.start()
    atexit.register(process.__exit__)
    return process


class GivenTimes(SharedJournal):
    """A shared journal whose records have the times that were given, not the engine's."""

    def append(self, batch: Batch, time: float) -> Sequence[Outcome | None]:
        self._time = time
        return super().append(batch, time)

    def follow(self, deliver: Callable[[Sequence[Arrival]], None]) -> None:
        super().follow(lambda arrivals: deliver([self._timed(arrival) for arrival in arrivals]))

    def _timed(self, arrival: Arrival) -> Arrival:
        if (record := arrival.outcome.record) is None:
            return arrival
        record = structs.replace(record, time=self._time)
        return structs.replace(arrival, outcome=structs.replace(arrival.outcome, record=record))


def on_an_engine(end: ExitStack) -> Subject:
    journal = GivenTimes(1 << 20, at_once)
    journal.link = EngineLink(UrlEngine(parsed(engine().url)), journal, uuid4().hex, "node")
    journal.link.start()
    end.callback(journal.close)

    def settle() -> None:
        wait_until_in_loop(lambda: not journal.link.unanswered)

    return Subject(journal, settle)


JOURNALS = [in_memory, in_file, minimal, shared, on_an_engine]


@pytest.fixture(params=JOURNALS)
def made(request: pytest.FixtureRequest) -> Iterator[Callable[[], Subject]]:
    """Return what makes a new journal."""
    with ExitStack() as end:
        yield lambda: request.param(end)


@pytest.fixture
def subject(made: Callable[[], Subject]) -> Subject:
    return made()


# --- Numbers ---------------------------------------------------------------------------------------------------------


def test_numbers_begin_at_one_and_have_no_holes(subject: Subject) -> None:
    assert subject.journal.next_seq("lobby") == 1
    assert subject.says(("lobby", said("a", "b")), ("lobby", Acted("bob", "waves"))) == [1, 3]
    assert subject.says(("lobby", said("c")), time=2.0) == [4]
    assert subject.journal.next_seq("lobby") == 5
    assert subject.journal.first_seq("lobby") == 1


def test_each_room_has_numbers_of_its_own(subject: Subject) -> None:
    assert subject.says(("a", said("x")), ("b", said("y", "z")), ("a", said("w"))) == [1, 1, 2]
    assert [subject.journal.next_seq(room) for room in ("a", "b", "nowhere", "not loaded")] == [3, 3, 1, 1]
    assert subject.texts("b") == [(1, "y"), (2, "z")]


def test_nothing_appended_is_nothing(subject: Subject) -> None:
    assert subject.append([]) == []


def test_the_epoch_of_a_room_stays(subject: Subject) -> None:
    epoch = subject.journal.epoch("lobby")
    assert epoch
    subject.says(("lobby", said("a")))
    assert subject.journal.epoch("lobby") == epoch


def test_a_room_has_the_topic_that_was_set_last(subject: Subject) -> None:
    assert subject.journal.topic("lobby") is None
    subject.says(("lobby", TopicSet("alice", "tea")), ("lobby", TopicSet("bob", "cake")), ("dev", TopicSet("bob", "x")))
    subject.says(("lobby", said("a")))
    assert subject.journal.topic("lobby") == TopicIs("cake", "bob")


def test_a_room_that_is_forgotten_goes_on_or_is_another(subject: Subject) -> None:
    subject.says(("a", said("x")), ("b", said("y")))
    epoch = subject.journal.epoch("a")
    subject.journal.forget("a")
    subject.journal.forget("never was")
    subject.journal.open(["a"])

    goes_on = subject.journal.epoch("a") == epoch
    assert subject.journal.is_open("a")
    assert subject.texts("a") == [(1, "x")] * goes_on
    assert subject.says(("a", said("z"))) == [1 + goes_on]
    assert subject.texts("b") == [(1, "y")]


# --- Reading ---------------------------------------------------------------------------------------------------------


def test_what_was_said_is_read_as_it_was(subject: Subject) -> None:
    messages: list[Message] = [said("a", "b"), Acted("bob", "waves"), TopicSet("bob", "tea")]
    subject.says(*(("lobby", message) for message in messages), time=12.5)

    each = [said("a"), said("b"), *messages[1:]]
    assert subject.journal.read("lobby", 1, 10) == [Record(seq, 12.5, message) for seq, message in enumerate(each, 1)]


def test_a_page_is_bounded_by_its_text_and_has_one_message_at_least(subject: Subject) -> None:
    long = PAGE_SIZE // 2 - 192
    subject.says(*(("lobby", said(*("x" * long for _ in range(5)))) for _ in range(2)))
    subject.says(("lobby", said("y" * (PAGE_SIZE + 1))))

    def read(start: int, limit: int, *, last: bool = False) -> list[int]:
        return [record.seq for record in subject.journal.read("lobby", start, limit, last=last)]

    assert read(1, 100) == [1, 2]
    assert read(4, 100) == [4, 5]
    assert read(1, 10, last=True) == [9, 10]
    assert read(3, 4, last=True) == [5, 6]
    assert read(6, 1, last=True) == read(6, 1) == [6]
    assert read(10, 100) == [10]
    assert read(1, 100, last=True) == read(11, 100) == [11]


def test_reading_begins_and_ends_within_what_one_read_brought(subject: Subject) -> None:
    subject.says(("lobby", said("a", "b", "c", "d")), ("lobby", said("e", "f")))

    assert subject.texts("lobby", 2, 2) == [(2, "b"), (3, "c")]
    assert subject.texts("lobby", 4, 2) == [(4, "d"), (5, "e")]
    assert subject.texts("lobby", 6, 9) == [(6, "f")]


@pytest.mark.parametrize(("room", "start", "limit"), [("lobby", 3, 10), ("lobby", 1, 0), ("nowhere", 1, 10)])
def test_nothing_is_read_where_there_is_nothing(subject: Subject, room: str, start: int, limit: int) -> None:
    subject.says(("lobby", said("a", "b")))

    assert subject.journal.read(room, start, limit) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5)), max_size=5), max_size=8),
    start=st.integers(-3, 60),
    limit=st.integers(0, 20),
)
def test_any_part_of_a_room_is_the_same_part_of_a_plain_list(
    made: Callable[[], Subject], batches: list[list[tuple[str, int]]], start: int, limit: int
) -> None:
    subject = made()
    said_in: dict[str, list[str]] = {"a": [], "b": []}
    for batch in batches:
        messages: list[tuple[str, Message]] = []
        first = []
        for room, count in batch:
            texts = [f"{room}{len(said_in[room]) + 1 + index}" for index in range(count)]
            first.append(len(said_in[room]) + 1)
            said_in[room] += texts
            messages.append((room, said(*texts)))
        assert subject.says(*messages) == first

    for room, texts in said_in.items():
        expected = list(enumerate(texts, 1))[max(0, start - 1) :][:limit]
        assert subject.texts(room, start, limit) == expected
        assert subject.journal.next_seq(room) == len(texts) + 1


# --- Ids -------------------------------------------------------------------------------------------------------------


def test_a_message_with_an_id_is_kept_once_and_has_its_old_number_again(subject: Subject) -> None:
    assert subject.posts(("a", "1"), ("b", "2")).numbers == at(("1", 1), ("2", 2))
    again = subject.posts(("a", "1"), ("c", "3"), ("no id", ""), ("b", "2"))

    assert again.numbers == at(("1", 1), ("3", 3), ("2", 2))
    assert again.record == Record(3, 1.0, Said("alice", ("c", "no id"), ("3", "")))
    assert subject.posts(("b", "2")) == Outcome(None, at(("2", 2)))
    assert subject.texts("lobby") == [(1, "a"), (2, "b"), (3, "c"), (4, "no id")]


def test_the_same_id_twice_at_once_is_one_message(subject: Subject) -> None:
    assert subject.posts(("a", "1"), ("a", "1")).numbers == at(("1", 1), ("1", 1))
    assert subject.journal.next_seq("lobby") == 2


def test_ids_of_others_are_others(subject: Subject) -> None:
    subject.posts(("a", "1"))

    assert subject.posts(("a", "1"), lineage="bob").numbers == at(("1", 2))


def test_actions_and_topics_have_ids_too(subject: Subject) -> None:
    for message in (Acted("alice", "waves", "1"), TopicSet("alice", "tea", "2")):
        first, second = subject.append([Posting("lobby", message, "alice")] * 2)
        assert first.record is not None
        assert second == Outcome(None, first.numbers)


SAID = Posting("lobby", Said("alice", ("a",), ("1",)), "alice")
ACTED = Posting("lobby", Acted("alice", "a", "1"), "alice")
SET = Posting("lobby", TopicSet("alice", "a", "1"), "alice")
TOLD = Whisper("bob", "a", "1", "alice")
USES: list[Posting | Whisper] = [
    SAID,
    ACTED,
    SET,
    TOLD,
    Posting("lobby", Said("alice", ("b",), ("1",)), "alice"),
    Posting("dev", Said("alice", ("a",), ("1",)), "alice"),
    Whisper("bob", "b", "1", "alice"),
    Whisper("carol", "a", "1", "alice"),
    Whisper("bob", "", "1", "alice", room="dev"),
    Whisper("bob", "", "1", "alice", room="lobby"),
]


@pytest.mark.parametrize("first", USES)
@pytest.mark.parametrize("at_once", [True, False])
def test_an_id_has_one_meaning_whatever_it_was_used_for_first(
    made: Callable[[], Subject], first: Posting | Whisper, at_once: bool
) -> None:
    for second in USES:
        subject = made()
        batch = [first, second]
        outcomes = subject.append(batch) if at_once else subject.append(batch[:1]) + subject.append(batch[1:])

        assert outcomes[0].numbers
        if first == second:
            assert outcomes[1] == Outcome(None, outcomes[0].numbers)
        else:
            assert outcomes[1] == Outcome(None, reused=("1",))
        stored = subject.journal.next_seq("lobby") + subject.journal.next_seq("dev") - 2
        assert stored == (outcomes[0].record is not None)


def test_another_nick_makes_no_other_message(subject: Subject) -> None:
    first, second = (
        subject.append([Posting("lobby", Said(name, ("a",), ("1",)), "alice")])[0] for name in ("alice", "eve")
    )

    assert second == Outcome(None, first.numbers)


def test_of_several_texts_only_those_whose_ids_were_used_for_something_else_are_refused(subject: Subject) -> None:
    subject.posts(("a", "1"), ("b", "2"))
    outcome = subject.posts(("c", "3"), ("other", "1"), ("b", "2"), ("no id", ""), ("d", "3"))

    assert outcome.record == Record(3, 1.0, Said("alice", ("c", "no id"), ("3", "")))
    assert outcome.numbers == at(("3", 3), ("2", 2))
    assert outcome.reused == ("1", "3")


def test_a_private_message_is_sent_once_and_has_no_number(subject: Subject) -> None:
    first, second = subject.append([TOLD] * 2)

    assert first == Outcome(None, (Numbered("1"),), is_first=True)
    assert second == Outcome(None, (Numbered("1"),))


def test_the_id_of_a_private_message_that_was_not_delivered_is_free_again(subject: Subject) -> None:
    assert subject.append([TOLD])[0].is_first
    subject.journal.release("alice", "1")

    assert subject.append([TOLD])[0].is_first
