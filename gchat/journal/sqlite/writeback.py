"""The writing to the disk of what was copied into the database file, a little at a time, before SQLite asks for all.

The disk does one thing after the other: a commit's sync waits behind whatever was given to it before. SQLite syncs the
file at the end of a copy, and then that is some megabytes at once: commits waited 4 to 10 ms for it (measured, 5 MB/s
of text). Nothing depends on this: what SQLite believes to be on disk is what its own sync says.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress

#: Bytes that are given to the disk at once: 0.2 ms (measured). Those that were in the file before are rarely written
#: to, so they are looked through in so many parts at most, however many they are.
PART_BYTES, OLD_PARTS = 1 << 18, 64

#: Wait until what is on its way is written, begin to write, and wait for that; see sync_file_range(2).
_WRITE_AND_WAIT = 1 | 2 | 4

#: Has the kernel write a part of a file, given its descriptor, offset and size.
WritePart = Callable[[int, int, int], object]


class Writeback:
    """Writes what is to be written of one open file. Each call waits for the disk, and raises nothing."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size  # of the file, when it was written last: here by an earlier run
        self._write_part: WritePart | None = None

    def __call__(self) -> None:
        """Write it."""
        if self._write_part is None:
            self._write_part = _of_the_kernel()
        size = os.fstat(self._descriptor).st_size
        for offset, length in parts(self._size, size):
            self._write_part(self._descriptor, offset, length)
        self._size = size


def parts(old: int, size: int) -> Iterator[tuple[int, int]]:
    """Return the offset and the size of each part of a file that was `old` bytes long."""
    old = min(old, size)
    step = max(PART_BYTES, -(-old // OLD_PARTS))
    for offset in range(0, old, step):
        yield offset, min(step, old - offset)
    for offset in range(old, size, PART_BYTES):
        yield offset, min(PART_BYTES, size - offset)


def _of_the_kernel() -> WritePart:
    """Return Linux's call; where there is none, or no ctypes that finds it, what does nothing."""
    with suppress(ImportError, AttributeError, OSError):
        import ctypes  # noqa: PLC0415  # 3 ms that the start does not wait for

        call = ctypes.CDLL(None).sync_file_range
        call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
        return lambda descriptor, offset, length: call(descriptor, offset, length, _WRITE_AND_WAIT)
    return lambda _descriptor, _offset, _length: None
