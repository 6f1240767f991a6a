"""The SQLite journal: what was said, in one file. What anybody has seen is there.

Here is what the event loop knows without waiting: the open rooms' numbers, topics and last messages, and the ids that
were used lately. Everything else is asked of the database, on two threads: one for writing, and one for reading. The
threads are given: this module knows no event loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from gchat.journal.base import JournalError, Kept, KeptRoom, Posting, Run
from gchat.journal.database import Changes, Database, Doubt, StoredRoom
from gchat.journal.ids import MAX_IDS, Ids
from gchat.journal.numbering import Numbering, ids_of
from gchat.journal.rows import LOST, Row, rows_of
from gchat.journal.schema import Conflict, Damaged, reason
from gchat.journal.tail import Tail
from gchat.journal.words import fts_query
from gchat.protocol.events import Numbered, Record, TopicIs, TopicSet

#: Of each open room, about so many bytes of its last messages are in memory, at the start so many messages.
TAIL_BYTES, TAIL_MESSAGES = 131072, 100

#: Ids are known for so long. (The promise of DESIGN.md, section 3.)
IDS_S = 600.0

#: Messages in one step of tidying: 3 ms.
STEP = 100

#: Before a search, so many steps are made at most to have the newest words in the index.
STEPS_BEFORE_SEARCH = 50

#: More than that need not be told one by one.
MAX_DAMAGE = 100

#: How often all rooms are looked through for what is too old.
PRUNE_S = 60.0

#: Commits, or 20 messages, after which the write-ahead log is copied into the file.
CHECKPOINT_AFTER = 300

T = TypeVar("T")


class _Room:
    """What is at hand of one room."""

    __slots__ = ("first_seq", "id", "is_stored", "tail", "topic")

    def __init__(self, id_: int, found: StoredRoom | None) -> None:
        self.id = id_
        self.is_stored = found is not None
        self.first_seq = found.first_seq if found else 1
        self.tail = Tail(found.next_seq, found.tail) if found else Tail(1)
        self.topic = TopicIs(found.topic, found.topic_by) if found and found.topic else None


class SqliteJournal:
    """Keeps everything, or with limits what is not too old and too much."""

    def __init__(self, database: Database, write: Run, read: Run) -> None:
        self._keep_s = 0.0
        self._keep_messages = 0
        self.trouble = ""
        self.damage: list[str] = []
        self._database = database
        self._write = write
        self._read = read
        self._next_room = database.next_room
        self._rooms: dict[str, _Room] = {}
        self._ids: Ids[Numbered] = Ids()
        self._notes: dict[tuple[str, str], bytes] = {}  # not yet written
        self._doubts: dict[str, _Room] = {}  # rooms that a commit failed in, and the file was not yet repaired
        self._unindexed: dict[str, _Room] = {}
        self._unchecked = 0
        self._pruned = 0  # the room that was looked at last
        self._prune_at = 0.0

    # --- Rooms -------------------------------------------------------------------------------------------------------

    def open(self, rooms: Iterable[str]) -> None:
        """See Journal.open."""
        strange = [name for name in rooms if name not in self._rooms]
        if not strange:
            return
        found = self._ask(lambda: [self._database.room(name, TAIL_MESSAGES) for name in strange])
        for name, stored in zip(strange, found, strict=True):
            if name in self._rooms:  # somebody else has asked too
                continue
            if stored is None:
                room = _Room(self._next_room, None)
                self._next_room += 1
            else:
                self._look(name, stored.tail)
                room = _Room(stored.id, stored)
                if stored.indexed < stored.next_seq - 1:
                    self._unindexed[name] = room
            self._rooms[name] = room

    def epoch(self, room: str) -> str:  # noqa: ARG002
        """See Journal.epoch: all rooms of a file have the same."""
        return self._database.epoch

    def at_hand(self, room: str) -> int:
        """See Journal.at_hand."""
        return self._rooms[room].tail.first_seq

    def first_seq(self, room: str) -> int:
        """See Journal.first_seq."""
        return self._rooms[room].first_seq

    def next_seq(self, room: str) -> int:
        """See Journal.next_seq."""
        here = self._rooms.get(room)
        return here.tail.next_seq if here else 1

    def topic(self, room: str) -> TopicIs | None:
        """See Journal.topic."""
        return self._rooms[room].topic

    def forget(self, room: str) -> None:
        """See Journal.forget: on disk it stays."""
        self._rooms.pop(room, None)

    # --- Writing -----------------------------------------------------------------------------------------------------

    def append(self, batch: Sequence[Posting], time: float) -> list[Kept]:
        """See Journal.append."""
        # Whose ids cannot be read: what they say may be there already. The others do not suffer for it.
        unread = self._know_lineages(batch, time)
        if not unread:
            return self._append(batch, time)
        kept = iter(self._append([posting for posting in batch if posting.lineage not in unread], time))
        return [
            Kept(None, (), why_not) if (why_not := unread.get(posting.lineage)) else next(kept) for posting in batch
        ]

    def _append(self, batch: Sequence[Posting], time: float) -> list[Kept]:
        numbering = Numbering(self.next_seq, lambda lineage, id_: self._ids.of(lineage).get(id_))
        kept = [numbering.number(posting, time) for posting in batch]
        why_not = self.trouble
        if not why_not:
            self._doubts = {posting.room: self._rooms[posting.room] for posting in batch}
            try:
                self._commit(self._changes(batch, kept))
            except JournalError as error:
                why_not = str(error)
        if why_not:
            return [numbering.refused(posting, outcome, why_not) for posting, outcome in zip(batch, kept, strict=True)]
        for posting, outcome in zip(batch, kept, strict=True):
            if (record := outcome.record) is not None:
                room = self._rooms[posting.room]
                room.is_stored = True
                room.tail.keep(record, TAIL_BYTES)
                self._unindexed[posting.room] = room
                if isinstance(record.message, TopicSet):
                    room.topic = TopicIs(record.message.text, record.message.name)
        for (lineage, id_), number in numbering.fresh.items():
            self._ids.add(lineage, id_, number)
        return kept

    def limit(self, keep_s: float, keep_messages: int) -> None:
        """See Journal.limit."""
        self._keep_s, self._keep_messages, self._prune_at = keep_s, keep_messages, 0.0

    def note(self, kind: str, key: str, value: bytes) -> None:
        """See Journal.note."""
        self._notes[kind, key] = value

    def notes(self, kind: str) -> dict[str, bytes]:
        """See Journal.notes."""
        return self._ask(lambda: self._database.notes(kind))

    def _know_lineages(self, batch: Sequence[Posting], time: float) -> dict[str, str]:
        """Have at hand which ids were used, of those who use some for the first time in this run.

        Return those of whom that cannot be read, and why.
        """
        unread = {}
        for lineage in {posting.lineage for posting in batch if ids_of(posting.message)}:
            if self._ids.knows(lineage):
                continue
            try:
                found = self._ask(lambda of=lineage: self._database.ids(of, time - IDS_S, MAX_IDS))  # type: ignore[misc]
            except JournalError as problem:
                unread[lineage] = str(problem)
                continue
            for number in found:
                self._ids.add(lineage, number.id, number)
        return unread

    def _changes(self, batch: Sequence[Posting], kept: Sequence[Kept]) -> Changes:
        rows: list[Row] = []
        topics: dict[int, tuple[str, str, int]] = {}
        rooms: dict[str, _Room] = {}
        for posting, outcome in zip(batch, kept, strict=True):
            if (record := outcome.record) is not None:
                room = rooms[posting.room] = self._rooms[posting.room]
                rows += rows_of(room.id, record, posting.lineage)
                if isinstance(record.message, TopicSet):
                    topics[room.id] = (record.message.text, record.message.name, room.id)
        new = [(room.id, name) for name, room in rooms.items() if not room.is_stored]
        return Changes(new, rows, list(topics.values()), self._take_notes())

    def _take_notes(self) -> list[tuple[str, str, bytes]]:
        notes, self._notes = self._notes, {}
        return [(kind, key, value) for (kind, key), value in notes.items()]

    def _commit(self, changes: Changes) -> None:
        """Have this written. Raises JournalError; then nothing of it is, and nothing will be until tidy() says so."""
        if not (changes.rows or changes.notes):
            return
        try:
            self._ask(lambda: self._database.commit(changes), self._write)
        except JournalError as problem:
            self._notes = {(kind, key): value for kind, key, value in changes.notes} | self._notes
            if isinstance(problem, Conflict):
                self._doubts = {}  # what stands there is not what was refused
            # At once, for of what is refused nothing may be in the file; but it is tidy() that says that all is well.
            self.trouble = self._repair() or str(problem)
            raise
        self._doubts = {}
        self._unchecked += 1 + len(changes.rows) // 20

    def _repair(self) -> str:
        """Make sure that nothing is in the file that was refused; return why it cannot be written to, "" if it can."""
        doubts = []
        for room in self._doubts.values():
            topic = room.topic or TopicIs("", "")
            doubts.append(Doubt(room.id, room.tail.next_seq, topic.text, topic.name))
        try:
            self._ask(lambda: self._database.repair(doubts), self._write)
        except JournalError as problem:
            return str(problem)
        self._doubts = {}
        return ""

    # --- Reading -----------------------------------------------------------------------------------------------------

    def read(self, room: str, start: int, limit: int) -> list[Record]:
        """See Journal.read."""
        here = self._rooms[room]
        if start >= here.tail.first_seq:
            return here.tail.read(start, limit)
        return self._look(room, self._ask(lambda: self._database.read(here.id, start, here.tail.next_seq, limit)))

    def find(self, room: str, start: int, limit: int) -> list[Record] | None:
        """See Journal.find."""
        if room in self._rooms and self._rooms[room].tail.next_seq > 1:
            return self.read(room, start, limit)
        found = self._ask(lambda: self._database.room(room, 1))
        if found is None:
            return None
        return self._look(room, self._ask(lambda: self._database.read(found.id, start, found.next_seq, limit)))

    def rooms(self, limit: int) -> list[KeptRoom]:
        """See Journal.rooms."""
        return self._ask(lambda: self._database.rooms(limit))

    def search(self, room: str, text: str, limit: int) -> list[Record]:
        """See Journal.search."""
        here, query = self._rooms[room], fts_query(text)
        with suppress(JournalError):  # what is in the index is found all the same
            for _ in range(STEPS_BEFORE_SEARCH):
                if self.trouble or room not in self._unindexed:
                    break
                self._index(room)
        return self._look(room, self._ask(lambda: self._database.search(here.id, query, limit))) if query else []

    def _look(self, room: str, found: list[Record]) -> list[Record]:
        """Note what is not as it was written."""
        for record in found:
            if record.message is LOST:
                self._note_damage(f"message {record.seq} of {room}")
        return found

    def _note_damage(self, what: str) -> None:
        if what not in self.damage and len(self.damage) < MAX_DAMAGE:
            self.damage.append(what)

    def _ask(self, question: Callable[[], T], run: Run | None = None) -> T:
        """Have the database answer, on the reading thread if not on another. Raises JournalError."""
        try:
            return (run or self._read)(question)
        except sqlite3.Error as error:
            raise reason(error) from None

    # --- What is not urgent ------------------------------------------------------------------------------------------

    def tidy(self, now: float) -> bool:
        """See Journal.tidy."""
        if self.trouble:
            self.trouble = self._repair()
            return False
        try:
            if self._notes:
                self._commit(Changes((), (), (), self._take_notes()))
            if self._unchecked >= CHECKPOINT_AFTER:
                self._unchecked = 0
                self._ask(self._database.checkpoint)
            if self._unindexed:
                self._index(next(iter(self._unindexed)))
            return self._prune(now) or bool(self._unindexed)
        except Damaged as problem:  # of the index, or of what is old: what is said now can be kept all the same
            self._note_damage(str(problem))
            self._unindexed.clear()
            self._prune_at = now + PRUNE_S
        except JournalError as problem:
            self.trouble = str(problem)
        return False

    def _index(self, name: str) -> None:
        """Put a few more messages of a room into the index of words."""
        room = self._unindexed[name]
        last = room.tail.next_seq - 1
        indexed = self._ask(lambda: self._database.index(room.id, last, STEP), self._write)
        if indexed >= room.tail.next_seq - 1:
            self._unindexed.pop(name, None)

    def _prune(self, now: float) -> bool:
        """Throw a few messages away that are too old or too many; return whether there is more to look at."""
        if now < self._prune_at or not (self._keep_s or self._keep_messages):
            return False
        since = now - self._keep_s if self._keep_s else 0.0
        after, keep = self._pruned, self._keep_messages
        found = self._ask(lambda: self._database.prune(after, keep, since, STEP), self._write)
        if found is None:
            self._pruned, self._prune_at = 0, now + PRUNE_S
            return False
        id_, name, first_seq, more = found
        if (room := self._rooms.get(name)) is not None:
            room.first_seq = first_seq
            room.tail.drop_before(first_seq)
        if not more:
            self._pruned = id_
        return True

    def close(self) -> None:
        """See Journal.close."""
        with suppress(JournalError):
            self._commit(Changes((), (), (), self._take_notes()))
        with suppress(JournalError):
            self._ask(self._database.close_reader)
        with suppress(JournalError):
            self._ask(self._database.close, self._write)
