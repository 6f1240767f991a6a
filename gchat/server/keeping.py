"""The journal that the configuration asks for, its native threads, and the greenlet that keeps it tidy."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from typing import TypeVar

import gevent
from gevent.threadpool import ThreadPool
from msgspec import Struct

from gchat.journal.base import Journal, JournalError
from gchat.journal.copying import salvage
from gchat.journal.database import Database
from gchat.journal.memory import MemoryJournal
from gchat.journal.schema import Damaged
from gchat.journal.sqlite import SqliteJournal
from gchat.protocol.errors import GchatError
from gchat.server.config import Config
from gchat.server.log import logger

#: Between two looks at what the journal has to do.
TIDY_S = 0.25

#: While there is more to do, the rest is so many times as long as the work: commits go first.
REST = 4

T = TypeVar("T")


class HistoryError(GchatError):
    """There can be no journal where it should be: says where, why, and what to do."""


class _Thread:
    """Implements gchat.journal.base.Run."""

    def __init__(self) -> None:
        self._pool = ThreadPool(1)

    def __call__(self, function: Callable[[], T], /) -> T:
        # An error that came out of the thread by itself would be reported on stderr, by gevent.
        found: T | _Failed = self._pool.apply(_tried, (function,))
        if isinstance(found, _Failed):
            raise found.error
        return found


class _Failed(Struct):
    error: Exception


def _tried(function: Callable[[], T]) -> T | _Failed:
    try:
        return function()
    except Exception as error:
        return _Failed(error)


def open_journal(config: Config, path: str) -> Journal:
    """Return the journal; one on disk is in the file at `path`. Raises HistoryError."""
    history = config.history
    if history.store == "memory":
        return MemoryJournal(config.limits.room_log_bytes, secrets.token_hex(8), _Thread())
    try:
        database = Database(path, history.sync, secrets.token_hex(8), _boot())
    except JournalError as error:
        raise unusable(path, error) from None
    return SqliteJournal(database, _Thread(), _Thread())


def unusable(path: str, error: JournalError) -> HistoryError:
    """Return why there can be no history in a file; what can be read of a damaged one is put into a file beside it."""
    what = f"cannot keep the history in {path}: {error}"
    if not isinstance(error, Damaged):
        return HistoryError(f"{what}; --db FILE keeps it elsewhere, --memory only in memory")
    copy = f"{path}.salvaged"
    if os.path.exists(copy):
        return HistoryError(f"{what}; what could be read is in {copy}: put that, or nothing, in its place")
    try:
        count = salvage(path, copy)
    except JournalError as none:
        return HistoryError(f"{what}, and not to be saved ({none}); move it away to begin anew")
    return HistoryError(
        f"{what}; {count:,} messages could be read and are in {copy}: put that, or nothing, in its place"
    )


def _boot() -> str:
    """Return what names this run of the machine."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def tidy(journal: Journal) -> None:
    """Have the journal do what is not urgent, for ever, and log how it is; a greenlet."""
    known, told = "", 0
    while True:
        known = _say(journal.trouble, known)
        began = time.monotonic()
        more = False
        try:
            more = journal.tidy(time.time(), time.monotonic())
        except Exception:
            logger.exception("tidying the history crashed; it is tried again")
        known = _say(journal.trouble, known)
        for what in journal.damage[told:]:
            logger.error("not as it was written: %s", what)
        told = len(journal.damage)
        gevent.sleep(REST * (time.monotonic() - began) if more else TIDY_S)


def _say(trouble: str, known: str) -> str:
    """Log in what trouble the journal is, if that is new."""
    if trouble and trouble != known:
        logger.error("nothing that is said can be kept, so it is refused: %s", trouble)
    elif known and not trouble:
        logger.warning("what is said is kept again")
    return trouble
