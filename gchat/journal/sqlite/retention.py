"""Deleting messages that are too old or too many. How far the clock is believed is decided in wall_clock.py."""

from __future__ import annotations

import sqlite3

from msgspec import Struct

from gchat.journal.numbering import digest_of
from gchat.journal.sqlite.rows import SEQ_MASK, key_of, keys_of, kind_of
from gchat.journal.used_ids import IDS_S

#: The oldest message is looked for among so many of each room.
_HEAD = 1000


def oldest(reader: sqlite3.Connection) -> float | None:
    """Return the time of the oldest message, None if there is none."""
    # Not simply of the first: it may have been said while the clock was wrong.
    of_room = "SELECT time FROM messages WHERE key BETWEEN ? AND ? AND typeof(time) = 'real' ORDER BY key LIMIT ?"
    times = [
        reader.execute(f"SELECT min(time) FROM ({of_room})", (*keys_of(room, 0), _HEAD)).fetchone()[0]  # noqa: S608  # no value
        for (room,) in reader.execute("SELECT id FROM rooms").fetchall()
    ]
    return min((time for time in times if time is not None), default=None)


class Limits(Struct, frozen=True):
    """What stays: the last `keep` messages of each room (0: all), and those said `since` then (0.0: all)."""

    keep: int
    since: float
    now: float  # the wall clock's
    at_once: int  # the most to delete in one step


def prune(writer: sqlite3.Connection, after: int, limits: Limits) -> tuple[int, str, int, bool] | None:
    """Delete the oldest messages of the room that follows the one with the id `after`.

    Return the room's id and name, the number of its oldest message now, and whether there is more to delete; None if
    there is no such room.
    """
    found = writer.execute(
        "SELECT id, name, first_seq, indexed FROM rooms WHERE id > ? ORDER BY id LIMIT 1", (after,)
    ).fetchone()
    if found is None:
        return None
    room, name, first, indexed = found
    until = max(first, _next_seq(writer, room, first) - limits.keep) if limits.keep else first
    if limits.since:
        until = max(until, _end_of_old(writer, room, first, limits))
    more, until = until - first >= limits.at_once, min(until, first + limits.at_once)
    if until > first:
        keys = (key_of(room, first), key_of(room, until - 1))
        writer.execute(
            "INSERT INTO words (words, rowid, text) "
            "SELECT 'delete', key, prepared(CAST(text AS BLOB)) FROM messages WHERE key BETWEEN ? AND ?",
            (keys[0], key_of(room, min(until - 1, indexed))),
        )
        _remember_ids(writer, name, keys, limits.now - IDS_S)
        writer.execute("DELETE FROM messages WHERE key BETWEEN ? AND ?", keys)
        writer.execute(
            "UPDATE rooms SET first_seq = ?, indexed = max(indexed, ?) WHERE id = ?", (until, until - 1, room)
        )
    return room, name, until, more


def _next_seq(writer: sqlite3.Connection, room: int, first: int) -> int:
    last = writer.execute("SELECT max(key) FROM messages WHERE key BETWEEN ? AND ?", keys_of(room, 0)).fetchone()
    return first if last[0] is None else (last[0] & SEQ_MASK) + 1


def _end_of_old(writer: sqlite3.Connection, room: int, first: int, limits: Limits) -> int:
    """Return the number after the oldest messages that were said before `since`, as many as one step deletes at most.

    A message from the future, said while the clock was wrong, is as old as those after it. A damaged time is old.
    """
    rows = writer.execute(
        "SELECT key, time FROM messages WHERE key BETWEEN ? AND ? AND (time <= ? OR typeof(time) <> 'real') "
        "ORDER BY key LIMIT ?",
        (*keys_of(room, first), limits.now, limits.at_once),
    ).fetchall()
    until = first
    for key, time in rows:
        if isinstance(time, float) and time >= limits.since:
            break
        until = (key & SEQ_MASK) + 1
    return until


def _remember_ids(writer: sqlite3.Connection, room: str, keys: tuple[int, int], since: float) -> None:
    """Note the ids of messages that are about to be deleted although they were said `since` then."""
    rows = writer.execute(
        "SELECT lineage, id, key, time, kind, text FROM messages "
        "WHERE key BETWEEN ? AND ? AND time >= ? AND lineage IS NOT NULL",
        (*keys, since),
    ).fetchall()
    writer.execute("DELETE FROM deleted WHERE time < ?", (since,))
    writer.executemany(
        "INSERT INTO deleted VALUES (?, ?, ?, ?, ?)",
        [(*own, digest_of(kind_of(kind), room, text)) for *own, kind, text in rows],
    )
