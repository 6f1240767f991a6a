"""The journal that is configured, its native threads, and the greenlet that looks after it."""

from __future__ import annotations

import os
import time

import gevent

from gchat.journal.journal import Journal, JournalError
from gchat.journal.memory import MemoryJournal
from gchat.journal.parts import Parts
from gchat.journal.sqlite.database import Database
from gchat.journal.sqlite.errors import Damaged, InUse
from gchat.journal.sqlite.journal import SqliteJournal
from gchat.model.errors import GchatError
from gchat.server.cluster_settings import without_password
from gchat.server.faults import Guard
from gchat.server.linux import unguessable
from gchat.server.logs import logger
from gchat.server.own_thread import OwnThread
from gchat.server.reader import RECEIVED_BYTES
from gchat.server.settings import Config
from gchat.server.shared_history import EngineUnusable, durability_of, open_shared, warning_of
from gchat.server.shared_history import unusable as engine_unusable

#: How often the journal is given time for what is not urgent while users send something, and while nothing happens.
TIDY_S, IDLE_S = 0.1, 1.0

#: While there is more to do, each pause is so many times as long as the work: commits go first. And so many times while
#: users send something (measured, 900 readers at peak: with 4, it took 4 % of the CPU of each delivery). But none is
#: longer than TIDY_S: where it takes long to copy the database's log, that would grow all the more until the next time.
REST, BUSY_REST = 4, 20

#: SQLite's own name for a database without a file.
IN_MEMORY = ":memory:"

#: A command that puts something into a history (making.py) has it for less than this.
PATIENCE_S = 0.5


class HistoryError(GchatError):
    """The journal cannot be opened: says where, why, and what to do."""


class HistoryInUse(HistoryError):
    """Another server is using the history."""


def wait_and_open_journal(config: Config, path: str) -> Journal:
    """Return what open_journal does, after a command that is just using the history. Waits. Raises HistoryError."""
    gives_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            return open_journal(config, path)
        except HistoryInUse:
            if time.monotonic() > gives_up_at:
                raise
        gevent.sleep(0.05)


def open_journal(config: Config, path: str) -> Journal:
    """Return the journal; one on disk is in the file at `path`. Raises HistoryError, HistoryInUse among them."""
    history = config.history
    if config.store == "valkey":
        try:
            return open_shared(config.cluster, config.limits.room_log_bytes)
        except EngineUnusable as error:
            raise HistoryError(str(error)) from None
    if history.store == "memory" or path == IN_MEMORY:
        return MemoryJournal(config.limits.room_log_bytes, unguessable(8), OwnThread())
    try:
        database = Database(path, history.sync, unguessable(8), _boot())
        journal = SqliteJournal(database, OwnThread)
    except JournalError as error:
        raise unusable(path, error) from None
    if database.replaced:
        what = {"path": path, "reason": database.replaced}
        logger.warning("the history in %(path)s gets a new epoch: %(reason)s", what)
    return journal


def log_history(config: Config, journal: Journal, path: str, other: str) -> None:
    """Log where the history is; `other` is that of another address, if this one is new."""
    if config.store == "valkey":
        engine = {"url": without_password(config.cluster.url), "sync": durability_of(journal)}
        logger.info("history: shared through %(url)s (sync = %(sync)s)", engine)
        if warning := warning_of(journal):
            logger.warning("the engine of the cluster: %(what)s", {"what": warning})
    elif path:
        logger.info("history: %(path)s (sync = %(sync)s)", {"path": path, "sync": config.history.sync})
    if other:
        logger.warning("this is a new history; to continue that of another address, use --db %(path)s", {"path": other})


def unreadable(config: Config, path: str, error: JournalError) -> HistoryError:
    """Return why what the previous run has stored cannot be read; see unusable."""
    if config.store == "valkey":
        return HistoryError(str(engine_unusable(config.cluster, error)))
    return unusable(path, error)


def unusable(path: str, error: JournalError) -> HistoryError:
    """Return why a file cannot be used; the readable messages of a damaged one are written into a file next to it."""
    what = f"cannot store the history in {path}: {error}"
    if not isinstance(error, Damaged):
        kind = HistoryInUse if isinstance(error, InUse) else HistoryError
        return kind(f"{what}; use --db FILE to store it elsewhere, or --memory not to store it")
    copy = f"{path}.salvaged"
    if os.path.exists(copy):
        return HistoryError(f"{what}; its readable messages are in {copy}: move that to {path}, or move both away")
    from gchat.journal.sqlite.backup import salvage  # noqa: PLC0415

    try:
        count = salvage(path, copy)
    except JournalError as none:
        return HistoryError(f"{what}, and nothing can be recovered ({none}); move it away to start a new history")
    return HistoryError(f"{what}; recovered {count:,} messages into {copy}: move that to {path}, or move both away")


def _boot() -> str:
    """Return an id of this boot of the machine."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def tidy(parts: Parts) -> None:
    """Give the journal time for what is not urgent, for ever, and log its state; a greenlet."""
    maintenance, condition, retention = parts.maintenance, parts.condition, parts.retention
    known, caution, told = "", "", 0
    guard, received_bytes = Guard(), RECEIVED_BYTES.value

    while True:
        known = _say(condition.trouble, known)
        began = time.monotonic()
        more = guard("maintenance of the history", lambda: maintenance.tidy(time.time(), time.monotonic()))
        known = _say(condition.trouble, known)
        for what in condition.damage[told:]:
            logger.error("the history is damaged: %(reason)s", {"reason": what})
        told = len(condition.damage)
        if retention.caution and retention.caution != caution:
            logger.warning("not deleting all old messages yet: %(reason)s", {"reason": retention.caution})
        caution = retention.caution
        is_idle = received_bytes == RECEIVED_BYTES.value and not known
        received_bytes = RECEIVED_BYTES.value
        if more:
            gevent.sleep(min(TIDY_S, (REST if is_idle else BUSY_REST) * (time.monotonic() - began)))
        else:
            gevent.sleep(IDLE_S if is_idle else TIDY_S)


def _say(trouble: str, known: str) -> str:
    """Log the journal's trouble if it is new."""
    if trouble and trouble != known:
        logger.error("messages cannot be stored and are refused: %(reason)s", {"reason": trouble})
    elif known and not trouble:
        logger.warning("messages are stored again")
    return trouble
