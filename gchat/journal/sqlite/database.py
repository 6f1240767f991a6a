"""The database file while it is open. Calls wait for the disk, so they are made on native threads.

Each of its four connections is used by one thread at a time: one writes, one loads rooms, one reads old messages, and
one searches. So nothing that a user asks for holds up new messages. The journal judges every sqlite3.Error that a call
raises (errors.reason).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain

import msgspec
from msgspec import Struct

from gchat.journal.journal import JournalError
from gchat.journal.sqlite.errors import Displaced, reason
from gchat.journal.sqlite.file import CACHE_KIB, SEARCH_CACHE_KIB, Places, connect, lock
from gchat.journal.sqlite.high_water_mark import HighWaterMark
from gchat.journal.sqlite.queries import Queries
from gchat.journal.sqlite.retention import RetentionLimits, prune
from gchat.journal.sqlite.rows import SEQ_MASK, Row, key_of, keys_of
from gchat.journal.sqlite.schema import migrate
from gchat.journal.sqlite.wall_clock import Grant
from gchat.journal.sqlite.writeback import Writeback

#: Pages of the write-ahead log, of 4 KiB, after which a commit itself writes them to the file; tidy() comes before.
MAX_LOG_PAGES = 8192

#: Text that is put into the index at once: 4 ms where every word is a new one, and 12 when the index tidies up too.
INDEXED_BYTES = 65536

# Not IGNORE: an id that another room has is a conflict.
_NEW_ROOM = (
    "INSERT INTO rooms (id, name) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM rooms WHERE id = ?1 AND name = ?2)"
)

# Of one message, and of several: between two statements the thread waits for the interpreter, which the loop keeps busy
# (and without that too, many in one are a sixth cheaper: measured, 60 rows).
_NEW_MESSAGE = "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS_AT_ONCE = 16
_NEW_MESSAGES = _NEW_MESSAGE + ", (?, ?, ?, ?, ?, ?, ?, ?)" * (_ROWS_AT_ONCE - 1)

#: Connections that are not closed before the process ends.
_LEFT_OPEN: list[sqlite3.Connection] = []


class Changes(Struct, frozen=True):
    """The changes that one transaction writes."""

    rooms: Sequence[tuple[int, str]]  # id, name
    rows: Sequence[Row]
    topics: Sequence[tuple[str, str, int]]  # text, name, room's id
    notes: Sequence[tuple[str, str, bytes]]  # kind, key, value

    def __repr__(self) -> str:
        return f"<Changes: {len(self.rows)} rows>"  # with lineages in them


class Doubt(Struct, frozen=True):
    """A room for which a commit failed, as far as it is known: whatever else is in the file was refused."""

    room: int
    next_seq: int
    topic: str
    topic_by: str


class Database:
    """An open file. Raises JournalError if there can be none.

    `boot` names this run of the machine: only in another one may what was not synced be gone.
    """

    def __init__(self, path: str, sync: str, new_epoch: str, boot: str) -> None:
        self._path = os.path.abspath(path)
        self._sync = sync
        self._closed = False
        self._log_is_lost = False
        self._lock = lock(self._path)
        self._write_back = Writeback(self._lock)
        try:
            self._writer = self._connect()
            self.own = Queries(self._writer)  # for the thread that writes
            migrate(self._writer, new_epoch)
            self._mark = HighWaterMark(self._path)
            self.epoch = self._begin(new_epoch, boot)
            # At once: later there might be another file.
            self._connect_readers()
            self._places = Places(self._path)
        except (sqlite3.Error, JournalError) as error:
            os.close(self._lock)
            raise reason(error) from None

    def _connect(self) -> sqlite3.Connection:
        writer = connect(self._path, self._sync)
        writer.execute(f"PRAGMA wal_autocheckpoint = {MAX_LOG_PAGES}")
        return writer

    def _connect_readers(self) -> None:
        self.readers = self.loader, self.reader, self.searcher = (
            self._connect_reader(CACHE_KIB),
            self._connect_reader(CACHE_KIB),
            self._connect_reader(SEARCH_CACHE_KIB),
        )

    def _connect_reader(self, cache_kib: int) -> Queries:
        reader = connect(self._path, self._sync, cache_kib)
        reader.execute("PRAGMA query_only = 1")
        return Queries(reader)

    def _begin(self, new_epoch: str, boot: str) -> str:
        """Return the epoch: a new one if numbers may have been shown whose messages are not in the file.

        A power cut has taken them, or the file is an older copy.
        """
        facts = dict(self._writer.execute("SELECT name, value FROM facts"))
        epoch: str = facts["epoch"]
        self._count = int(facts.get("count", 0))
        is_last = epoch == new_epoch or self._mark.is_of(epoch, self._count)
        self.replaced = "" if is_last else "it is an older copy, or another file, than the one that was in use here"
        with self._transaction() as writer:
            if facts.get("unsynced", boot) != boot or self.replaced:
                epoch = new_epoch
                writer.execute("UPDATE facts SET value = ? WHERE name = 'epoch'", (epoch,))
            writer.execute("DELETE FROM facts WHERE name = 'unsynced'")
            if self._sync == "normal":
                writer.execute("INSERT INTO facts VALUES ('unsynced', ?)", (boot,))
            self._rise(writer)
        self._mark.set(epoch, self._count)
        return epoch

    def _rise(self, writer: sqlite3.Connection) -> None:
        self._count += 1
        writer.execute("INSERT OR REPLACE INTO facts VALUES ('count', ?)", (str(self._count),))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        writer = self._writer
        writer.execute("BEGIN IMMEDIATE")
        try:
            yield writer
            writer.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                writer.rollback()
            raise

    @contextmanager
    def _unsynced(self) -> Iterator[None]:
        """Leave the sync of what can be made again to the next commit, which syncs the log up to its own end.

        A commit may wait until this is written: half as long without a sync (measured, a flood: 0.7 ms, with it 1.4).
        """
        self._writer.execute("PRAGMA synchronous = normal")
        try:
            yield
        finally:
            self._writer.execute(f"PRAGMA synchronous = {self._sync}")

    # --- Writing -----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise Displaced if what is written now would be lost: the file is no longer where it was."""
        if not self._closed:
            self._places.check()

    def commit(self, changes: Changes) -> None:
        """Write all of it, or nothing."""
        self.check()
        with self._transaction() as writer:
            if changes.rooms:
                writer.executemany(_NEW_ROOM, changes.rooms)
            if changes.rows:
                self._insert(changes.rows)
            if changes.topics:
                writer.executemany("UPDATE rooms SET topic = ?, topic_by = ? WHERE id = ?", changes.topics)
            for kind, key, value in changes.notes:
                if value:
                    writer.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (kind, key, value))
                else:
                    writer.execute("DELETE FROM notes WHERE kind = ? AND key = ?", (kind, key))

    def _insert(self, rows: Sequence[Row]) -> None:
        many = len(rows) - len(rows) % _ROWS_AT_ONCE
        for first in range(0, many, _ROWS_AT_ONCE):
            self._writer.execute(_NEW_MESSAGES, [*chain.from_iterable(rows[first : first + _ROWS_AT_ONCE])])
        if many < len(rows):
            self._writer.executemany(_NEW_MESSAGE, rows[many:])

    def repair(self, doubts: Iterable[Doubt]) -> None:
        """After a commit that failed: open the file again, and remove what was refused.

        A failed sync leaves pages that the kernel believes are on disk (threats.md, T28), and in the write-ahead log
        a whole transaction that the next start would find. What is written here takes its place, even if its sync
        fails too; and if all goes well, everything that was ever confirmed has been copied and synced again.
        """
        if self._closed:
            raise JournalError("the file is closed")
        self._check_file()
        if self._log_is_lost:
            self._rescue_log()
        with suppress(sqlite3.Error):
            self._writer.close()
        self._writer = self._connect()
        self.own = Queries(self._writer)
        if self._log_is_lost:
            self._connect_readers()
            self._places, self._log_is_lost = Places(self._path), False
        with self._transaction() as writer:
            for doubt in doubts:
                first, last = keys_of(doubt.room, doubt.next_seq)
                writer.execute("DELETE FROM messages WHERE key BETWEEN ? AND ?", (first, last))
                changed = (doubt.topic, doubt.topic_by, doubt.room)
                writer.execute("UPDATE rooms SET topic = ?, topic_by = ? WHERE id = ?", changed)
            writer.execute("INSERT OR REPLACE INTO facts VALUES ('repaired', hex(randomblob(8)))")
        self._writer.execute("PRAGMA wal_checkpoint(FULL)")

    def has_lost_log(self) -> bool:
        """Return whether the -wal or -shm file was removed or replaced; if so, repair() needs the readers closed."""
        try:
            self._places.check_log()
        except Displaced:
            self._log_is_lost = True  # until it is repaired: the next file may get the same number
        return self._log_is_lost

    def _check_file(self) -> None:
        """Raise Displaced if the file is not where it was; the file that is open is complete then, wherever it is."""
        try:
            self._places.check_file()
        except Displaced:
            with suppress(sqlite3.Error):
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            raise

    def _rescue_log(self) -> None:
        """Copy a write-ahead log that was removed into the file, and begin another.

        SQLite would take what somebody has put in its place for ours.
        """
        with suppress(sqlite3.ProgrammingError):  # closed already: the step after that has failed
            busy, pages, copied = self._writer.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
            if busy or copied < pages:
                raise JournalError("another program is reading the file")
            self._writer.close()
        self._places.remove_log()

    def index(self, room: int, last: int, most: int) -> int:
        """Put the words of the next messages up to number `last`, `most` at most, into the index; return up to which.

        These are fewer if they are long: a commit may be waiting.
        How far the index goes is read here, one call after the other: two callers must not index the same messages.
        """
        with self._unsynced(), self._transaction() as writer:
            query = "SELECT indexed, first_seq FROM rooms WHERE id = ?"
            indexed, first_seq = writer.execute(query, (room,)).fetchone()
            first = max(indexed + 1, first_seq)
            last = min(last, first + most - 1)
            if last < first:
                return int(indexed)
            last = self._last_at_once(room, first, last)
            writer.execute(
                "INSERT INTO words (rowid, text) "
                "SELECT key, prepared(CAST(text AS BLOB)) FROM messages WHERE key BETWEEN ? AND ?",
                (key_of(room, first), key_of(room, last)),
            )
            writer.execute("UPDATE rooms SET indexed = ? WHERE id = ?", (last, room))
            return last

    def _last_at_once(self, room: int, first: int, last: int) -> int:
        """Return up to which message the texts are of INDEXED_BYTES together; that of the first at least."""
        size = 0
        query = "SELECT key, length(CAST(text AS BLOB)) FROM messages WHERE key BETWEEN ? AND ? ORDER BY key"
        for count, (key, length) in enumerate(
            self._writer.execute(query, (key_of(room, first), key_of(room, last))).fetchall()
        ):
            size += length or 0  # a damaged row may have no text
            if count and size > INDEXED_BYTES:
                return int(key & SEQ_MASK) - 1
        return last

    def prune(self, after: int, limits: RetentionLimits) -> tuple[int, str, int, bool] | None:
        """Delete the oldest messages of one room; see retention.prune."""
        with self._transaction() as writer:
            return prune(writer, after, limits)

    def set_grant(self, grant: Grant | None) -> None:
        """Store what may be deleted while the clock is in doubt, for the next run; None if it is not."""
        with self._transaction() as writer:
            if grant is None:
                writer.execute("DELETE FROM facts WHERE name = 'grant'")
            else:
                value = msgspec.json.encode(grant).decode()
                writer.execute("INSERT OR REPLACE INTO facts VALUES ('grant', ?)", (value,))

    def set_mark(self) -> None:
        """Say in the file, and beside it, how far it has come; see high_water_mark."""
        with self._transaction() as writer:
            self._rise(writer)
        self._mark.set(self.epoch, self._count)

    def copy_log(self) -> int | None:
        """Do what Queries.checkpoint does on the connection that searches, and have it written to the disk, patiently.

        Commits go on meanwhile.
        """
        pages = self.searcher.checkpoint()
        self._write_back()
        return pages

    def restart_log(self) -> None:
        """Copy the little that was committed while all else was copied: then the next commit begins the log anew.

        While commits go on that would not come to pass by itself, and the log would grow.
        """
        self.own.checkpoint()

    def close(self) -> None:
        """Copy all of the write-ahead log into the file, and close it for good. The readers are closed before."""
        self._closed = True
        try:
            with self._transaction() as writer:
                writer.execute("DELETE FROM facts WHERE name = 'unsynced'")
                self._rise(writer)
            self._mark.set(self.epoch, self._count)
        finally:
            try:
                self._check_file()
            except Displaced:
                # Closed, SQLite would remove the -wal file, which may be that of another file that is there now.
                _LEFT_OPEN.append(self._writer)
            else:
                self._writer.close()
                os.close(self._lock)
