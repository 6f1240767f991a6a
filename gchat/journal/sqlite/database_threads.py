"""The database behind its threads: each of its connections is used by one of them, and each question says by which."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from gchat.journal.native_thread import NativeThread
from gchat.journal.sqlite.database import Database
from gchat.journal.sqlite.errors import reason
from gchat.journal.sqlite.queries import Reader

T = TypeVar("T")


class DatabaseThreads:
    """Four threads. All calls wait, and raise JournalError."""

    def __init__(self, database: Database, thread: Callable[[], NativeThread]) -> None:
        self._database = database
        self._write, self._load, self._read, self._search = thread(), thread(), thread(), thread()

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

    def load(self, question: Callable[[Reader], T]) -> T:
        """Ask on the thread that loads rooms."""
        return _asked(self._load, lambda: question(self._database.loader))

    def read(self, question: Callable[[Reader], T]) -> T:
        """Ask on the thread that reads old messages."""
        return _asked(self._read, lambda: question(self._database.reader))

    def search(self, question: Callable[[Reader], T]) -> T:
        """Ask on the thread that searches, and does what may take as long."""
        return _asked(self._search, lambda: question(self._database.searcher))

    def close_readers(self) -> None:
        """Close the connections that do not write."""
        self.load(Reader.close)
        self.read(Reader.close)
        self.search(Reader.close)


def _asked(run: NativeThread, question: Callable[[], T]) -> T:
    try:
        return run(question)
    except sqlite3.Error as error:
        raise reason(error) from None
