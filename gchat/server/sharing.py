"""Sharing: a node of a cluster takes every step in the order of the feed, and so has the same registry as all others.

    put            a step goes into the feed, without secrets
    happened       it comes back, as every node gets it: it is taken, and its effects are carried out. What only one
                   node may do (to say something, to log) its origin does
    find_place     the registry is loaded anew: from the checkpoint, then by the steps behind it
    reconciled     then the users whose connections are here are compared with it, and come back if they are not there

While the engine cannot be asked, what needs a step is refused, and all else goes on: reading, asking, leaving.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Protocol, get_args

import gevent
import msgspec
from gevent.event import AsyncResult
from msgspec import structs

from gchat.chat import handlers
from gchat.chat.effects import (
    Announce,
    Arrive,
    Audited,
    CloseReason,
    Deliver,
    Effect,
    Enter,
    Leave,
    Rebased,
    closed,
    refused,
)
from gchat.chat.limits import Limits
from gchat.chat.order_steps import AnyStep
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.chat.steps import (
    BeDue,
    Changing,
    Configure,
    Connect,
    Disconnect,
    DropNode,
    Execute,
    HandOver,
    MakeSeen,
    Step,
)
from gchat.cluster.batches import ANSWER_S
from gchat.cluster.entries import packed_step
from gchat.cluster.link import EngineLink
from gchat.cluster.reasons import LATE
from gchat.journal.journal import Arrival
from gchat.model import commands
from gchat.model.commands import Command
from gchat.model.errors import Code, Refusal
from gchat.model.events import Announced, TopicIs
from gchat.server.attempts import Attempts
from gchat.server.connection import NOT_LET_IN
from gchat.server.counters import CRASHES
from gchat.server.elsewhere import Elsewhere
from gchat.server.letters import Letters
from gchat.server.logs import logger
from gchat.server.publication import ArrivedUnheard, Happening
from gchat.server.registry_loading import LoadingPump, RegistryLoading
from gchat.server.roster import Onlooker
from gchat.server.step_effects import of_step
from gchat.server.taking import Taking

#: What users are told who have just come, and not those who only come back to the others.
_GREETINGS = (Arrive, Enter, Leave, Deliver)

#: How often it is tried to tell the others what they are owed.
PAY_S = 1.0

#: The most that one entry of the feed brings for the audit.
AUDITED_AT_ONCE = 10_000

_CHANGING = frozenset(get_args(Changing))

#: What is no step, and waits for nothing; and what is for one user, who may be at another node.
_SPEAKING = (commands.Say, commands.Act)
_TO_ANOTHER = (commands.Tell, commands.Reply, commands.Invite)

_encode = msgspec.msgpack.Encoder().encode
_decode_step: Callable[[bytes], Step] = msgspec.msgpack.Decoder(AnyStep).decode


class SharingPump(LoadingPump, Protocol):
    """What sharing needs of the pump."""

    def submit(self, effects: Sequence[Happening]) -> None:
        """Have these effects carried out, after all that were submitted before."""

    def submit_said(self, effects: Sequence[Happening]) -> None:
        """Do the same; what is said alone is put at once."""

    def wait_carried_out(self, session: int | None = None) -> None:
        """Wait until everything that was submitted until now is carried out, and what was said is stored or refused."""


class Sharing:
    """One node of a cluster. Implements Steps, and Members of its journal."""

    are_shared = True

    def __init__(
        self, registry: Registry, limits: Limits, pump: SharingPump, link: EngineLink, onlooker: Onlooker
    ) -> None:
        """Share `registry`; the `limits` are those that this node is configured with."""
        self._registry = registry
        self._limits = limits
        self._pump = pump
        self._link = link
        self.wall_time = link.wall_time  # the engine's: the clocks of nodes may be apart
        self.letters = Letters(registry, pump, link)
        self.elsewhere = Elsewhere(registry, link, onlooker)
        self._loading = RegistryLoading(registry, pump, link, self._put_quietly, self.elsewhere.renew)
        self._ids, self._audited = count(1), count(1)
        self._attempts = Attempts()
        self._owed: list[Disconnect | Configure] = []  # what the others could not be told yet
        self._is_due_asked = False
        self._why = ""  # nothing can be put now; "": all is well

    @property
    def node(self) -> str:
        """The name of this node, with its number."""
        return self._link.node

    def time(self) -> float:
        """Return the time of the cluster, in seconds; it stands still while the engine does."""
        return self._link.time()

    # --- Steps -----------------------------------------------------------------------------------------------------

    def take(self, step: Step, then: Callable[[Any], None] | None = None) -> Any:
        """See Steps.take."""
        if self._why:
            raise _not_now(self._why)
        taking = Taking(self._own(step), then, AsyncResult())
        self._put(taking)
        assert taking.result is not None
        return taking.result.get()

    def put(self, step: Step) -> None:
        """See Steps.put."""
        if isinstance(step, BeDue):
            if self._is_due_asked:
                return
            self._is_due_asked = True
        if isinstance(step, Disconnect):
            gevent.spawn(self._put_behind, step)
        else:
            self._put(Taking(step))

    def _put_behind(self, step: Disconnect) -> None:
        """Put a step behind what its user has said."""
        self._pump.wait_carried_out(step.session)
        self._put(Taking(step))

    def execute(self, session: Session, command: Command, now: float) -> list[Effect]:
        """See Steps.execute."""
        if isinstance(command, _SPEAKING):
            return self._executed(session, command, now)
        self._pump.wait_carried_out(session.id)  # what was said before
        effects = self._executed(session, command, now)
        if isinstance(command, _TO_ANOTHER):  # what is said next comes behind it, at all nodes
            self._pump.wait_carried_out(session.id)
            self.letters.wait_delivered(session.id)
        return effects

    def _executed(self, session: Session, command: Command, now: float) -> list[Effect]:
        try:
            session = self._known(session)
            if type(command) in _CHANGING:
                effects: list[Effect] = self.take(Execute(session.id, command, now))  # type: ignore[arg-type]  # one of these
                return effects
            if not session.is_announced:
                self.take(MakeSeen(session.id))
            effects = handlers.execute(self._registry, session, command, now)
        except Refusal as refusal:
            effects = [refused(session.id, refusal, getattr(command, "id", ""))]
            if isinstance(command, commands.Quit):
                effects = closed(session.id, CloseReason.QUIT, "Goodbye")
                self._owe(Disconnect(session.id, CloseReason.QUIT, self._link.time()))
        self._pump.submit_said(effects)
        return effects

    def _known(self, session: Session) -> Session:
        """Return a user's session, which may be made anew while the registry is loaded: that is waited for."""
        if not self._loading.is_placed.wait(0 if self._why else ANSWER_S):
            raise _not_now(self._why or LATE)
        connection = self._pump.connections.get(session.id)
        return session if connection is None else connection.session

    def stop(self, farewell: str, moving: str) -> None:
        """See Steps.stop."""
        try:
            self.take(HandOver(self.node, farewell, moving, self._link.time()))
        except Refusal:
            self._link.is_gone_at_end = True
            for session in list(self._pump.connections):
                self._pump.submit(closed(session, CloseReason.SHUTDOWN, farewell))

    def _own(self, step: Step) -> Step:
        """Return a step as one of this node: a session gets a number that no other node gives."""
        if not isinstance(step, Connect) or step.id:
            return step
        return structs.replace(
            step,
            id=(int(self.node.rpartition("-")[2], 16) << 32) + next(self._ids),
            entrance=structs.replace(step.entrance, node=self.node, attempt=self._attempt(step.entrance.attempt)),
        )

    def _attempt(self, accepted: int) -> int:
        """Return when a connection was accepted, by the time of the cluster in ns; in their order on this node."""
        return self._attempts.attempt(accepted, int((self._link.time() - time.monotonic()) * 1e9))

    def _put(self, taking: Taking) -> None:
        self._link.put([(packed_step(_encode(taking.step.told())), taking)])

    # --- Members ---------------------------------------------------------------------------------------------------

    def happened(self, step: bytes, cause: object | None) -> None:
        """See Members.happened."""
        self._loading.hear()
        if isinstance(cause, Taking):
            self._take_own(cause)
        else:
            try:
                decoded = _decode_step(step)
            except msgspec.DecodeError as error:
                raise self._loading.cannot_read(error) from None
            self._take_foreign(decoded)

    def _take_foreign(self, step: Step) -> None:
        """Take a step that the engine, or another node, has put, which is told if it is refused."""
        with suppress(Refusal):
            _, effects = self._taken(step)
            if self._loading.is_news:
                self.elsewhere.show(effects)
                self._pump.submit([*of_step(effects, is_origin=False)])

    def _take_own(self, taking: Taking) -> None:
        """Take a step that this node has put."""
        step, result = taking.step, taking.result
        self._is_due_asked = self._is_due_asked and not isinstance(step, BeDue)
        try:
            value, effects = self._taken(step)
            if taking.then is not None:
                taking.then(value)
        except Refusal as refusal:
            self._no_session(taking, refusal)
            return
        if result is None and isinstance(step, Connect) and not taking.is_quiet:  # the peer was told that it is not in
            self.put(Disconnect(step.id, CloseReason.RESET, self._link.time()))
        if isinstance(step, Disconnect) and not effects:  # there was no such session any more
            effects = closed(step.session, step.reason, step.farewell)
        self.elsewhere.show(effects)
        own = map(self._numbered, of_step(effects, is_origin=True))
        self._pump.submit([effect for effect in own if not (taking.is_quiet and isinstance(effect, _GREETINGS))])
        if result is not None:
            result.set(value)

    def _no_session(self, taking: Taking, refusal: Refusal) -> None:
        """Have it known that a step was refused: by the one that waits, or by the user who cannot come back."""
        if taking.result is not None:
            taking.result.set_exception(refusal)
        if taking.is_quiet and isinstance(taking.step, Connect):
            reason = NOT_LET_IN.get(refusal.code, CloseReason.REPLACED)
            self._pump.submit(closed(taking.step.id, reason, refusal.message))
            self._loading.has_come_back(taking.step.id)

    def _numbered(self, effect: Effect) -> Effect:
        """Return what is for the audit with a number that no other node gives: by the feed, in whose order it is."""
        if not isinstance(effect, Audited):
            return effect
        return structs.replace(
            effect, number=self._link.heard * AUDITED_AT_ONCE + next(self._audited) % AUDITED_AT_ONCE
        )

    def _taken(self, step: Step) -> tuple[Any, list[Effect]]:
        """Take a step. A fault of ours is one on every node, and ends nothing. Raises Refusal."""
        try:
            return step.take(self._registry)
        except Refusal:
            raise
        except Exception:
            CRASHES.value += 1
            logger.exception("a step crashed: %(step)s", {"step": type(step).__name__})
            raise _not_now("internal error") from None

    def gone(self, node: str) -> None:
        """See Members.gone. If it is this one, its users come back as soon as all is known."""
        self._loading.hear()
        if node == self.node:
            self._loading.keep_own()
            DropNode(node).take(self._registry)
        else:
            self._take_foreign(DropNode(node))

    def topic_set(self, room: str, topic: TopicIs) -> None:
        """See Members.topic_set."""
        self._registry.keep_topic(room, topic)

    def refused(self, cause: object, why: str) -> None:
        """See Members.refused."""
        self._not_taken(cause, why)

    def not_known(self, cause: object) -> None:
        """See Members.not_known: for the one that waits it is refused; if it was taken, that is seen later."""
        self._not_taken(cause, "the journal does not answer, and it is not known whether it was done")

    def _not_taken(self, cause: object, why: str) -> None:
        assert isinstance(cause, Taking)
        step = cause.step
        self._is_due_asked = self._is_due_asked and not isinstance(step, BeDue)
        if isinstance(step, Disconnect):
            self._pump.submit(closed(step.session, step.reason, step.farewell))
        if isinstance(step, Disconnect | Configure):
            self._owe(step)
        self._no_session(cause, _not_now(why))
        cause.then, cause.result, cause.is_quiet = None, None, False

    def lost(self, room: str, count: int, first: int, last: int) -> None:
        """See Members.lost."""
        members = self._registry.rooms[room].members if room in self._registry.rooms else {}
        self._pump.submit([Rebased(room, count, first, last, len(members))])

    def unable(self, why: str) -> None:
        """See Members.unable: rooms are told once that nothing can be said, and once that it can be again."""
        self._why = why
        told = f"What is said cannot be kept now ({why}); reading goes on" if why else "What is said is kept again"
        rooms = [room.name for room in self._registry.rooms.values() if room.members]
        self._pump.submit([Announce(room, Announced(told, is_of_operator=False)) for room in rooms])

    def _owe(self, step: Disconnect | Configure) -> None:
        """Note what the others are to be told as soon as it is taken."""
        self._owed.append(step)
        if len(self._owed) == 1:
            gevent.spawn(self._pay)

    def _pay(self) -> None:
        """Tell the others what they are owed; a greenlet."""
        gevent.sleep(PAY_S)
        while self._why:
            gevent.sleep(PAY_S)
        owed, self._owed = self._owed, []
        for step in owed:
            self.put(step)

    def letter(self, data: bytes) -> None:
        """See Members.letter."""
        self.letters.letter(data)

    def deliver(self, arrivals: Sequence[Arrival]) -> None:
        """Take what arrives from the journal: see Journal.follow. Users who ignore its speaker do not hear it."""
        self._pump.submit([self._heard(arrival) for arrival in arrivals])

    def _heard(self, arrival: Arrival) -> Arrival | ArrivedUnheard:
        record = arrival.outcome.record
        if arrival.cause is not None or record is None:
            return arrival
        by_whom = self._registry.ignorers.of_named(record.message.name)
        return arrival if by_whom is None else ArrivedUnheard(arrival, by_whom)

    # --- The registry, loaded anew -----------------------------------------------------------------------------------

    def join(self, load: Callable[[], None]) -> None:
        """See Steps.join: attach, and know everything that the others know; an engine without anything is loaded."""
        self._loading.load = load
        self._link.start()
        if warning := self._link.warning:
            logger.warning("the engine of the cluster: %(what)s", {"what": warning})
        self._loading.wait_placed()
        self.configure(self._limits)
        gevent.spawn(self._loading.keep_checkpoints)

    def configure(self, limits: Limits) -> None:
        """See Steps.configure: what was set last, on whichever node, holds on all."""
        if limits != self._registry.limits:
            self.put(Configure(structs.replace(limits)))

    def find_place(self, base: str) -> int:  # noqa: ARG002  # the link knows it
        """See Members.find_place."""
        return self._loading.find_place()

    def _put_quietly(self, step: Step, then: Callable[[Any], None] | None) -> None:
        """Put a step of which the user whose it is sees nothing."""
        self._put(Taking(step, then, is_quiet=True))


def _not_now(why: str) -> Refusal:
    return Refusal(Code.NOT_KEPT, f"Not possible now: {why}. Try again later")
