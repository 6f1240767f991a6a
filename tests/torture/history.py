"""What the server's database file has, read without the server."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

#: A message's key is (room's id << SEQ_BITS) | its number.
SEQ_BITS = 36


def read_history(path: Path) -> dict[str, dict[int, str]]:
    """Return for each room what text has which number, in the order of the numbers."""
    with closing(sqlite3.connect(path)) as connection:
        rooms = dict(connection.execute("SELECT id, name FROM rooms"))
        history: dict[str, dict[int, str]] = {name: {} for name in rooms.values()}
        for key, text in connection.execute("SELECT key, text FROM messages ORDER BY key"):
            history[rooms[key >> SEQ_BITS]][key & ((1 << SEQ_BITS) - 1)] = text
    return history
