"""The part of the pump that writes: messages are stored before anybody sees them, and their senders get the answers.

What is shown is what arrives from the journal. In one process that is the outcome which append() returns, shown at the
place of the effect that asked for it; from a journal that other processes append to, records and outcomes come later,
as arrivals, and have their place where they come. Private messages are here too, because their ids belong to the same
space as those of what is stored.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Protocol

from gevent.event import Event
from msgspec import Struct, structs

from gchat.chat.effects import Deliver, Effect, Publish, Unheard
from gchat.journal.journal import Arrival, Journal, JournalError, Outcome, Posting, Whisper
from gchat.journal.numbering import ids_of
from gchat.model.errors import Code
from gchat.model.events import Acknowledged, Answer, Done, Invited, Refused, Told
from gchat.model.messages import Numbered, Record, Said
from gchat.roomlog.reader import LogReader
from gchat.server.answer import REFUSALS
from gchat.server.connection import Connection
from gchat.server.counters import Counter, Distribution
from gchat.server.held_answers import HeldAnswers

MESSAGES = Counter("gchat_messages", "Messages said in all rooms.")
COMMIT_FAILURES = Counter("gchat_commit_failures", "Batches of messages refused because they could not be stored.")
COMMIT_S = Distribution("gchat_commit_seconds", "Time to store one batch of messages.")

ID_REUSED = "Refused: this id was already used for another request. Use a new id for each request, for example a UUID"


class Conveyed(Struct, frozen=True):
    """What became of a private message: why it was not shown, None if it was."""

    effect: Deliver
    why_not: tuple[Code, str] | None
    is_known: bool = True  # False: another node, which has its reader, does not answer


class Handed(Struct, frozen=True):
    """A private message from another node, and what tells that whether it was shown; see Conveyed."""

    effect: Deliver
    tell: Callable[[tuple[Code, str] | None], None]


class ArrivedUnheard(Struct, frozen=True):
    """A message of another node's user, and who ignores that user."""

    arrival: Arrival
    by_whom: Unheard


#: What the pump carries out.
Happening = Effect | Arrival | ArrivedUnheard | Handed | Conveyed


class OtherNodes(Protocol):
    """The other nodes of a cluster."""

    def name_of(self, session: int) -> str:
        """Return the name of a user of any node; "" if the user has left."""

    def forward(self, effect: Deliver) -> bool:
        """Have a private message shown at the node that has its reader; return False if no other one has."""


class NoOtherNodes:
    """What stands for them where there are none. Implements OtherNodes."""

    def __init__(self, connections: Mapping[int, Connection]) -> None:
        self._connections = connections

    def name_of(self, session: int) -> str:
        """See OtherNodes.name_of."""
        reader = self._connections.get(session)
        return "" if reader is None else reader.session.name

    def forward(self, effect: Deliver) -> bool:  # noqa: ARG002
        """See OtherNodes.forward."""
        return False


class PublicationTurn(Protocol):
    """What the publication needs of a turn of the pump."""

    receipts: dict[str, Callable[[int | None], None]]
    others: OtherNodes

    @property
    def connections(self) -> Mapping[int, Connection]:
        """The connections that have a session, by its id."""

    def tell(self, connection: Connection, answer: Answer, room: str = "") -> None:
        """Give this connection an answer, after all that its rooms were told until now.

        It is about a room; without one, about that which was entered last.
        """

    @property
    def untold(self) -> Container[str]:
        """The rooms that are to be told who entered and left them."""

    def tell_presence(self, room: str) -> None:
        """Tell a room that, if there is anything to tell."""

    @property
    def append(self) -> Callable[[str, Record, int, LogReader | None, Unheard | None], None]:
        """See FanOut.append."""

    @property
    def shown(self) -> Callable[[str, Record, Publish | None], None]:
        """Notes what a room was told, and what asked for it if this process has posted it."""

    def crashed(self, what: str, *details: object) -> None:
        """Count and log an error of ours, from where it is caught."""


