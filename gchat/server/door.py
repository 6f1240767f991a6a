"""The door: which peers are let in, and in which dialect. It admits, hears the first bytes, and hands over.

There is no connection, and nobody hears of a peer, before it is known that it does not speak another protocol. A peer
that says nothing for `greeting_delay_s` is greeted in plain; that is a courtesy and no verdict, because the hello of
another dialect is taken as the first line whenever it comes (see reader).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import gevent
from gevent.hub import get_hub
from msgspec import Struct

from gchat.chat.admission import Admission
from gchat.chat.effects import CloseReason
from gchat.chat.limits import Allowance
from gchat.chat.networks import Network, host_of
from gchat.chat.order import banned
from gchat.dialects import plain
from gchat.dialects.choice import spoken
from gchat.dialects.dialect import Dialect
from gchat.dialects.sniff import MORE, Foreign, sniff
from gchat.model.audience import Me
from gchat.model.errors import Code, Refusal
from gchat.model.events import Answer, Closing, Refused
from gchat.server.answer import encoded
from gchat.server.connection import Connection, ConnectionServer
from gchat.server.linux import unguessable
from gchat.server.listener import Peer
from gchat.server.logs import logger
from gchat.server.roster import Roster
from gchat.server.settings import Config
from gchat.server.transport import SocketTransport, Transport
from gchat.server.turn_share import ENTRY_WEIGHT

#: How long the first line of a peer that begins with a hello may take.
HELLO_S = 5.0

#: After the last word to a peer that is turned away: how long it may take to read it, before the socket is closed.
LINGER_S = 0.5

FAREWELL = "The server is shutting down"

#: So many bytes without the end of a line are no hello of anything. One with fifty rooms and places has 12 KiB at most.
MAX_START_BYTES = 16384


class _Start(Struct):
    """The start of a stream: what was heard of a peer before anything was said to it."""

    heard: bytes = b""
    has_ended: bool = False  # whether nothing more will come


class DoorServer(ConnectionServer, Protocol):
    """What the door needs of the server."""

    config: Config

    @property
    def roster(self) -> Roster:
        """Where connections are counted, and those that are turned away."""

    @property
    def max_connections(self) -> int:
        """How many connections there may be."""


class Door:
    """Admits peers, and makes a connection of each that is to be served."""

    def __init__(self, server: DoorServer) -> None:
        self._server = server
        self.admission = Admission(server.registry.order.bans, server.limits)

    # --- Admission -------------------------------------------------------------------------------------------------

    def admit(self, peer: Peer) -> bytes | None:
        """Count an admitted peer in and return None; else return the line that says why it is turned away."""
        turned_away = self.admission.admit(peer.address, peer.network, self._server.max_connections)
        if turned_away is None:
            return None
        self._server.roster.turned_away(peer, turned_away.reason)
        return _said(plain, Closing(turned_away.message))

    def network_allowance(self, network: Network) -> Allowance | None:
        """Return what all users of a network may send together; None if there is no limit."""
        return self.admission.allowance(network, time.monotonic())

    def release(self, peer: Peer) -> None:
        """Count a peer out that was counted in."""
        self.admission.release(peer.network, time.monotonic())

    # --- The first bytes -------------------------------------------------------------------------------------------

    def serve(self, sock: socket.socket, peer: Peer) -> None:
        """Serve one peer: the greenlet that StreamServer spawns. Nothing that a peer does gets out as an error."""
        roster, transport = self._server.roster, SocketTransport(sock)
        try:
            start = self._hear(transport)
            connection = self._meet(transport, peer, start)
        except OSError:  # gone before it was greeted
            roster.never_in(peer, CloseReason.PROBE)
        except Exception:
            logger.exception("a new connection crashed; it alone is closed")
            roster.never_in(peer, CloseReason.CRASHED)
        else:
            if connection is not None:
                connection.reader.run(start.heard, has_ended=start.has_ended)
                return
        self.release(peer)
        transport.close()

    def _meet(self, transport: Transport, peer: Peer, start: _Start) -> Connection | None:
        """Return the connection of a peer by what it said first; None if it was told why there is none."""
        server = self._server
        if start.has_ended and not start.heard:
            server.roster.never_in(peer, CloseReason.PROBE)
            return None
        dialect = spoken(start.heard)
        if not dialect.traits.has_hello and isinstance(foreign := sniff(start.heard, ended=start.has_ended), Foreign):
            self._server.roster.never_in(peer, CloseReason.FOREIGN, foreign.name)
            _part(transport, foreign.answer)
            return None
        if ban := server.registry.order.bans.of_address(host_of(peer.address)):
            server.roster.turned_away(peer, CloseReason.BANNED)
            _part(transport, _said(dialect, Closing(banned(ban), CloseReason.BANNED.value)))
            return None
        try:
            hello, start.heard = dialect.hello(start.heard)
        except Refusal as refusal:
            self._refuse(transport, peer, dialect, refusal, CloseReason.BAD_HELLO)
            return None
        network = self.admission.network(peer.address, peer.network)
        entries = 0 if hello is None else server.registry.entries(hello)
        if entries:
            self._pay(network, entries)
        login = None
        if hello is not None and hello.secret:
            login = server.secret_checks.login(hello, network.name, is_private=peer.is_private)
        server.effects.share.wait(ENTRY_WEIGHT * max(1, entries))
        if server.stopping.is_set():  # accepted before, heard after the others were said goodbye to
            _part(transport, _said(dialect, Closing(FAREWELL, CloseReason.SHUTDOWN.value)))
            return None
        token = unguessable(16) if hello else ""
        try:
            session, effects = server.registry.connect(
                peer.address,
                hello,
                token,
                login=login,
                attempt=peer.attempt,
                has_ended=hello is not None and transport.has_ended(),
                network=network,
                is_private=peer.is_private,
                now=server.awake(),
            )
        except Refusal as refusal:
            is_banned = refusal.code is Code.BANNED
            self._refuse(transport, peer, dialect, refusal, CloseReason.BANNED if is_banned else CloseReason.REPLACED)
            return None
        connection = Connection(server, transport, peer, session, dialect)
        server.roster.by_session[session.id] = connection
        connection.reader.charge(entries)
        server.effects.submit(effects)
        return connection

    def _pay(self, network: Network, entries: int) -> None:
        """Have a network pay for a hello, which takes a nick and enters rooms: a line for each of these."""
        rates, allowance = self._server.limits.network_rates, self.network_allowance(network)
        if allowance is not None:
            allowance.grow(rates, time.monotonic())
            allowance.lines -= entries
            gevent.sleep(allowance.debt_s(rates))

    def _refuse(
        self, transport: Transport, peer: Peer, dialect: Dialect, refusal: Refusal, reason: CloseReason
    ) -> None:
        """Tell a peer why its hello does not let it in."""
        self._server.roster.never_in(peer, reason)
        refused = b"" if refusal.code is Code.REPLACED else _said(dialect, Refused(refusal.code, refusal.message))
        _part(transport, refused + _said(dialect, Closing(refusal.message, reason.value)))

    def _hear(self, transport: Transport) -> _Start:
        """Return the first line of a peer, or as much of it as comes in time. Raises OSError.

        A hello is waited for longer than anything else.
        """
        start = _Start()
        _receive(transport, start, _is_enough, self._server.config.server.greeting_delay_s)
        if spoken(start.heard).traits.has_hello:
            _receive(transport, start, _is_enough, HELLO_S)
        return start


def _part(transport: Transport, last_words: bytes) -> None:
    """Send a peer its last words, and let it read them: to close at once could throw them away."""

    def is_over(start: _Start) -> bool:
        start.heard = b""
        return start.has_ended

    with suppress(OSError):
        transport.send(last_words)
        transport.shutdown()
        _receive(transport, _Start(), is_over, LINGER_S)


def _receive(transport: Transport, start: _Start, is_enough: Callable[[_Start], bool], timeout_s: float) -> None:
    """Add to `start` what the peer says, until that is enough or the time is over. Raises OSError."""
    watcher = transport.readable()
    try:
        with gevent.Timeout(timeout_s, False):  # type: ignore[arg-type]  # False: silent
            while not is_enough(start):
                get_hub().wait(watcher)
                _hear_more(transport, start)
        # It may have come in time: where the loop was held up, it looks at its timers before its sockets.
        if not is_enough(start):
            with suppress(BlockingIOError):
                _hear_more(transport, start)
    finally:
        watcher.close()


def _said(dialect: Dialect, answer: Answer) -> bytes:
    """Return what a peer is told that is not let in."""
    return encoded(dialect, answer, Me()).data


def _hear_more(transport: Transport, start: _Start) -> None:
    data = transport.receive(MAX_START_BYTES)
    start.heard += data
    start.has_ended = not data


def _is_enough(start: _Start) -> bool:
    if start.has_ended or len(start.heard) > MAX_START_BYTES:
        return True
    if spoken(start.heard).traits.has_hello:
        return b"\n" in start.heard
    return sniff(start.heard) is not MORE
