"""The audit: what is kept of it, in which order it is read, and what the log has."""

from __future__ import annotations

import logging

import pytest
from msgspec import structs

from gchat.chat.effects import Audited
from gchat.journal.journal import JournalError
from gchat.server import audit
from gchat.server.audit import Audit
from tests.server.test_saved_state import Paper

ENTRY = Audited(1_800_000_000.0, "alice", "chat", "ban", "mallory, 192.0.2.7", "spam", 1_800_000_600.0)


def test_entries_are_read_newest_first_and_outlive_the_run() -> None:
    paper = Paper()
    first = Audit(paper)
    first.restore()
    for number in range(12):
        first.add(Audited(float(number), "alice", "chat", "kill", str(number)))
    second = Audit(paper)
    second.restore()
    second.add(ENTRY)

    assert [number for number, _ in second.before(0, 3)] == [13, 12, 11]
    assert [entry.target for _, entry in second.before(11, 3)] == ["9", "8", "7"]
    assert second.before(1, 3) == []
    assert second.before(0, 1)[0][1] == ENTRY


def test_the_oldest_entries_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MAX_ENTRIES", 3)
    paper = Paper()
    kept = Audit(paper)
    for _ in range(5):
        kept.add(ENTRY)

    assert [number for number, _ in kept.before(0, 9)] == [5, 4, 3]
    assert sorted(paper.notes("audit")) == ["3", "4", "5"]


def test_one_line_of_the_log_says_what_was_done_by_which_operator_to_whom_why_and_until_when(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "gchat"):
        Audit(Paper()).add(ENTRY)
    (record,) = caplog.records
    assert record.getMessage() == (
        "ban by alice (chat): mallory, 192.0.2.7; until: 2027-01-15T08:10:00.000Z; reason: spam"
    )


def test_a_shared_audit_has_what_all_nodes_did_in_the_order_of_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MAX_ENTRIES", 5)
    paper = Paper()
    one, two = Audit(paper, shared=True), Audit(paper, shared=True)
    for number in range(1, 9):
        (one if number % 2 else two).add(structs.replace(ENTRY, target=str(number), number=number * 10))

    assert [number for number, _ in one.before(0, 9)] == [80, 70, 60, 50, 40]
    assert one.before(0, 9) == two.before(0, 9)
    assert [entry.target for _, entry in two.before(60, 9)] == ["5", "4"]
    assert len(paper.notes("audit")) == 5


def test_while_the_engine_cannot_be_asked_a_shared_audit_is_what_is_known_here(monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper()
    kept = Audit(paper, shared=True)
    kept.add(structs.replace(ENTRY, number=7))

    def fails(kind: str) -> dict[str, bytes]:
        raise JournalError(kind)

    monkeypatch.setattr(paper, "notes", fails)
    assert [number for number, _ in kept.before(0, 9)] == [7]
