"""A server that comes back, and what it has kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e import clustered
from tests.e2e.harness import Server, free_port


class Restarted:
    """A server that comes back on the same port, with the same file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port = free_port()

    @contextmanager
    def runs(self, **settings: Any) -> Iterator[Server]:
        """Start it, and stop it at the end unless it is dead."""
        with Server("127.0.0.1", "--db", str(self.path), port=self.port, limits_messages_per_s=0, **settings) as server:
            yield server


def kills(server: Server) -> None:
    """End it as a crash would."""
    server.kill()


def stored_bytes(directory: Path) -> bytes:
    """Return all that is in a server's history: in the files of this directory, or in those of the engine."""
    directory = clustered.engine().directory if clustered.MODE else directory
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


def stored(path: Path, query: str) -> list[tuple[object, ...]]:
    """Return what a file has."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()
