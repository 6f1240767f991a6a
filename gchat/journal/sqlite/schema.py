"""What is in the database file, and how an older one is brought up to date.

A message's key is its room's number followed by its own: a room is one range of keys, in order, in the table and in the
index of words alike. A message takes its text and some twenty bytes.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from gchat.journal.journal import JournalError

#: Says in the file's head that it is ours: "gcht".
APPLICATION_ID = 0x67636874

# How one version becomes the next. Each runs in one transaction, once, and is never changed afterwards.
MIGRATIONS = (
    """
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE rooms (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        first_seq INTEGER NOT NULL DEFAULT 1,  -- of the oldest message that is kept, or of the next
        indexed INTEGER NOT NULL DEFAULT 0,    -- up to this number words are in the index
        topic TEXT NOT NULL DEFAULT '',
        topic_by TEXT NOT NULL DEFAULT ''
    );
    CREATE TABLE messages (
        key INTEGER PRIMARY KEY,  -- (room << 36) | seq
        time REAL NOT NULL,       -- seconds since 1970
        kind INTEGER NOT NULL,    -- 0 said, 1 acted, 2 topic
        name TEXT NOT NULL,
        text TEXT NOT NULL,
        lineage TEXT,             -- whose id it is
        id TEXT,
        sum INTEGER NOT NULL      -- CRC-32 of all but the lineage
    );
    CREATE INDEX messages_by_lineage ON messages (lineage, time) WHERE lineage IS NOT NULL;
    CREATE TABLE notes (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (kind, key)
    ) WITHOUT ROWID;
    CREATE VIRTUAL TABLE words USING fts5 (
        text, content = 'messages', content_rowid = 'key',
        tokenize = "unicode61 remove_diacritics 2"
    );
    """,
    # The index is of tokens that search_tokens.py makes. It is rebuilt in the background; `indexed` says how far.
    """
    DROP TABLE words;
    CREATE VIRTUAL TABLE words USING fts5 (text, content = '', tokenize = 'ascii');
    UPDATE rooms SET indexed = 0;
    CREATE TABLE deleted (  -- messages that were deleted while their ids are remembered
        lineage TEXT NOT NULL,
        id TEXT NOT NULL,
        key INTEGER NOT NULL,
        time REAL NOT NULL,
        digest INTEGER NOT NULL
    );
    """,
)


def migrate(connection: sqlite3.Connection, epoch: str) -> None:
    """Bring the file up to date; a new one gets `epoch`. Raises sqlite3.Error, JournalError: it is too new."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise JournalError(f"it was made by a newer gchat (file version {version}; this gchat knows {len(MIGRATIONS)})")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; "
                f"PRAGMA application_id = {APPLICATION_ID}; COMMIT"
            )
        except sqlite3.Error:
            with suppress(sqlite3.Error):
                connection.rollback()
            raise
    connection.execute("INSERT OR IGNORE INTO facts VALUES ('epoch', ?)", (epoch,))
    # A copy of the file alone is to have at least this.
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
