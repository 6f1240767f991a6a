"""The composition: every piece of the server, made and joined here, from the first socket to the last goodbye."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from logging import DEBUG, INFO
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from gchat.chat.effects import CloseReason
from gchat.chat.limits import Allowance, Limits
from gchat.chat.networks import Network
from gchat.chat.registry import LOBBY, Registry
from gchat.dialects import plain
from gchat.journal.journal import JournalError
from gchat.journal.parts import parts_of
from gchat.model import events, names
from gchat.model.messages import Record, TopicSet
from gchat.server import reload
from gchat.server.admin_backend import AdminBackend
from gchat.server.connection import FLUSH_S, Connection
from gchat.server.counters import CLOSED, CRASHES, Counter, count_closed
from gchat.server.door import FAREWELL, Door
from gchat.server.history import open_journal, tidy, unusable
from gchat.server.linux import raise_descriptor_limit
from gchat.server.listener import Listener, set_options, spelled
from gchat.server.logs import logger
from gchat.server.publication import MESSAGES
from gchat.server.pump import Pump
from gchat.server.saved_state import noted_bans, noted_sessions
from gchat.server.settings import Config
from gchat.server.start_checks import admin_place
from gchat.server.state_files import history_path, other_history, token_path
from gchat.server.stdout import Output
from gchat.server.watch import Watch

if TYPE_CHECKING:
    from gchat.server.admin_endpoint import AdminEndpoint

OPENED = Counter("gchat_connections_opened", "Connections accepted since the start.")

#: Descriptors that connections never get: for the listener, files, the log, and newcomers that are turned away.
KEPT_BACK = 64

#: A server that has descriptors for fewer connections says so at the start, unless fewer are configured.
FEW_CONNECTIONS = 100

#: And as many more for the admin endpoint: its connections, and files that it reads.
ADMIN_KEPT_BACK = 70

#: After this long the process ends, whatever stands in the way.
STOP_S = 4.5


class App:
    """A running server."""

    def __init__(self, config: Config, listener: socket.socket, conversation: Output | None) -> None:
        self.config = config
        self.limits = Limits()
        self.registry = Registry(self.limits)
        self._show = _shower(conversation) if conversation else None
        self.closing: dict[Connection, None] = {}
        self.skipped = 0  # messages that slow readers missed whose connections have ended
        self.stopping = Event()
        self.watch = Watch(self)
        self._door = Door(self)
        self.descriptors = raise_descriptor_limit()
        self._socket = listener
        name = listener.getsockname()
        self.address = name if isinstance(name, str) else spelled(name[0], name[1])  # as people write it
        set_options(self._socket, config.limits.send_buffer_bytes)
        self._history_path = history_path(config, *self._place)
        is_usual = self._history_path and not config.history.path
        self._other_history = other_history(self._history_path) if is_usual else ""
        self.journal = open_journal(config, self._history_path)
        self.parts = parts_of(self.journal)
        reload.apply(self)
        self.pump = Pump(self.parts, config.limits.room_log_bytes, self._shown, self._opened, self._arrived)
        self.journal.follow(self.pump.submit)
        self._listener = Listener(self._socket, self._door.serve, self._door.refusal)
        self.admin = AdminBackend(self)
        # A native thread for what is loaded when the server listens; started now, because later there may be none.
        self._loader = ThreadPool(1)
        self._loader.apply(int)
        self._recover()
        self._admin_endpoint = self._make_admin_endpoint() if config.admin.enabled else None

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return self._door.admission.total

    @property
    def _place(self) -> tuple[str, int]:
        """Host and port, or a Unix socket's path and 0."""
        name = self._socket.getsockname()
        return (name, 0) if isinstance(name, str) else (name[0], name[1])

    @property
    def max_connections(self) -> int:
        """How many connections there may be; never so many that descriptors run out."""
        return min(self.config.server.max_connections or self._possible_connections, self._possible_connections)

    @property
    def _possible_connections(self) -> int:
        return max(1, self.descriptors - KEPT_BACK - (ADMIN_KEPT_BACK if self._admin_endpoint else 0))

    def awake(self) -> float:
        """Return a steady clock in seconds that stands still with the server: meanwhile nobody could come back."""
        return self.watch.awake()

    def network_allowance(self, network: Network) -> Allowance | None:
        """Return what all users of a network may send together; None if there is no limit."""
        return self._door.admission.allowance(network, time.monotonic())

    def run(self) -> None:
        """Serve until `stopping` is set, then drain."""
        gevent.spawn(self.pump.run)
        gevent.spawn(self.watch.run)
        gevent.spawn(tidy, self.parts)
        self._listener.start()
        listening = {"address": self.address, "max_connections": self.max_connections}
        logger.info("listening on %(address)s (max_connections = %(max_connections)d)", listening)
        if self._possible_connections < (self.config.server.max_connections or FEW_CONNECTIONS):
            limits = {"max_connections": self.max_connections, "descriptors": self.descriptors}
            logger.warning(
                "few connections are possible (%(max_connections)d), because the limit of open files is "
                "%(descriptors)d; raise it (ulimit -n, or LimitNOFILE= in the unit)",
                limits,
            )
        if self._history_path:
            history = {"path": self._history_path, "sync": self.config.history.sync}
            logger.info("history: %(path)s (sync = %(sync)s)", history)
            if self._other_history:
                other = {"path": self._other_history}
                logger.warning("this is a new history; to continue that of another address, use --db %(path)s", other)
        gevent.spawn(self._loader.apply, names.load_tables)  # the first /nick needs them
        if self._admin_endpoint is not None:
            self._admin_endpoint.start(self.admin, self._loader)
            logger.info("admin page: %(url)s", {"url": self._admin_endpoint.url})
        self.stopping.wait()
        self._drain()

    def _arrived(self, connection: Connection) -> None:
        """Count and log a user whom the others learn of."""
        opened = {"session": connection.session.id, "address": connection.peer.address}
        logger.info("opened %(session)d %(address)s", opened)
        OPENED.value += 1
        self.admin.came(connection.session)

    def gone(self, connection: Connection) -> None:
        """Count a connection out, and log it: the last word on it."""
        self._door.release(connection.peer)
        reason = connection.closing or CloseReason.CRASHED
        count_closed(reason)
        session = connection.session
        self.skipped += connection.cursor.skipped
        if session.is_announced:
            self.admin.went(session, reason)
        closed = {
            "session": session.id,
            "address": session.address,
            "nick": session.name if session.has_nick else "-",
            "reason": reason.value,
            "messages": session.messages,
            "seconds": round(time.monotonic() - connection.opened_at, 1),
        }
        logger.log(
            INFO if session.is_announced else DEBUG,
            "closed %(session)d %(address)s %(nick)s: %(reason)s; messages: %(messages)d, seconds: %(seconds)s",
            closed,
        )

    # --- Ending -----------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Stop accepting, say goodbye, let everybody have what they are owed, for FLUSH_S at most, and end."""
        ends_at = time.monotonic() + FLUSH_S + 0.5
        logger.info("stopping: users online: %(online)d", {"online": len(self.registry.sessions)})
        self._listener.close()
        self.pump.submit(self.registry.close_all(CloseReason.SHUTDOWN, FAREWELL))
        while self.connections and time.monotonic() < ends_at:
            gevent.sleep(0.02)
        if self._admin_endpoint is not None:
            self._admin_endpoint.stop()
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(CLOSED.values.items()) if count)
        logger.info(
            "stopped: messages: %(messages)d; connections: %(connections)s; crashes: %(crashes)d",
            {"messages": MESSAGES.value, "connections": reasons or "none", "crashes": CRASHES.value},
        )
        self.journal.close()

    def _make_admin_endpoint(self) -> AdminEndpoint:
        from gchat.server.admin_endpoint import AdminEndpoint  # noqa: PLC0415

        return AdminEndpoint(self.config.admin, admin_place(self.config), token_path(self.config, *self._place))

    def _shown(self, room: str, event: events.Event) -> None:
        if isinstance(event, Record) and isinstance(event.message, TopicSet):
            self.registry.keep_topic(room, events.TopicIs(event.message.text, event.message.name))
        if self._show is not None:
            self._show(room, event)
        self.admin.shown(room, event)

    def _recover(self) -> None:
        """Know what the run before knew, and have the lobby at hand. Raises HistoryError."""
        try:
            for ban in noted_bans(self.parts.notes):
                self.registry.bans.add(ban)
            self.registry.restore(noted_sessions(self.parts.notes), self.awake())
            self.journal.open((LOBBY,))
        except JournalError as error:
            raise unusable(self._history_path, error) from None

    def _opened(self, room: str) -> None:
        if (topic := self.journal.topic(room)) is not None:
            self.registry.keep_topic(room, topic)


def _shower(conversation: Output) -> Callable[[str, events.Event], None]:
    """Return what shows the conversation to the operator: the lobby's lines as they are, others behind their room."""

    def show(room: str, event: events.Event) -> None:
        lines = plain.encode(event)
        if room != LOBBY:
            prefix = f"#{room} ".encode()
            lines = b"".join(prefix + line for line in lines.splitlines(keepends=True))
        conversation.write(lines)

    return show
