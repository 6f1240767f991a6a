"""The database behind its threads: each of its connections is used by one of them, and each question says by which."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from gchat.journal.base import Run
from gchat.journal.database import Database
from gchat.journal.problem import reason
from gchat.journal.reader import Reader

T = TypeVar("T")


class Disk:
    """Three threads. All calls wait, and raise JournalError."""

    def __init__(self, database: Database, write: Run, read: Run, search: Run) -> None:
        self._database = database
        self._write = write
        self._read = read
        self._search = search

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

    def read(self, question: Callable[[Reader], T]) -> T:
        """Ask on the thread that reads rooms and old messages: each answer is short."""
        return _asked(self._read, lambda: question(self._database.reader))

    def search(self, question: Callable[[Reader], T]) -> T:
        """Ask on the thread that searches, and does what may take as long."""
        return _asked(self._search, lambda: question(self._database.searcher))

    def close_readers(self) -> None:
        """Close the connections that do not write."""
        self.read(Reader.close)
        self.search(Reader.close)


def _asked(run: Run, question: Callable[[], T]) -> T:
    try:
        return run(question)
    except sqlite3.Error as error:
        raise reason(error) from None
