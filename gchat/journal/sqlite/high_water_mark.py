"""The mark: a small file beside the database that says how far the database had come.

An older copy that is put back in its place has come less far: the numbers that it will give are those of other
messages, which clients have seen. So such a file gets another epoch.
"""

from __future__ import annotations

import os
from contextlib import suppress

SUFFIX = "-mark"


class HighWaterMark:
    """The mark of the database at `path`: its epoch, and a count that only rises, which the database has too."""

    def __init__(self, path: str) -> None:
        self._path = path + SUFFIX

    def is_of(self, epoch: str, count: int) -> bool:
        """Return whether a database that has come so far is the one that was here last; if in doubt it is."""
        try:
            with open(self._path, encoding="ascii") as file:
                last_epoch, last_count = file.read(200).split()
            return last_epoch == epoch and int(last_count) <= count
        except (OSError, ValueError):
            return True

    def set(self, epoch: str, count: int) -> None:
        """Say how far the database has come; later than the database itself, so that it is never ahead."""
        begun = f"{self._path}.new"
        with suppress(OSError):  # the mark that is there says less, and nothing wrong
            with suppress(FileNotFoundError):
                os.unlink(begun)
            descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(f"{epoch} {count}\n")
            os.rename(begun, self._path)
