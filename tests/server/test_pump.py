"""The pump alone, with a journal that can be made to fail: who is told what, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gevent
import pytest

from gchat.chat.effects import Announce, Deliver, Publish
from gchat.journal.journal import Arrival, Batch, JournalError, Outcome, Posting
from gchat.journal.memory import MemoryJournal
from gchat.model.errors import Code
from gchat.model.events import Announced, Refused
from gchat.model.hello import Hello
from gchat.model.messages import Record, Said
from gchat.server import pump
from tests.server.stage import LOBBY, Stage, User, wait_until


class Journal(MemoryJournal):
    """Fails while it has a reason to, and keeps what it was asked to store, batch by batch."""

    def __init__(self) -> None:
        super().__init__(1 << 20, "epoch", lambda function: function())
        self.fails: Exception | None = None
        self.batches: list[list[str]] = []

    def append(self, batch: Batch, time: float) -> list[Outcome]:
        if self.fails is not None:
            raise self.fails
        self.batches.append(
            [
                text
                for posting in batch
                if isinstance(posting, Posting) and isinstance(posting.message, Said)
                for text in posting.message.texts
            ]
        )
        return super().append(batch, time)


@pytest.fixture
def journal() -> Journal:
    return Journal()


def test_a_message_goes_to_everybody_but_its_sender_and_is_stored_before(journal: Journal) -> None:
    with Stage(journal) as stage:
        alice, bob, carol = stage.join("alice"), stage.join("bob"), stage.join("carol")
        for user in (alice, bob, carol):
            user.transcript()
        alice.says("hello", "/me waves")
        bob.sees("* alice waves")

        assert carol.hears() == ["[alice] hello", "* alice waves"]
        assert alice.hears() == []
        assert journal.batches[0] == ["hello"]
        shown = [event for room, event in stage.told if room == LOBBY and isinstance(event, Record)]
        assert [record.seq for record in shown] == [1, 2]


def test_what_one_turn_says_is_one_batch(journal: Journal) -> None:
    with Stage(journal) as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        alice.says(*[f"line {number}" for number in range(20)])
        for number in range(20):
            bob.sees(f"[alice] line {number}")

        assert [text for batch in journal.batches for text in batch] == [f"line {number}" for number in range(20)]
        assert len(journal.batches) == 1


def test_after_a_long_turn_what_is_said_in_a_part_of_its_time_is_one_batch_with_what_was_said_until_then(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "HOLD_S", 1.0)
    monkeypatch.setattr(pump, "GATHERING", 10.0)
    with Stage(journal) as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        send = stage.pump.fan_out.send

        def send_long(*args: Any) -> None:
            send(*args)
            gevent.sleep(0.02)

        monkeypatch.setattr(stage.pump.fan_out, "send", send_long)
        for attempt in range(10):  # on a busy machine one may be too late
            for said in (["begins", "and has more"], ["waits"], ["comes"]):
                alice.says(*(f"{attempt} {text}" for text in said))
                gevent.sleep(0.015)
            bob.sees(f"[alice] {attempt} comes")
            if [f"{attempt} waits", f"{attempt} comes"] in journal.batches:
                return
            gevent.sleep(0.1)
        pytest.fail(f"not one batch: {journal.batches}")


# In https://github.com/scylladb/gocql/pull/1082 and https://github.com/garden-co/classic-jazz/pull/2602 everybody
# waited for company, also where none came.
def test_what_is_said_alone_waits_for_no_company_however_long_the_turn_before_it_was(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Stage(journal) as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        wait_until(lambda: stage.pump._parked, "a pump that has nothing to do")
        monkeypatch.setattr(pump, "LONG_TURN_S", 0.0)
        monkeypatch.setattr(pump, "GATHERING", 1e9)
        for text in ("one", "two", "three"):
            alice.says(text)
            bob.sees(f"[alice] {text}")
            wait_until(lambda: stage.pump._parked, "a pump that has nothing to do")


def test_what_cannot_be_stored_is_refused_and_nobody_sees_it(journal: Journal) -> None:
    with Stage(journal) as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        for user in (alice, bob):
            user.transcript()
        journal.fails = JournalError("the disk is full")
        alice.says("lost")
        alice.sees("> Not sent: the disk is full. Try again later")
        journal.fails = None
        alice.says("found")
        bob.sees("[alice] found")

        assert b"lost" not in bob.received


def test_a_journal_that_crashes_refuses_the_messages_of_that_turn(journal: Journal) -> None:
    with Stage(journal) as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        journal.fails = ValueError("a fault that was asked for")
        alice.says("lost")
        alice.sees("> Not sent: internal error. Try again later")
        journal.fails = None
        alice.says("found")
        bob.sees("[alice] found")

        assert stage.crashes == 1
        stage.forgives()


class Later(Journal):
    """What it stores arrives when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: list[Arrival] = []
        self._numbered = self._accepted = 0

    def append(self, batch: Batch, time: float) -> Sequence[Outcome | None]:  # type: ignore[override]  # later
        super().append(batch, time)
        for posting in batch:
            assert isinstance(posting, Posting)
            self._numbered += 1
            outcome = Outcome(Record(self._numbered, time, posting.message))
            self.arrivals.append(Arrival(posting.room, outcome, posting.cause))
        return [None] * len(batch)

    def next_seq(self, room: str) -> int:  # noqa: ARG002
        return self._accepted + 1

    def accept(self, arrival: Arrival) -> None:
        assert arrival.outcome.record is not None
        self._accepted = arrival.outcome.record.seq

    def deliver(self, stage: Stage) -> None:
        arrivals, self.arrivals = self.arrivals, []
        stage.pump.submit(arrivals)


