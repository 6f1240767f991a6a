"""The server as its operator sees it: gchat.admin's interface on a running App."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

import gevent
from gevent.event import AsyncResult

from gchat import __version__
from gchat.admin import backend as seen
from gchat.admin.backend import BadText, Missing, NotPossible, Unavailable
from gchat.breather import breathe
from gchat.chat.bans import Ban
from gchat.chat.effects import Announce, CloseReason, Publish
from gchat.chat.nicks import because
from gchat.chat.room import Room
from gchat.chat.session import Session
from gchat.dialects import rich
from gchat.journal.journal import JournalError, KeptRoom
from gchat.model import events, names, text
from gchat.model.errors import Refusal
from gchat.model.messages import Acted, Message, Record, Said
from gchat.server.connection import SENT_BYTES
from gchat.server.counters import measures
from gchat.server.door import host_of
from gchat.server.fanout import DELIVERIES
from gchat.server.gauges import gauges, skipped, slow_readers
from gchat.server.linux import unguessable
from gchat.server.logs import logger
from gchat.server.publication import MESSAGES
from gchat.server.state_files import note_bans

if TYPE_CHECKING:
    from gchat.server.app import App

#: Users in one piece of the list: about 1 ms.
USERS_AT_ONCE = 200

#: Users that are compared with a new ban between two turns of everybody else.
CONCERNED_AT_ONCE = 500

#: Messages that are read at a time, so that long ones take little memory.
MESSAGES_AT_ONCE = 50

#: A message said over HTTP must be stored within this time.
SAID_S = 5.0

#: A pump or a loop that stands for so long is not ready.
STANDS_S = 1.0

#: A list of rooms waits this long for the disk, and then has the stored rooms of the last answer.
STORED_ROOMS_S = 0.5


class Operating:
    """Implements gchat.admin.backend.Operator."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._started_at = time.monotonic()
        self._started = rich.rfc3339(time.time())
        self._tells: list[seen.Tell] = []
        self._stored: list[KeptRoom] = []
        self._looking: gevent.Greenlet[[], None] | None = None  # for the stored rooms

    # --- From the server -------------------------------------------------------------------------------------------

    def came(self, session: Session) -> None:
        """Tell the event streams that a user is here."""
        if self._tells:
            self._tell(seen.Joined(session.id, session.name, session.address, session.room.name))

    def went(self, session: Session, reason: CloseReason) -> None:
        """Tell the event streams that a user's connection has ended."""
        if self._tells:
            self._tell(seen.Left(session.id, session.name, reason.value))

    def shown(self, room: str, event: events.Event) -> None:
        """Tell the event streams what was said."""
        if self._tells and isinstance(event, Record):
            for number, (kind, said) in enumerate(_texts(event.message), event.seq):
                self._tell(seen.Message(room, number, kind, event.message.name, said))

    def _tell(self, happened: seen.Happened) -> None:
        for tell in list(self._tells):
            tell(happened)

    # --- What is seen ----------------------------------------------------------------------------------------------

    def server(self) -> seen.ServerInfo:
        """See Operator.server."""
        app = self._app
        return seen.ServerInfo(
            name="gchat",
            version=__version__,
            address=app.address,
            started=self._started,
            uptime_s=round(time.monotonic() - self._started_at, 1),
            messages=MESSAGES.value,
            deliveries=DELIVERIES.value,
            sent_bytes=SENT_BYTES.value,
            skipped=skipped(app),
            slow_readers=slow_readers(app),
            hub_lag_ms=round(app.watch.lag_s() * 1000, 2),
            connections=app.connections,
            max_connections=app.max_connections,
        )

    def online(self) -> int:
        """See Operator.online."""
        return len(self._app.registry.sessions)

    def users(self) -> Iterator[list[seen.UserInfo]]:
        """See Operator.users."""
        sessions = list(self._app.registry.sessions.values())
        for first in range(0, len(sessions), USERS_AT_ONCE):
            now = time.monotonic()
            yield [self._user(session, now) for session in sessions[first : first + USERS_AT_ONCE]]

    def _user(self, session: Session, now: float) -> seen.UserInfo:
        connection = self._app.pump.connections.get(session.id)
        cursor = connection.cursor if connection else None
        return seen.UserInfo(
            id=session.id,
            nick=session.name,
            address=session.address,
            room=session.room.name,
            dialect="rich" if session.lineage else "plain",
            connected_s=round(now - connection.opened_at, 1) if connection else 0.0,
            idle_s=round(now - connection.reader.heard_at, 1) if connection else 0.0,
            messages=session.messages,
            lag_bytes=cursor.lag if cursor else 0,
            skipped=cursor.missed if cursor else 0,
            away=self._app.registry.is_disconnected(session),
        )

    def rooms(self) -> Iterator[seen.RoomInfo]:
        """See Operator.rooms."""
        stored = {room.name: room for room in self._stored_rooms()}
        peopled = [room for room in self._app.registry.rooms.values() if room.members]
        peopled.sort(key=lambda room: (-len(room.members), room.name))
        others = sorted(stored.keys() - {room.name for room in peopled})
        return chain(
            (self._room(room, stored.get(room.name)) for room in peopled),
            (seen.RoomInfo(name, 0, stored[name].last_seq, stored[name].topic) for name in others),
        )

    def _room(self, room: Room, stored: KeptRoom | None) -> seen.RoomInfo:
        last, topic = self._app.journal.next_seq(room.name) - 1, room.topic
        if not last and stored:  # not yet read since the start: all of its members are away
            last, topic = stored.last_seq, stored.topic
        return seen.RoomInfo(room.name, len(room.members), last, topic)

    def _stored_rooms(self) -> list[KeptRoom]:
        """Return the rooms in the history, as of now or, while the disk is stuck, as of the last answer."""
        if self._looking is None or self._looking.ready():
            self._looking = gevent.spawn(self._look_at_rooms)
        self._looking.join(STORED_ROOMS_S)
        return self._stored

    def _look_at_rooms(self) -> None:
        with suppress(JournalError):  # it is in history() and not_ready()
            self._stored = self._app.journal.rooms(seen.MAX_STORED_ROOMS)

    def messages(self, room: str, after: int, limit: int) -> Iterator[list[seen.StoredMessage]]:
        """See Operator.messages."""
        first = self._find(room, after + 1, limit)
        if first is None:
            self._check_room(room)
        return self._pages(room, first or [], limit)

    def _pages(self, room: str, page: list[seen.StoredMessage], limit: int) -> Iterator[list[seen.StoredMessage]]:
        while page:
            yield page
            limit -= len(page)
            page = (self._find(room, page[-1].seq + 1, limit) or []) if limit > 0 else []

    def _find(self, room: str, start: int, limit: int) -> list[seen.StoredMessage] | None:
        """Return a page of the room's messages, None if it has no history. Waits. Raises NotPossible."""
        try:
            records = self._app.journal.find(room, start, min(limit, MESSAGES_AT_ONCE))
        except JournalError as error:
            raise Unavailable(f"Cannot read the history: {error}") from None
        if records is None:
            return None
        return [
            seen.StoredMessage(number, rich.rfc3339(record.time), kind, record.message.name, said)
            for record in records
            for number, (kind, said) in enumerate(_texts(record.message), record.seq)
        ]

    def limits(self) -> dict[str, float]:
        """See Operator.limits."""
        section = self._app.config.limits
        return {name: getattr(section, name) for name in section.__struct_fields__}

    def history(self) -> seen.HistoryInfo:
        """See Operator.history."""
        section = self._app.config.history
        sync = section.sync if section.store == "sqlite" else ""
        journal = self._app.journal
        damage = f"damaged: {', '.join(journal.damage[:3])}" if journal.damage else ""
        return seen.HistoryInfo(store=section.store, state=journal.trouble or damage or "ok", sync=sync)

    def not_ready(self) -> str:
        """See Operator.not_ready."""
        if self._app.stopping.is_set():
            return "The server is shutting down"
        if trouble := self._app.journal.trouble:
            return f"Messages cannot be stored: {trouble}"
        if (waited_s := self._app.pump.oldest_s()) >= STANDS_S:
            return f"Messages are held up: the oldest has waited for {waited_s:.1f} s"
        if (lag_s := self._app.watch.lag_s()) >= STANDS_S:
            return f"The event loop was held up for {lag_s:.1f} s"
        return ""

    def measures(self) -> list[seen.Measure]:
        """See Operator.measures."""
        return [*measures(), *gauges(self._app)]

    def subscribe(self, tell: seen.Tell) -> seen.Unsubscribe:
        """See Operator.subscribe."""
        self._tells.append(tell)

        def unsubscribe() -> None:
            if tell in self._tells:
                self._tells.remove(tell)

        return unsubscribe

    # --- Actions ---------------------------------------------------------------------------------------------------

    def announce(self, message: str, room: str) -> int:
        """See Operator.announce."""
        self._check_text(message)
        registry = self._app.registry
        if room:
            self._revive(room)
        rooms = [registry.rooms[room]] if room else [each for each in registry.rooms.values() if each.members]
        self._app.pump.submit([Announce(each.name, events.Announced(message)) for each in rooms])
        logger.warning("announced to %(room)s", {"room": room or "all rooms"})
        return sum(len(each.members) for each in rooms)

    def kick(self, user: int, reason: str) -> None:
        """See Operator.kick."""
        session = self._app.registry.sessions.get(user)
        if session is None:
            raise Missing(f"No user has the id {user}; GET /users lists the users")
        self._expel(session, CloseReason.KICKED, f"You were kicked{': ' if reason else ''}{reason}")
        kicked = {"session": user, "address": session.address, "nick": session.name if session.has_nick else "-"}
        logger.warning("kicked %(session)d %(address)s %(nick)s", kicked)

    def say(self, room: str, name: str, message: str) -> int:
        """See Operator.say."""
        self._check_text(message)
        self._revive(room)
        try:
            name = f"{names.nick(name, self._app.limits.nick_max)} (http)"
        except Refusal as refusal:
            raise NotPossible(refusal.message) from None
        id_ = f"http-{unguessable(8)}"
        said: AsyncResult[int] = AsyncResult()
        pump = self._app.pump
        pump.receipts[id_] = said.set
        pump.submit([Publish(room, 0, Said(name, (message,), (id_,)), "http")])
        try:
            number = said.get(timeout=SAID_S)
        except gevent.Timeout:
            raise Unavailable(f"Not confirmed within {SAID_S:g} s; the message may still be stored") from None
        finally:
            pump.receipts.pop(id_, None)
        if not number:
            raise Unavailable("Not said, because messages cannot be stored now; GET /readyz tells why")
        return number

    def bans(self) -> Sequence[seen.Ban]:
        """See Operator.bans."""
        return [_shown(ban) for ban in self._app.registry.bans.all.values()]

    def ban(self, kind: str, value: str, reason: str, for_s: float) -> seen.Ban:
        """See Operator.ban."""
        registry = self._app.registry
        try:
            ban = registry.bans.make(kind, value, reason, time.time(), for_s)
        except Refusal as refusal:
            raise NotPossible(refusal.message) from None
        registry.bans.add(ban)
        note_bans(self._app.journal, registry.bans.all.values())
        logger.warning("banned %(kind)s %(value)s", {"kind": kind, "value": ban.value})
        for count, session in enumerate(list(registry.sessions.values()), 1):
            if registry.bans.of_nick(session.keys) is ban or registry.bans.of_address(host_of(session.address)) is ban:
                self._expel(session, CloseReason.BANNED, f"You are banned here{because(ban)}")
            if not count % CONCERNED_AT_ONCE:
                breathe()
        return _shown(ban)

    def unban(self, ban: int) -> None:
        """See Operator.unban."""
        ended = self._app.registry.bans.remove(ban)
        if ended is None:
            raise Missing(f"No ban has the id {ban}; GET /bans lists the bans")
        note_bans(self._app.journal, self._app.registry.bans.all.values())
        logger.warning("unbanned %(kind)s %(value)s", {"kind": ended.kind, "value": ended.value})

    def _expel(self, session: Session, reason: CloseReason, farewell: str) -> None:
        self._app.pump.submit(self._app.registry.leave(session, reason, farewell))

    def _check_room(self, room: str) -> None:
        if room not in self._app.registry.rooms:
            raise Missing(f"No such room: {text.printable(room)[:64]}; GET /rooms lists the rooms")

    def _revive(self, room: str) -> None:
        """Have a room in memory that may be only in the history. Waits. Raises Missing, NotPossible or Unavailable."""
        registry = self._app.registry
        try:
            stored = room not in registry.rooms and self._app.journal.find(room, 1, 1) is not None
        except JournalError as error:
            raise Unavailable(f"Cannot read the history: {error}") from None
        if stored and room not in registry.rooms:
            if len(registry.rooms) >= self._app.limits.max_rooms:
                raise NotPossible(f"All {len(registry.rooms):,} rooms are in use (limits.max_rooms); try again later")
            registry.rooms[room] = Room(room)
        self._check_room(room)

    def _check_text(self, message: str) -> None:
        most = self._app.limits.max_text_bytes
        if text.is_blank(message):
            raise BadText("The text is blank; expected something that can be seen")
        if len(message.encode("utf-8", "surrogatepass")) > most:
            raise BadText(f"The text is too long; at most {most:,} bytes are accepted")


def _texts(message: Message) -> list[tuple[seen.Kind, str]]:
    """Return the kind and the text of each of a record's messages."""
    if isinstance(message, Said):
        return [("said", said) for said in message.texts]
    return [("acted" if isinstance(message, Acted) else "topic", message.text)]


def _shown(ban: Ban) -> seen.Ban:
    until = rich.rfc3339(ban.until) if ban.until else ""
    return seen.Ban(ban.id, ban.kind, ban.value, ban.reason, rich.rfc3339(ban.created), until)
