"""Notes of operators, made and deleted by steps: so they are the same on all nodes of a cluster, at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from gchat.admin.backend import NotPossible
from gchat.chat.order_steps import KeepNote
from gchat.chat.registry import Registry


class NotedServer(Protocol):
    """What these notes need of the server."""

    registry: Registry


class NoteTaken(NotPossible):
    """There is a note with this key already."""


class NotesByStep:
    """The notes of the registry. Implements journal.notes.Notes. `take` takes a step, and raises NotPossible."""

    def __init__(self, server: NotedServer, take: Callable[[KeepNote], Any]) -> None:
        self._server = server
        self._take = take

    def note(self, kind: str, key: str, value: bytes) -> None:
        """Make a note; b"" deletes it. Waits until it is stored. Raises NoteTaken, NotPossible."""
        try:
            self._take(KeepNote(kind, key, value))
        except NotPossible:
            if value and key in self._server.registry.notes.notes(kind):
                raise NoteTaken(f"There is a {kind} {key} already") from None
            raise

    def keep(self) -> None:
        """See Notes.keep: each was stored when it was made."""

    def notes(self, kind: str) -> dict[str, bytes]:
        """See Notes.notes."""
        return dict(self._server.registry.notes.notes(kind))
