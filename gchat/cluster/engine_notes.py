"""Notes in the engine: written at once, in their order, and kept in mind until the engine has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore

from gchat.cluster.engine_connection import Word
from gchat.journal.journal import JournalError


class EngineNotes:
    """The notes of all nodes. Implements journal.notes.Notes.

    `ask` asks the engine that is read from, and `do` the one that is written to; `key` makes a name its key.
    """

    def __init__(self, ask: Callable[..., Any], do: Callable[..., Any], key: Callable[[str], str]) -> None:
        self._ask = ask
        self._do = do
        self._key = key
        self._unstored: dict[tuple[str, str], bytes] = {}
        self._turn = BoundedSemaphore(1)

    def note(self, kind: str, key: str, value: bytes) -> None:
        """See Notes.note."""
        self._unstored.pop((kind, key), None)  # what is noted last is stored last
        self._unstored[kind, key] = value
        if not self._turn.locked():
            gevent.spawn(self.store)

    def keep(self) -> None:
        """See Notes.keep."""
        with self._turn:
            while self._unstored:
                (kind, key), value = next(iter(self._unstored.items()))
                words: tuple[Word, ...] = ("HSET", self._key(f"notes:{kind}"), key, value)
                self._do(*(words if value else ("HDEL", *words[1:3])))
                if self._unstored.get((kind, key)) is value:
                    del self._unstored[kind, key]

    def store(self) -> None:
        """Do what keep() does, or leave it for later."""
        try:
            self.keep()
        except JournalError:
            pass

    def notes(self, kind: str) -> dict[str, bytes]:
        """See Notes.notes."""
        found = self._ask("HGETALL", self._key(f"notes:{kind}"))
        stored = {key.decode(): value for key, value in zip(found[::2], found[1::2], strict=True)}
        stored |= {key: value for (of, key), value in self._unstored.items() if of == kind}
        return {key: value for key, value in stored.items() if value}
