"""The numbers of a batch of messages. Nothing is changed by numbering, so a batch that cannot be stored uses none up.

All ids of one lineage are one space, whatever they are used for: said, acted, topics, private messages. An id that
comes again with the same content is a repetition, which gets the old number. With any other content, in another room,
as another kind or to another recipient it is a mistake of the client, and refused.
"""

from __future__ import annotations

from binascii import crc32
from collections.abc import Callable

from gchat.journal.journal import Outcome, Posting, Whisper
from gchat.model.messages import Message, Numbered, Record, Said

#: The bits of a message's number. (A database has them in its keys; so this never changes.)
SEQ_BITS = 36

#: What an id was used for, in one integer, because half a million may be remembered: a digest of the content, which
#: includes the room, and the number of the message in that room; 0 if it is a private one, which has none.
Use = int


def use_of(digest: int, seq: int = 0) -> Use:
    """Return what an id was used for."""
    return digest << SEQ_BITS | seq


def _seq_of(use: Use) -> int:
    return use & ((1 << SEQ_BITS) - 1)


class Numbering:
    """The numbers of one batch.

    `next_seq` returns the next number of a room before this batch, `known` what an id of a lineage was used for.
    """

    def __init__(self, next_seq: Callable[[str], int], known: Callable[[str, str], Use | None]) -> None:
        self.heads: dict[str, int] = {}  # the next number of each room in the batch, after it
        # By (lineage, id), of the ids that this batch is the first to use: for what, and in which room, if in one.
        self.fresh: dict[tuple[str, str], tuple[Use, str | None]] = {}
        self._next_seq = next_seq
        self._known = known

    def number(self, posting: Posting | Whisper, time: float) -> Outcome:
        """Return the outcome for the next message of the batch."""
        if not isinstance(posting, Posting):
            return self._number_whisper(posting)
        room, message = posting.room, posting.message
        seq = self.heads.get(room) or self._next_seq(room)
        if isinstance(message, Said):
            ids, texts = message.ids, message.texts
            if not ids:
                self.heads[room] = seq + len(texts)
                return Outcome(Record(seq, time, message))
        else:
            ids, texts = (message.id,), (message.text,)
        numbers: list[Numbered] = []
        reused: list[str] = []
        said: list[int] = []  # the places of the texts that are new
        for at, (id_, text) in enumerate(zip(ids, texts, strict=True)):
            if not id_:
                said.append(at)
                continue
            use = use_of(digest_of(type(message), room, text), seq + len(said))
            earlier, is_first = self._use(posting.lineage, id_, use, room)
            if is_first:
                said.append(at)
            if _is_same(earlier, use):
                numbers.append(Numbered(id_, room, _seq_of(earlier)))
            else:
                reused.append(id_)
        if not said:
            return Outcome(None, tuple(numbers), reused=tuple(reused))
        self.heads[room] = seq + len(said)
        return Outcome(Record(seq, time, _only(message, said)), tuple(numbers), reused=tuple(reused))

    def _number_whisper(self, whisper: Whisper) -> Outcome:
        use = use_of(digest_of(Whisper, f"{whisper.to} {whisper.room}", whisper.text))
        earlier, is_first = self._use(whisper.lineage, whisper.id, use, None)
        if not _is_same(earlier, use):
            return Outcome(None, reused=(whisper.id,))
        return Outcome(None, (Numbered(whisper.id),), is_first=is_first)

    def _use(self, lineage: str, id_: str, use: Use, room: str | None) -> tuple[Use, bool]:
        """Return what an id was used for first, and whether that is this use."""
        earlier = self._known(lineage, id_)
        if earlier is not None:
            return earlier, False
        if (fresh := self.fresh.get((lineage, id_))) is not None:
            return fresh[0], False
        self.fresh[lineage, id_] = use, room
        return use, True

    def refused(self, posting: Posting | Whisper, outcome: Outcome, why_not: str) -> Outcome:
        """Return the outcome for a message when the batch was not stored: what was stored before is not affected."""
        if isinstance(posting, Whisper):
            return outcome
        numbers = tuple(number for number in outcome.numbers if (posting.lineage, number.id) not in self.fresh)
        is_whole = outcome.record is None and len(numbers) == len(outcome.numbers)
        return Outcome(None, numbers, "" if is_whole else why_not, outcome.reused)

    def used(self, *, is_stored: bool) -> list[tuple[str, str, Use, str | None]]:
        """Return the ids that are used now: lineage, id, use, room. Private messages do not depend on the disk."""
        fresh = self.fresh.items()
        return [(lineage, id_, use, room) for (lineage, id_), (use, room) in fresh if is_stored or room is None]


def ids_of(message: Message) -> tuple[str, ...]:
    """Return the id of each text of a message; nothing if no text has one."""
    if isinstance(message, Said):
        return message.ids
    return (message.id,) if message.id else ()


def _is_same(one: Use, other: Use) -> bool:
    """Return whether two uses are of the same content."""
    return one >> SEQ_BITS == other >> SEQ_BITS


def digest_of(kind: type, where: str, text: str) -> int:
    """Return a digest of a message: short and fast, because it is only compared with that of the same id."""
    return crc32(f"{kind.__name__} {where}\n{text}".encode(errors="surrogatepass"))


def _only(message: Message, at: list[int]) -> Message:
    """Return the part of a message that has the texts at these places."""
    if not isinstance(message, Said) or len(at) == message.count:
        return message
    return Said(message.name, tuple(message.texts[i] for i in at), tuple(message.ids[i] for i in at))
