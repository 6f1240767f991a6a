"""The place of a node in the feed: behind which entry it goes on, and up to which it has ever heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gchat.cluster.entries import Entry
from gchat.cluster.room_terms import RoomTerms


class FeedPlace:
    """Where a node is in the feed. An entry is the same on two sides if its number and its term are; see RoomTerms."""

    def __init__(self) -> None:
        self.base = ""  # the history in which the node has its place; "": it has none
        self.id = b"0-0"  # of the entry that was heard last
        self.number = 0  # its number
        self._heard_in = ""  # the history in which an entry was heard last
        self._heard = RoomTerms(1)  # also before the place was lost

    def hear(self, entry: Entry) -> None:
        """Take that an entry is heard, which comes next."""
        self.id, self.number = entry.id, entry.number
        self._heard.note(entry.number, entry.term)

    def lose(self) -> None:
        """Have no place any more."""
        self.base = ""

    def doubt(self) -> None:
        """Have no place any more, because there is no telling what was taken of the entry that was heard last."""
        self.lose()
        self.number -= 1
        self._heard.forget_behind(self.number)

    def known(self, base: str, ask: Callable[..., Any], feed: str) -> int:
        """Return up to which number the feed of an engine is what was heard; what it has lost is forgotten.

        `ask` waits for the engine's answer, and raises what it raises; `feed` is the engine's key.
        """
        if base != self._heard_in:
            self._heard_in, self._heard = base, RoomTerms(1)
        heard = self._heard
        if _term(ask("XRANGE", feed, heard.last, heard.last)) != heard.term:
            oldest = ask("XRANGE", feed, "-", "+", "COUNT", 1)
            first = int(oldest[0][0].partition(b"-")[0]) if oldest else 1
            heard.forget_behind(heard.common_end(lambda number: _term(ask("XRANGE", feed, number, number)), first))
        return heard.last

    def find(self, base: str, number: int, found: list[Any]) -> None:
        """Go on behind the entry of this number, which was `found`; 0 is before all."""
        self.base, self.id, self.number = base, found[0][0] if found else b"0-0", number
        if number > self._heard.last:  # what is between was never heard
            self._heard = RoomTerms(number)
            self._heard.note(number, _term(found))


def _term(found: list[Any]) -> int:
    """Return the term of an entry that was found; 0 if there was none."""
    return int(found[0][0].partition(b"-")[2]) if found else 0
