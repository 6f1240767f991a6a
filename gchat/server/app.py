"""The composition: every piece of the server, made and joined here, from the first socket to the last goodbye."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import gevent

from gchat.chat.effects import Publish
from gchat.chat.limits import Allowance, Limits
from gchat.chat.networks import Network
from gchat.chat.registry import LOBBY, Registry
from gchat.chat.steps import KeepTopic
from gchat.journal.journal import JournalError
from gchat.journal.parts import parts_of
from gchat.model import events, lookalikes
from gchat.model.messages import Record, TopicSet
from gchat.server.activation import ADMIN, CHAT, Sockets
from gchat.server.admin_backend import AdminBackend
from gchat.server.audit import Audit
from gchat.server.capacity import Capacity
from gchat.server.connection import FLUSH_S
from gchat.server.counters import CRASHES
from gchat.server.door import Door
from gchat.server.drain import Drain
from gchat.server.history import log_history, tidy, unreadable, wait_and_open_journal
from gchat.server.listener import Listener, bound_place, set_options
from gchat.server.logs import logger
from gchat.server.own_thread import OwnThread, prompt_loop
from gchat.server.publication import MESSAGES
from gchat.server.pump import Pump
from gchat.server.reload import apply
from gchat.server.roster import Roster
from gchat.server.saved_state import restore
from gchat.server.secret_checks import SecretChecks
from gchat.server.server_password import ServerPassword
from gchat.server.settings import Config
from gchat.server.shared_history import shared_nodes, shared_steps
from gchat.server.state_files import history_path, other_history
from gchat.server.stopping import Stopping
from gchat.server.taking import OwnSteps, Steps
from gchat.server.tls import Tls
from gchat.server.transcript import Transcript
from gchat.server.watch import Watch

if TYPE_CHECKING:
    from gchat.server.nodes import Nodes  # a server that is alone needs nothing of what it loads

#: What was received before the end is said within this time.
HEAR_OUT_S = 0.5

#: After this long the process ends, whatever stands in the way.
STOP_S = 4.5


class App:
    """A running server. Its parts see of it what their Protocols of it say."""

    def __init__(self, config: Config, sockets: Sockets, transcript: Transcript | None) -> None:
        self.config = config
        self.limits = Limits()
        # What the core allows is what all nodes of a cluster allow, and changes with a step.
        self.registry = Registry(Limits() if config.cluster.url else self.limits)
        self.stopping = Stopping()
        self.tls = Tls(config.tls)
        self.password = ServerPassword(config.auth.password_file)
        self.capacity = Capacity(has_admin=config.admin.enabled)
        self.admin = AdminBackend(self)
        self.watch = Watch(self)
        self.awake = self.watch.awake  # a steady clock in seconds that stands still with the server
        self.secret_checks = SecretChecks(self.registry, OwnThread())
        self._door = Door(self)
        self.roster = Roster(self.admin, self._door.release)
        self._transcript = transcript
        listener = sockets[CHAT]
        place = bound_place(listener)
        self.address = str(place)
        set_options(listener, config.limits.send_buffer_bytes)
        self._history_path = history_path(config, place.host, place.port)
        is_usual = self._history_path and not config.history.path
        self._other_history = other_history(self._history_path) if is_usual else ""
        self.journal = wait_and_open_journal(config, self._history_path)
        self.parts = parts_of(self.journal)
        self.audit = Audit(self.parts.notes, shared=bool(config.cluster.url))
        apply(self)
        self.pump = self.effects = Pump(self, self.parts, config.limits.room_log_bytes)
        self.steps: Steps = OwnSteps(self.registry, self.pump.submit)
        self.nodes: Nodes | None = None
        self.journal.follow(self.pump.submit)
        if config.cluster.url:
            self.steps = shared = shared_steps(self.registry, self.limits, self.pump, self.journal, self.admin)
            self.awake = shared.time
            self._door.admission.elsewhere = shared.elsewhere.of_network
            self.nodes = shared_nodes(self.journal, self)
        self.rooms, self.catch_ups = self.pump.fan_out, self.pump.replay
        self._accepting = Listener(listener, self._door.serve, self._door.admit)
        self.drain = Drain(self, self._accepting.close)
        # A native thread for what is loaded when the server listens; started now, because later there may be none.
        self._loader = OwnThread()
        self._recover()
        self._admin_endpoint = None
        if config.admin.enabled:
            from gchat.server.admin_endpoint import AdminEndpoint  # noqa: PLC0415  # others need nothing of what it loads

            listening = sockets.get(ADMIN)
            self._admin_endpoint = AdminEndpoint(config, place.host, place.port, self.tls, listening)
            if self.nodes is not None:
                self._admin_endpoint.share_tokens(self.admin.notes, self.registry.notes)

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return self._door.admission.total

    @property
    def max_connections(self) -> int:
        """How many connections there may be; never so many that descriptors run out."""
        return self.capacity.connections(self.config.server.max_connections)

    def network_allowance(self, network: Network) -> Allowance | None:
        """Return what all users of a network may send together; None if there is no limit."""
        return self._door.network_allowance(network)

    def run(self) -> None:
        """Serve until `stopping` is set, then come to the end."""
        gevent.spawn(self.pump.run)
        gevent.spawn(self.watch.run)
        gevent.spawn(tidy, self.parts)
        self._accepting.start()
        self._log_start()
        gevent.spawn(self._loader, lookalikes.load_tables)  # the first /nick needs them
        prompt_loop(self._loader)
        if self._admin_endpoint is not None:
            self._admin_endpoint.start(self.admin, self._loader)
            logger.info("admin page: %(url)s", {"url": self._admin_endpoint.url})
        self.stopping.wait()
        self._end()

    def _log_start(self) -> None:
        listening = {"address": self.address, "max_connections": self.max_connections}
        logger.info("listening on %(address)s (max_connections = %(max_connections)d)", listening)
        self.capacity.log_shortage(self.config.server.max_connections)
        log_history(self.config, self.journal, self._history_path, self._other_history)

    def _end(self) -> None:
        """Stop accepting, say goodbye, let everybody have what they are owed, for FLUSH_S at most, and end."""
        ends_at = time.monotonic() + FLUSH_S + 0.5
        logger.info("stopping: users online: %(online)d", {"online": len(self.registry.sessions)})
        self._accepting.close()
        self.roster.wait_heard(HEAR_OUT_S)
        self.drain.end()
        while self.connections and time.monotonic() < ends_at:
            gevent.sleep(0.02)
        if self._admin_endpoint is not None:
            self._admin_endpoint.stop()
        logger.info(
            "stopped: messages: %(messages)d; connections: %(connections)s; crashes: %(crashes)d",
            {"messages": MESSAGES.value, "connections": self.roster.summary(), "crashes": CRASHES.value},
        )
        self.journal.close()

    # --- For the pump ------------------------------------------------------------------------------------------------

    def shown(self, room: str, event: events.Event, asked: Publish | None = None) -> None:
        """Show what a room was told to the operator; outgoing hooks get what was `asked` for here."""
        # isinstance is dear where the answer is no, and this is asked of each message.
        if type(event) is Record and type(event.message) is TopicSet and not self.steps.are_shared:
            self.registry.keep_topic(room, events.TopicIs(event.message.text, event.message.name))
        if self._transcript is not None:
            self._transcript.show(room, event)
        if self.admin.subscribers or self.admin.posting:
            self.admin.shown(room, event, asked)

    def room_opened(self, room: str) -> None:
        """Have the topic of a room that the journal has at hand now."""
        topic, kept = self.journal.topic(room), self.registry.rooms.get(room)
        if topic is not None and kept is not None and topic.text != kept.topic:
            self.steps.put(KeepTopic(room, topic))

    def _recover(self) -> None:
        """Restore what the previous run stored, and load the lobby. Raises HistoryError."""
        try:
            self.steps.join(lambda: restore(self.registry, self.parts.notes, self.awake()))
            self.audit.restore()
            self.admin.start_hooks()
            self.journal.open((LOBBY,))
        except JournalError as error:
            raise unreadable(self.config, self._history_path, error) from None
