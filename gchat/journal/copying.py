"""What is read from a database file beside the server: a copy, a room, and what is left of a damaged file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from urllib.parse import quote

from msgspec import Struct, structs

from gchat.journal.base import JournalError
from gchat.journal.database import Changes, Database
from gchat.journal.rows import COLUMNS, Row, gchat_says, keys_of, record_of, rows_of
from gchat.journal.schema import SEQ_BITS, reason, text
from gchat.protocol.events import Record

#: Rows in one transaction.
_AT_ONCE = 5000


def _open(path: str) -> sqlite3.Connection:
    if not os.path.exists(path):
        raise JournalError("there is no such file")
    try:
        connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise reason(error) from None
    connection.text_factory = text
    return connection


def exported(path: str, room: str) -> Iterator[Record]:
    """Return all messages of a room, oldest first; the server may run meanwhile. Raises JournalError."""
    with closing(_open(path)) as connection:
        try:
            found = connection.execute("SELECT id FROM rooms WHERE name = ?", (room,)).fetchone()
            if found is None:
                names = ", ".join(
                    name for (name,) in connection.execute("SELECT name FROM rooms ORDER BY name LIMIT 20")
                )
                raise JournalError(f"nothing was said in a room {room}; there are {names or 'none'}")
            query = f"SELECT {COLUMNS} FROM messages WHERE key BETWEEN ? AND ? ORDER BY key"  # noqa: S608  # names of columns
            for row in connection.execute(query, keys_of(found[0], 0)):
                yield record_of(row)
        except sqlite3.Error as error:
            raise reason(error) from None


def backup(path: str, copy: str) -> None:
    """Copy the file as it is at one moment, while it is being used. Raises JournalError.

    Who begins anew with the copy has another log: what was said after it was made is not there, and its numbers will be
    those of something else. So the copy has another epoch.
    """
    if os.path.exists(copy):
        raise JournalError(f"there is a file {copy} already")
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(_open(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            with target:
                target.execute("UPDATE facts SET value = ? WHERE name = 'epoch'", (os.urandom(8).hex(),))
                target.execute("DELETE FROM facts WHERE name = 'unsynced'")
    except (sqlite3.Error, JournalError) as error:
        os.unlink(copy)
        raise reason(error) from None


def salvage(path: str, copy: str) -> int:
    """Write into a new file what can be read of a damaged one, from both its ends; return how many messages that is.

    It is another log: numbers are given anew, for they have no holes, and where messages are missing one says so. The
    damaged file is not changed. Raises JournalError: nothing can be read, or the new file cannot be written.
    """
    with closing(_open(path)) as connection:
        rooms = dict[int, str]()
        with suppress(sqlite3.Error):
            rooms.update(connection.execute("SELECT id, name FROM rooms"))
        found = list(_readable(connection, "ASC"))
        last = found[-1].key if found else -1
        found += reversed([stored for stored in _readable(connection, "DESC") if stored.key > last])
    if not found:
        raise JournalError("nothing in it can be read")
    for stored in found:
        id_ = stored.key >> SEQ_BITS
        rooms.setdefault(id_, f"room-{id_}")
    rows = list(_numbered_anew(found))
    begun = f"{copy}.new"  # what is cut short must not pass for all that could be read
    with suppress(FileNotFoundError):
        os.unlink(begun)
    database = Database(begun, "normal", os.urandom(8).hex(), "")
    try:
        database.commit(Changes(list(rooms.items()), (), (), ()))
        for first in range(0, len(rows), _AT_ONCE):
            database.commit(Changes((), rows[first : first + _AT_ONCE], (), ()))
        database.close()
        os.rename(begun, copy)
    except (sqlite3.Error, OSError) as error:
        raise reason(error) from None
    return len(found)


class _Stored(Struct, frozen=True):
    key: int
    record: Record
    lineage: str


def _readable(connection: sqlite3.Connection, order: str) -> Iterator[_Stored]:
    """Return messages from one end of the table, up to where it cannot be read."""
    with suppress(sqlite3.Error):
        query = f"SELECT {COLUMNS}, lineage FROM messages ORDER BY key {order}"  # noqa: S608  # names, and one of two words
        for *row, lineage in connection.execute(query):
            yield _Stored(row[0], record_of(tuple(row)), lineage or "")


def _numbered_anew(found: list[_Stored]) -> Iterator[Row]:
    seq, before = 0, -1
    for stored in found:
        room, is_first = stored.key >> SEQ_BITS, stored.key >> SEQ_BITS != before >> SEQ_BITS
        if is_first:
            seq = 0
        elif lost := stored.key - before - 1:
            seq += 1
            word = gchat_says(f"… {lost:,} message{'s' * (lost > 1)} that stood here cannot be read any more")
            yield from rows_of(room, Record(seq, stored.record.time, word), "")
        seq, before = seq + 1, stored.key
        yield from rows_of(room, structs.replace(stored.record, seq=seq), stored.lineage)
