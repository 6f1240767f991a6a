"""Numbering a batch of messages before it is kept: nothing is changed by it, so what cannot be kept has no number."""

from __future__ import annotations

from collections.abc import Callable

from gchat.journal.base import Kept, Posting
from gchat.protocol.events import Message, Numbered, Record, Said


class Numbering:
    """The numbers of one batch.

    `next_seq` tells a room's next number without this batch; `known` where the message with an id of a lineage stands.
    """

    def __init__(self, next_seq: Callable[[str], int], known: Callable[[str, str], Numbered | None]) -> None:
        self.heads: dict[str, int] = {}  # of each room in the batch, its next number after it
        self.fresh: dict[tuple[str, str], Numbered] = {}  # (lineage, id) that are used for the first time
        self._next_seq = next_seq
        self._known = known

    def number(self, posting: Posting, time: float) -> Kept:
        """Return what becomes of the next message of the batch."""
        room, message = posting.room, posting.message
        seq = self.heads.get(room) or self._next_seq(room)
        ids = ids_of(message)
        if not ids:
            self.heads[room] = seq + message.count
            return Kept(Record(seq, time, message))
        numbers: list[Numbered] = []
        said: list[int] = []  # which of its texts are new
        for at, id_ in enumerate(ids):
            place = (posting.lineage, id_)
            known = (self.fresh.get(place) or self._known(*place)) if id_ else None
            if known is None:
                known = Numbered(id_, room, seq + len(said))
                said.append(at)
                if id_:
                    self.fresh[place] = known
            if id_:
                numbers.append(known)
        if not said:
            return Kept(None, tuple(numbers))
        self.heads[room] = seq + len(said)
        return Kept(Record(seq, time, _only(message, said)), tuple(numbers))

    def refused(self, posting: Posting, outcome: Kept, why_not: str) -> Kept:
        """Return what became of a message if nothing of the batch was kept: what was kept before still stands."""
        numbers = tuple(number for number in outcome.numbers if (posting.lineage, number.id) not in self.fresh)
        is_whole = outcome.record is None and len(numbers) == len(outcome.numbers)
        return Kept(None, numbers, "" if is_whole else why_not)


def ids_of(message: Message) -> tuple[str, ...]:
    """Return the id of each of a message's texts; nothing if none has one."""
    if isinstance(message, Said):
        return message.ids
    return (message.id,) if message.id else ()


def _only(message: Message, at: list[int]) -> Message:
    """Return of a message the texts at these places."""
    if not isinstance(message, Said) or len(at) == message.count:
        return message
    return Said(message.name, tuple(message.texts[i] for i in at), tuple(message.ids[i] for i in at))
