"""The memory journal: the last messages of each room, for temporary rooms and tests. It ends with the process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count, islice

from gchat.journal.journal import PAGE_SIZE, Arrival, Batch, Outcome
from gchat.journal.native_thread import NativeThread
from gchat.journal.numbering import Numbering, Use
from gchat.journal.paging import page
from gchat.journal.parts import FOUND_SIZE, SEARCH_S, KeptRoom
from gchat.journal.recent_messages import RecentMessages
from gchat.journal.used_ids import UsedIds
from gchat.model.events import TopicIs
from gchat.model.messages import Record, TopicSet


class _Room:
    """One room: its last messages and its topic."""

    __slots__ = ("epoch", "recent", "topic")

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.recent = RecentMessages(1)
        self.topic: TopicIs | None = None


class MemoryJournal:
    """Stores about `room_bytes` of each room and drops the oldest messages first; the last one always stays.

    `epoch` is a name that no other journal has. Searching a whole room takes a while, and is left to `run`.
    """

    def __init__(self, room_bytes: int, epoch: str, run: NativeThread) -> None:
        self.room_bytes = room_bytes
        self._run = run
        self._epoch = epoch
        self._made = count()  # rooms: each has an epoch of its own, a room that was forgotten and comes again too
        self._rooms: dict[str, _Room] = {}
        self._epochs: set[str] = set()  # of these rooms
        self._ids: UsedIds[tuple[str | None, Use]] = UsedIds()  # with the room's log, by its epoch

    def open(self, rooms: Iterable[str]) -> None:
        """See Journal.open."""

    def is_open(self, room: str) -> bool:  # noqa: ARG002
        """See Journal.is_open."""
        return True

    def append(self, batch: Batch, time: float) -> list[Outcome]:
        """See Journal.append."""
        self._ids.expire(time)
        numbering = Numbering(self.next_seq, self._known)
        outcomes = []
        for posting in batch:
            outcome = numbering.number(posting, time)
            outcomes.append(outcome)
            if (record := outcome.record) is not None:
                room, message = self._rooms[posting.room], record.message  # it is made when it is asked for numbers
                room.recent.keep(record, self.room_bytes)
                if type(message) is TopicSet:  # isinstance is dear where the answer is no
                    room.topic = TopicIs(message.text, message.name)
        for lineage, id_, use, name in numbering.used(is_stored=True):
            self._ids.add(lineage, id_, (None if name is None else self._room(name).epoch, use), time)
        return outcomes

    def _known(self, lineage: str, id_: str) -> Use | None:
        """Return what an id was used for, unless the log that the message was in is gone."""
        found = self._ids.get(lineage, id_)
        return found[1] if found is not None and (found[0] is None or found[0] in self._epochs) else None

    def release(self, lineage: str, id_: str) -> None:
        """See Journal.release."""
        self._ids.remove(lineage, id_)

    def follow(self, deliver: Callable[[Sequence[Arrival]], None]) -> None:
        """See Journal.follow: nobody else appends."""

    def accept(self, arrival: Arrival) -> None:
        """See Journal.accept."""

    def renew(self, room: str) -> None:
        """See Journal.renew."""

    def read(self, room: str, start: int, limit: int, *, last: bool = False) -> list[Record]:
        """See Journal.read."""
        return self._room(room).recent.read(start, limit, PAGE_SIZE, last=last)

    def find(self, room: str, start: int, limit: int) -> list[Record] | None:
        """See Catalogue.find."""
        if room not in self._rooms or self.next_seq(room) == 1:
            return None
        return self._room(room).recent.read(start, limit, FOUND_SIZE)

    def rooms(self, limit: int) -> list[KeptRoom]:
        """See Catalogue.rooms."""
        kept = ((name, room) for name, room in reversed(self._rooms.items()) if room.recent.next_seq > 1)
        return [
            KeptRoom(name, room.recent.next_seq - 1, room.topic.text if room.topic else "")
            for name, room in islice(kept, limit)
        ]

    def search(self, room: str, text: str, limit: int, steady: Callable[[], float]) -> tuple[list[Record], bool]:
        """See MessageSearch.search."""
        from gchat.journal.search_tokens import matching  # noqa: PLC0415  # 0.3 MiB that an idle server does not need

        records = self._room(room).recent.records.copy()

        def last() -> tuple[list[Record], bool]:
            until = steady() + SEARCH_S
            found = matching(records, text, lambda: steady() > until)
            shown, is_cut = page(islice(found, limit), PAGE_SIZE)
            return shown[::-1], is_cut or len(shown) == limit

        return self._run(last)

    def epoch(self, room: str) -> str:
        """See Journal.epoch."""
        return self._room(room).epoch

    def at_hand(self, room: str) -> int:  # noqa: ARG002
        """See Journal.at_hand."""
        return 0

    def first_seq(self, room: str) -> int:
        """See Journal.first_seq."""
        return self._room(room).recent.first_seq

    def next_seq(self, room: str) -> int:
        """See Journal.next_seq."""
        return self._room(room).recent.next_seq

    def topic(self, room: str) -> TopicIs | None:
        """See Journal.topic."""
        return self._room(room).topic

    def forget(self, room: str) -> None:
        """See Journal.forget."""
        if (gone := self._rooms.pop(room, None)) is not None:
            self._epochs.discard(gone.epoch)

    def close(self) -> None:
        """See Journal.close."""

    def _room(self, name: str) -> _Room:
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = _Room(f"{self._epoch}-{next(self._made)}")
            self._epochs.add(room.epoch)
        return room
