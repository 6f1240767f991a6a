"""The database file: what is in it, how an older one becomes one of today, and opening it.

A message's key is its room's number and its own, side by side: one room is one range of keys, in its order, in the
table and in the index of words alike. What a message takes is its text and some twenty bytes.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import suppress

from gchat.journal.base import JournalError

#: Bits of a key that are a message's number.
SEQ_BITS = 36

#: Says in the file's head that it is ours: "gcht".
APPLICATION_ID = 0x67636874

# Emoji that are newer than SQLite's tables of characters, where they pass for letters: "lol🤣" would be one word.
_EMOJI = "".join(map(chr, range(0x1F000, 0x1FB00)))

# How one version becomes the next. Each runs in one transaction, once, and is never changed afterwards.
MIGRATIONS = (
    f"""
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
        tokenize = "unicode61 remove_diacritics 2 separators '{_EMOJI}'"
    );
    """,
)


class Damaged(JournalError):
    """The file is not what it was."""


class Conflict(Damaged):
    """There is something in the file that should not be; nothing was written."""


def reason(error: sqlite3.Error | OSError | JournalError) -> JournalError:
    """Return what is wrong, in words."""
    if isinstance(error, JournalError):
        return error
    if isinstance(error, OSError):
        return JournalError(os.strerror(error.errno or 0).lower())
    name = getattr(error, "sqlite_errorname", "")
    if name in ("SQLITE_CORRUPT", "SQLITE_NOTADB") or name.startswith("SQLITE_CORRUPT_"):
        return Damaged(f"the file is damaged ({error})")
    if name.startswith("SQLITE_CONSTRAINT"):
        return Conflict(f"the file is damaged ({error})")
    if name in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"):
        return JournalError("the disk is full")
    if name.startswith("SQLITE_READONLY"):
        return JournalError("the file is read-only")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return JournalError("another program has locked the file")
    if name.startswith("SQLITE_IOERR"):
        return JournalError(f"the disk does not work ({name})")
    return JournalError(f"{error}" + (f" ({name})" if name else ""))


def lock(path: str) -> int:
    """Make the file if need be, readable for nobody else; return a descriptor that keeps other servers out.

    It must stay open for as long as the file is used, and be closed last: to close any descriptor of a file takes away
    the locks that SQLite has on it. Raises JournalError.
    """
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise reason(error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise JournalError("another server uses it") from None
    return descriptor


def text(data: bytes) -> str:
    """Return what a column of text has, whatever a disk has made of it. Of a message, its sum is for judging that."""
    return data.decode(errors="replace")


def connect(path: str, sync: str) -> sqlite3.Connection:
    """Return a connection to the file. Raises sqlite3.Error."""
    # It is used by one thread at a time, but not always by the one that made it.
    connection = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
    connection.text_factory = text
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {sync}")
        connection.execute("PRAGMA cache_size = -8192")  # KiB
        connection.execute("PRAGMA journal_size_limit = 16777216")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def migrate(connection: sqlite3.Connection, epoch: str) -> None:
    """Bring the file up to date; a new one gets `epoch`. Raises sqlite3.Error, JournalError: it is not ours."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    is_new = not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not is_new and application != APPLICATION_ID:
        raise JournalError("it is a database of some other program")
    if version > len(MIGRATIONS):
        raise JournalError(f"a newer gchat has made it (version {version}; this one knows {len(MIGRATIONS)})")
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
