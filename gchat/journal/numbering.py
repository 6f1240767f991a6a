"""The numbers of a batch of messages. Nothing is changed by numbering, so a batch that cannot be stored uses none up.

All ids of one lineage are one space, whatever they are used for: said, acted, topics, private messages. An id that
comes again with the same content is a repetition, which gets the old number. With any other content, in another room,
as another kind or to another recipient it is a mistake of the client, and refused.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

from msgspec import Struct

from gchat.journal.base import Kept, Posting, Whisper
from gchat.protocol.events import Message, Numbered, Record, Said


class Use(Struct, frozen=True, gc=False):
    """What an id was used for: a digest of the content, and where that message is. A private one has no room."""

    digest: int
    room: str = ""
    seq: int = 0


class Numbering:
    """The numbers of one batch.

    `next_seq` returns the next number of a room before this batch, `known` what an id of a lineage was used for.
    """

    def __init__(self, next_seq: Callable[[str], int], known: Callable[[str, str], Use | None]) -> None:
        self.heads: dict[str, int] = {}  # the next number of each room in the batch, after it
        self.fresh: dict[tuple[str, str], Use] = {}  # by (lineage, id): ids that this batch is the first to use
        self._next_seq = next_seq
        self._known = known

    def number(self, posting: Posting, time: float) -> Kept:
        """Return the outcome for the next message of the batch."""
        room, message = posting.room, posting.message
        if isinstance(message, Whisper):
            return self._number_whisper(posting.lineage, message)
        seq = self.heads.get(room) or self._next_seq(room)
        ids = ids_of(message)
        if not ids:
            self.heads[room] = seq + message.count
            return Kept(Record(seq, time, message))
        texts = message.texts if isinstance(message, Said) else (message.text,)
        numbers: list[Numbered] = []
        reused: list[str] = []
        said: list[int] = []  # the places of the texts that are new
        for at, (id_, text) in enumerate(zip(ids, texts, strict=True)):
            if not id_:
                said.append(at)
                continue
            use = Use(digest_of(type(message), room, text), room, seq + len(said))
            earlier = self._use(posting.lineage, id_, use)
            if earlier is use:
                said.append(at)
            if earlier.digest == use.digest:
                numbers.append(Numbered(id_, earlier.room, earlier.seq))
            else:
                reused.append(id_)
        if not said:
            return Kept(None, tuple(numbers), reused=tuple(reused))
        self.heads[room] = seq + len(said)
        return Kept(Record(seq, time, _only(message, said)), tuple(numbers), reused=tuple(reused))

    def _number_whisper(self, lineage: str, whisper: Whisper) -> Kept:
        use = Use(digest_of(Whisper, whisper.to, whisper.text))
        earlier = self._use(lineage, whisper.id, use)
        if earlier.digest != use.digest:
            return Kept(None, reused=(whisper.id,))
        return Kept(None, (Numbered(whisper.id),), is_first=earlier is use)

    def _use(self, lineage: str, id_: str, use: Use) -> Use:
        """Return what an id was used for before, or this use if there is none."""
        return self._known(lineage, id_) or self.fresh.setdefault((lineage, id_), use)

    def refused(self, posting: Posting, outcome: Kept, why_not: str) -> Kept:
        """Return the outcome for a message when the batch was not stored: what was stored before is not affected."""
        if isinstance(posting.message, Whisper):
            return outcome
        numbers = tuple(number for number in outcome.numbers if (posting.lineage, number.id) not in self.fresh)
        is_whole = outcome.record is None and len(numbers) == len(outcome.numbers)
        return Kept(None, numbers, "" if is_whole else why_not, outcome.reused)

    def used(self, *, is_stored: bool) -> list[tuple[str, str, Use]]:
        """Return the ids that are used now, as (lineage, id, use). Private messages do not depend on the disk."""
        fresh = self.fresh.items()
        return [(lineage, id_, use) for (lineage, id_), use in fresh if is_stored or not use.room]


def ids_of(message: Message | Whisper) -> tuple[str, ...]:
    """Return the id of each text of a message; nothing if no text has one."""
    if isinstance(message, Said):
        return message.ids
    return (message.id,) if message.id else ()


def digest_of(kind: type, where: str, text: str) -> int:
    """Return a digest of a message: short and fast, because it is only compared with that of the same id."""
    return crc32(f"{kind.__name__} {where}\n{text}".encode(errors="surrogatepass"))


def _only(message: Message, at: list[int]) -> Message:
    """Return the part of a message that has the texts at these places."""
    if not isinstance(message, Said) or len(at) == message.count:
        return message
    return Said(message.name, tuple(message.texts[i] for i in at), tuple(message.ids[i] for i in at))
