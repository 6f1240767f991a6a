"""The SQLite journal: everything that was said, in one file. What anybody has seen is there.

Here is what the event loop knows without waiting: the numbers, topics and last messages of the rooms that are loaded,
and the ids that were used lately. The database does the rest, on threads of its own (database_threads). The pump waits
only for the one that writes. `thread` makes a thread: this module knows no event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from gchat.journal.journal import PAGE_SIZE, Arrival, Batch, JournalError, Outcome, Posting, Whisper
from gchat.journal.native_thread import NativeThread, Urgency
from gchat.journal.numbering import Numbering, Use, ids_of
from gchat.journal.parts import FOUND_SIZE, SEARCH_S, KeptRoom
from gchat.journal.sqlite.database import Changes, Database, Doubt
from gchat.journal.sqlite.database_threads import DatabaseThreads
from gchat.journal.sqlite.errors import Conflict, Damaged
from gchat.journal.sqlite.loaded_room import LoadedRoom
from gchat.journal.sqlite.queries import Queries, StoredRoom
from gchat.journal.sqlite.rows import LOST, Row, rows_of
from gchat.journal.sqlite.upkeep import STEPS_BEFORE_SEARCH, Upkeep
from gchat.journal.used_ids import IDS_S, MAX_IDS, UsedIds
from gchat.model.events import TopicIs
from gchat.model.messages import Record, TopicSet

#: About so many bytes of each room's last messages are in memory; when it is loaded, so many messages.
RECENT_BYTES, RECENT_MESSAGES = 131072, 100

#: More damage than that need not be told one by one.
MAX_DAMAGE = 100


class SqliteJournal:
    """Stores all messages; with limits, those that are neither too old nor too many.

    Raises JournalError if the file cannot be read.
    """

    def __init__(self, database: Database, thread: Callable[[Urgency], NativeThread]) -> None:
        self.trouble = ""
        self.damage: list[str] = []
        self._disk = DatabaseThreads(database, thread)
        self._next_room = self._disk.write(lambda database: database.own.next_room())
        self._rooms: dict[str, LoadedRoom] = {}
        self._upkeep = Upkeep(self._disk, self._rooms, self._disk.write(lambda database: database.own.grant()))
        self._ids: UsedIds[Use] = UsedIds()
        self._notes: dict[tuple[str, str], bytes] = {}  # not yet written
        self._doubts: dict[str, LoadedRoom] = {}  # rooms for which a commit failed, until the file is repaired

    @property
    def caution(self) -> str:
        """See Retention.caution."""
        return self._upkeep.caution

    @property
    def replaced(self) -> str:
        """Why the epoch is a new one, if the file is not the one that was in use here."""
        return self._disk.replaced

    # --- Rooms -------------------------------------------------------------------------------------------------------

    def open(self, rooms: Iterable[str]) -> None:
        """See Journal.open."""
        new = [name for name in rooms if name not in self._rooms]
        if not new:
            return
        found = self._disk.load(lambda reader: [_found(reader, name) for name in new])
        for name, stored in zip(new, found, strict=True):
            if name not in self._rooms:  # else it was loaded meanwhile
                self._load(name, stored)

    def _load(self, name: str, stored: StoredRoom | None) -> None:
        """Take a room that was found into memory."""
        self._upkeep.unindexed.pop(name, None)
        if stored is None:
            room = LoadedRoom(self._next_room, None)
            self._next_room += 1
        else:
            self._look(name, stored.recent)
            room = LoadedRoom(stored.id, stored)
            if stored.indexed < stored.next_seq - 1:
                self._upkeep.unindexed[name] = None
        self._rooms[name] = room

    def is_open(self, room: str) -> bool:
        """See Journal.is_open."""
        return room in self._rooms

    def epoch(self, room: str) -> str:  # noqa: ARG002
        """See Journal.epoch: all rooms of a file have the same."""
        return self._disk.epoch

    def at_hand(self, room: str) -> int:
        """See Journal.at_hand."""
        return self._rooms[room].recent.first_seq

    def first_seq(self, room: str) -> int:
        """See Journal.first_seq."""
        return self._rooms[room].first_seq

    def next_seq(self, room: str) -> int:
        """See Journal.next_seq."""
        here = self._rooms.get(room)
        return here.recent.next_seq if here else 1

    def topic(self, room: str) -> TopicIs | None:
        """See Journal.topic."""
        return self._rooms[room].topic

    def forget(self, room: str) -> None:
        """See Journal.forget: on disk it stays."""
        self._rooms.pop(room, None)

    # --- Writing -----------------------------------------------------------------------------------------------------

    def append(self, batch: Batch, time: float) -> list[Outcome]:
        """See Journal.append."""
        self._ids.expire(time)
        # Messages of a lineage whose ids cannot be read may be stored already. Other users are not affected.
        unread = self._know_lineages(batch, time)
        blocked = self._load_for_writing(_rooms_of(batch) - self._rooms.keys())

        def store(batch: Batch) -> list[Outcome]:
            return self._store(batch, time)

        def store_or_reload(batch: Batch) -> list[Outcome]:
            try:
                return store(batch)
            except Conflict:  # another program has stored something that is in our way
                blocked = self._load_for_writing(_rooms_of(batch))
                return _all_but(batch, lambda posting: _why_blocked(posting, blocked), store)

        def why_not(posting: Posting | Whisper) -> str:
            return unread.get(posting.lineage) or _why_blocked(posting, blocked)

        return _all_but(batch, why_not, store_or_reload)

    def _load_for_writing(self, rooms: Iterable[str]) -> dict[str, str]:
        """Load these rooms on the thread that writes, again if need be.

        Return those that cannot be loaded, each with the reason.
        """
        blocked = dict[str, str]()
        for name in rooms:
            before = self._rooms.get(name)
            try:
                self._next_room = max(self._next_room, self._disk.write(lambda database: database.own.next_room()))
                self._load(name, self._disk.write(lambda database, of=name: _found(database.own, of)))  # type: ignore[misc]
            except JournalError as problem:
                blocked[name] = str(problem)
                continue
            for seq in range(before.recent.next_seq, self._rooms[name].recent.next_seq) if before else ():
                self._note_damage(f"message {seq} of {name} was stored by another program")
        return blocked

    def _store(self, batch: Batch, time: float) -> list[Outcome]:
        """Give a batch its numbers, and store it. Raises Conflict: nothing was stored, and nothing else has changed."""
        numbering = Numbering(self.next_seq, self._ids.get)
        outcomes = [numbering.number(posting, time) for posting in batch]
        why_not = self.trouble
        if not why_not:
            self._doubts = {name: self._rooms[name] for name in _rooms_of(batch)}
            try:
                self._commit(self._changes(batch, outcomes))
            except Conflict:
                raise
            except JournalError as error:
                why_not = str(error)
        for lineage, id_, use, _ in numbering.used(is_stored=not why_not):
            self._ids.add(lineage, id_, use, time)
        if why_not:
            return [
                numbering.refused(posting, outcome, why_not) for posting, outcome in zip(batch, outcomes, strict=True)
            ]
        for posting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(posting, Posting) and (record := outcome.record) is not None:
                room = self._rooms[posting.room]
                room.is_stored = True
                room.recent.keep(record, RECENT_BYTES)
                self._upkeep.unindexed[posting.room] = None
                if isinstance(record.message, TopicSet):
                    room.topic = TopicIs(record.message.text, record.message.name)
        return outcomes

    def follow(self, deliver: Callable[[Sequence[Arrival]], None]) -> None:
        """See Journal.follow: nobody else may append; what somebody did all the same is damage."""

    def accept(self, arrival: Arrival) -> None:
        """See Journal.accept."""

    def release(self, lineage: str, id_: str) -> None:
        """See Journal.release."""
        self._ids.remove(lineage, id_)

    def limit(self, keep_s: float, keep_messages: int) -> None:
        """See Retention.limit."""
        self._upkeep.limit(keep_s, keep_messages)

    def note(self, kind: str, key: str, value: bytes) -> None:
        """See Notes.note."""
        self._notes[kind, key] = value

    def keep(self) -> None:
        """See Notes.keep."""
        if self._notes:
            self._commit(Changes((), (), (), self._take_notes()))
        else:  # they may be on their way
            self._disk.write(lambda _database: None)

    def notes(self, kind: str) -> dict[str, bytes]:
        """See Notes.notes."""
        return self._disk.load(lambda reader: reader.notes(kind))

    def _know_lineages(self, batch: Batch, time: float) -> dict[str, str]:
        """Load the ids of the lineages that use some for the first time in this run.

        Return the lineages whose ids cannot be read, each with the reason.
        """
        unread = {}
        for lineage in {each.lineage for each in batch if isinstance(each, Whisper) or ids_of(each.message)}:
            if self._ids.knows(lineage):
                continue
            try:
                found = self._disk.write(lambda database, of=lineage: database.own.ids(of, time - IDS_S, MAX_IDS))  # type: ignore[misc]
            except JournalError as problem:
                unread[lineage] = str(problem)
                continue
            for id_, use in found:
                self._ids.add(lineage, id_, use, time)
        return unread

    def _changes(self, batch: Batch, outcomes: Sequence[Outcome]) -> Changes:
        rows: list[Row] = []
        topics: dict[int, tuple[str, str, int]] = {}
        rooms: dict[str, LoadedRoom] = {}
        for posting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(posting, Posting) and (record := outcome.record) is not None:
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
        """Write these changes. Raises JournalError: none is written, nor is anything until tidy() has healed."""
        if not (changes.rows or changes.notes):
            return
        try:
            self._disk.write(lambda database: database.commit(changes))
        except JournalError as problem:
            self._notes = {(kind, key): value for kind, key, value in changes.notes} | self._notes
            if isinstance(problem, Conflict):  # nothing was written, and what is there is not what was refused
                self._doubts = {}
                raise
            # At once, because nothing that is refused may be in the file. But it is tidy() that ends the trouble.
            self.trouble = self._repair() or str(problem)
            raise
        self._doubts = {}
        self._upkeep.committed(len(changes.rows), sum(len(row[4]) for row in changes.rows))

    def _repair(self) -> str:
        """Take out of the file what was refused; return why it cannot be written to, "" if it can."""
        doubts = []
        for room in self._doubts.values():
            topic = room.topic or TopicIs("", "")
            doubts.append(Doubt(room.id, room.recent.next_seq, topic.text, topic.name))
        try:
            if self._disk.write(Database.has_lost_log):
                self._disk.close_readers()
            self._disk.write(lambda database: database.repair(doubts))
        except JournalError as problem:
            return str(problem)
        self._doubts = {}
        return ""

    # --- Reading -----------------------------------------------------------------------------------------------------

    def renew(self, room: str) -> None:
        """See Journal.renew."""

    def read(self, room: str, start: int, limit: int, *, last: bool = False) -> list[Record]:
        """See Journal.read."""
        here = self._rooms[room]
        start = max(start, here.first_seq)
        if start >= here.recent.first_seq:
            return here.recent.read(start, limit, PAGE_SIZE, last=last)
        span = (start, min(start + limit, here.recent.next_seq) if last else here.recent.next_seq)
        return self._look(room, self._disk.read(lambda reader: reader.read(here.id, span, limit, PAGE_SIZE, last=last)))

    def find(self, room: str, start: int, limit: int) -> list[Record] | None:
        """See Catalogue.find."""
        here = self._rooms.get(room)
        if here is None or here.recent.next_seq == 1:
            stored = self._disk.read(lambda reader: reader.room(room, 1, 0))
            if stored is None:
                return None
            id_, next_seq = stored.id, stored.next_seq
        elif start >= here.recent.first_seq:
            return here.recent.read(start, limit, FOUND_SIZE)
        else:
            id_, next_seq = here.id, here.recent.next_seq
        span = (start, next_seq)
        return self._look(room, self._disk.read(lambda reader: reader.read(id_, span, limit, FOUND_SIZE)))

    def rooms(self, limit: int) -> list[KeptRoom]:
        """See Catalogue.rooms."""
        return self._disk.read(lambda reader: reader.rooms(limit))

    def search(self, room: str, text: str, limit: int, steady: Callable[[], float]) -> tuple[list[Record], bool]:
        """See MessageSearch.search."""
        from gchat.journal.search_tokens import fts_query  # noqa: PLC0415  # 0.3 MiB that an idle server does not need

        here, query = self._rooms[room], fts_query(text)
        if not query:
            return [], False
        with suppress(JournalError):  # what is in the index already is found all the same
            for _ in range(STEPS_BEFORE_SEARCH):
                if self.trouble or room not in self._upkeep.unindexed:
                    break
                self._upkeep.index(room)

        def last(reader: Queries) -> tuple[list[Record], bool]:
            until = steady() + SEARCH_S
            return reader.search(here.id, query, limit, PAGE_SIZE, lambda: steady() > until)

        found, is_more = self._disk.search(last)
        return self._look(room, found), is_more

    def _look(self, room: str, found: list[Record]) -> list[Record]:
        """Note what is damaged."""
        for record in found:
            if record.message is LOST:
                self._note_damage(f"message {record.seq} of {room}")
        return found

    def _note_damage(self, what: str) -> None:
        if what not in self.damage and len(self.damage) < MAX_DAMAGE:
            self.damage.append(what)

    # --- What is not urgent ------------------------------------------------------------------------------------------

    def tidy(self, now: float, steady: float) -> bool:
        """See Maintenance.tidy."""
        self._upkeep.look(now, steady)
        if self.trouble:
            self.trouble = self._repair()
            return False
        try:
            if self._notes:
                self._commit(Changes((), (), (), self._take_notes()))
            return self._upkeep.go_on(now, steady)
        except Damaged as problem:  # of the index, or of old messages: new ones can be stored all the same
            self._note_damage(str(problem))
            self._upkeep.give_up(steady)
        except JournalError as problem:
            self.trouble = str(problem)
        return False

    def close(self) -> None:
        """See Journal.close."""
        with suppress(JournalError):
            self.keep()
        with suppress(JournalError):
            self._disk.close_readers()
        with suppress(JournalError):
            self._disk.write(Database.close)


def _rooms_of(batch: Batch) -> set[str]:
    return {posting.room for posting in batch if isinstance(posting, Posting)}


def _why_blocked(posting: Posting | Whisper, blocked: Mapping[str, str]) -> str:
    return blocked.get(posting.room, "") if isinstance(posting, Posting) else ""


def _all_but(
    batch: Batch, why_not: Callable[[Posting | Whisper], str], store: Callable[[Batch], list[Outcome]]
) -> list[Outcome]:
    """Store a batch but for the messages that are refused, each for its reason."""
    reasons = [why_not(posting) for posting in batch]
    if not any(reasons):
        return store(batch)
    stored = iter(store([posting for posting, reason in zip(batch, reasons, strict=True) if not reason]))
    return [Outcome(None, (), reason) if reason else next(stored) for reason in reasons]


def _found(reader: Queries, room: str) -> StoredRoom | None:
    return reader.room(room, RECENT_MESSAGES, RECENT_BYTES)
