"""Actions of an operator over HTTP: announcements, kicks, bans and messages, on a running App."""

from __future__ import annotations

import time
from collections.abc import Sequence

import gevent
from gevent.event import AsyncResult

from gchat.admin.backend import BadText, Missing, NotPossible, Unavailable
from gchat.admin.documents import BanInfo
from gchat.breather import breathe
from gchat.chat import standing
from gchat.chat.bans import Ban, because
from gchat.chat.effects import Announce, CloseReason, Publish
from gchat.chat.networks import host_of
from gchat.chat.room import Room
from gchat.chat.session import Session
from gchat.dialects import rich
from gchat.journal.journal import JournalError
from gchat.model import events, names, text
from gchat.model.errors import Refusal
from gchat.model.lookalikes import name_keys
from gchat.model.messages import Said
from gchat.server.linux import unguessable
from gchat.server.logs import logger
from gchat.server.operated_server import OperatedServer
from gchat.server.saved_state import note_bans

#: Users that are compared with a new ban between two turns of everybody else.
CONCERNED_AT_ONCE = 500

#: A message said over HTTP must be stored within this time.
SAID_S = 5.0


class AdminActions:
    """The methods of gchat.admin.backend.Backend that change something."""

    def __init__(self, app: OperatedServer) -> None:
        self._app = app

    def announce(self, message: str, room: str) -> int:
        """See Backend.announce."""
        self._check_text(message)
        registry = self._app.registry
        if room:
            self._revive(room)
        rooms = [registry.rooms[room]] if room else [each for each in registry.rooms.values() if each.members]
        self._app.pump.submit([Announce(each.name, events.Announced(message)) for each in rooms])
        logger.warning("announced to %(room)s", {"room": room or "all rooms"})
        return sum(len(each.members) for each in rooms)

    def kick(self, user: int, reason: str) -> None:
        """See Backend.kick."""
        session = self._app.registry.sessions.get(user)
        if session is None:
            raise Missing(f"No user has the id {user}; GET /users lists the users")
        self._expel(session, CloseReason.KICKED, f"You were kicked{': ' if reason else ''}{reason}")
        kicked = {"session": user, "address": session.address, "nick": session.name if session.has_nick else "-"}
        logger.warning("kicked %(session)d %(address)s %(nick)s", kicked)

    def reset_modes(self, room: str) -> None:
        """See Backend.reset_modes."""
        rooms = self._app.registry.rooms
        if room not in rooms.modes:
            self._revive(room)
        self._app.pump.submit(standing.reset(rooms, room))
        logger.warning("reset the modes of %(room)s", {"room": room})

    def say(self, room: str, name: str, message: str) -> int:
        """See Backend.say."""
        message = text.as_lines(message)
        self._check_text(message)
        if (lines := message.count("\n") + 1) > text.MAX_LINES:
            raise BadText(f"The text has {lines:,} lines; at most {text.MAX_LINES} are accepted")
        self._revive(room)
        try:
            shown = names.machine(name)
            bare = shown.rpartition(" ")[0]
            self._app.registry.accounts.check_free(bare, name_keys(bare))
            return self._say(room, shown, message)
        except Refusal as refusal:
            raise NotPossible(refusal.message) from None

    def _say(self, room: str, name: str, message: str) -> int:
        """Say something in a room that is in memory, and return its number. Waits. Raises Unavailable."""
        id_ = f"http-{unguessable(8)}"
        said: AsyncResult[int | None] = AsyncResult()
        pump = self._app.pump
        pump.receipts[id_] = said.set
        pump.submit([Publish(room, None, Said(name, (message,), (id_,)), "http")])
        try:
            number = said.get(timeout=SAID_S)
        except gevent.Timeout:
            raise Unavailable(f"Not confirmed within {SAID_S:g} s; the message may still be stored") from None
        finally:
            pump.receipts.pop(id_, None)
        if not number:
            raise Unavailable("Not said, because messages cannot be stored now; GET /readyz tells why")
        return number

    def bans(self) -> Sequence[BanInfo]:
        """See Backend.bans."""
        return [_shown(ban) for ban in self._app.registry.bans.all.values()]

    def ban(self, kind: str, value: str, reason: str, for_s: float) -> BanInfo:
        """See Backend.ban."""
        registry = self._app.registry
        try:
            ban = registry.bans.make(kind, value, reason, time.time(), for_s)
        except Refusal as refusal:
            raise NotPossible(refusal.message) from None
        registry.bans.add(ban)
        note_bans(self._app.parts.notes, registry.bans.all.values())
        logger.warning("banned %(kind)s %(value)s", {"kind": kind, "value": ban.value})
        for count, session in enumerate(list(registry.sessions.values()), 1):
            if registry.bans.of_nick(session.keys) is ban or registry.bans.of_address(host_of(session.address)) is ban:
                self._expel(session, CloseReason.BANNED, f"You are banned here{because(ban)}")
            if not count % CONCERNED_AT_ONCE:
                breathe()
        return _shown(ban)

    def unban(self, ban: int) -> None:
        """See Backend.unban."""
        ended = self._app.registry.bans.remove(ban)
        if ended is None:
            raise Missing(f"No ban has the id {ban}; GET /bans lists the bans")
        note_bans(self._app.parts.notes, self._app.registry.bans.all.values())
        logger.warning("unbanned %(kind)s %(value)s", {"kind": ended.kind, "value": ended.value})

    def _expel(self, session: Session, reason: CloseReason, farewell: str) -> None:
        self._app.pump.submit(self._app.registry.leave(session, reason, farewell))

    def check_room(self, room: str) -> None:
        """Raise Missing unless the room is in memory."""
        if room not in self._app.registry.rooms:
            raise Missing(f"No such room: {text.printable(room)[:64]}; GET /rooms lists the rooms")

    def _revive(self, room: str) -> None:
        """Have a room in memory that may be only in the history. Waits. Raises Missing, NotPossible or Unavailable."""
        registry = self._app.registry
        try:
            stored = room not in registry.rooms and self._app.parts.catalogue.find(room, 1, 1) is not None
        except JournalError as error:
            raise Unavailable(f"Cannot read the history: {error}") from None
        if stored and room not in registry.rooms:
            if len(registry.rooms) >= self._app.limits.max_rooms:
                raise NotPossible(f"All {len(registry.rooms):,} rooms are in use (limits.max_rooms); try again later")
            registry.rooms[room] = Room(room)
        self.check_room(room)

    def _check_text(self, message: str) -> None:
        most = self._app.limits.max_text_bytes
        if text.is_blank(message):
            raise BadText("The text is blank; expected something that can be seen")
        if len(message.encode("utf-8", "surrogatepass")) > most:
            raise BadText(f"The text is too long; at most {most:,} bytes are accepted")


def _shown(ban: Ban) -> BanInfo:
    until = rich.rfc3339(ban.until) if ban.until else ""
    return BanInfo(ban.id, ban.kind, ban.value, ban.reason, rich.rfc3339(ban.created), until)
