"""What is said and what arrives: one order for every process, an answer for each request, and no gap or repeat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from gevent.event import Event
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from gchat.chat.effects import Deliver, Effect, Publish
from gchat.journal.journal import Arrival, Journal, JournalError, Outcome
from gchat.journal.memory import MemoryJournal
from gchat.model.errors import Code
from gchat.model.events import Acknowledged, Answer, Pong, Refused, Told
from gchat.model.messages import Numbered, Record, Said, TopicSet
from gchat.server.answer import REFUSALS
from gchat.server.publication import COMMIT_FAILURES, NoOtherNodes, Publication
from tests.journal.minimal_journal import MinimalJournal
from tests.journal.shared_journal import Engine, SharedJournal


class Process:
    """A pump that writes down what it shows and tells, with one user in session 1 and another in session 2."""

    def __init__(self, journal: Journal) -> None:
        self.connections: dict[int, Any] = {session: _connection(session) for session in (1, 2)}
        self.others = NoOtherNodes(self.connections)
        self.receipts: dict[str, Callable[[int | None], None]] = {}
        self.seen: list[tuple[int, tuple[str, ...], bool]] = []  # number, texts, and whether a user of ours said it
        self.posted: list[int] = []  # numbers of what was said by this process
        self.told: list[tuple[int, Answer]] = []  # by session
        self.untold: set[str] = set()
        self.crashes = 0
        self.journal = journal
        self.publication = Publication(cast("Any", self), journal)
        self._waiting: list[Effect | Arrival] = []
        journal.follow(self.submit)

    def submit(self, effects: Sequence[Effect | Arrival]) -> None:
        self._waiting += effects

    def turn(self) -> None:
        effects, self._waiting = self._waiting, []
        self.publication.commit(effects)
        for effect in effects:
            # Nobody who comes in now may miss anything, or see it twice.
            assert self.publication.head("lobby") == self.next_shown
            if isinstance(effect, Publish):
                self.publication.publish(effect)
            elif isinstance(effect, Deliver):
                self.publication.deliver(effect)
            elif isinstance(effect, Arrival):
                self.publication.arrive(effect)
        self.publication.end()
        assert self.publication.head("lobby") == self.next_shown

    @property
    def next_shown(self) -> int:
        return self.seen[-1][0] + len(self.seen[-1][1]) if self.seen else 1

    def says(self, *texts: str, ids: tuple[str, ...] = (), session: int | None = 1) -> None:
        self.submit([Publish("lobby", session, Said("alice", texts, ids), "lineage")])

    def whispers(self, text: str, id_: str) -> None:
        self.submit([Deliver(2, Told("alice", text, 0.0), 1, id_)])

    def answers(self, session: int = 1) -> list[Answer]:
        return [answer for to, answer in self.told if to == session]

    # --- What a publication asks of it ---

    def append(self, room: str, event: Record, count: int, speaker: Any, unheard: Any) -> None:
        assert not unheard
        assert room == "lobby"
        assert event.seq == self.next_shown
        message = event.message
        texts = message.texts if isinstance(message, Said) else (message.text,)
        assert len(texts) == count
        self.seen.append((event.seq, texts, speaker is not None))

    def shown(self, room: str, record: Record, asked: Publish | None) -> None:
        assert (room, record.seq) == ("lobby", self.seen[-1][0])
        if asked is not None:
            self.posted.append(record.seq)

    def tell(self, connection: Any, answer: Answer, room: str = "") -> None:
        assert room in ("", "lobby")
        self.told.append((connection.session.id, answer))

    def tell_presence(self, room: str) -> None:
        pass

    def crashed(self, _what: str, *_details: object) -> None:
        self.crashes += 1


def _connection(session: int) -> Any:
    return SimpleNamespace(
        session=SimpleNamespace(id=session, name=f"user {session}", lineage="lineage"),
        writer=SimpleNamespace(takes_messages=True),
        log_reader=object(),
        dialect=SimpleNamespace(traits=SimpleNamespace(has_hello=True)),
    )


def ack(id_: str, seq: int) -> Acknowledged:
    return Acknowledged((Numbered(id_, "lobby", seq),))


def test_what_one_process_says_is_shown_and_acknowledged_in_its_turn() -> None:
    process = Process(MinimalJournal())
    process.says("a", "b", ids=("1", "2"))
    process.says("c", ids=("3",))
    process.turn()

    assert process.seen == [(1, ("a", "b"), True), (3, ("c",), True)]
    assert process.answers() == [Acknowledged((Numbered("1", "lobby", 1), Numbered("2", "lobby", 2))), ack("3", 3)]
    assert len(process.publication.awaited) == 0


def test_nothing_is_shown_or_acknowledged_before_it_arrives() -> None:
    engine = Engine()
    process = Process(engine.journal())
    process.says("a", ids=("1",))
    process.turn()
    assert (process.seen, process.told, len(process.publication.awaited)) == ([], [], 1)

    engine.turn()
    process.turn()
    assert process.seen == [(1, ("a",), True)]
    assert process.answers() == [ack("1", 1)]
    assert len(process.publication.awaited) == 0


def test_records_of_another_process_are_shown_between_ours_and_acknowledged_to_nobody() -> None:
    engine = Engine()
    here, there = Process(engine.journal()), Process(engine.journal())
    here.says("a", ids=("1",))
    here.turn()
    there.says("b", ids=("2",))
    there.turn()
    here.says("c", ids=("3",))
    here.turn()
    engine.turn()
    here.says("d", ids=("4",))  # appended in the same turn in which the others arrive
    here.turn()
    engine.turn()
    for process in (here, there):
        process.turn()

    assert here.seen == [(1, ("a",), True), (2, ("b",), False), (3, ("c",), True), (4, ("d",), True)]
    assert there.seen == [(number, texts, not is_own) for number, texts, is_own in here.seen]
    assert here.answers() == [ack("1", 1), ack("3", 3), ack("4", 4)]
    assert there.answers() == [ack("2", 2)]
    assert (here.posted, there.posted) == ([1, 3, 4], [2])


def test_a_message_that_is_repeated_to_another_process_is_said_once_and_has_its_number() -> None:
    engine = Engine()
    here, there = Process(engine.journal()), Process(engine.journal())
    here.says("a", ids=("1",))
    here.turn()
    there.says("a", ids=("1",))
    there.turn()
    engine.turn()
    here.turn()
    there.turn()

    assert [number for number, _, _ in here.seen] == [number for number, _, _ in there.seen] == [1]
    assert here.answers() == there.answers() == [ack("1", 1)]


def test_a_sender_that_left_before_its_message_arrived_holds_nothing_up() -> None:
    engine = Engine()
    process = Process(engine.journal())
    process.says("a", ids=("1",))
    process.turn()
    del process.connections[1]
    engine.turn()
    process.turn()

    assert process.seen == [(1, ("a",), False)]
    assert process.told == []


def test_a_private_message_is_given_when_its_id_is_known_to_be_new() -> None:
    engine = Engine()
    process = Process(engine.journal())
    process.whispers("psst", "1")
    process.whispers("psst", "1")
    process.turn()
    assert process.told == []

    engine.turn()
    process.turn()
    assert process.answers(2) == [Told("alice", "psst", 0.0)]
    assert process.answers(1) == [Acknowledged((Numbered("1"),))] * 2


def test_what_is_never_known_holds_nothing_up_and_what_is_known_late_counts_once() -> None:
    process = Process(Engine().journal())
    process.says("never", session=None)
    process.says("late", session=None)
    never, late = process._waiting
    process.turn()
    for cause, is_known in ((never, False), (late, False), (late, True)):
        process.submit([Arrival("lobby", Outcome(None), cause, is_known=is_known)])
        process.turn()
    assert len(process.publication.awaited) == process.publication.awaited_size == 0
    process.says("next")
    process.turn()
    assert (len(process.publication.awaited), process.publication.awaited_size) == (1, 4)
    assert process.publication.is_to_wait_for()


def test_an_answer_waits_for_what_its_user_said_before_and_for_what_nobody_else_says() -> None:
    engine = Engine()
    process = Process(engine.journal())
    process.submit([Deliver(1, Pong("before"))])
    process.says("hello", ids=("a",))
    process.submit([Deliver(1, Pong("mine")), Deliver(2, Pong("another's"))])
    process.turn()

    assert process.told == [(1, Pong("before")), (2, Pong("another's"))]

    engine.turn()
    process.turn()

    assert process.answers() == [Pong("before"), ack("a", 1), Pong("mine")]


def test_a_message_that_an_arrival_refuses_is_refused_to_its_sender_only() -> None:
    engine = Engine()
    process = Process(engine.journal())
    process.says("a", ids=("1",))
    process.turn()
    (_, (posting,), _) = engine._waiting[0]
    process.submit([Arrival("lobby", Outcome(None, why_not="the engine is full"), posting.cause)])
    process.turn()

    assert process.seen == []
    assert process.answers() == [Refused(Code.NOT_KEPT, "Not sent: the engine is full. Try again later", "1")]


def test_nobody_waits_for_what_was_never_heard_of_nor_for_what_is_refused_meanwhile() -> None:
    engine = Engine()
    process = Process(engine.journal())
    process.says("a", ids=("1",))
    process.says("b", ids=("2",))
    process.turn()
    (_, (lost, refused), _) = engine._waiting.pop()
    process.submit([Arrival("lobby", Outcome(None), lost.cause, is_known=False)])
    process.turn()
    assert is_set(process)
    process.submit([Arrival("lobby", Outcome(None, why_not="too late"), refused.cause)])
    process.turn()
    assert is_set(process)

    process.says("c", ids=("3",))
    process.turn()
    engine.turn()
    process.turn()
    assert is_set(process)
    assert len(process.publication.awaited) == 0


def is_set(process: Process) -> bool:
    """Return whether nobody would wait for what was posted."""
    event = Event()
    process.publication.set_when_answered({None: event})
    return event.is_set()


def test_a_journal_that_cannot_append_refuses_all_of_the_turn() -> None:
    class Broken(MinimalJournal):
        def append(self, *_: object) -> Any:
            raise JournalError("the disk is full")

    failures = COMMIT_FAILURES.value
    process = Process(Broken())
    process.says("a", ids=("1",))
    process.says("b", ids=("2",))
    process.turn()

    assert [answer.id for answer in process.answers() if isinstance(answer, Refused)] == ["1", "2"]
    assert COMMIT_FAILURES.value == failures + 1
    assert len(process.publication.awaited) == 0


@pytest.mark.parametrize("fails", [False, True])
def test_a_receipt_gets_the_number_of_what_no_user_said_or_learns_that_there_is_none(fails: bool) -> None:
    class Full(MinimalJournal):
        def append(self, batch: Sequence[Any], time: float) -> Sequence[Outcome | None]:
            return [Outcome(None, why_not="full")] * len(batch) if fails else super().append(batch, time)

    process = Process(Full())
    numbers: list[int | None] = []
    process.receipts["http-1"] = numbers.append
    process.says("deploy done", ids=("http-1",), session=None)
    process.turn()

    assert numbers == [None if fails else 1]
    assert not process.receipts


# In https://github.com/apollographql/router/pull/1953 requests that were refused early were not counted as errors.
def test_a_message_over_http_that_cannot_be_stored_is_counted_like_that_of_a_user() -> None:
    class Full(MinimalJournal):
        def append(self, batch: Sequence[Any], time: float) -> Sequence[Outcome | None]:  # noqa: ARG002
            return [Outcome(None, why_not="full")] * len(batch)

    process = Process(Full())
    process.receipts["http-1"] = lambda _number: None
    process.says("deploy done", ids=("http-1",), session=None)
    before = REFUSALS.values[Code.NOT_KEPT]
    process.turn()

    assert REFUSALS.values[Code.NOT_KEPT] == before + 1


# In https://github.com/nats-io/nats-streaming-server/issues/187 a subscriber saw 1, 2, 3, 4, 2, 5: the second 2 was a
# delivery again, of what it had not acknowledged in time.
def test_a_record_that_is_delivered_again_is_shown_once_and_its_sender_has_its_number() -> None:
    class Redelivering(SharedJournal):
        def follow(self, deliver: Callable[[Sequence[Arrival]], None]) -> None:
            def twice(arrivals: Sequence[Arrival]) -> None:
                again = [structs.replace(arrival, cause=None) for arrival in arrivals]
                deliver([*arrivals, *again])
                late.extend(again)

            super().follow(twice)

    late: list[Arrival] = []
    engine = Engine()
    journal = Redelivering(engine)
    engine._journals.append(journal)
    process = Process(journal)
    for text in "abc":
        process.says(text, text.upper(), ids=(text, text.upper()))
        process.turn()
        engine.turn()
        process.turn()
        process.submit(late[:1])
    process.turn()

    assert process.seen == [(1, ("a", "A"), True), (3, ("b", "B"), True), (5, ("c", "C"), True)]
    assert [number.seq for answer in process.answers() for number in cast("Acknowledged", answer).numbers] == [
        *(1, 2, 3, 4, 5, 6)
    ]
    assert journal.next_seq("lobby") == 7
    assert len(process.publication.awaited) == 0


STEPS = st.sampled_from(["here says", "there says", "here turns", "there turns", "engine turns"])


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_in_any_interleaving_all_processes_show_the_same_log_and_each_answers_its_own(steps: list[str]) -> None:
    engine = Engine()
    processes = {"here": Process(engine.journal()), "there": Process(engine.journal())}
    said: dict[str, list[str]] = {"here": [], "there": []}
    for count, step in enumerate(steps):
        name, verb = step.split()
        if name == "engine":
            engine.turn()
        elif verb == "says":
            texts = tuple(f"{name} {count}.{index}" for index in range(1 + count % 3))
            said[name] += texts
            processes[name].says(*texts, ids=texts)
        else:
            processes[name].turn()
    for process in processes.values():
        process.turn()
    engine.turn()
    for process in processes.values():
        process.turn()

    logs = [[text for _, texts, _ in process.seen for text in texts] for process in processes.values()]
    assert logs[0] == logs[1]
    for name, process in processes.items():
        assert [text for text in logs[0] if text.startswith(name)] == said[name]
        acks = [number for answer in process.answers() for number in cast("Acknowledged", answer).numbers]
        assert [(number.id, number.seq) for number in acks] == [(text, logs[0].index(text) + 1) for text in said[name]]
        assert len(process.publication.awaited) == process.crashes == 0


def test_a_topic_and_what_is_said_around_it_have_their_places_in_the_turn() -> None:
    process = Process(MemoryJournal(1 << 20, "e", lambda function: function()))
    process.says("a")
    process.submit([Publish("lobby", 1, TopicSet("alice", "tea", "1"), "lineage")])
    process.says("b")
    process.turn()

    assert [(number, texts) for number, texts, _ in process.seen] == [(1, ("a",)), (2, ("tea",)), (3, ("b",))]
    assert process.answers() == [ack("1", 2)]
