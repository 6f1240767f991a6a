"""The registry of a node of a cluster, loaded anew: from the checkpoint, then by the steps behind it.

A node does that when it joins, and when it has lost its place in the feed. Then the users whose connections are here
are compared with what the others know, and come back if those believe that they have left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import gevent
import msgspec
from gevent.event import Event

from gchat.chat import checkpoint
from gchat.chat.checkpoint import Checkpoint
from gchat.chat.effects import CloseReason, Effect
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.chat.steps import Disconnect, Entrance, Step
from gchat.cluster.fitness import EngineUnfit
from gchat.cluster.link import EngineLink
from gchat.journal.journal import JournalError
from gchat.server.connection import Connection
from gchat.server.returning import Kept, kept, returning, set_right

#: A checkpoint is stored when so many entries have come since the last. Each node waits for a share more than the one
#: before it, so that rarely two store the same.
CHECKPOINT_ENTRIES, SHARE = 5_000, 0.2

#: A node that finds an empty engine, which another one has begun to fill, waits so long for its checkpoint.
FIRST_CHECKPOINT_S = 5.0


class LoadingPump(Protocol):
    """What the loading needs of the pump."""

    @property
    def connections(self) -> dict[int, Connection]:
        """The connections that have a session, by its id."""

    def submit(self, effects: Sequence[Effect]) -> None:
        """Have these effects carried out, after all that were submitted before."""


class RegistryLoading:
    """The loading of one node's registry. `put` puts a step of which its user sees nothing; `then` gets its value."""

    def __init__(
        self,
        registry: Registry,
        pump: LoadingPump,
        link: EngineLink,
        put: Callable[[Step, Callable[[Any], None] | None], None],
        reconciled: Callable[[], None],
    ) -> None:
        self.load: Callable[[], None] | None = None  # what an engine without anything is given
        self.is_placed = Event()  # set when everything is known that the others know, and all users here are back
        self._registry = registry
        self._pump = pump
        self._link = link
        self._put = put
        self._reconciled = reconciled
        self._kept: dict[int, Kept] = {}  # by session: how users were here, until they are compared
        self._coming_back: dict[int, Kept] = {}  # by session: those of whom it is not known yet whether they are back
        self._unreadable: tuple[int, EngineUnfit] | None = None  # the entry of the feed that cannot be read, and why
        self._loads = 0
        self._is_compared = True  # whether what users see is what the registry has

    @property
    def is_news(self) -> bool:
        """Whether what is heard now was not heard before the registry was loaded."""
        return self._link.heard > self._link.known_n

    def find_place(self) -> int:
        """Load the registry; return the number of the feed's entry behind which steps are to be taken.

        Waits. Raises JournalError.
        """
        link = self._link
        self.keep_own()
        self._is_compared = False
        found = link.checkpoint()
        if found is None and not link.was_empty:
            found = self._first_checkpoint()
        if found is not None:
            checkpoint.restore(self._registry, self._readable(*found))
        elif self.load is not None:
            self.load()
        self.load = None
        if found is None:
            link.keep_checkpoint(0, self._checkpoint())
        self._loads += 1
        gevent.spawn(self._reconcile, self._loads)
        return 0 if found is None else found[0]

    def _readable(self, n: int, data: bytes) -> Checkpoint:
        """Return a checkpoint. Raises EngineUnfit: it cannot be read, or what is behind it could not."""
        if self._unreadable is not None and n < self._unreadable[0]:
            raise self._unreadable[1]
        try:
            return checkpoint.unpacked(data)
        except msgspec.DecodeError as error:
            raise _other_version(error) from None

    def cannot_read(self, error: msgspec.DecodeError) -> EngineUnfit:
        """Note that what is being heard cannot be read, so nothing can be known before a checkpoint behind it."""
        self._unreadable = self._link.heard, _other_version(error)
        return self._unreadable[1]

    def wait_placed(self) -> None:
        """Wait until everything is known for the first time. Raises EngineUnfit: it cannot be read."""
        while not self.is_placed.wait(0.1):
            if self._unreadable is not None:
                raise self._unreadable[1]

    def keep_own(self) -> None:
        """Note how the users are here whose connections this node has, before that is forgotten."""
        self.is_placed.clear()
        for id_, connection in self._pump.connections.items():
            if id_ not in self._kept:
                self._kept[id_] = self._coming_back.get(id_) or kept(connection.session)

    def hear(self) -> None:
        """Take that what comes next of the feed is taken.

        Before the first that is news, what users see is compared with the registry: both are as of the same entry, and
        what came of all behind that is shown as usual.
        """
        if not self._is_compared and self.is_news:
            self._compare()

    def _compare(self) -> None:
        """Show the users here what is not as it was; those of whom the others do not know are left for later."""
        self._is_compared = True
        for id_, was in list(self._kept.items()):
            connection, session = self._pump.connections.get(id_), self._session(id_)
            if connection is not None and session is not None:
                del self._kept[id_]
                self._show_changes(connection, session, was)

    def _show_changes(self, connection: Connection, session: Session, was: Kept) -> None:
        """Have a connection go on with a session that was made anew, and show what is not as it was."""
        _hand_on(connection, session)
        self._pump.submit(set_right(session, was))

    def _session(self, id_: int) -> Session | None:
        """Return the session of a connection that this node has, if the others know of it."""
        session = self._registry.sessions.get(id_)
        if session is None or session.node != self._link.node or self._registry.is_disconnected(session):
            return None
        return session

    def keep_checkpoints(self) -> None:
        """Store checkpoints in time, for ever; a greenlet."""
        link = self._link
        while True:
            link.has_beaten.wait()  # it tells which checkpoint there is
            link.has_beaten.clear()
            rank = sorted({link.node, *link.nodes}).index(link.node)
            if link.is_up.is_set() and link.heard - link.checkpoint_n > CHECKPOINT_ENTRIES * (1 + SHARE * rank):
                with suppress(JournalError):  # then another one does, or this one later
                    link.keep_checkpoint(link.heard, self._checkpoint())

    def _first_checkpoint(self) -> tuple[int, bytes] | None:
        """Return the first checkpoint, which another node is about to store; None if it has not come. Waits."""
        until = time.monotonic() + FIRST_CHECKPOINT_S
        found = None
        while found is None and time.monotonic() < until:
            gevent.sleep(0.05)
            found = self._link.checkpoint()
        return found

    def _checkpoint(self) -> bytes:
        return checkpoint.packed(checkpoint.taken(self._registry))

    def _reconcile(self, load: int) -> None:
        """Have users come back of whom the others do not know, as soon as all that they know is known here."""
        link = self._link
        while load == self._loads and not (link.is_up.is_set() and link.heard >= link.attached_n):
            gevent.sleep(0.005)
            link.is_up.wait()  # it may be lost, and go on from where it was
        if load != self._loads:  # it is loaded anew
            return
        if not self._is_compared:
            self._compare()
        were, self._kept = self._kept, {}
        for id_, was in were.items():
            # The step of one who is coming back may be under way, or was heard just now, although the place was lost.
            if id_ in self._coming_back or (connection := self._pump.connections.get(id_)) is None:
                continue
            if (session := self._session(id_)) is None:
                self._return(connection, was)
            elif session is not connection.session:
                self._show_changes(connection, session, was)
        for session in list(self._registry.sessions.values()):
            is_here = session.node == link.node and self._registry.is_connected(session)
            if is_here and session.id not in self._pump.connections:  # it was let in when nobody knew that it was
                self._put(Disconnect(session.id, CloseReason.RESET, link.time()), None)
        self._reconciled()
        self._settle()

    def _return(self, connection: Connection, was: Kept) -> None:
        """Have a user come back whom the others believe to have left: with the name, if nobody has it now."""
        old = connection.session
        entrance = Entrance(old.address, old.attempt, old.network, old.is_private, self._link.node)

        def returned(session: Session) -> None:
            self._show_changes(connection, session, was)
            self.has_come_back(session.id)

        first, *others = returning(old, was, entrance, self._link.time())
        self._coming_back[old.id] = was
        self._put(first, returned)
        for step in others:
            self._put(step, None)

    def has_come_back(self, session: int) -> None:
        """Note that a user is back, or cannot come back."""
        if session in self._coming_back:
            del self._coming_back[session]
            self._settle()

    def _settle(self) -> None:
        if not (self._kept or self._coming_back):
            self.is_placed.set()


def _other_version(error: msgspec.DecodeError) -> EngineUnfit:
    return EngineUnfit(f"another version of gchat has put into the engine what cannot be read here ({error})")


def _hand_on(connection: Connection, session: Session) -> None:
    """Have a connection go on with a session that was made anew; what only this node knows of it goes on too."""
    old, connection.session = connection.session, session
    session.token, session.allowance, session.correspondent = old.token, old.allowance, old.correspondent
    session.messages = old.messages