def said(speaker: User, text: str) -> list[Publish]:
    return [Publish(LOBBY, speaker.connection.session.id, Said("alice", (text,)))]


def test_what_is_said_alone_goes_at_once_to_a_journal_that_is_shared_and_all_in_its_order() -> None:
    with Stage(journal := Later()) as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        assert bob.hears() == []
        wait_until(lambda: stage.pump._parked, "a pump that has nothing to do")
        stage.pump.submit_said(said(alice, "one"))
        assert journal.batches == [["one"]]  # no other greenlet has run since

        stage.pump.submit_said(said(alice, "two"))
        stage.pump.submit_said(said(alice, "three"))
        assert journal.batches == [["one"]]  # it is under way: what comes now gathers
        wait_until(lambda: len(journal.batches) == 2, "the others follow")
        assert journal.batches == [["one"], ["two", "three"]]
        assert bob.reads() == b""
        journal.deliver(stage)
        bob.sees("[alice] three")
        stage.pump.submit_said(said(alice, "four"))
        journal.deliver(stage)
        bob.sees("[alice] four")


def test_what_is_said_alone_and_cannot_be_stored_is_refused_at_once() -> None:
    with Stage(journal := Later()) as stage:
        alice = stage.join("alice")
        assert alice.hears() == []
        journal.fails = JournalError("the disk is full")
        stage.pump.submit_said(said(alice, "lost"))
        alice.sees("> Not sent: the disk is full. Try again later")


def test_an_ack_comes_where_the_others_see_the_message(journal: Journal) -> None:
    with Stage(journal) as stage:
        bob = stage.join("bob")
        alice = stage.connects(Hello(nick="alice"))
        bob.sees("> New user alice entered (2 users online)")
        bob.says("one")
        wait_until(lambda: b'"one"' in alice.reads(), "one")
        alice.says('{"type":"say","id":"a","text":"two"}')
        bob.sees("[alice] two")
        bob.says("three")
        wait_until(lambda: b'"three"' in alice.reads(), "three")
        kinds = [line.split(b'"')[3] for line in alice.received.splitlines()]

        assert kinds[-3:] == [b"said", b"ack", b"said"]


def test_an_effect_that_crashes_is_counted_and_the_rest_of_the_turn_is_carried_out(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Stage(journal) as stage:
        bob = stage.join("bob")
        bob.transcript()
        session = bob.connection.session.id

        def faulty(*_: object) -> None:
            raise ValueError("a fault that was asked for")

        monkeypatch.setitem(stage.pump._carry_out, Announce, faulty)
        refused = Refused(Code.NO_SUCH_USER, "the last")
        stage.pump.submit([Announce(LOBBY, Announced("lost")), Deliver(session, refused)])
        bob.sees("> the last")

        assert stage.crashes == 1
        stage.forgives()


def test_a_private_message_to_a_user_that_does_not_read_is_refused(journal: Journal) -> None:
    with Stage(journal) as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        bob.connection.writer.end()
        alice.says("/msg bob psst")
        alice.sees("> Not sent: bob is not reading")


def test_a_slow_reader_is_told_what_it_missed_and_nobody_waits_for_it(journal: Journal) -> None:
    with Stage(journal, room_log_bytes=8192) as stage:
        alice, bob, carol = stage.join("alice"), stage.join("bob"), stage.join("carol")
        carol.transcript()
        for number in range(300):
            alice.says(f"{number:03}" + "x" * 400)
            carol.sees(f"[alice] {number:03}" + "x" * 400)
        assert bob.connection.writer.is_behind
        heard = bob.transcript()
        seen = [line for line in heard if line.startswith("[alice]")]
        skipped = [line for line in heard if "messages skipped" in line]

        assert len(skipped) == 1
        assert len(seen) + bob.connection.writer.log_reader.skipped == 300
        alice.says("on time again")
        bob.sees("[alice] on time again")
