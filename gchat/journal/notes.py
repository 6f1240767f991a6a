"""Notes: what is small and has to be known in the next run, as bans and the sessions that may resume.

Each kind of note is one NoteKind, which says of what type its values are. They are defined where these types are known.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar, runtime_checkable

import msgspec

T = TypeVar("T")


@runtime_checkable
class Notes(Protocol):
    """The part of a journal that stores notes, by kind and key."""

    def note(self, kind: str, key: str, value: bytes) -> None:
        """Store a note for the next run, soon; b"" deletes it."""

    def notes(self, kind: str) -> dict[str, bytes]:
        """Return the notes of this kind that the run before left, by key. May wait. Raises JournalError."""


class NoteKind(Generic[T]):
    """One kind of note: its name in the journal, and the type of its values, which are stored as JSON."""

    def __init__(self, name: str, type_: type[T]) -> None:
        self._name = name
        self._type = type_

    def put(self, notes: Notes, key: str, value: T | None) -> None:
        """Store a value, soon; None deletes it."""
        notes.note(self._name, key, b"" if value is None else msgspec.json.encode(value))

    def load(self, notes: Notes) -> dict[str, T]:
        """Return the values of the run before, by key. May wait. Raises JournalError."""
        return {key: msgspec.json.decode(note, type=self._type) for key, note in notes.notes(self._name).items()}
