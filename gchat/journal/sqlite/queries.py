"""Queries of the database: each call waits for the disk.

A connection is used by one thread at a time. A call raises sqlite3.Error, which the journal judges (errors.reason), or
JournalError.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import msgspec
from msgspec import Struct

from gchat.journal.numbering import SEQ_BITS, Use, digest_of, use_of
from gchat.journal.paging import page
from gchat.journal.parts import KeptRoom, TooMuch
from gchat.journal.sqlite.errors import Damaged
from gchat.journal.sqlite.retention import oldest
from gchat.journal.sqlite.rows import COLUMNS, SEQ_MASK, contiguous, key_of, keys_of, kind_of, record_of
from gchat.journal.sqlite.wall_clock import Grant
from gchat.model.messages import Record

#: Steps of SQLite's machine between two looks at the clock. The index of words makes few of them (measured, a million
#: messages: 5 ms pass between looks).
STEPS_BETWEEN_LOOKS = 20


class StoredRoom(Struct, frozen=True):
    """A room as it is found on disk."""

    id: int
    first_seq: int
    next_seq: int
    indexed: int
    topic: str
    topic_by: str
    recent: list[Record]


class Queries:
    """The queries of one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        """Close the connection, on the thread that uses it: closed under it, SQLite crashes."""
        self._connection.close()

    # --- Rooms -------------------------------------------------------------------------------------------------------

    def room(self, name: str, most: int, max_size: int) -> StoredRoom | None:
        """Return what is known of a room, with its last messages: at most `most`, and about `max_size` of text.

        None if nothing was ever said there.
        """
        found = self._connection.execute(
            "SELECT id, first_seq, indexed, topic, topic_by FROM rooms WHERE name = ?", (name,)
        ).fetchone()
        if found is None:
            return None
        id_, first, indexed, topic, topic_by = found
        # From the end of the table backwards: where a key is damaged, it is not where a search would look for it.
        query = f"SELECT {COLUMNS} FROM messages WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT ?"  # noqa: S608  # names of columns
        records, _ = self._read(query, (*keys_of(id_, 0), most), max_size)
        records = contiguous(records[::-1])
        next_seq = records[-1].seq + 1 if records else first
        return StoredRoom(id_, first, next_seq, indexed, topic, topic_by, records)

    def rooms(self, limit: int) -> list[KeptRoom]:
        """Return the rooms that were made last."""
        rows = self._connection.execute(
            "SELECT name, topic, coalesce((SELECT max(key) & ? FROM messages WHERE "
            "key BETWEEN rooms.id << ? AND (rooms.id << ?) | ?), first_seq - 1) FROM rooms ORDER BY id DESC LIMIT ?",
            (SEQ_MASK, SEQ_BITS, SEQ_BITS, SEQ_MASK, limit),
        ).fetchall()
        return [KeptRoom(name, last_seq, topic) for name, topic, last_seq in rows]

    def next_room(self) -> int:
        """Return the id of the next room."""
        return 1 + (self._connection.execute("SELECT max(id) FROM rooms").fetchone()[0] or 0)

    # --- Messages ----------------------------------------------------------------------------------------------------

    def read(self, room: int, span: tuple[int, int], limit: int, max_size: int, *, last: bool = False) -> list[Record]:
        """Return messages of a room with the numbers in `span`, without its second, oldest first. Raises Damaged.

        At most `limit`, and about `max_size` of text: the first of them, or the last.
        """
        start, stop = span
        order = "DESC" if last else "ASC"
        query = f"SELECT {COLUMNS} FROM messages WHERE key BETWEEN ? AND ? ORDER BY key {order} LIMIT ?"  # noqa: S608  # names of columns
        records, is_cut = self._read(query, (key_of(room, start), key_of(room, stop - 1), limit), max_size)
        records = contiguous(records[::-1] if last else records)
        begin, end = (records[0].seq, records[-1].seq + 1) if records else (stop, stop)
        is_partial = is_cut or len(records) == limit
        missing = end if end < stop and (last or not is_partial) else 0
        if begin > start and not (last and is_partial):  # what is older may have been deleted
            (first,) = self._connection.execute("SELECT first_seq FROM rooms WHERE id = ?", (room,)).fetchone()
            missing = max(start, first) if begin > max(start, first) else missing
        if missing:
            raise Damaged(f"the file is damaged (message {missing} is missing)")
        return records

    def search(
        self, room: int, query: str, limit: int, max_size: int, is_late: Callable[[], bool]
    ) -> tuple[list[Record], bool]:
        """Return the last messages of a room that the index finds, oldest first, and whether there may be older ones.

        Raises TooMuch when it is late.
        """
        connection = self._connection
        connection.set_progress_handler(is_late, STEPS_BETWEEN_LOOKS)
        try:
            found, is_cut = self._read(
                f"SELECT {COLUMNS} FROM words JOIN messages ON key = words.rowid "  # noqa: S608  # names of columns
                "WHERE words MATCH ? AND words.rowid BETWEEN ? AND ? ORDER BY words.rowid DESC LIMIT ?",
                (query, *keys_of(room, 0), limit),
                max_size,
            )
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
                raise TooMuch from None
            raise
        finally:
            connection.set_progress_handler(None, 0)
        return found[::-1], is_cut or len(found) == limit

    def _read(self, query: str, values: tuple[object, ...], max_size: int) -> tuple[list[Record], bool]:
        """Return messages, see page()."""
        with closing(self._connection.execute(query, values)) as rows:
            return page(map(record_of, rows), max_size)

    # --- The rest ----------------------------------------------------------------------------------------------------

    def ids(self, lineage: str, since: float, most: int) -> list[tuple[str, Use]]:
        """Return what the ids of a lineage were used for `since` then, oldest first."""
        deleted = self._connection.execute(
            "SELECT id, digest, key FROM deleted WHERE lineage = ? AND time >= ?", (lineage, since)
        ).fetchall()
        rows = self._connection.execute(
            "SELECT m.id, m.kind, r.name, m.text, m.key FROM messages AS m JOIN rooms AS r ON r.id = m.key >> ? "
            "WHERE m.lineage = ? AND m.time >= ? ORDER BY m.time DESC LIMIT ?",
            (SEQ_BITS, lineage, since, most),
        ).fetchall()
        stored = [(id_, digest_of(kind_of(kind), room, text), key) for id_, kind, room, text, key in reversed(rows)]
        return [(id_, use_of(digest, key & SEQ_MASK)) for id_, digest, key in (*deleted, *stored)]

    def notes(self, kind: str) -> dict[str, bytes]:
        """Return all notes of a kind."""
        return dict(self._connection.execute("SELECT key, value FROM notes WHERE kind = ?", (kind,)))

    def grant(self) -> Grant | None:
        """Return what may be deleted while the clock is in doubt, as an earlier run left it."""
        found = self._connection.execute("SELECT value FROM facts WHERE name = 'grant'").fetchone()
        try:
            return msgspec.json.decode(found[0], type=Grant) if found else None
        except (msgspec.DecodeError, TypeError):  # damaged, so there is another
            return None

    def oldest(self) -> float | None:
        """Return the time of the oldest message, None if there is none."""
        return oldest(self._connection)

    def checkpoint(self) -> int | None:
        """Copy the write-ahead log into the file; return how many pages it has, None if another program reads it.

        Commits go on meanwhile.
        """
        _, pages, copied = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return int(pages) if pages == copied else None
