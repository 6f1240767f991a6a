"""The database, as calls that each wait for the disk; so they are made on native threads, which know no event loop.

Two connections: one writes, and one reads, so that a search does not hold up new messages. Each is used by one thread
at a time. The journal judges every sqlite3.Error that a call raises (problem.reason).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from msgspec import Struct

from gchat.journal.base import JournalError, KeptRoom
from gchat.journal.file import Places, connect, lock
from gchat.journal.numbering import Use, digest_of
from gchat.journal.problem import Damaged, Displaced, reason
from gchat.journal.retention import Limits, oldest, prune
from gchat.journal.rows import COLUMNS, SEQ_MASK, Row, contiguous, key_of, keys_of, kind_of, record_of
from gchat.journal.schema import SEQ_BITS, migrate
from gchat.protocol.events import Numbered, Record

#: Pages of the write-ahead log, of 4 KiB, after which a commit itself writes them to the file; tidy() comes before.
MAX_LOG_PAGES = 8192


#: Connections that are not closed before the process ends.
_LEFT_OPEN: list[sqlite3.Connection] = []


class StoredRoom(Struct, frozen=True):
    """A room as it is found on disk."""

    id: int
    first_seq: int
    next_seq: int
    indexed: int
    topic: str
    topic_by: str
    tail: list[Record]


class Changes(Struct, frozen=True):
    """What one transaction writes."""

    rooms: Sequence[tuple[int, str]]  # id, name
    rows: Sequence[Row]
    topics: Sequence[tuple[str, str, int]]  # text, name, room's id
    notes: Sequence[tuple[str, str, bytes]]  # kind, key, value

    def __repr__(self) -> str:
        return f"<Changes: {len(self.rows)} rows>"  # with lineages in them


class Doubt(Struct, frozen=True):
    """What is known of a room for which a commit failed: whatever else is in the file was refused."""

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
        try:
            self._writer = self._connect()
            migrate(self._writer, new_epoch)
            self.epoch = self._begin(new_epoch, boot)
            self._reader = self._connect_reader()
            self.next_room = 1 + (self._reader.execute("SELECT max(id) FROM rooms").fetchone()[0] or 0)
            self._places = Places(self._path)
        except (sqlite3.Error, JournalError) as error:
            os.close(self._lock)
            raise reason(error) from None

    def _connect(self) -> sqlite3.Connection:
        writer = connect(self._path, self._sync)
        writer.execute(f"PRAGMA wal_autocheckpoint = {MAX_LOG_PAGES}")
        return writer

    def _connect_reader(self) -> sqlite3.Connection:
        reader = connect(self._path, self._sync)
        reader.execute("PRAGMA query_only = 1")
        return reader

    def _begin(self, new_epoch: str, boot: str) -> str:
        """Return the epoch: a new one if numbers may have been shown whose messages a power cut has taken."""
        facts = dict(self._writer.execute("SELECT name, value FROM facts"))
        epoch: str = facts["epoch"]
        with self._transaction() as writer:
            if facts.get("unsynced", boot) != boot:
                epoch = new_epoch
                writer.execute("UPDATE facts SET value = ? WHERE name = 'epoch'", (epoch,))
            writer.execute("DELETE FROM facts WHERE name = 'unsynced'")
            if self._sync == "normal":
                writer.execute("INSERT INTO facts VALUES ('unsynced', ?)", (boot,))
        return epoch

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
                writer.executemany("INSERT OR IGNORE INTO rooms (id, name) VALUES (?, ?)", changes.rooms)
            if changes.rows:
                writer.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)", changes.rows)
            if changes.topics:
                writer.executemany("UPDATE rooms SET topic = ?, topic_by = ? WHERE id = ?", changes.topics)
            for kind, key, value in changes.notes:
                if value:
                    writer.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (kind, key, value))
                else:
                    writer.execute("DELETE FROM notes WHERE kind = ? AND key = ?", (kind, key))

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
        if self._log_is_lost:
            self._reader = self._connect_reader()
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
        """Return whether the -wal or -shm file was removed or replaced; if so, repair() needs the reader closed."""
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

        How far the index goes is read here, one call after the other: two callers must not index the same messages.
        """
        with self._transaction() as writer:
            query = "SELECT indexed, first_seq FROM rooms WHERE id = ?"
            indexed, first_seq = writer.execute(query, (room,)).fetchone()
            first = max(indexed + 1, first_seq)
            last = min(last, first + most - 1)
            if last < first:
                return int(indexed)
            writer.execute(
                "INSERT INTO words (rowid, text) "
                "SELECT key, prepared(CAST(text AS BLOB)) FROM messages WHERE key BETWEEN ? AND ?",
                (key_of(room, first), key_of(room, last)),
            )
            writer.execute("UPDATE rooms SET indexed = ? WHERE id = ?", (last, room))
            return last

    def prune(self, after: int, limits: Limits) -> tuple[int, str, int, bool] | None:
        """Delete the oldest messages of one room; see retention.prune."""
        with self._transaction() as writer:
            return prune(writer, after, limits)

    def oldest(self) -> float | None:
        """Return the time of the oldest message, None if there is none."""
        return oldest(self._reader)

    # --- Reading -----------------------------------------------------------------------------------------------------

    def room(self, name: str, tail: int) -> StoredRoom | None:
        """Return what is known of a room, with its last `tail` messages; None if nothing was ever said there."""
        found = self._reader.execute(
            "SELECT id, first_seq, indexed, topic, topic_by FROM rooms WHERE name = ?", (name,)
        ).fetchone()
        if found is None:
            return None
        id_, first, indexed, topic, topic_by = found
        # From the end of the table backwards: where a key is damaged, it is not where a search would look for it.
        rows = self._reader.execute(
            f"SELECT {COLUMNS} FROM messages WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT ?",  # noqa: S608  # names of columns
            (*keys_of(id_, 0), tail),
        ).fetchall()
        records = contiguous([record_of(row) for row in reversed(rows)])
        next_seq = records[-1].seq + 1 if records else first
        return StoredRoom(id_, first, next_seq, indexed, topic, topic_by, records)

    def rooms(self, limit: int) -> list[KeptRoom]:
        """Return the rooms that were made last."""
        rows = self._reader.execute(
            "SELECT name, topic, coalesce((SELECT max(key) & ? FROM messages WHERE "
            "key BETWEEN rooms.id << ? AND (rooms.id << ?) | ?), first_seq - 1) FROM rooms ORDER BY id DESC LIMIT ?",
            (SEQ_MASK, SEQ_BITS, SEQ_BITS, SEQ_MASK, limit),
        ).fetchall()
        return [KeptRoom(name, last_seq, topic) for name, topic, last_seq in rows]

    def read(self, room: int, start: int, stop: int, limit: int) -> list[Record]:
        """Return messages of a room from number `start` up to `stop`, without it, oldest first. Raises Damaged."""
        rows = self._reader.execute(
            f"SELECT {COLUMNS} FROM messages WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?",  # noqa: S608  # names of columns
            (key_of(room, start), key_of(room, stop - 1), limit),
        )
        records = contiguous([record_of(row) for row in rows.fetchall()])
        begin, end = (records[0].seq, records[-1].seq + 1) if records else (stop, stop)
        missing = end if len(records) < limit and end < stop else 0
        if begin > start:  # what is older may have been thrown away
            (first,) = self._reader.execute("SELECT first_seq FROM rooms WHERE id = ?", (room,)).fetchone()
            missing = max(start, first) if begin > max(start, first) else missing
        if missing:
            raise Damaged(f"the file is damaged (message {missing} is missing)")
        return records

    def search(self, room: int, query: str, limit: int) -> list[Record]:
        """Return the last messages of a room that the index finds, oldest first."""
        rows = self._reader.execute(
            f"SELECT {COLUMNS} FROM words JOIN messages ON key = words.rowid "  # noqa: S608  # names of columns
            "WHERE words MATCH ? AND words.rowid BETWEEN ? AND ? ORDER BY words.rowid DESC LIMIT ?",
            (query, *keys_of(room, 0), limit),
        ).fetchall()
        return [record_of(row) for row in reversed(rows)]

    def ids(self, lineage: str, since: float, most: int) -> list[Use]:
        """Return what the ids of a lineage were used for `since` then, oldest first."""
        rows = self._reader.execute(
            "SELECT m.id, r.name, m.key, m.kind, m.text FROM messages AS m JOIN rooms AS r ON r.id = m.key >> ? "
            "WHERE m.lineage = ? AND m.time >= ? ORDER BY m.time DESC LIMIT ?",
            (SEQ_BITS, lineage, since, most),
        ).fetchall()
        deleted = self._reader.execute(
            "SELECT d.id, r.name, d.key, d.digest FROM deleted AS d JOIN rooms AS r ON r.id = d.key >> ? "
            "WHERE d.lineage = ? AND d.time >= ?",
            (SEQ_BITS, lineage, since),
        ).fetchall()
        used = [(*row, digest) for *row, digest in deleted]
        for *row, kind, text in reversed(rows):
            used.append((*row, digest_of(kind_of(kind), row[1], text)))
        return [Use(digest, Numbered(id_, room, key & SEQ_MASK)) for id_, room, key, digest in used]

    def notes(self, kind: str) -> dict[str, bytes]:
        """Return all notes of a kind."""
        return dict(self._reader.execute("SELECT key, value FROM notes WHERE kind = ?", (kind,)))

    def checkpoint(self) -> bool:
        """Copy the write-ahead log into the file, as far as no other program reads it; return whether that was all.

        Commits go on meanwhile.
        """
        _, pages, copied = self._reader.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return bool(pages == copied)

    def close_reader(self) -> None:
        """Read no more. Before close(), on the thread that reads: closed under it, SQLite crashes."""
        self._reader.close()

    def close(self) -> None:
        """Copy all of the write-ahead log into the file, and close it for good."""
        self._closed = True
        try:
            with self._transaction() as writer:
                writer.execute("DELETE FROM facts WHERE name = 'unsynced'")
        finally:
            self._reader.close()
            try:
                self._check_file()
            except Displaced:
                # Closed, SQLite would remove the -wal file, which may be that of another file that is there now.
                _LEFT_OPEN.append(self._writer)
            else:
                self._writer.close()
                os.close(self._lock)
