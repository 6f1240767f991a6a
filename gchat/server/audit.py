"""The audit: what operators did on the server as a whole, logged, kept as notes, and read newest first."""

from __future__ import annotations

from collections import deque
from contextlib import suppress

from gchat.chat.effects import Audited
from gchat.dialects import rich
from gchat.journal.journal import JournalError
from gchat.journal.notes import NoteKind, Notes
from gchat.server.logs import logger

#: Entries that are kept; the oldest make room for new ones. All of them are read at the start: 5 ms.
MAX_ENTRIES = 2000

_ENTRIES = NoteKind("audit", Audited)  # by number


class Audit:
    """The last MAX_ENTRIES entries, numbered from 1 on over all runs of the server.

    An audit that is `shared` is of all nodes of a cluster, which give rising numbers; each adds what was done there.
    """

    def __init__(self, notes: Notes, *, shared: bool = False) -> None:
        self._notes = notes
        self._is_shared = shared
        self._entries: deque[tuple[int, Audited]] = deque()

    def restore(self) -> None:
        """Read what the previous runs stored. Raises JournalError."""
        self._entries = deque(sorted((int(number), entry) for number, entry in _ENTRIES.load(self._notes).items()))
        self._forget_old()

    def add(self, entry: Audited) -> None:
        """Log an entry, and keep it."""
        number = entry.number or (self._entries[-1][0] + 1 if self._entries else 1)
        self._entries.append((number, entry))
        _ENTRIES.put(self._notes, str(number), entry)
        self._forget_old()
        fields = {
            "actor": entry.actor,
            "via": entry.via,
            "action": entry.action,
            "target": entry.target,
            "reason": entry.reason or "-",
            "until": rich.rfc3339(entry.until) if entry.until else "-",
        }
        logger.warning("%(action)s by %(actor)s (%(via)s): %(target)s; until: %(until)s; reason: %(reason)s", fields)

    def _forget_old(self) -> None:
        while len(self._entries) > MAX_ENTRIES:
            _ENTRIES.put(self._notes, str(self._entries.popleft()[0]), None)

    def before(self, number: int, limit: int) -> list[tuple[int, Audited]]:
        """Return at most `limit` entries with their numbers, the newest first, of those before a number; 0: of all.

        What other nodes have added is read first, unless it cannot be. May wait.
        """
        if self._is_shared:
            with suppress(JournalError):
                self.restore()
        found = [each for each in reversed(self._entries) if not number or each[0] < number]
        return found[:limit]
