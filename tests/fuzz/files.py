"""Bytes as a file that is nowhere in the file system."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_file(data: bytes) -> Iterator[str]:
    """Yield the path of a regular file with this content, in memory."""
    descriptor = os.memfd_create("fuzz")
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
