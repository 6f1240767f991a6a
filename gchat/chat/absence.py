"""An absence: why a user is away, and which other users have been told so because they wrote to them."""

from __future__ import annotations

from collections.abc import Hashable

#: Users that are remembered as told, of one absence; after more, all are told again.
MAX_TOLD = 1000

#: The longest reason that /who shows, in characters.
MAX_LISTED_REASON = 40


class Absence:
    """The time from /away to /back. It does not end when the user speaks."""

    __slots__ = ("_told", "reason")

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self._told: set[Hashable] = set()

    def is_news_to(self, writer: Hashable) -> bool:
        """Return whether a user (a Seat) has not been told of it yet, and note that this is done now."""
        if writer in self._told:
            return False
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told.add(writer)
        return True
