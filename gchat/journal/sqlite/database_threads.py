"""The threads of the database: each of its connections is used by one of them, and each call says by which."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from gchat.journal.native_thread import NativeThread, Urgency
from gchat.journal.sqlite.database import Database
from gchat.journal.sqlite.errors import reason
from gchat.journal.sqlite.queries import Queries

T = TypeVar("T")


class DatabaseThreads:
    """Four threads. All calls wait, and raise JournalError."""

    def __init__(self, database: Database, thread: Callable[[Urgency], NativeThread]) -> None:
        self._database = database
        self._write = thread(Urgency.URGENT)
        self._load, self._read = thread(Urgency.USUAL), thread(Urgency.USUAL)
        self._search = thread(Urgency.PATIENT)

    @property
    def epoch(self) -> str:
        """The epoch of all rooms. Never waits."""
        return self._database.epoch

    @property
    def replaced(self) -> str:
        """Why the epoch is a new one, if the file is not the one that was in use here. Never waits."""
        return self._database.replaced

    def write(self, question: Callable[[Database], T]) -> T:
        """Ask on the thread that writes: for the pump, which waits behind nothing that a user asks."""
        return _asked(self._write, lambda: question(self._database))

    def load(self, question: Callable[[Queries], T]) -> T:
        """Ask on the thread that loads rooms."""
        return _asked(self._load, lambda: question(self._database.loader))

    def read(self, question: Callable[[Queries], T]) -> T:
        """Ask on the thread that reads old messages."""
        return _asked(self._read, lambda: question(self._database.reader))

    def search(self, question: Callable[[Queries], T]) -> T:
        """Ask on the thread that searches. It is patient, so it must hold nothing that a commit waits for."""
        return _asked(self._search, lambda: question(self._database.searcher))

    def copy_log(self) -> int | None:
        """Copy the write-ahead log into the file, on the same thread; see Database.copy_log."""
        return _asked(self._search, self._database.copy_log)

    def close_readers(self) -> None:
        """Close the connections that do not write."""
        self.load(Queries.close)
        self.read(Queries.close)
        self.search(Queries.close)


def _asked(run: NativeThread, question: Callable[[], T]) -> T:
    try:
        return run(question)
    except sqlite3.Error as error:
        raise reason(error) from None
