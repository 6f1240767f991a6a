"""What a server keeps between two runs beside what was said: where its files lie, who is banned, and who was here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import msgspec

from gchat.chat.bans import Ban
from gchat.chat.effects import Remembered
from gchat.journal.base import Journal


def path_of(name: str, where: str) -> str:
    """Return the path of the state file `name` of the server that listens at `where`; two servers share none."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    stem, dot, ending = name.partition(".")
    where = re.sub(r"[^0-9A-Za-z.-]+", "_", where).strip("_")
    return os.path.join(home, "gchat", f"{stem}-{where}{dot}{ending}")


def note_bans(journal: Journal, bans: Iterable[Ban]) -> None:
    """Have the bans kept, soon."""
    journal.note("bans", "all", msgspec.json.encode(list(bans)))


def noted_bans(journal: Journal) -> list[Ban]:
    """Return the bans of the run before. Raises JournalError."""
    return msgspec.json.decode(journal.notes("bans").get("all", b"[]"), type=list[Ban])


def note_session(journal: Journal, lineage: str, who: Remembered | None) -> None:
    """Have it kept, soon, where a user is, or that the user has left."""
    journal.note("session", lineage, msgspec.json.encode(who) if who else b"")


def noted_sessions(journal: Journal) -> dict[str, Remembered]:
    """Return who was here when the run before ended, by lineage. Raises JournalError."""
    notes = journal.notes("session")
    return {lineage: msgspec.json.decode(note, type=Remembered) for lineage, note in notes.items()}