class Publication:
    """The publishing of a turn: first commit(), then publish(), deliver() and arrive() in order, then end().

    Postings whose outcome arrives later are counted, because what a user asks then comes behind that.
    """

    def __init__(self, pump: PublicationTurn, journal: Journal) -> None:
        self.awaited: dict[int, object] = {}  # postings whose outcome arrives later, until something is said of it
        self._posted = self._answered = 0  # of those, ever
        self.awaited_size = 0  # of those that are awaited, in characters
        self.stored_at = 0.0  # when the last messages were
        self._waits: deque[tuple[int, Event]] = deque()  # each set when so many are answered
        self._held = HeldAnswers()
        self._is_late = False  # whether the journal does not answer in time: then nobody waits for that
        self._pump = pump
        self._journal = journal
        self._outcomes: Iterator[Outcome | None] = iter(())  # for each posting of this turn
        # By room, of this turn: the number of the first message that is not shown yet. The journal has them all.
        self._heads: dict[str, int] = {}

    def head(self, room: str) -> int:
        """Return the number of the room's next message, where the turn stands."""
        return self._heads.get(room) or self._journal.next_seq(room)

    def is_to_wait_for(self, session: int | None = None) -> bool:
        """Return whether outcomes are about to come, for a session only if one of them is of what it has said."""
        return bool(self.awaited) and not self._is_late and (session is None or self._held.waits(session))

    def set_when_answered(self, events: Mapping[int | None, Event]) -> None:
        """Set the event of each session, or of None, when all has its outcome that it waits for, or that is late."""
        for session, event in events.items():
            if self.is_to_wait_for(session):
                self._waits.append((self._posted, event))
            else:
                event.set()

    def _release(self) -> None:
        """Set the events whose time has come."""
        while self._waits and (self._is_late or self._waits[0][0] <= self._answered):
            self._waits.popleft()[1].set()

    def end(self) -> None:
        """End the turn: everything that the journal has counted as said is shown."""
        self._heads.clear()

    def renew(self, room: str) -> None:
        """Have a room go on in its new log."""
        self._journal.renew(room)
        self._heads.pop(room, None)

    def commit(self, effects: Sequence[object]) -> None:
        """Have the journal store everything that these effects say, or find out why it cannot."""
        heads = self._heads
        heads.clear()
        batch: list[Posting | Whisper] = []
        for effect in effects:
            if type(effect) is Publish:
                batch.append(Posting(effect.room, effect.message, effect.lineage, effect))
            elif type(effect) is Deliver and effect.id and effect.sender is not None:
                batch.append(self._whisper(effect, effect.sender))
        if not batch:
            return
        began = time.monotonic()
        outcomes: Sequence[Outcome | None]
        try:
            outcomes = self._journal.append(batch, time.time())
        except JournalError as error:
            outcomes = [Outcome(None, (), str(error))] * len(batch)
        except Exception:
            self._pump.crashed("the journal crashed; the messages of this turn are refused")
            outcomes = [Outcome(None, (), "internal error")] * len(batch)
        self.stored_at = time.monotonic()
        COMMIT_S.observe(self.stored_at - began)
        self._outcomes = iter(outcomes)
        has_failed = False
        for posting, outcome in zip(batch, outcomes, strict=True):
            if outcome is None:
                self.awaited[id(posting.cause)] = posting.cause
                self._posted += 1
                self.awaited_size += _size(posting.cause)
            elif (record := outcome.record) is not None:
                if posting.room not in heads:
                    heads[posting.room] = record.seq
            elif outcome.why_not:
                has_failed = True
        COMMIT_FAILURES.value += has_failed

    def _whisper(self, effect: Deliver, by: int) -> Whisper:
        sender = self._pump.connections.get(by)
        to = self._pump.others.name_of(effect.session)
        answer = effect.answer
        text = answer.text if isinstance(answer, Told) else ""
        room = answer.room if isinstance(answer, Invited) else ""
        lineage = sender.session.lineage if sender is not None else ""
        return Whisper(to, text, effect.id, lineage, effect, room)

    def publish(self, effect: Publish) -> None:
        """Show a message to its room, and answer its sender, unless its outcome arrives later."""
        if (outcome := next(self._outcomes)) is not None:
            self._show(effect.room, outcome, effect, effect.unheard)
        else:
            self._held.asked(effect.session)

    def arrive_unheard(self, unheard: ArrivedUnheard) -> None:
        """Do the same for a message of another process's user whom some ignore."""
        self.arrive(unheard.arrival, unheard.by_whom)

    def arrive(self, arrival: Arrival, unheard: Unheard | None = None) -> None:
        """Do what is left of publish() or deliver() for what arrives; another process's message is only shown."""
        room, cause, outcome = arrival.room, arrival.cause, arrival.outcome
        if cause is not None:
            self._is_late = not arrival.is_known or bool(outcome.why_not)
            if self.awaited.pop(id(cause), None) is not None:  # else it was late, and may never have been heard of
                self._answered += 1
                self.awaited_size -= _size(cause)
        if not arrival.is_known:
            self._tell_unknown(cause)
            self.tell_held(_asking(cause), is_late=True)
            self._release()
            return
        if room is not None and outcome.record is not None:
            if outcome.record.seq < self._journal.next_seq(room):  # delivered again: it was shown
                outcome = structs.replace(outcome, record=None)
            else:
                self._journal.accept(arrival)
        if isinstance(cause, Deliver):
            self._deliver(cause, outcome)
        elif room is not None:
            effect = cause if isinstance(cause, Publish) else None
            self._show(room, outcome, effect, unheard if effect is None else effect.unheard)
        if cause is not None:
            self.tell_held(_asking(cause), is_late=False)
        if self._waits:
            self._release()

    def _tell_unknown(self, cause: object) -> None:
        """Tell a user who cannot know it what is not known; a program has no acknowledgement, which says the same."""
        session = _asking(cause)
        speaker = None if session is None else self._pump.connections.get(session)
        if speaker is not None and not speaker.dialect.traits.has_hello:
            self._pump.tell(speaker, Done("Whether that was said is not known yet"))

    def tell_held(self, session: int | None, *, is_late: bool) -> None:
        """Tell a user what waited for an outcome that is known now; or for all that is not, which `is_late`."""
        for effect in self._held.known(session, is_late=is_late):
            self._deliver(effect, None)

    def _show(self, room: str, outcome: Outcome, effect: Publish | None, unheard: Unheard | None) -> None:
        """Show what is new to a room, and answer the sender, if this process has it."""
        pump, record = self._pump, outcome.record
        speaker = None if effect is None or effect.session is None else pump.connections.get(effect.session)
        if record is not None:
            if room in pump.untold:
                pump.tell_presence(room)
            message = record.message
            count = len(message.texts) if type(message) is Said else 1  # its count, without a call
            self._heads[room] = record.seq + count
            MESSAGES.value += count
            pump.append(room, record, count, None if speaker is None else speaker.log_reader, unheard)
            pump.shown(room, record, effect)
        elif outcome.why_not and effect is not None:
            self._refuse_unstored(speaker, effect, outcome)
        if numbers := outcome.numbers:
            if speaker is not None:
                # At this place in the sender's stream: here the others see the message itself.
                pump.tell(speaker, Acknowledged(numbers), room)
            else:
                for number in numbers:
                    if receipt := pump.receipts.pop(number.id, None):
                        receipt(number.seq)
        if outcome.reused:
            for id_ in outcome.reused:
                self._refuse(speaker, Code.ID_REUSED, ID_REUSED, id_, room)

    def deliver(self, effect: Deliver) -> None:
        """Give one user an answer, or a private message; then its sender is answered too."""
        if effect.sender is None:
            if self._is_late or not self._held.hold(effect):
                self._deliver(effect, None)
        elif not effect.id:
            self._deliver(effect, None)
        elif (outcome := next(self._outcomes)) is not None:
            self._deliver(effect, outcome)
        else:
            self._held.asked(effect.sender)

    def _deliver(self, effect: Deliver, outcome: Outcome | None) -> None:
        pump = self._pump
        reader = pump.connections.get(effect.session)
        if effect.sender is None:
            if reader is not None:
                pump.tell(reader, effect.answer, effect.room)
            return
        if outcome is not None and not outcome.is_first:
            self._answer_again(pump.connections.get(effect.sender), effect.id, outcome)
        elif reader is not None or not pump.others.forward(effect):
            self._answer(Conveyed(effect, self._hand_over(effect)))
        else:
            self._held.asked(effect.sender)

    def hand(self, handed: Handed) -> None:
        """Give a user a private message from another node, which is told what became of it."""
        handed.tell(self._hand_over(handed.effect))

    def _hand_over(self, effect: Deliver) -> tuple[Code, str] | None:
        """Give a user a private message; return why not, None if it is shown, or could be."""
        reader = self._pump.connections.get(effect.session)
        if reader is None:
            return Code.NO_SUCH_USER, "Not sent: the recipient has left"
        if not reader.writer.takes_messages:
            return Code.NOT_READING, f"Not sent: {reader.session.name} is not reading"
        if not effect.ignored:
            self._pump.tell(reader, effect.answer)
            if effect.seat is not None:
                reader.session.told_by(effect.seat)
        return None

    def conclude(self, conveyed: Conveyed) -> None:
        """Answer the sender of a private message that went to another node."""
        self._answer(conveyed)
        self.tell_held(conveyed.effect.sender, is_late=not conveyed.is_known)

    def _answer(self, conveyed: Conveyed) -> None:
        pump, effect = self._pump, conveyed.effect
        assert effect.sender is not None
        sender = pump.connections.get(effect.sender)
        if effect.id and sender is not None and not (conveyed.is_known and conveyed.why_not is None):
            self._journal.release(sender.session.lineage, effect.id)  # it may be sent again; see Letters
        if not conveyed.is_known:
            self._tell_unknown(effect)
        elif conveyed.why_not is not None:
            self._refuse(sender, *conveyed.why_not, effect.id)
        elif sender is not None:
            if effect.id:
                pump.tell(sender, Acknowledged((Numbered(effect.id),)))
            if effect.receipt is not None:
                pump.tell(sender, effect.receipt)

    def _answer_again(self, sender: Connection | None, id_: str, outcome: Outcome) -> None:
        if outcome.reused:
            self._refuse(sender, Code.ID_REUSED, ID_REUSED, id_)
        elif outcome.why_not:
            self._refuse(sender, Code.NOT_KEPT, f"Not sent: {outcome.why_not}. Try again later", id_)
        elif sender is not None:
            self._pump.tell(sender, Acknowledged(outcome.numbers))

    def _refuse_unstored(self, speaker: Connection | None, effect: Publish, outcome: Outcome) -> None:
        answered = {number.id for number in outcome.numbers}.union(outcome.reused)
        for id_ in ids_of(effect.message) or ("",):
            if not id_ or id_ not in answered:
                why = f"Not sent: {outcome.why_not}. Try again later"
                self._refuse(speaker, Code.NOT_KEPT, why, id_, effect.room)

    def _refuse(self, sender: Connection | None, code: Code, message: str, id_: str, room: str = "") -> None:
        if sender is not None:
            self._pump.tell(sender, Refused(code, message, id_), room)
        elif receipt := self._pump.receipts.pop(id_, None):
            REFUSALS.add(code)  # what users are refused is counted where it is encoded
            receipt(None)


def _asking(cause: object) -> int | None:
    """Return the session of the user who wants to know what became of this; None if there is none."""
    if isinstance(cause, Publish):
        return cause.session
    return cause.sender if isinstance(cause, Deliver) else None


def _size(cause: object) -> int:
    """Return how long the text is that this says, in characters."""
    if isinstance(cause, Publish):
        message = cause.message
        return sum(map(len, message.texts)) if isinstance(message, Said) else len(message.text)
    return len(cause.answer.text) if isinstance(cause, Deliver) and isinstance(cause.answer, Told) else 0
