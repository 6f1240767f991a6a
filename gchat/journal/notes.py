"""Notes: small values that the next run needs, such as bans and the sessions that may resume.

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

    def keep(self) -> None:
        """Return when all notes until now are stored. May wait. Raises JournalError: they are stored later."""

    def notes(self, kind: str) -> dict[str, bytes]:
        """Return the notes of this kind that the previous run stored, by key. May wait. Raises JournalError."""


class NoteKind(Generic[T]):
    """One kind of note: its name in the journal, and the type of its values, which are stored as JSON."""

    def __init__(self, name: str, type_: type[T]) -> None:
        self._name = name
        self._type = type_

    def put(self, notes: Notes, key: str, value: T | None) -> None:
        """Store a value, soon; None deletes it."""
        notes.note(self._name, key, b"" if value is None else msgspec.json.encode(value))

    def load(self, notes: Notes, unreadable: T | None = None) -> dict[str, T]:
        """Return the values of the previous run, by key; `unreadable` stands for those that are none of its type.

        May wait. Raises JournalError, and msgspec.DecodeError for a note that nothing stands for.
        """
        return {key: self._read(note, unreadable) for key, note in notes.notes(self._name).items()}

    def _read(self, note: bytes, unreadable: T | None) -> T:
        try:
            return msgspec.json.decode(note, type=self._type)
        except msgspec.DecodeError:
            if unreadable is None:
                raise
            return unreadable
