"""What a link tells its owner. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gchat.cluster.entries import Fed


class LinkOwner(Protocol):
    """What a link tells."""

    def arrived(self, told: Sequence[tuple[Fed, Any]]) -> None:
        """Take an entry of the feed: each item with its cause, or None if another node put it. Never waits.

        If it raises, for each cause without an outcome by then it is told that this is not known, as with not_known().
        """

    def find_place(self, base: str, ask: Callable[..., Any]) -> int:
        """Catch up, because the link has no place in the feed; return the number of the entry behind which it is read.

        That is so at the start, with another base, where the feed does not have what was heard last, and after this
        node was given up. May wait. Raises EngineLost, EngineRefused.
        """

    def refused(self, cause: Any, why: str) -> None:
        """Take that an item was not carried out, and never will be."""

    def not_known(self, cause: Any) -> None:
        """Take that an item may or may not have been carried out; what became of it may come later, or never."""

    def unable(self, why: str) -> None:
        """Take why nothing can be stored; "": it can again."""

    def letter(self, data: bytes) -> None:
        """Take a letter from another node. Never waits."""
