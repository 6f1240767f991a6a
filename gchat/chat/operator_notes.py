"""Notes of operators that the core keeps and does not read: hooks, and tokens where several processes share them."""

from __future__ import annotations

from collections.abc import Mapping

from gchat.model.errors import Code, Refusal


class OperatorNotes:
    """Notes by kind and key. A note is made and deleted, and never changed."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, bytes]] = {}
        self.changes = 0  # so often there were others than before

    def notes(self, kind: str) -> Mapping[str, bytes]:
        """Return the notes of a kind, by key."""
        return self._kinds.get(kind, {})

    def put(self, kind: str, key: str, value: bytes) -> None:
        """Make a note; b"" deletes it. Raises Refusal: there is one already, or none any more."""
        notes = self._kinds.setdefault(kind, {})
        if value and key in notes:
            raise Refusal(Code.NAME_TAKEN, f"There is a {kind} {key} already")
        if not value and key not in notes:
            raise Refusal(Code.NO_SUCH_PLACE, f"There is no {kind} {key} any more")
        if value:
            notes[key] = value
        else:
            del notes[key]
        self.changes += 1

    def all(self) -> dict[str, dict[str, bytes]]:
        """Return all notes, by kind."""
        return {kind: dict(notes) for kind, notes in self._kinds.items()}

    def restore(self, kinds: Mapping[str, Mapping[str, bytes]]) -> None:
        """Have these notes, and no others."""
        self._kinds = {kind: dict(notes) for kind, notes in kinds.items()}
        self.changes += 1
