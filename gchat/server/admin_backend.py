"""The server as the admin endpoint shows it: the implementation of gchat.admin.backend on a running App."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

import gevent
import msgspec

from gchat import __version__
from gchat.admin import backend as seen
from gchat.admin.backend import Unavailable
from gchat.admin.documents import HistoryInfo, Kind, Measure, NodeInfo, RoomSummary, ServerInfo, StoredMessage, UserInfo
from gchat.admin.happenings import Happened, RoomMessage, UserJoined, UserLeft
from gchat.chat.effects import CloseReason, Publish
from gchat.chat.room import Room
from gchat.chat.session import Session
from gchat.dialects import rich
from gchat.journal.journal import JournalError
from gchat.journal.parts import KeptRoom
from gchat.model import events
from gchat.model.messages import Acted, Message, Record, Said
from gchat.server.account_actions import AccountActions
from gchat.server.counters import measures
from gchat.server.fanout import DELIVERIES
from gchat.server.gauges import gauges, skipped, slow_readers
from gchat.server.hook_actions import HookActions
from gchat.server.operated_server import OperatedServer
from gchat.server.publication import MESSAGES
from gchat.server.shared_history import durability_of
from gchat.server.writer import SENT_BYTES

#: Users in one piece of the list: about 1 ms.
USERS_AT_ONCE = 200

#: Messages that are read at a time, so that long ones take little memory.
MESSAGES_AT_ONCE = 50

#: A pump or a loop that stands for so long is not ready.
STANDS_S = 1.0

#: A list of rooms waits this long for the disk, and then has the stored rooms of the last answer.
STORED_ROOMS_S = 0.5


class AdminBackend(HookActions, AccountActions):
    """Implements gchat.admin.backend.Backend."""

    def __init__(self, app: OperatedServer) -> None:
        super().__init__(app)
        self._started_at = time.monotonic()
        self._started = rich.rfc3339(time.time())
        self.subscribers: list[seen.Subscriber] = []
        self.posting: list[seen.Subscriber] = []  # outgoing hooks
        self._stored: list[KeptRoom] = []
        self._looking: gevent.Greenlet[[], None] | None = None  # for the stored rooms

    # --- From the server -------------------------------------------------------------------------------------------

    def came(self, session: Session) -> None:
        """Tell the event streams that a user is here."""
        if self.subscribers:
            node = "" if self._app.nodes is None else self._app.nodes.name_of(session)
            self._tell(UserJoined(session.id, session.name, session.address, session.current_name, node))

    def went(self, session: Session, reason: CloseReason) -> None:
        """Tell the event streams that a user's connection has ended."""
        if self.subscribers:
            self._tell(UserLeft(session.id, session.name, reason.value))

    def shown(self, room: str, event: events.Event, asked: Publish | None) -> None:
        """Tell the event streams what was said, and the outgoing hooks what was asked for here."""
        if isinstance(event, Record):
            for message in _messages(room, event):
                self._tell(message)
                for subscriber in self.posting if asked is not None else ():
                    subscriber(message)

    def subscribe_said(self, subscriber: seen.Subscriber) -> None:
        """See Answers.subscribe_said."""
        self.posting.append(subscriber)

    def _tell(self, happened: Happened) -> None:
        for subscriber in list(self.subscribers):
            subscriber(happened)

    def start_hooks(self) -> None:
        """Begin to post to others what is said. Raises StartError."""
        if outgoing := self._app.config.hooks.outgoing:
            from gchat.server.outgoing import start_posting  # noqa: PLC0415  # most servers post nothing

            start_posting(outgoing, self)

    # --- What is seen ----------------------------------------------------------------------------------------------

    def server(self) -> ServerInfo:
        """See Backend.server."""
        app = self._app
        return ServerInfo(
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
            node="" if app.nodes is None else app.nodes.own_name,
        )

    def nodes(self) -> list[NodeInfo]:
        """See Backend.nodes."""
        return [] if self._app.nodes is None else self._app.nodes.all()

    def online(self) -> int:
        """See Backend.online."""
        return len(self._app.registry.sessions)

    def users(self) -> Iterator[list[UserInfo]]:
        """See Backend.users."""
        sessions = list(self._app.registry.sessions.values())
        for first in range(0, len(sessions), USERS_AT_ONCE):
            now = time.monotonic()
            yield [self._user(session, now) for session in sessions[first : first + USERS_AT_ONCE]]

    def _user(self, session: Session, now: float) -> UserInfo:
        app = self._app
        connection, is_disconnected = app.roster.by_session.get(session.id), app.registry.is_disconnected(session)
        if app.nodes is None:
            return UserInfo.of(session, connection, now, disconnected=is_disconnected)
        node = app.nodes.name_of(session)
        if connection is None:
            return UserInfo.elsewhere(session, node, disconnected=is_disconnected)
        return UserInfo.of(session, connection, now, disconnected=is_disconnected, node=node)

    def rooms(self) -> Iterator[RoomSummary]:
        """See Backend.rooms."""
        stored = {room.name: room for room in self._stored_rooms()}
        peopled = [room for room in self._app.registry.rooms.values() if room.members]
        peopled.sort(key=lambda room: (-len(room.members), room.name))
        others = sorted(stored.keys() - {room.name for room in peopled})
        return chain(
            (self._room(room, stored.get(room.name)) for room in peopled),
            (RoomSummary(name, 0, stored[name].last_seq, stored[name].topic, self._modes(name)) for name in others),
        )

    def _room(self, room: Room, stored: KeptRoom | None) -> RoomSummary:
        last, topic = self._app.journal.next_seq(room.name) - 1, room.topic
        if not last and stored:  # not yet read since the start: all of its members are disconnected
            last, topic = stored.last_seq, stored.topic
        return RoomSummary(room.name, len(room.members), last, topic, self._modes(room.name))

    def _modes(self, room: str) -> str:
        return self._app.registry.rooms.modes[room].are_shown

    def is_secret(self, room: str) -> bool:
        """See Backend.is_secret."""
        return self._app.registry.rooms.modes[room].has("s")

    def _stored_rooms(self) -> list[KeptRoom]:
        """Return the rooms in the history, as of now or, while the disk is stuck, as of the last answer."""
        if self._looking is None or self._looking.ready():
            self._looking = gevent.spawn(self._look_at_rooms)
        self._looking.join(STORED_ROOMS_S)
        return self._stored

    def _look_at_rooms(self) -> None:
        with suppress(JournalError):  # it is in history() and not_ready()
            self._stored = self._app.parts.catalogue.rooms(seen.MAX_STORED_ROOMS)

    def messages(self, room: str, after: int, limit: int) -> Iterator[list[StoredMessage]]:
        """See Backend.messages."""
        first = self._find(room, after + 1, limit)
        if first is None:
            self.check_room(room)
        return self._pages(room, first or [], limit)

    def _pages(self, room: str, page: list[StoredMessage], limit: int) -> Iterator[list[StoredMessage]]:
        while page:
            yield page
            limit -= len(page)
            page = (self._find(room, page[-1].seq + 1, limit) or []) if limit > 0 else []

    def _find(self, room: str, start: int, limit: int) -> list[StoredMessage] | None:
        """Return a page of the room's messages, None if it has no history. Waits. Raises NotPossible."""
        try:
            records = self._app.parts.catalogue.find(room, start, min(limit, MESSAGES_AT_ONCE))
        except JournalError as error:
            raise Unavailable(f"Cannot read the history: {error}") from None
        if records is None:
            return None
        return [
            StoredMessage(number, rich.rfc3339(record.time), kind, record.message.name, said)
            for record in records
            for number, (kind, said) in enumerate(_texts(record.message), record.seq)
        ]

    def place(self, room: str) -> tuple[str, int]:
        """See Backend.place."""
        self._revive(room)
        journal = self._app.journal
        try:
            journal.open((room,))
        except JournalError as error:
            raise Unavailable(f"Cannot read the history: {error}") from None
        return journal.epoch(room), journal.next_seq(room) - 1

    def limits(self) -> dict[str, float]:
        """See Backend.limits."""
        section = msgspec.structs.asdict(self._app.config.limits)
        return {name: limit for name, limit in section.items() if isinstance(limit, int | float)}

    def history(self) -> HistoryInfo:
        """See Backend.history."""
        config = self._app.config
        sync = config.history.sync if config.store == "sqlite" else durability_of(self._app.journal)
        condition = self._app.parts.condition
        damage = f"damaged: {', '.join(condition.damage[:3])}" if condition.damage else ""
        return HistoryInfo(store=config.store, state=condition.trouble or damage or "ok", sync=sync)

    def not_ready(self) -> str:
        """See Backend.not_ready."""
        if self._app.stopping.is_set():
            return "The server is shutting down"
        if self._app.drain.is_on:
            return "The server is draining: it sends its users elsewhere"
        if trouble := self._app.parts.condition.trouble:
            return f"Messages cannot be stored: {trouble}"
        if (waited_s := self._app.pump.oldest_s()) >= STANDS_S:
            return f"Messages are held up: the oldest has waited for {waited_s:.1f} s"
        if (lag_s := self._app.watch.lag_s()) >= STANDS_S:
            return f"The event loop was held up for {lag_s:.1f} s"
        return ""

    def measures(self) -> list[Measure]:
        """See Backend.measures."""
        return [*measures(), *gauges(self._app)]

    def subscribe(self, subscriber: seen.Subscriber) -> seen.Unsubscribe:
        """See Backend.subscribe."""
        self.subscribers.append(subscriber)

        def unsubscribe() -> None:
            if subscriber in self.subscribers:
                self.subscribers.remove(subscriber)

        return unsubscribe


def _messages(room: str, record: Record) -> list[RoomMessage]:
    return [
        RoomMessage(room, number, kind, record.message.name, said)
        for number, (kind, said) in enumerate(_texts(record.message), record.seq)
    ]


def _texts(message: Message) -> list[tuple[Kind, str]]:
    """Return the kind and the text of each of a record's messages."""
    if isinstance(message, Said):
        return [("said", said) for said in message.texts]
    return [("acted" if isinstance(message, Acted) else "topic", message.text)]
