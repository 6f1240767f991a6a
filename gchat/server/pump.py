"""The pump: one greenlet that carries out effects, turn by turn: numbers and keeps messages, then shows them.

Each turn takes everything that was asked since the last. The journal has it before anybody sees it. Only the pump moves
cursors, beside the write watcher of a reader that is behind; so a turn is consistent although it lets others in while
it sends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gevent import getcurrent
from gevent.event import Event
from gevent.hub import get_hub
from msgspec import structs

from gchat.breather import Breather
from gchat.chat.effects import (
    Announce,
    Arrive,
    Audited,
    CheckSecret,
    Close,
    Deliver,
    DropRoom,
    Enter,
    HearAgain,
    Leave,
    ListRooms,
    Presence,
    Publish,
    ReadHistory,
    Rebased,
    Search,
    SendRaw,
    Unheard,
)
from gchat.dialects.dialect import Dialect
from gchat.journal.journal import Arrival
from gchat.journal.parts import Parts
from gchat.model import events
from gchat.model.audience import Me, OwnLines, Where
from gchat.roomlog.log import RoomLog
from gchat.server.answer import encoded
from gchat.server.audit import Audit
from gchat.server.connection import AT_ONCE, Connection
from gchat.server.counters import CRASHES
from gchat.server.fanout import HOLD_AT_REST_S, HOLD_S, FanOut
from gchat.server.logs import logger
from gchat.server.presence_telling import PresenceTelling
from gchat.server.publication import ArrivedUnheard, Conveyed, Handed, Happening, NoOtherNodes, OtherNodes, Publication
from gchat.server.reader import RECEIVED_BYTES
from gchat.server.replay import Replay
from gchat.server.room_loading import RoomLoading
from gchat.server.roster import Roster
from gchat.server.saved_state import saving
from gchat.server.secret_checks import SecretChecks
from gchat.server.taking import Steps
from gchat.server.turn_share import TurnShare
from gchat.server.writer import Writer

#: Effects between two looks at the clock; the dearest is a page of history.
EFFECTS_AT_ONCE = 4

#: A long turn, and within which part of its time what is said goes with what was said until then, up to as much as it
#: had: to send less at once to as many costs more than to wait (measured, 900 readers at peak: a tenth of the CPU).
LONG_TURN_S, GATHERING = 0.001, 1 / 12

#: Effects waiting for the next turn; above, senders are read more slowly.
MAX_WAITING = 4096

#: The same, of bytes received, while a disk is slow; and of characters on their way to an engine: others wait too.
MAX_WAITING_BYTES, MAX_ON_ITS_WAY = 1 << 20, 1 << 17


class PumpServer(Protocol):
    """What the pump needs of the server."""

    @property
    def roster(self) -> Roster:
        """Where connections are looked up, and users announced."""

    @property
    def steps(self) -> Steps:
        """Where calls of the core are made that change something."""

    @property
    def secret_checks(self) -> SecretChecks:
        """Where secrets are checked."""

    def shown(self, room: str, event: events.Event, asked: Publish | None = None) -> None:
        """Note what a room was told, and if it is something said which this process has posted, what asked for it."""

    def room_opened(self, room: str) -> None:
        """Note that the journal has a room at hand that somebody enters."""

    @property
    def audit(self) -> Audit:
        """Where it is noted what operators did."""


class Pump:
    """Carries out effects in their order."""

    def __init__(self, server: PumpServer, parts: Parts, room_log_bytes: int) -> None:
        self._server = server
        self.connections = server.roster.by_session  # those whose session goes on
        self._journal = journal = parts.log
        self.shown = server.shown
        self.fan_out = FanOut(self.connections, room_log_bytes, self)
        self.append = self.fan_out.append
        self.others: OtherNodes = NoOtherNodes(self.connections)
        # By id: what takes the number of a message that no user says; None means that it was not stored.
        self.receipts: dict[str, Callable[[int | None], None]] = {}
        self._presence = PresenceTelling(self)
        self.untold = self._presence.rooms
        self._waiting: list[Happening] = []
        self._waiting_since = 0.0  # the oldest of them
        self._turn_since: float | None = None  # the same of the effects of this turn, until they are carried out
        self._received_before = 0  # bytes, when that was last taken
        self.share = TurnShare(self.wake)
        self._greenlet: Any = None
        self._parked = False
        self._breather = Breather()
        self.turn_is_under_way = False
        self._hold_s = HOLD_AT_REST_S
        self._carried_out: dict[int | None, Event] = {}  # set when what is waiting now is carried out, by session
        self._touched: dict[Writer, None] = {}  # those with own lines to get, of one turn
        self.replay = Replay(self, journal, parts.search)
        self._room_loading = RoomLoading(self, journal, self.replay)
        self._publication = Publication(self, journal)
        self._carry_out: dict[type, Callable[[Any], None]] = {
            Publish: self._publication.publish,
            Arrival: self._publication.arrive,
            Handed: self._publication.hand,
            Conveyed: self._publication.conclude,
            ArrivedUnheard: self._publication.arrive_unheard,
            Arrive: self._arrive,
            Presence: self._presence.gather,
            Announce: self._announce,
            Deliver: self._publication.deliver,
            HearAgain: self._of_session(lambda connection, effect: connection.log_reader.hear_again(effect.others)),
            SendRaw: self._of_session(self._send_raw),
            Enter: self._of_session(self._enter),
            Leave: self._of_session(self._leave),
            ReadHistory: self._of_session(self.replay.recall),
            Search: self._of_session(self.replay.search),
            ListRooms: self._of_session(self._list_rooms),
            DropRoom: self._drop_room,
            Rebased: self._rebased,
            Close: self._close,
            Audited: server.audit.add,
            CheckSecret: self._of_session(
                lambda connection, effect: server.secret_checks.begin(connection, effect, server.steps, self)
            ),
            **saving(parts.notes),
        }

    # --- For everybody ---------------------------------------------------------------------------------------------

    def submit(self, effects: Sequence[Happening]) -> None:
        """Have these effects carried out, after all that were submitted before."""
        if not self._waiting:  # or else it is awake
            self._waiting_since = time.monotonic()
            self.wake()
        self._waiting += effects

    def submit_said(self, effects: Sequence[Happening]) -> None:
        """Do the same; what is said alone needs no turn if it is shown only when it arrives: it is put at once."""
        said, publication = effects[0] if len(effects) == 1 else None, self._publication
        if type(said) is not Publish or not self._parked or publication.awaited:
            self.submit(effects)
            return
        publication.commit(effects)
        publication.publish(said)
        publication.end()
        if self._touched:  # it was refused
            self.wake()

    def wake(self) -> None:
        """Have a turn soon."""
        if self._parked:
            self._parked = False
            get_hub().loop.run_callback(self._greenlet.switch)

    @property
    def turn_is_due(self) -> bool:
        """Whether there is something to do for a turn that has not begun."""
        return bool(self._waiting) and not self.turn_is_under_way

    @property
    def waiting(self) -> int:
        """How many effects wait for the next turn."""
        return len(self._waiting)

    def oldest_s(self) -> float:
        """Return the age of the oldest effect that is not carried out yet."""
        since = self._turn_since or (self._waiting_since if self._waiting else None)
        return 0.0 if since is None else time.monotonic() - since

    @property
    def crowded(self) -> bool:
        """Whether so much waits that senders should wait too."""
        if RECEIVED_BYTES.value - self._received_before > MAX_WAITING_BYTES:
            return True
        said = self._publication
        return said.awaited_size > MAX_ON_ITS_WAY or len(self._waiting) + len(said.awaited) > MAX_WAITING

    def wait_carried_out(self, session: int | None = None) -> None:
        """Wait until all that was submitted is carried out, and what was said, perhaps by one session, is answered."""
        if self._waiting or self.turn_is_under_way or self._publication.is_to_wait_for(session):
            if (event := self._carried_out.get(session)) is None:
                event = self._carried_out[session] = Event()
            event.wait()

    # --- For what a turn does ----------------------------------------------------------------------------------------

    def tell(self, connection: Connection, answer: events.Answer, room: str = "") -> None:
        """Give this connection an answer, after all that its rooms were told until now.

        It is about a room; without one, about that which was entered last.
        """
        where = connection.where
        if room and room != where.room:
            where = self.fan_out.where(room)
        self.transmit(connection, encoded(connection.dialect, answer, Me(connection.session.name, where)), where.room)

    def transmit(self, connection: Connection, lines: OwnLines, room: str) -> None:
        """Do the same with what is encoded already."""
        if connection.writer.catch_ups and self._room_loading.hold(connection, lines, room):
            return
        connection.log_reader.tell(lines)
        self._touched[connection.writer] = None

    def head(self, room: str) -> int:
        """Return the number of the room's next message, where the turn stands."""
        return self._publication.head(room)

    def room_log(self, where: Where, dialect: Dialect, seq: int) -> RoomLog:
        """Return the room's log in this dialect, made if nobody reads it yet: then `seq` is the next number in it."""
        return self.fan_out.log(where, dialect, seq)

    def room_opened(self, room: str) -> None:
        """Note that the journal has a room at hand that somebody enters."""
        self._server.room_opened(room)

    def tell_presence(self, room: str) -> None:
        """Tell a room now who entered and left it, if there is anything to tell."""
        if room in self.untold:
            self._presence.tell(room)

    def crashed(self, what: str, *details: object) -> None:
        """Count and log an error of ours, from where it is caught."""
        CRASHES.value += 1
        logger.exception(what, *details)

    # --- The greenlet ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Turn after turn, for ever. Nothing switches to this greenlet while it is parked, but wake()."""
        self._greenlet = getcurrent()
        hub = get_hub()
        while True:
            self._hold_s = HOLD_S
            if not (self._waiting or self.replay.hungry or self.share.is_wanted or self._presence.is_due()):
                self._hold_s = HOLD_AT_REST_S
                self._parked = True
                hub.switch()
            began, left = time.monotonic(), self.share.left
            self.turn_is_under_way = True
            try:
                self._turn()
            except Exception:
                self.crashed("a turn of the pump crashed")
            self.turn_is_under_way = False
            self._turn_since = None
            self._publication.set_when_answered(self._awaited())
            self._breather.breathe()  # what others have said meanwhile is the next turn's
            now = time.monotonic()
            # While something is stored, the loop serves all that it finds anyway.
            took = min(HOLD_S, now - max(began, self._publication.stored_at))
            if took > LONG_TURN_S:
                while self._waiting and self.share.left > left and time.monotonic() < now + took * GATHERING:
                    self._breather.breathe()

    def _turn(self) -> None:
        effects = self._take()
        carried_out = self._awaited()
        try:
            self._carry_out_all(effects)
            self.replay.feed(time.monotonic() + HOLD_AT_REST_S, self._room_loading.enter_late)
        finally:
            self._publication.set_when_answered(carried_out)
        self._presence.tell_due()
        touched, self._touched = self._touched, {}
        self.fan_out.send(touched, self._hold_s, self._breather)

    def _awaited(self) -> dict[int | None, Event]:
        """Return what is set when all is carried out that does not wait for the next turn."""
        carried_out, self._carried_out = ({}, self._carried_out) if self._waiting else (self._carried_out, {})
        return carried_out

    def _take(self) -> list[Happening]:
        """Return what this turn is about, and leave the rest for the next."""
        effects, self._waiting = self._waiting, []
        self._turn_since = self._waiting_since if effects else None
        self._received_before = RECEIVED_BYTES.value
        self.share.renew()
        # A turn ends with a room: what is said after in a new one of that name must not be forgotten with it.
        kinds = [*map(type, effects)]
        if DropRoom in kinds:
            count = kinds.index(DropRoom) + 1
            effects, self._waiting = effects[:count], effects[count:]
        return effects

    def _carry_out_all(self, effects: list[Happening]) -> None:
        self._publication.commit(effects)
        carry_out = self._carry_out
        until = time.monotonic() + self._hold_s
        for count, effect in enumerate(effects):
            if not count % EFFECTS_AT_ONCE and time.monotonic() > until:
                self._breather.breathe()
                until = time.monotonic() + self._hold_s
            try:
                carry_out[type(effect)](effect)
            except Exception:
                self.crashed("an effect crashed: %(effect)s", {"effect": type(effect).__name__})
        self._publication.end()

    # --- Effects ---------------------------------------------------------------------------------------------------

    def _arrive(self, effect: Arrive) -> None:
        if (connection := self.connections.get(effect.session)) is not None:
            self._server.roster.arrived(connection)

    def _announce(self, effect: Announce) -> None:
        self.tell_presence(effect.room)  # it may be about a user who has just entered
        # The session is left out, but not by what it says: that, some may ignore.
        spared = None if effect.session is None else Unheard(-effect.session, (effect.session,))
        self.append(effect.room, effect.notice, 0, None, spared)
        self.shown(effect.room, effect.notice)

    def _of_session(self, carry_out: Callable[[Connection, Any], None]) -> Callable[[Any], None]:
        """Return what carries out an effect for the connection of its session, unless that is gone."""

        def of_session(effect: Any) -> None:
            if (connection := self.connections.get(effect.session)) is not None:
                carry_out(connection, effect)

        return of_session

    def _send_raw(self, connection: Connection, effect: SendRaw) -> None:
        self.transmit(connection, OwnLines(effect.data, is_seen=False), connection.room)

    def _enter(self, connection: Connection, effect: Enter) -> None:
        connection.where = Where(effect.room)
        self._room_loading.enter(connection, effect)

    def _leave(self, connection: Connection, effect: Leave) -> None:
        self.fan_out.leave(effect.room, connection.writer)
        self._room_loading.release(connection, effect.room)
        if connection.room == effect.room:
            connection.where = self.fan_out.where(connection.session.current_name)
        self._touched[connection.writer] = None

    def _list_rooms(self, connection: Connection, effect: ListRooms) -> None:
        listed = effect.rooms.rooms
        rooms = tuple(structs.replace(room, seq=max(0, self.head(room.name) - 1)) for room in listed)
        self.tell(connection, structs.replace(effect.rooms, rooms=rooms))

    def _drop_room(self, effect: DropRoom) -> None:
        self._journal.forget(effect.room)
        self._room_loading.forget(effect.room)
        self.fan_out.forget(effect.room)

    def _rebased(self, effect: Rebased) -> None:
        room = effect.room
        self.tell_presence(room)
        self._publication.renew(room)
        if not self._journal.is_open(room):
            return
        seq, where = self._journal.next_seq(room), Where(room, self._journal.epoch(room))
        told = events.LogRenewed(room, effect.lost, effect.first, effect.last, effect.members, where.epoch, seq - 1)
        self._touched |= dict.fromkeys(self.fan_out.renew(where, seq, told))
        for connection in self.connections.values():
            if connection.where.room == room:
                connection.where = where
            self._room_loading.begin_again(connection, room, effect.members)
        self.shown(room, told)

    def _close(self, effect: Close) -> None:
        self._publication.tell_held(effect.session, is_late=True)  # the farewell is among it
        connection = self.connections.pop(effect.session, None)
        if connection is not None:
            self.fan_out.leave_all(connection.writer, at_once=effect.reason in AT_ONCE)
            self._room_loading.release_all(connection)
            connection.close(effect.reason)
            self._touched[connection.writer] = None
