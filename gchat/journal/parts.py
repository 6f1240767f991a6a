"""The parts that a journal may have beside its log, and what stands in for those that it lacks.

A caller asks for the parts that it needs. Whether a journal has them is asked once, by `parts_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct

from gchat.journal.journal import Journal, JournalError
from gchat.journal.notes import Notes
from gchat.model.messages import Record

#: Text in one answer of find(), in characters; in one of search() it is PAGE_SIZE.
FOUND_SIZE = 65536

#: How long one search may take.
SEARCH_S = 0.25


class SearchRefused(JournalError):
    """A search is not possible as it was asked for; the text says why, or what to do."""


class TooMuch(SearchRefused):
    """A search would take too long."""

    def __init__(self, text: str = "Too much to search; add a word") -> None:
        super().__init__(text)


class KeptRoom(Struct, frozen=True):
    """A room with a history."""

    name: str
    last_seq: int
    topic: str


@runtime_checkable
class MessageSearch(Protocol):
    """Finds messages by their words."""

    def search(self, room: str, text: str, limit: int, steady: Callable[[], float]) -> tuple[list[Record], bool]:
        """Return the last messages with all the words of `text`, oldest first, and whether there may be more.

        What a word is: see search_tokens. At most `limit`, and PAGE_SIZE of text. `steady` is a clock that nobody sets.
        May wait. Raises JournalError: SearchRefused, TooMuch if it takes longer than SEARCH_S, or would.
        """


@runtime_checkable
class Catalogue(Protocol):
    """All rooms with a history, loaded or not."""

    def rooms(self, limit: int) -> list[KeptRoom]:
        """Return at most `limit` rooms with a history, the newest first. May wait. Raises JournalError."""

    def find(self, room: str, start: int, limit: int) -> list[Record] | None:
        """Return what read() does, of any room, at hand or not, up to FOUND_SIZE; None if it has no history.

        May wait. Raises JournalError.
        """


@runtime_checkable
class Retention(Protocol):
    """Deletes old messages."""

    @property
    def caution(self) -> str:
        """Why old messages are not deleted yet; "" if all is well."""

    def limit(self, keep_s: float, keep_messages: int) -> None:
        """Delete messages older than `keep_s` seconds, and all but the last so many of each room; 0 means no limit."""


@runtime_checkable
class Maintenance(Protocol):
    """Work that is not urgent, and healing."""

    def tidy(self, now: float, steady: float) -> bool:
        """Do a little of what is not urgent; return whether there is more. May wait, raises nothing.

        `now` is the wall clock's time, `steady` that of a clock that nobody sets.
        This is also where a journal in trouble checks whether it can store messages again.
        """


@runtime_checkable
class Condition(Protocol):
    """The condition of a journal that something can go wrong with."""

    @property
    def trouble(self) -> str:
        """Why nothing can be stored now; "" if all is well."""

    @property
    def damage(self) -> Sequence[str]:
        """What was found to be damaged, each item once, as "message 2 of dev"; the list only grows."""


class Lacking:
    """Every part of a journal that has none."""

    caution = trouble = ""
    damage: Sequence[str] = ()

    def search(self, room: str, text: str, limit: int, steady: Callable[[], float]) -> tuple[list[Record], bool]:  # noqa: ARG002
        """See MessageSearch.search."""
        raise SearchRefused("Messages cannot be searched on this server")

    def rooms(self, limit: int) -> list[KeptRoom]:  # noqa: ARG002
        """See Catalogue.rooms."""
        return []

    def find(self, room: str, start: int, limit: int) -> list[Record] | None:  # noqa: ARG002
        """See Catalogue.find."""
        return None

    def note(self, kind: str, key: str, value: bytes) -> None:
        """See Notes.note: there is no next run."""

    def keep(self) -> None:
        """See Notes.keep."""

    def notes(self, kind: str) -> dict[str, bytes]:  # noqa: ARG002
        """See Notes.notes."""
        return {}

    def limit(self, keep_s: float, keep_messages: int) -> None:
        """See Retention.limit: what such a journal stores is limited by itself."""

    def tidy(self, now: float, steady: float) -> bool:  # noqa: ARG002
        """See Maintenance.tidy."""
        return False


class Parts(Struct, frozen=True):
    """A journal as the server uses it: the log, and a part for each need."""

    log: Journal
    search: MessageSearch
    catalogue: Catalogue
    notes: Notes
    retention: Retention
    maintenance: Maintenance
    condition: Condition


def parts_of(journal: Journal) -> Parts:
    """Return the parts of a journal; what it lacks is Lacking."""
    lacking = Lacking()
    return Parts(
        journal,
        journal if isinstance(journal, MessageSearch) else lacking,
        journal if isinstance(journal, Catalogue) else lacking,
        journal if isinstance(journal, Notes) else lacking,
        journal if isinstance(journal, Retention) else lacking,
        journal if isinstance(journal, Maintenance) else lacking,
        journal if isinstance(journal, Condition) else lacking,
    )
