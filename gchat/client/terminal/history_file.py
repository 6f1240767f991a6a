"""The input history, in a file that is private to the user and bounded in size."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from gchat.state_directory import state_directory

#: How many entries the file keeps, and how many more it may have before the oldest are dropped.
KEPT_ENTRIES = 1000
SLACK_ENTRIES = 200

#: A longer entry is remembered only until the client ends.
MAX_ENTRY_CHARS = 10_000


class BoundedHistory(FileHistory):
    """A file of entries. While it cannot be written, entries are remembered only until the client ends."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._path = path
        self._entries = 0

    def load_history_strings(self) -> Iterable[str]:
        """Return the entries that are kept, the newest first."""
        try:
            found = list(super().load_history_strings())
        except OSError:
            return []
        self._entries = len(found)
        if self._entries > KEPT_ENTRIES:
            with suppress(OSError):
                self._drop_oldest()
        return found[:KEPT_ENTRIES]

    def store_string(self, string: str) -> None:
        """Add an entry to the file."""
        if len(string) > MAX_ENTRY_CHARS:
            return
        with suppress(OSError):
            super().store_string(string)
            self._entries += 1
            if self._entries > KEPT_ENTRIES + SLACK_ENTRIES:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Replace the file with one of the newest entries, atomically."""
        newest = list(islice(super().load_history_strings(), KEPT_ENTRIES))
        descriptor, name = tempfile.mkstemp(prefix="history.", dir=self._path.parent)  # with mode 0600
        os.close(descriptor)
        try:
            copy = FileHistory(name)
            for entry in reversed(newest):
                copy.store_string(entry)
            Path(name).replace(self._path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        self._entries = len(newest)


def history() -> History:
    """Return the history in the state directory; one without a file if there can be none."""
    try:
        path = Path(state_directory(), "history")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            usable = stat.S_ISREG(os.fstat(descriptor).st_mode)
        finally:
            os.close(descriptor)
    except OSError:  # there is no home, or it is read-only
        return InMemoryHistory()
    return BoundedHistory(path) if usable else InMemoryHistory()
