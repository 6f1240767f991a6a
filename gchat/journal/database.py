"""The database, as calls that each wait for the disk; so they are made on native threads, which know no event loop.

Two connections: one writes, and one reads, so that somebody's search does not hold up what others say. Each is used by
one thread at a time. Every sqlite3.Error that a call raises is for the journal to judge (schema.reason).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from msgspec import Struct

from gchat.journal.base import JournalError, KeptRoom
from gchat.journal.rows import COLUMNS, SEQ_MASK, Row, contiguous, key_of, keys_of, record_of
from gchat.journal.schema import SEQ_BITS, Damaged, connect, lock, migrate, reason
from gchat.protocol.events import Numbered, Record

#: Pages of the write-ahead log, of 4 KiB, after which a commit itself writes them to the file; tidy() comes before.
MAX_LOG_PAGES = 8192


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


class Doubt(Struct, frozen=True):
    """What is known of a room that a commit failed in: whatever else stands in the file was refused."""

    room: int
    next_seq: int
    topic: str
    topic_by: str


class Database:
    """An open file. Raises JournalError if there can be none.

    `boot` names this run of the machine: only in another one may what was not synced be gone.
    """

    def __init__(self, path: str, sync: str, new_epoch: str, boot: str) -> None:
        self.path = path
        self._sync = sync
        self._closed = False
        self._lock = lock(path)
        try:
            self._writer = self._connect()
            migrate(self._writer, new_epoch)
            self.epoch = self._begin(new_epoch, boot)
            self._reader = connect(path, sync)
            self._reader.execute("PRAGMA query_only = 1")
            self.next_room = 1 + (self._reader.execute("SELECT max(id) FROM rooms").fetchone()[0] or 0)
        except (sqlite3.Error, JournalError) as error:
            os.close(self._lock)
            raise reason(error) from None

    def _connect(self) -> sqlite3.Connection:
        writer = connect(self.path, self._sync)
        writer.execute(f"PRAGMA wal_autocheckpoint = {MAX_LOG_PAGES}")
        return writer

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

    def commit(self, changes: Changes) -> None:
        """Write all of it, or nothing."""
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
        """After a commit that failed: open the file anew, and take out what was refused.

        A failed sync leaves pages that the kernel believes are on disk (threats.md, T28), and in the write-ahead log
        a whole transaction that the next start would find. What is written here stands in its place, even if the sync
        of it fails too; and if all goes well, everything that was ever confirmed has been copied and synced again.
        """
        if self._closed:
            raise JournalError("the file is closed")
        with suppress(sqlite3.Error):
            self._writer.close()
        self._writer = self._connect()
        with self._transaction() as writer:
            for doubt in doubts:
                first, last = keys_of(doubt.room, doubt.next_seq)
                writer.execute("DELETE FROM messages WHERE key BETWEEN ? AND ?", (first, last))
                changed = (doubt.topic, doubt.topic_by, doubt.room)
                writer.execute("UPDATE rooms SET topic = ?, topic_by = ? WHERE id = ?", changed)
            writer.execute("INSERT OR REPLACE INTO facts VALUES ('repaired', hex(randomblob(8)))")
        self._writer.execute("PRAGMA wal_checkpoint(FULL)")

    def index(self, room: int, last: int, most: int) -> int:
        """Put the words of the next messages up to number `last`, `most` at most, into the index; return up to which.

        Where it stands is read here, one call after the other: two callers at once must not index the same.
        """
        with self._transaction() as writer:
            query = "SELECT indexed, first_seq FROM rooms WHERE id = ?"
            indexed, first_seq = writer.execute(query, (room,)).fetchone()
            first = max(indexed + 1, first_seq)
            last = min(last, first + most - 1)
            if last < first:
                return int(indexed)
            writer.execute(
                "INSERT INTO words (rowid, text) SELECT key, text FROM messages WHERE key BETWEEN ? AND ?",
                (key_of(room, first), key_of(room, last)),
            )
            writer.execute("UPDATE rooms SET indexed = ? WHERE id = ?", (last, room))
            return last

    def prune(self, after: int, keep: int, since: float, most: int) -> tuple[int, str, int, bool] | None:
        """In the room that follows the one with the id `after`, delete the oldest messages, `most` at most.

        The last `keep` stay, all if that is 0, and those said `since` then. Return the room's id and name, the number
        of its oldest message now, and whether there is more to delete; None if there is no such room.
        """
        found = self._writer.execute(
            "SELECT id, name, first_seq, indexed FROM rooms WHERE id > ? ORDER BY id LIMIT 1", (after,)
        ).fetchone()
        if found is None:
            return None
        room, name, first, indexed = found
        until = max(first, self._next_seq(room, first) - keep) if keep else first
        if since:
            oldest = self._writer.execute(
                "SELECT time FROM messages WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?",
                (*keys_of(room, first), most),
            ).fetchall()
            # A time that a disk has made something else of is old.
            is_old = [not isinstance(time, float) or time < since for (time,) in oldest]
            old = is_old.index(False) if False in is_old else len(is_old)
            until = max(until, first + old)
        more, until = until - first >= most, min(until, first + most)
        if until > first:
            with self._transaction() as writer:
                keys = (key_of(room, first), key_of(room, min(until - 1, indexed)))
                writer.execute(
                    "INSERT INTO words (words, rowid, text) "
                    "SELECT 'delete', key, text FROM messages WHERE key BETWEEN ? AND ?",
                    keys,
                )
                writer.execute("DELETE FROM messages WHERE key BETWEEN ? AND ?", (keys[0], key_of(room, until - 1)))
                writer.execute(
                    "UPDATE rooms SET first_seq = ?, indexed = max(indexed, ?) WHERE id = ?", (until, until - 1, room)
                )
        return room, name, until, more

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
            raise Damaged(f"the file is damaged (message {missing} is not where it should be)")
        return records

    def search(self, room: int, query: str, limit: int) -> list[Record]:
        """Return the last messages of a room that the index finds, oldest first."""
        rows = self._reader.execute(
            f"SELECT {COLUMNS} FROM words JOIN messages ON key = words.rowid "  # noqa: S608  # names of columns
            "WHERE words MATCH ? AND words.rowid BETWEEN ? AND ? ORDER BY words.rowid DESC LIMIT ?",
            (query, *keys_of(room, 0), limit),
        ).fetchall()
        return [record_of(row) for row in reversed(rows)]

    def ids(self, lineage: str, since: float, most: int) -> list[Numbered]:
        """Return the ids that a lineage has used `since` then, and where those messages stand, oldest first."""
        rows = self._reader.execute(
            "SELECT m.id, r.name, m.key FROM messages AS m JOIN rooms AS r ON r.id = m.key >> ? "
            "WHERE m.lineage = ? AND m.time >= ? ORDER BY m.time DESC LIMIT ?",
            (SEQ_BITS, lineage, since, most),
        ).fetchall()
        return [Numbered(id_, room, key & SEQ_MASK) for id_, room, key in reversed(rows)]

    def notes(self, kind: str) -> dict[str, bytes]:
        """Return all notes of a kind."""
        return dict(self._reader.execute("SELECT key, value FROM notes WHERE kind = ?", (kind,)))

    def checkpoint(self) -> None:
        """Copy what is in the write-ahead log into the file itself, as far as nobody reads it; commits go on."""
        self._reader.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close_reader(self) -> None:
        """Read no more. Before close(), on the thread that reads: closed under it, SQLite crashes."""
        self._reader.close()

    def close(self) -> None:
        """Copy all of the write-ahead log, and let go of the file, for good."""
        self._closed = True
        try:
            with self._transaction() as writer:
                writer.execute("DELETE FROM facts WHERE name = 'unsynced'")
        finally:
            self._reader.close()
            self._writer.close()
            os.close(self._lock)

    def _next_seq(self, room: int, first: int) -> int:
        last = self._writer.execute(
            "SELECT max(key) FROM messages WHERE key BETWEEN ? AND ?", keys_of(room, 0)
        ).fetchone()
        return first if last[0] is None else (last[0] & SEQ_MASK) + 1
