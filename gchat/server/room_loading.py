"""Rooms that the journal has yet to load: users who enter one wait here, and hold nobody else up."""

from __future__ import annotations

from typing import Protocol

import gevent
from msgspec import structs

from gchat.chat.effects import CloseReason, Enter
from gchat.journal.journal import Journal
from gchat.model.audience import OwnLines
from gchat.model.errors import Code
from gchat.model.events import Answer, Joined, Refused, Welcome
from gchat.server.connection import Connection
from gchat.server.replay import Replay
from gchat.server.writer import Awaited, CatchUp


class LoadingTurn(Protocol):
    """What is needed of a turn of the pump."""

    def tell(self, connection: Connection, answer: Answer, room: str = "") -> None:
        """Give this connection an answer about a room, after all that its rooms were told until now."""

    def transmit(self, connection: Connection, lines: OwnLines, room: str) -> None:
        """Give this connection lines about a room, after all that its rooms were told until now."""

    def room_opened(self, room: str) -> None:
        """Note that the journal has a room at hand that somebody enters."""


class RoomLoading:
    """The part of the pump that lets users into rooms, one greenlet for each room that is loaded."""

    def __init__(self, pump: LoadingTurn, journal: Journal, replay: Replay) -> None:
        self._pump = pump
        self._journal = journal
        self._replay = replay
        self._opening: dict[str, list[tuple[Connection, CatchUp]]] = {}  # by room: the connections that wait for it
        self._forgotten: set[str] = set()  # rooms that were given up while they were loaded

    def enter(self, connection: Connection, effect: Enter) -> None:
        """Let a user into a room, now or when it is loaded."""
        if not connection.writer.is_broken:
            # What the user says next is not read before they are in.
            self._enter_opened(connection, connection.writer.enter(effect))

    def enter_late(self, connection: Connection, catch_up: CatchUp) -> None:
        """Do so for one who waited: in a cluster others have entered and left meanwhile, so it is told how many are."""
        here, greeting = connection.session.rooms.get(catch_up.where.room), catch_up.effect.greeting
        if here is not None and isinstance(greeting, Joined):
            greeting = structs.replace(greeting, online=len(here.members))
            catch_up.effect = structs.replace(catch_up.effect, greeting=greeting)
        self._enter_opened(connection, catch_up)

    def hold(self, connection: Connection, lines: OwnLines, room: str) -> bool:
        """Keep what a user is told about a room before the greeting there; return False if that is not loaded now."""
        catch_up = connection.writer.catch_up_in(room)
        if catch_up is None or catch_up.awaited is not Awaited.ROOM:
            return False
        catch_up.held.append(lines)
        return True

    def release(self, connection: Connection, room: str) -> None:
        """Have a user enter a room no more; what they were told meanwhile goes out."""
        if (catch_up := connection.writer.catch_up_in(room)) is not None:
            connection.writer.drop(catch_up)
            self._released(connection, catch_up)

    def release_all(self, connection: Connection) -> None:
        """Do so for all rooms."""
        for catch_up in connection.writer.catch_ups:
            self.release(connection, catch_up.where.room)

    def begin_again(self, connection: Connection, room: str, online: int) -> None:
        """Have a user who is being shown what was missed in a room enter it anew: it has another log."""
        catch_up = connection.writer.catch_up_in(room)
        if catch_up is not None and catch_up.awaited is not Awaited.ROOM:
            connection.writer.drop(catch_up)
            anew = Enter(connection.session.id, room, Joined(room, online), catch_up.effect.replay)
            self.enter(connection, structs.replace(anew, ready=catch_up.effect.ready))

    def forget(self, room: str) -> None:
        """Do not have a room loaded for nobody: it was given up."""
        if room in self._opening:
            self._forgotten.add(room)

    def _enter_opened(self, connection: Connection, catch_up: CatchUp) -> None:
        """Let a user in whose room is loaded; have it loaded if it is not, or was given up in the meantime.

        The room into which the user is welcomed comes first: nothing is told before.
        """
        room = catch_up.where.room
        if not _is_welcomed(connection, catch_up):
            return
        if catch_up.why_not:
            connection.writer.drop(catch_up)
            self._refuse(connection, catch_up)
            self._released(connection, catch_up)
        elif self._journal.is_open(room):
            self._pump.room_opened(room)
            self._replay.begin(connection, catch_up)
            self._tell_held(connection, catch_up)
            self._enter_others(connection, catch_up)
        elif (waiting := self._opening.get(room)) is not None:
            waiting.append((connection, catch_up))
        else:
            self._opening[room] = [(connection, catch_up)]
            gevent.spawn(self._open, room)

    def _open(self, room: str) -> None:
        """Have the journal load a room: a greenlet, because the disk may be slow."""
        why_not = ""
        try:
            self._journal.open((room,))
        except Exception as error:
            why_not = self._replay.why_unreadable(error)
        waiting = [entry for entry in self._opening.pop(room) if entry[1] in entry[0].writer.catch_ups]
        if room in self._forgotten:
            self._forgotten.discard(room)
            if not waiting:
                self._journal.forget(room)
        for connection, catch_up in waiting:
            catch_up.why_not = why_not
            self._replay.enter_soon(connection, catch_up)

    def _refuse(self, connection: Connection, catch_up: CatchUp) -> None:
        """Have a user leave a room that could not be loaded; who came for that one alone is closed."""
        room, greeting, why = catch_up.where.room, catch_up.effect.greeting, catch_up.why_not
        id_ = ""
        if isinstance(greeting, Joined):
            id_ = greeting.id
        elif len(connection.session.rooms) > 1:
            self._pump.tell(connection, greeting, room)  # of the server: the other rooms go on
        else:
            goodbye = f"Goodbye: cannot read the history of {room} ({why}); try again later"
            connection.disconnect(CloseReason.NO_HISTORY, goodbye)
            return
        refused = f"Cannot enter {room}: its history cannot be read ({why}); try again later"
        self._pump.tell(connection, Refused(Code.NOT_KEPT, refused, id_), room)
        connection.part(room)

    def _released(self, connection: Connection, catch_up: CatchUp) -> None:
        self._tell_held(connection, catch_up)
        self._replay.go_on(connection)  # the other rooms may have waited for this one
        self._enter_others(connection, catch_up)

    def _enter_others(self, connection: Connection, catch_up: CatchUp) -> None:
        """Let a user, when it is welcomed, into the rooms that waited for that."""
        if isinstance(catch_up.effect.greeting, Welcome):
            for other in connection.writer.catch_ups:
                if other.awaited is Awaited.ROOM:
                    self._replay.enter_soon(connection, other)

    def _tell_held(self, connection: Connection, catch_up: CatchUp) -> None:
        held, catch_up.held = catch_up.held, []
        for lines in held:
            self._pump.transmit(connection, lines, catch_up.where.room)


def _is_welcomed(connection: Connection, catch_up: CatchUp) -> bool:
    """Return whether a user has been welcomed, or is when it enters this room."""
    return not any(
        other.awaited is Awaited.ROOM and isinstance(other.effect.greeting, Welcome)
        for other in connection.writer.catch_ups
        if other is not catch_up
    )
