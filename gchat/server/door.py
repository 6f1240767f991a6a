"""The door: which peers are let in, and in which dialect. It admits, hears the first bytes, and hands over.

There is no connection, and nobody hears of a peer, before it is known that it does not speak another protocol. A peer
that says nothing for `greeting_delay_s` is greeted in plain; that is a courtesy and no verdict, because the hello of
another dialect is taken as the first line whenever it comes (see reader).
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import gevent
from gevent.hub import get_hub
from msgspec import Struct

from gchat.chat.admission import Admission
from gchat.chat.effects import CloseReason
from gchat.chat.networks import Network
from gchat.dialects import plain
from gchat.dialects.choice import spoken
from gchat.dialects.dialect import Dialect
from gchat.dialects.sniff import MORE, Foreign, sniff
from gchat.model.audience import Me
from gchat.model.errors import Code, Refusal
from gchat.model.events import Answer, Closing, Refused
from gchat.server.answer import encoded
from gchat.server.connection import Connection
from gchat.server.counters import count_closed
from gchat.server.linux import has_ended, unguessable
from gchat.server.listener import Peer
from gchat.server.logs import logger

if TYPE_CHECKING:
    from gchat.server.app import App

#: How long the first line of a peer that begins with a hello may take.
HELLO_S = 5.0

#: After the last word to a peer that is turned away: how long it may take to read it, before the socket is closed.
LINGER_S = 0.5

FAREWELL = "The server is shutting down"

#: So many bytes without the end of a line are no hello of anything.
MAX_START_BYTES = 8192

_READ = 1


class _Start(Struct):
    """What was heard of a peer before anything was said to it."""

    heard: bytes = b""
    has_ended: bool = False  # whether nothing more will come


class Door:
    """Admits peers, and makes a connection of each that is to be served."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.admission = Admission(app.registry.bans, app.limits)

    # --- Admission -------------------------------------------------------------------------------------------------

    def refusal(self, peer: Peer) -> bytes | None:
        """Return the line for a peer that cannot be let in; else count it in, and return None."""
        turned_away = self.admission.admit(peer.address, peer.network, self._app.max_connections)
        if turned_away is None:
            return None
        count_closed(turned_away.reason)
        logger.info(
            "turned away %(address)s: %(reason)s", {"address": peer.address, "reason": turned_away.reason.value}
        )
        return _said(plain, Closing(turned_away.message))

    def release(self, peer: Peer) -> None:
        """Count a peer out that was counted in."""
        self.admission.release(peer.network, time.monotonic())

    # --- The first bytes -------------------------------------------------------------------------------------------

    def serve(self, sock: socket.socket, peer: Peer) -> None:
        """Serve one peer: the greenlet that StreamServer spawns. Nothing that a peer does gets out as an error."""
        try:
            start = self._hear(sock)
            connection = self._meet(sock, peer, start)
        except OSError:  # gone before it was greeted
            self._never_in(peer, CloseReason.PROBE)
        except Exception:
            logger.exception("a new connection crashed; it alone is closed")
            self._never_in(peer, CloseReason.CRASHED)
        else:
            if connection is not None:
                connection.reader.run(start.heard, has_ended=start.has_ended)
                return
        self.release(peer)
        sock.close()

    def _meet(self, sock: socket.socket, peer: Peer, start: _Start) -> Connection | None:
        """Return the connection of a peer by what it said first; None if it was told why there is none."""
        app = self._app
        if start.has_ended and not start.heard:
            self._never_in(peer, CloseReason.PROBE)
            return None
        dialect = spoken(start.heard)
        if not dialect.traits.has_hello and isinstance(foreign := sniff(start.heard, ended=start.has_ended), Foreign):
            self._never_in(peer, CloseReason.FOREIGN, foreign.name)
            self._part(sock, foreign.answer)
            return None
        try:
            hello, start.heard = dialect.hello(start.heard)
        except Refusal as refusal:
            self._refuse(sock, peer, dialect, refusal, CloseReason.BAD_HELLO)
            return None
        network = self.admission.network(peer.address, peer.network)
        if hello is not None:
            self._pay(network)
        if app.stopping.is_set():  # accepted before, heard after the others were said goodbye to
            self._part(sock, _said(dialect, Closing(FAREWELL, CloseReason.SHUTDOWN.value)))
            return None
        token = unguessable(16) if hello else ""
        try:
            session, effects = app.registry.connect(
                peer.address,
                hello,
                token,
                attempt=peer.attempt,
                has_ended=hello is not None and has_ended(sock),
                network=network,
                now=app.awake(),
            )
        except Refusal as refusal:
            self._refuse(sock, peer, dialect, refusal, CloseReason.REPLACED)
            return None
        connection = Connection(app, sock, peer, session, dialect)
        app.pump.connections[session.id] = connection
        app.pump.submit(effects)
        return connection

    def _pay(self, network: Network) -> None:
        """Pay for a hello, which takes a nick and enters a room: a line of the network, because the user is new."""
        rates, now = self._app.limits.network_rates, time.monotonic()
        allowance = self.admission.allowance(network, now)
        if allowance is not None:
            allowance.grow(rates, now)
            allowance.lines -= 1
            gevent.sleep(allowance.debt_s(rates))

    def _refuse(self, sock: socket.socket, peer: Peer, dialect: Dialect, refusal: Refusal, reason: CloseReason) -> None:
        """Tell a peer why its hello does not let it in."""
        self._never_in(peer, reason)
        refused = b"" if refusal.code is Code.REPLACED else _said(dialect, Refused(refusal.code, refusal.message))
        self._part(sock, refused + _said(dialect, Closing(refusal.message, reason.value)))

    def _never_in(self, peer: Peer, reason: CloseReason, what: str = "") -> None:
        count_closed(reason)
        turned = {"address": peer.address, "reason": what or reason.value}
        logger.debug("not admitted: %(address)s: %(reason)s", turned)

    def _hear(self, sock: socket.socket) -> _Start:
        """Return the first line of a peer, or as much of it as comes in time. Raises OSError.

        A hello is waited for longer than anything else.
        """
        start = _Start()
        self._read(sock, start, self._app.config.server.greeting_delay_s)
        if spoken(start.heard).traits.has_hello:
            self._read(sock, start, HELLO_S)
        return start

    def _read(self, sock: socket.socket, start: _Start, timeout_s: float) -> None:
        watcher = get_hub().loop.io(sock.fileno(), _READ)
        try:
            with gevent.Timeout(timeout_s, False):  # type: ignore[arg-type]  # False: silent
                while not _is_enough(start):
                    get_hub().wait(watcher)
                    _receive(sock, start)
            # It may have come in time: where the loop was held up, it looks at its timers before its sockets.
            with suppress(BlockingIOError):
                while not _is_enough(start):
                    _receive(sock, start)
        finally:
            watcher.close()

    def _part(self, sock: socket.socket, last_words: bytes) -> None:
        """Send a peer its last words, and let it read them: to close at once could throw them away."""
        with suppress(OSError):
            sock.send(last_words)
            sock.shutdown(socket.SHUT_WR)
            start = _Start()
            watcher = get_hub().loop.io(sock.fileno(), _READ)
            try:
                with gevent.Timeout(LINGER_S, False):  # type: ignore[arg-type]  # False: silent
                    while not start.has_ended:
                        get_hub().wait(watcher)
                        start.heard = b""
                        _receive(sock, start)
            finally:
                watcher.close()


def _said(dialect: Dialect, answer: Answer) -> bytes:
    """Return what a peer is told that is not let in."""
    return encoded(dialect, answer, Me()).data


def _receive(sock: socket.socket, start: _Start) -> None:
    data = sock.recv(MAX_START_BYTES)
    start.heard += data
    start.has_ended = not data


def _is_enough(start: _Start) -> bool:
    if start.has_ended or len(start.heard) > MAX_START_BYTES:
        return True
    if spoken(start.heard).traits.has_hello:
        return b"\n" in start.heard
    return sniff(start.heard) is not MORE
