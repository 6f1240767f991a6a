"""Errors of a database file, each as one line that says what is wrong."""

from __future__ import annotations

import errno
import os
import pwd
import sqlite3

from gchat.journal.journal import JournalError


class Damaged(JournalError):
    """The file is damaged."""


class Conflict(Damaged):
    """There is something in the file that should not be; nothing was written."""


class InUse(JournalError):
    """Another server holds the lock of the file."""


class Displaced(JournalError):
    """A file that is in use was moved, removed or replaced."""


NOT_OURS = "it is not a gchat database"

# By the beginning of the error's name in SQLite.
_SQLITE = (
    ("SQLITE_NOTADB", NOT_OURS),
    ("SQLITE_FULL", "the disk is full"),
    ("SQLITE_IOERR_SHMSIZE", "the disk is full"),
    ("SQLITE_READONLY_DIRECTORY", "the directory is read-only"),
    ("SQLITE_READONLY", "the file is read-only"),
    ("SQLITE_BUSY", "another program has locked the file"),
    ("SQLITE_LOCKED", "another program has locked the file"),
    ("SQLITE_CANTOPEN", "the file, or its -wal or -shm file, cannot be opened"),
    ("SQLITE_PERM", "permission denied"),
    ("SQLITE_NOMEM", "out of memory"),
    ("SQLITE_IOERR_NOMEM", "out of memory"),
)

_OS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.ENOTDIR: "a part of the path is not a directory",
    errno.EISDIR: "it is a directory",
}


def reason(error: sqlite3.Error | OSError | JournalError) -> JournalError:
    """Return the error as one of ours."""
    if isinstance(error, JournalError):
        return error
    if isinstance(error, OSError):
        return JournalError(_of_system(error))
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_CORRUPT"):
        return Damaged(f"the file is damaged ({error})")
    if name.startswith("SQLITE_CONSTRAINT"):
        return Conflict(f"the file is damaged ({error})")
    for beginning, words in _SQLITE:
        if name.startswith(beginning):
            return JournalError(words)
    if name.startswith("SQLITE_IOERR"):
        return JournalError(f"disk error ({name})")
    return JournalError(f"{error}" + (f" ({name})" if name else ""))


def _of_system(error: OSError) -> str:
    number = error.errno or 0
    if number in (errno.EACCES, errno.EPERM):
        return f"permission denied{_owner(error.filename)}"
    if number == errno.ENOENT:
        return _missing(error.filename)
    return _OS.get(number) or os.strerror(number).lower()


def _missing(path: object) -> str:
    """Return what does not exist: the file, or already its directory."""
    if not isinstance(path, str):
        return "there is no such file"
    directory = os.path.dirname(os.path.abspath(path))
    return f"there is no file {path}" if os.path.isdir(directory) else f"the directory {directory} does not exist"


def _owner(path: object) -> str:
    """Return what to do about a file of another user; "" if that is not known."""
    if not isinstance(path, str):
        return ""
    while not os.path.lexists(path) and os.path.dirname(path) != path:  # in a directory that cannot be entered
        path = os.path.dirname(path)
    try:
        owner = os.stat(path).st_uid
        name = pwd.getpwuid(owner).pw_name
    except (OSError, KeyError):
        return ""
    return "" if owner == os.geteuid() else f"; {path} belongs to the user {name}: run this command as that user"


def user_name(user: int) -> str:
    """Return the name of a user, or the number if it has none."""
    try:
        return f"the user {pwd.getpwuid(user).pw_name}"
    except KeyError:
        return f"the user {user}"
