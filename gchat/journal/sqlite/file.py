"""The database file in the file system: claiming it, opening it, and noticing that it is no longer where it was."""

from __future__ import annotations

import errno
import fcntl
import os
import shlex
import sqlite3
import stat
from urllib.parse import quote

from gchat.journal.journal import JournalError
from gchat.journal.sqlite.errors import NOT_OURS, Displaced, InUse, reason, user_name
from gchat.journal.sqlite.schema import APPLICATION_ID

_MAGIC = b"SQLite format 3\0"

_LOG = ("-wal", "-shm")

#: Pages of the file that a connection keeps at hand, in KiB; one that searches looks at the same ones often (measured,
#: a beginning that a hundred words have, in a million messages: 83 ms with the less, 50 with the more). The less is
#: enough for all others, and what they took beyond it looked like a leak.
CACHE_KIB, SEARCH_CACHE_KIB = 1024, 8192


class Places:
    """The places of the files of an open database, when it was opened.

    SQLite goes on with the files that it has open when they are moved, removed or replaced; what is written then is
    lost at the end.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        for suffix in _LOG:  # SQLite gives them the mode of the database file, which others may be allowed to read
            _protect(path + suffix)
        self._files = {suffix: _identity(path + suffix) for suffix in ("", *_LOG)}

    def check(self) -> None:
        """Raise Displaced if a file is not the one that is open."""
        self.check_file()
        self.check_log()

    def check_file(self) -> None:
        """Raise Displaced if the database file itself is not the one that is open."""
        self._check("", "database file")

    def check_log(self) -> None:
        """Raise Displaced if the -wal and -shm files are not those that are open."""
        for suffix in _LOG:
            self._check(suffix, f"{suffix} file of the database")

    def _check(self, suffix: str, name: str) -> None:
        found = _identity(self._path + suffix)
        if found != self._files[suffix]:
            raise Displaced(f"the {name} was {'replaced by another file' if found else 'moved or removed'}")

    def remove_log(self) -> None:
        """Remove the -wal and -shm files, even if they are not ours."""
        for suffix in _LOG:
            try:
                os.unlink(self._path + suffix)
            except FileNotFoundError:
                pass


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise reason(error) from None
    return found.st_dev, found.st_ino


def _protect(path: str) -> None:
    try:
        os.chmod(path, 0o600)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise reason(error) from None


def _make_directory(path: str) -> None:
    """Make a directory, and those above it, for nobody else. Raises OSError."""
    if os.path.isdir(path):
        return
    _make_directory(os.path.dirname(path))
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def lock(path: str) -> int:
    """Create the file if necessary, readable for nobody else; return a descriptor that keeps other servers out.

    It must stay open for as long as the file is used, and be closed last: closing any descriptor of a file releases the
    locks that SQLite has on it. Raises JournalError, InUse among them.
    """
    try:
        _make_directory(os.path.dirname(path))
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError as error:
        raise reason(error) from None
    try:
        _check_head(descriptor)
        _check_owner(path, os.fstat(descriptor))
        for suffix in _LOG:
            if os.path.exists(path + suffix):
                _check_owner(path + suffix, os.stat(path + suffix))
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except JournalError:
        os.close(descriptor)
        raise
    except OSError as error:
        os.close(descriptor)
        if error.errno == errno.EWOULDBLOCK:
            raise InUse("another server is using it") from None
        raise JournalError(f"this file system cannot lock files ({os.strerror(error.errno or 0).lower()})") from None
    return descriptor


def _check_head(descriptor: int) -> None:
    """Raise JournalError if a file is no database at all. An empty file is a new one."""
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        raise JournalError("it is a directory" if stat.S_ISDIR(mode) else "it is not a regular file")
    head = os.pread(descriptor, len(_MAGIC), 0)
    if head and head != _MAGIC:
        raise JournalError(NOT_OURS)


def _check_owner(path: str, found: os.stat_result) -> None:
    """Raise JournalError if another user owns a file, or may write to it: what is in it could be anybody's."""
    name = os.path.basename(path)
    if found.st_uid != os.geteuid():
        raise JournalError(
            f"{name} belongs to {user_name(found.st_uid)}, but the server runs as {user_name(os.geteuid())}"
        )
    if found.st_mode & 0o022:
        mode = stat.S_IMODE(found.st_mode)
        raise JournalError(f"other users may write to {name} (mode {mode:04o}); type chmod 600 {shlex.quote(path)}")


def connect(path: str, sync: str, cache_kib: int = CACHE_KIB) -> sqlite3.Connection:
    """Return a connection to the file. Raises sqlite3.Error, JournalError: it is another program's."""
    # It is used by one thread at a time, but not always by the one that made it.
    connection = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
    connection.text_factory = text
    connection.create_function("prepared", 1, _prepared, deterministic=True)
    try:
        check(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {sync}")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        connection.execute("PRAGMA journal_size_limit = 16777216")
    except (sqlite3.Error, JournalError):
        connection.close()
        raise
    return connection


def connect_to_read(path: str) -> sqlite3.Connection:
    """Return a connection that changes no message; a server may be running. Raises JournalError."""
    path = os.path.abspath(path)
    try:
        _check_readable(path)
        return _connect_to_read(path)
    except (sqlite3.Error, OSError) as error:
        raise reason(error) from None


def _check_readable(path: str) -> None:
    """Raise JournalError if a file is no database, OSError if it or its -wal or -shm file cannot be read."""
    for suffix in ("", *_LOG):
        if suffix and not os.path.exists(path + suffix):
            continue
        descriptor = os.open(path + suffix, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not suffix:
                _check_head(descriptor)
        finally:
            os.close(descriptor)


def _connect_to_read(path: str) -> sqlite3.Connection:
    """Return a connection that leaves no files behind: another user's -wal and -shm files would keep the server out."""
    if os.access(path, os.W_OK) and os.access(os.path.dirname(path), os.W_OK):
        return _opened(path, "mode=rw")  # which removes at the end what it has made
    if os.path.exists(f"{path}-shm"):
        try:
            return _opened(path, "mode=ro")
        except sqlite3.OperationalError as error:
            if not getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
                raise
    # No server is running. If one has left a write-ahead log, that is read into memory.
    if os.path.exists(f"{path}-wal") and os.path.getsize(f"{path}-wal"):
        return _opened(path, "mode=ro&vfs=unix-none", "EXCLUSIVE")
    return _opened(path, "mode=ro&immutable=1")


def _opened(path: str, options: str, locking: str = "NORMAL") -> sqlite3.Connection:
    connection = sqlite3.connect(f"file://{quote(path)}?{options}", uri=True, isolation_level=None)
    connection.text_factory = text
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.execute(f"PRAGMA locking_mode = {locking}")
        check(connection)
    except (sqlite3.Error, JournalError):
        connection.close()
        raise
    return connection


def check(connection: sqlite3.Connection) -> None:
    """Raise JournalError if a database is another program's, and not new. Nothing is written."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application == APPLICATION_ID:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        return
    try:
        is_new = not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_CORRUPT"):
            raise JournalError(NOT_OURS) from None
        raise
    if not is_new:
        raise JournalError(NOT_OURS)


def text(data: bytes) -> str:
    """Return the text of a column, which may be damaged; a message's checksum tells."""
    return data.decode(errors="replace")


def _prepared(data: bytes | None) -> str:
    """Return a message's text as it is in the index; given as a blob, because it may be damaged."""
    from gchat.journal.search_tokens import prepared  # noqa: PLC0415  # 0.3 MiB that an idle server does not need

    return prepared(text(data or b""))
