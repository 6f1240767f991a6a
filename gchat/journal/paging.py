"""Pages: pieces of the history so short that neither reading nor encoding one holds anybody up."""

from __future__ import annotations

from collections.abc import Iterable

from gchat.model.messages import Record


def page(records: Iterable[Record], max_size: int) -> tuple[list[Record], bool]:
    """Return the first of `records`, at least one, with at most `max_size` of text; and whether there are more."""
    found: list[Record] = []
    size = 0
    for record in records:
        size += record.message.size
        if found and size > max_size:
            return found, True
        found.append(record)
    return found, False
