"""The least that a journal can be: the log interface and nothing else, in memory. A model of how to write one more."""

# ruff: noqa: ARG002

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gchat.journal.journal import PAGE_SIZE, Arrival, Batch, Outcome, Posting
from gchat.journal.numbering import Numbering, Use
from gchat.journal.paging import page
from gchat.journal.used_ids import UsedIds
from gchat.model.events import TopicIs
from gchat.model.messages import Record, TopicSet


class MinimalJournal:
    """Stores everything, each message as a record of its own, for as long as it exists."""

    def __init__(self) -> None:
        self._records: dict[str, list[Record]] = {}
        self._ids: UsedIds[Use] = UsedIds()

    def open(self, rooms: Iterable[str]) -> None:
        """See Journal.open."""

    def is_open(self, room: str) -> bool:
        """See Journal.is_open."""
        return True

    def append(self, batch: Batch, time: float) -> Sequence[Outcome | None]:
        """See Journal.append."""
        numbering = Numbering(self.next_seq, self._ids.get)
        outcomes = [numbering.number(posting, time) for posting in batch]
        for posting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(posting, Posting):
                self._keep(posting.room, outcome)
        for lineage, id_, use, _ in numbering.used(is_stored=True):
            self._ids.add(lineage, id_, use, time)
        return outcomes

    def release(self, lineage: str, id_: str) -> None:
        """See Journal.release."""
        self._ids.remove(lineage, id_)

    def follow(self, deliver: Callable[[Sequence[Arrival]], None]) -> None:
        """See Journal.follow."""

    def accept(self, arrival: Arrival) -> None:
        """See Journal.accept."""
        assert arrival.room is not None
        self._keep(arrival.room, arrival.outcome)

    def renew(self, room: str) -> None:
        """See Journal.renew."""

    def read(self, room: str, start: int, limit: int, *, last: bool = False) -> list[Record]:
        """See Journal.read."""
        records = self._records.get(room, [])[max(start, 1) - 1 :][:limit]
        found, _ = page(reversed(records) if last else records, PAGE_SIZE)
        return found[::-1] if last else found

    def epoch(self, room: str) -> str:
        """See Journal.epoch."""
        return "the only one"

    def at_hand(self, room: str) -> int:
        """See Journal.at_hand."""
        return 1

    def first_seq(self, room: str) -> int:
        """See Journal.first_seq."""
        return 1

    def next_seq(self, room: str) -> int:
        """See Journal.next_seq."""
        return len(self._records.get(room, ())) + 1

    def topic(self, room: str) -> TopicIs | None:
        """See Journal.topic."""
        messages = (record.message for record in reversed(self._records.get(room, [])))
        return next((TopicIs(each.text, each.name) for each in messages if isinstance(each, TopicSet)), None)

    def forget(self, room: str) -> None:
        """See Journal.forget."""

    def close(self) -> None:
        """See Journal.close."""

    def _keep(self, room: str, outcome: Outcome) -> None:
        if outcome.record is not None:
            self._records.setdefault(room, []).extend(outcome.record.each())
