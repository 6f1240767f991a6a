"""Rooms that the journal has yet to load: users who enter one wait here, and hold nobody else up."""

from __future__ import annotations

from typing import Protocol

import gevent
from msgspec import Struct

from gchat.chat.effects import CloseReason, Enter
from gchat.journal.journal import Journal
from gchat.model.audience import OwnLines
from gchat.server.connection import Connection
from gchat.server.replay import Replay
from gchat.server.writer import Awaited, CatchUp


class _Entry(Struct, eq=False):
    """A user who waits for a room."""

    effect: Enter
    catch_up: CatchUp  # for as long as it is the connection's, the user waits
    held: list[OwnLines]  # what the user was told meanwhile, for after the greeting
    why_not: str = ""


class LoadingTurn(Protocol):
    """What is needed of a turn of the pump."""

    def transmit(self, connection: Connection, lines: OwnLines) -> None:
        """Give this connection lines, after all that its room was told until now."""

    def room_opened(self, room: str) -> None:
        """Note that the journal has a room at hand that somebody enters."""


class RoomLoading:
    """The part of the pump that lets users into rooms, one greenlet for each room that is loaded."""

    def __init__(self, pump: LoadingTurn, journal: Journal, replay: Replay) -> None:
        self._pump = pump
        self._journal = journal
        self._replay = replay
        self._entries: dict[Connection, _Entry] = {}
        self._opening: dict[str, list[Connection]] = {}  # by room: the connections that wait for it
        self._forgotten: set[str] = set()  # rooms that were given up while they were loaded

    def enter(self, connection: Connection, effect: Enter) -> None:
        """Let a user into a room, now or when it is loaded."""
        if connection.writer.is_broken:
            return
        if self._journal.is_open(effect.room):
            self._let_in(connection, effect)
            return
        catch_up = CatchUp()
        connection.writer.wait_for(Awaited.ROOM, catch_up)  # what the user says next is not read before they are in
        held = self._entries[connection].held if connection in self._entries else []
        self._entries[connection] = _Entry(effect, catch_up, held)
        if (waiting := self._opening.get(effect.room)) is not None:
            waiting.append(connection)
        else:
            self._opening[effect.room] = [connection]
            gevent.spawn(self._open, effect.room)

    def hold(self, connection: Connection, lines: OwnLines) -> bool:
        """Keep what a user is told before the greeting; return False if the user is not waiting here."""
        if (entry := self._entries.get(connection)) is None:
            return False
        entry.held.append(lines)
        return True

    def release(self, connection: Connection) -> None:
        """Wait no longer with a user who may be waiting here; what they were told goes out."""
        if (entry := self._entries.pop(connection, None)) is not None:
            self._tell_held(connection, entry)

    def forget(self, room: str) -> None:
        """Do not have a room loaded for nobody: it was given up."""
        if room in self._opening:
            self._forgotten.add(room)

    def enter_opened(self, connection: Connection) -> None:
        """Let a user in whose room is loaded now."""
        entry, writer = self._entries.get(connection), connection.writer
        if entry is None or writer.catch_up is not entry.catch_up:
            return
        if entry.why_not:
            self.release(connection)
            writer.wait_for(Awaited.NOTHING)
            connection.disconnect(CloseReason.NO_HISTORY, entry.why_not)
        elif self._journal.is_open(entry.effect.room):
            del self._entries[connection]
            self._let_in(connection, entry.effect)
            self._tell_held(connection, entry)
        else:  # it was given up in the meantime
            self.enter(connection, entry.effect)

    def _open(self, room: str) -> None:
        """Have the journal load a room: a greenlet, because the disk may be slow."""
        why_not = ""
        try:
            self._journal.open((room,))
        except Exception as error:
            why = self._replay.why_unreadable(error)
            why_not = f"Goodbye: cannot read the history of {room} ({why}); try again later"
        waiting = [connection for connection in self._opening.pop(room) if self._waits_for(room, connection)]
        if room in self._forgotten:
            self._forgotten.discard(room)
            if not waiting:
                self._journal.forget(room)
        for connection in waiting:
            self._entries[connection].why_not = why_not
            self._replay.go_on(connection)

    def _waits_for(self, room: str, connection: Connection) -> bool:
        entry = self._entries.get(connection)
        return entry is not None and entry.effect.room == room

    def _let_in(self, connection: Connection, effect: Enter) -> None:
        self._pump.room_opened(effect.room)
        self._replay.begin(connection, effect)

    def _tell_held(self, connection: Connection, entry: _Entry) -> None:
        for lines in entry.held:
            self._pump.transmit(connection, lines)
