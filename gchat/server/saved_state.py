"""What a server knows of its run before, beside messages: its bans, and the sessions that may resume.

These are notes in the journal. Another kind (accounts, modes) is one more NoteKind here.
"""

from __future__ import annotations

from collections.abc import Iterable

from gchat.chat.bans import Ban
from gchat.chat.effects import SavedSession
from gchat.journal.notes import NoteKind, Notes

_BANS = NoteKind("bans", list[Ban])  # all of them under one key
_SESSIONS = NoteKind("session", SavedSession)  # by lineage

_ALL = "all"


def note_bans(notes: Notes, bans: Iterable[Ban]) -> None:
    """Store the bans, soon."""
    _BANS.put(notes, _ALL, list(bans))


def noted_bans(notes: Notes) -> list[Ban]:
    """Return the bans of the run before. Raises JournalError."""
    return _BANS.load(notes).get(_ALL, [])


def note_session(notes: Notes, lineage: str, session: SavedSession | None) -> None:
    """Store where a user is, soon, or that the user has left."""
    _SESSIONS.put(notes, lineage, session)


def noted_sessions(notes: Notes) -> dict[str, SavedSession]:
    """Return the users who were online when the run before ended, by lineage. Raises JournalError."""
    return _SESSIONS.load(notes)
