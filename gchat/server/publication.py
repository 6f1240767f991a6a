"""The part of the pump that writes: messages are stored before anybody sees them, and their senders get the answers.

Private messages are here too, because their ids belong to the same space as those of what is stored.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gchat.chat.effects import Deliver, Effect, Publish
from gchat.journal.journal import Journal, JournalError, Kept, Posting, Whisper
from gchat.journal.numbering import ids_of
from gchat.model.errors import Code
from gchat.model.events import Acknowledged, Refused, Told
from gchat.model.messages import Message, Numbered
from gchat.server.connection import Connection
from gchat.server.counters import Counter, Distribution
from gchat.server.reader import MAX_OWED_BYTES

if TYPE_CHECKING:
    from gchat.server.pump import Pump

MESSAGES = Counter("gchat_messages", "Messages said in all rooms.")
COMMIT_FAILURES = Counter("gchat_commit_failures", "Batches of messages refused because they could not be stored.")
COMMIT_S = Distribution("gchat_commit_seconds", "Time to store one batch of messages.")

ID_REUSED = "Refused: this id was already used for another request. Use a new id for each request, for example a UUID"


class Publication:
    """What one turn of the pump publishes: first commit(), then publish() and deliver() for the effects in order."""

    def __init__(self, pump: Pump, journal: Journal) -> None:
        self._pump = pump
        self._journal = journal
        self._kept: Iterator[Kept] = iter(())  # the outcome for each posting of this turn

    def commit(self, effects: Sequence[Effect]) -> None:
        """Have the journal store everything that these effects say, or find out why it cannot."""
        batch = [posting for effect in effects if (posting := self._posting(effect)) is not None]
        if not batch:
            return
        heads = self._pump.heads
        heads.clear()
        began = time.monotonic()
        try:
            kept = self._journal.append(batch, time.time())
        except JournalError as error:
            kept = [Kept(None, (), str(error))] * len(batch)
        except Exception:
            self._pump.crashed("the journal crashed; the messages of this turn are refused")
            kept = [Kept(None, (), "internal error")] * len(batch)
        COMMIT_FAILURES.value += any(outcome.why_not for outcome in kept)
        COMMIT_S.observe(time.monotonic() - began)
        self._kept = iter(kept)
        for posting, outcome in zip(batch, kept, strict=True):
            if outcome.record is not None:
                heads.setdefault(posting.room, outcome.record.seq)

    def _posting(self, effect: Effect) -> Posting | None:
        if isinstance(effect, Publish):
            return Posting(effect.room, effect.message, effect.lineage)
        if not (isinstance(effect, Deliver) and effect.id and effect.sender is not None):
            return None
        sender, reader = self._pump.connections.get(effect.sender), self._pump.connections.get(effect.session)
        to = reader.session.name if reader is not None else ""
        text = effect.answer.text if isinstance(effect.answer, Told) else ""
        return Posting("", Whisper(to, text, effect.id), sender.session.lineage if sender is not None else "")

    def publish(self, effect: Publish) -> None:
        """Show a message to its room, and answer its sender."""
        kept, room, pump = next(self._kept), effect.room, self._pump
        speaker = None if effect.session is None else pump.connections.get(effect.session)
        record = kept.record
        if record is not None:
            pump.tell_presence(room)
            count = record.message.count
            pump.heads[room] += count
            MESSAGES.value += count
            pump.append(room, record, count, speaker)
        elif kept.why_not:
            self._refuse_unstored(speaker, effect.message, kept)
        if kept.numbers and speaker is not None:
            # At this place in the sender's stream: here the others see the message itself.
            pump.tell(speaker, Acknowledged(kept.numbers))
        elif pump.receipts:
            for number in kept.numbers:
                if receipt := pump.receipts.pop(number.id, None):
                    receipt(number.seq)
        for id_ in kept.reused:
            self._refuse(speaker, Code.ID_REUSED, ID_REUSED, id_)

    def deliver(self, effect: Deliver) -> None:
        """Give one user an answer, or a private message; then its sender is answered too."""
        kept = next(self._kept) if effect.id and effect.sender is not None else None
        pump = self._pump
        reader = pump.connections.get(effect.session)
        if effect.sender is None:
            if reader is not None:
                pump.tell(reader, effect.answer)
            return
        sender = pump.connections.get(effect.sender)
        if kept is not None and not kept.is_first:
            self._answer_again(sender, effect.id, kept)
        elif refusal := _why_not_delivered(reader):
            self._refuse(sender, *refusal, effect.id)
            if kept is not None and sender is not None:
                self._journal.release(sender.session.lineage, effect.id)
        else:
            assert reader is not None
            pump.tell(reader, effect.answer)
            if effect.seat is not None:
                reader.session.told_by(effect.seat)
            if kept is not None and sender is not None:
                pump.tell(sender, Acknowledged((Numbered(effect.id),)))
            if effect.receipt is not None and sender is not None:
                pump.tell(sender, effect.receipt)

    def _answer_again(self, sender: Connection | None, id_: str, kept: Kept) -> None:
        if kept.reused:
            self._refuse(sender, Code.ID_REUSED, ID_REUSED, id_)
        elif kept.why_not:
            self._refuse(sender, Code.NOT_KEPT, f"Not sent: {kept.why_not}. Try again later", id_)
        elif sender is not None:
            self._pump.tell(sender, Acknowledged(kept.numbers))

    def _refuse_unstored(self, speaker: Connection | None, message: Message, kept: Kept) -> None:
        answered = {number.id for number in kept.numbers}.union(kept.reused)
        for id_ in ids_of(message) or ("",):
            if not id_ or id_ not in answered:
                self._refuse(speaker, Code.NOT_KEPT, f"Not sent: {kept.why_not}. Try again later", id_)

    def _refuse(self, sender: Connection | None, code: Code, message: str, id_: str) -> None:
        if sender is not None:
            self._pump.tell(sender, Refused(code, message, id_))
        elif receipt := self._pump.receipts.pop(id_, None):
            receipt(0)


def _why_not_delivered(reader: Connection | None) -> tuple[Code, str] | None:
    if reader is None:
        return Code.NO_SUCH_USER, "Not sent: the recipient has left"
    if reader.cursor.is_over or reader.cursor.owed > MAX_OWED_BYTES:
        return Code.NOT_READING, f"Not sent: {reader.session.name} is not reading"
    return None
