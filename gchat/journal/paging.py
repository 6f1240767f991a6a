"""What is read of the history at once: so many messages that neither reading nor encoding them holds anybody up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gchat.model.messages import Record, Said


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


def singles(record: Record, *, last_first: bool = False) -> Iterator[Record]:
    """Return each message of a record as a record of its own."""
    message = record.message
    if not isinstance(message, Said) or len(message.texts) == 1:
        yield record
        return
    places = range(len(message.texts))
    for at in reversed(places) if last_first else places:
        id_ = message.ids[at] if message.ids else ""
        yield Record(record.seq + at, record.time, Said(message.name, (message.texts[at],), (id_,) if id_ else ()))
