"""Export, backup and salvage of a database file that a server may be using."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

from msgspec import Struct, structs

from gchat.journal.journal import JournalError
from gchat.journal.numbering import SEQ_BITS
from gchat.journal.sqlite import high_water_mark
from gchat.journal.sqlite.database import Changes, Database
from gchat.journal.sqlite.errors import reason
from gchat.journal.sqlite.file import connect_to_read
from gchat.journal.sqlite.rows import COLUMNS, LOST, Row, gchat_says, keys_of, record_of, rows_of
from gchat.model.messages import Record

#: Rows in one transaction.
_AT_ONCE = 5000

#: Messages that are read at once. In between nothing is held, so that an export that stalls holds nothing up.
_PAGE = 500


def exported(path: str, room: str) -> Iterator[Record]:
    """Return all messages of a room, oldest first, up to the last one of now. Raises JournalError."""
    with closing(connect_to_read(path)) as connection:
        try:
            found = connection.execute("SELECT id FROM rooms WHERE name = ?", (room,)).fetchone()
            if found is None:
                names = [name for (name,) in connection.execute("SELECT name FROM rooms ORDER BY name LIMIT 20")]
                raise JournalError(
                    f"the room {room} has no history; rooms with one: {', '.join(names)}"
                    if names
                    else "the history is empty"
                )
            key, end = keys_of(found[0], 0)
            bounds = (key, end)
            (end,) = connection.execute("SELECT max(key) FROM messages WHERE key BETWEEN ? AND ?", bounds).fetchone()
            query = f"SELECT {COLUMNS} FROM messages WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?"  # noqa: S608  # names of columns
            while end is not None and (rows := connection.execute(query, (key, end, _PAGE)).fetchall()):
                yield from map(record_of, rows)
                key = rows[-1][0] + 1
        except sqlite3.Error as error:
            raise reason(error) from None


class RoomInFile(Struct, frozen=True):
    """A room of a file, and its topic."""

    name: str
    topic: str
    topic_by: str


def kept_rooms(path: str) -> list[RoomInFile]:
    """Return the rooms of a file, in the order in which they were made. Raises JournalError."""
    return [RoomInFile(*row) for row in _all(path, "SELECT name, topic, topic_by FROM rooms ORDER BY id")]


def kept_notes(path: str) -> list[tuple[str, str, bytes]]:
    """Return the kind, the key and the value of each note in a file. Raises JournalError."""
    return [(kind, key, bytes(value)) for kind, key, value in _all(path, "SELECT kind, key, value FROM notes")]


def _all(path: str, query: str) -> list[tuple[Any, ...]]:
    with closing(connect_to_read(path)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.Error as error:
            raise reason(error) from None


def backup(path: str, copy: str) -> None:
    """Copy the file as it is at one moment, while it is being used. Raises JournalError.

    A server that goes on with the copy has another log: what was said after it was made is not there, and its numbers
    will be those of other messages. So the copy has another epoch.
    """
    with closing(connect_to_read(path)) as source:
        try:
            os.close(os.open(copy, os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise JournalError("that file already exists; choose another name") from None
        except OSError as error:
            raise reason(error) from None
        try:
            with closing(sqlite3.connect(os.path.abspath(copy))) as target:
                source.backup(target)
                with target:
                    target.execute("UPDATE facts SET value = ? WHERE name = 'epoch'", (os.urandom(8).hex(),))
                    target.execute("DELETE FROM facts WHERE name = 'unsynced'")
        except sqlite3.Error as error:
            os.unlink(copy)
            raise reason(error) from None


def salvage(path: str, copy: str) -> int:
    """Write into a new file what can be read of a damaged one, from both its ends; return how many messages that is.

    It is another log: the messages are renumbered, because numbers have no gaps, and where some are missing a
    message says so. The damaged file is not changed. Raises JournalError: nothing can be read, or the new file cannot
    be written.
    """
    with closing(connect_to_read(path)) as connection:
        rooms = dict[int, tuple[str, int]]()
        with suppress(sqlite3.Error):
            rooms.update(
                (id_, (str(name), first if isinstance(first, int) else 1))
                for id_, name, first in connection.execute("SELECT id, name, first_seq FROM rooms")
            )
        from_begin, from_end = list(_readable(connection, "ASC")), list(_readable(connection, "DESC"))
    # Where the table's own order is damaged, a message may be met twice, and anywhere.
    doubtful_first = sorted([*from_begin, *from_end], key=lambda stored: stored.record.message is not LOST)
    by_key = {stored.key: stored for stored in doubtful_first}
    found = [by_key[key] for key in sorted(by_key)]
    last = from_begin[-1].key if from_begin else -1
    is_whole = bool(from_end) and from_end[0].key == last
    count = sum(stored.record.message is not LOST for stored in found)
    if not count:
        raise JournalError("no message in it can be read")
    by_room: dict[int, list[_Stored]] = {id_: [] for id_ in rooms}
    for stored in found:
        by_room.setdefault(stored.key >> SEQ_BITS, []).append(stored)
    names: dict[str, int] = {}
    rows: list[Row] = []
    for id_, messages in by_room.items():
        name, first = rooms.get(id_, (f"room-{id_}", 1))
        while name in names:
            name += f"-{id_}"
        names[name] = id_
        is_cut = not is_whole and (not messages or messages[-1].key == last)
        rows += _renumbered(id_, messages, first, is_cut=is_cut)
    begun = f"{copy}.new"  # a copy that is cut short must not pass for all that could be read
    with suppress(FileNotFoundError):
        os.unlink(begun)
    database = Database(begun, "normal", os.urandom(8).hex(), "")
    try:
        database.commit(Changes([(id_, name) for name, id_ in names.items()], (), (), ()))
        for at in range(0, len(rows), _AT_ONCE):
            database.commit(Changes((), rows[at : at + _AT_ONCE], (), ()))
        for reader in database.readers:
            reader.close()
        database.close()
        os.rename(begun, copy)
        os.unlink(begun + high_water_mark.SUFFIX)
    except (sqlite3.Error, OSError) as error:
        raise reason(error) from None
    return count


class _Stored(Struct, frozen=True):
    key: int
    record: Record
    lineage: str

    def __repr__(self) -> str:
        return f"_Stored({self.key}, {self.record!r})"


def _readable(connection: sqlite3.Connection, order: str) -> Iterator[_Stored]:
    """Return messages from one end of the table, up to where it cannot be read.

    A damaged one is among them if at least its place is right.
    """
    before, step = None, 1 if order == "ASC" else -1
    with suppress(sqlite3.Error):
        query = f"SELECT {COLUMNS}, lineage FROM messages ORDER BY key {order}"  # noqa: S608  # names, and one of two words
        for *row, lineage in connection.execute(query):
            record = record_of(tuple(row))
            if record.message is not LOST or (before is not None and row[0] == before + step):
                before = row[0]
                yield _Stored(row[0], record, str(lineage or ""))


def _renumbered(room: int, messages: list[_Stored], first: int, *, is_cut: bool) -> Iterator[Row]:
    """Return a room's messages, of which the oldest had the number `first`; `is_cut` if more may have followed."""
    seq, expected = 0, first
    for stored in messages:
        if (lost := stored.record.seq - expected) > 0:
            seq += 1
            yield from _word(room, seq, stored.record.time, f"… {lost:,} message{'s' * (lost > 1)} that were here")
        seq, expected = seq + 1, stored.record.seq + 1
        yield from rows_of(room, structs.replace(stored.record, seq=seq), stored.lineage)
    if is_cut:
        time = messages[-1].record.time if messages else 0.0
        yield from _word(room, seq + 1, time, "… what may have been here")


def _word(room: int, seq: int, time: float, what: str) -> list[Row]:
    return rows_of(room, Record(seq, time, gchat_says(f"{what} cannot be read")), "")
