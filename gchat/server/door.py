"""The door: which peers are let in, and in which dialect. It admits, hears the first bytes, and hands over.

What it hears goes through these stages: PROXY headers (proxies), TLS (tls), the server's password
(server_password), and the dialect.

There is no connection, and nobody hears of a peer, before it is known that it does not speak another protocol. A peer
that says nothing for `greeting_delay_s` is greeted in plain; that is a courtesy and no verdict, because the hello of
another dialect is taken as the first line whenever it comes (see reader).
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Protocol

import gevent
from msgspec.structs import replace

from gchat.chat.admission import Admission
from gchat.chat.effects import CloseReason
from gchat.chat.limits import Allowance
from gchat.chat.networks import Network, host_of
from gchat.chat.order import banned
from gchat.chat.session import Session, lineage_of
from gchat.chat.steps import Connect, Entrance, login_of
from gchat.dialects import plain
from gchat.dialects.choice import spoken
from gchat.dialects.dialect import Dialect
from gchat.dialects.proxy_header import MalformedHeader
from gchat.dialects.sniff import MORE, Foreign, sniff
from gchat.model.errors import Code, Refusal
from gchat.model.events import Closing, Refused
from gchat.server.connection import NOT_LET_IN, Connection, ConnectionServer
from gchat.server.linux import unguessable
from gchat.server.listener import Peer, turn_away
from gchat.server.logs import logger
from gchat.server.opening import FAREWELL, MAX_BYTES, Opening, discard, part, said
from gchat.server.proxies import Proxies
from gchat.server.roster import Roster
from gchat.server.server_password import CODES, ServerPassword
from gchat.server.settings import Config
from gchat.server.tls import FIRST_BYTE_S, Tls
from gchat.server.transport import HandshakeError, SocketTransport, Transport
from gchat.server.turn_share import ENTRY_WEIGHT

#: How long the first line of a peer that begins with a hello may take.
HELLO_S = 5.0

#: How long a health check of a proxy may take.
HEALTH_S = 5.0

HEADER_NEEDED = (
    "Connections from this address need a PROXY header first, because it is in server.trusted_proxies; connect from "
    "another one"
)

TLS_NEEDED = (
    "This server takes TLS only; connect with gchat-client --tls, with ncat --ssl, "
    "or with openssl s_client -quiet -connect HOST:PORT"
)


class DoorServer(ConnectionServer, Protocol):
    """What the door needs of the server."""

    config: Config
    tls: Tls
    password: ServerPassword

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
        self._proxies = Proxies(server)

    # --- Admission -------------------------------------------------------------------------------------------------

    def admit(self, peer: Peer) -> bytes | None:
        """Let a new peer in and return None; else return the line that says why it is turned away.

        It is counted in; behind a proxy, as soon as it is known who it is.
        """
        places = self._server.max_connections - len(self._proxies)
        if self.admission.total < places and self._proxies.expect(peer):
            return None
        return self._count_in(peer, places)

    def _count_in(self, peer: Peer, places: int) -> bytes | None:
        """Count an admitted peer in and return None; else return the line that says why it is turned away."""
        if (refusal := self._server.password.no_place(peer.network)) is not None:
            self._server.roster.never_in(peer, CloseReason.PASSWORD)
            return said(plain, Closing(refusal.message))
        turned_away = self.admission.admit(peer.address, peer.network, places)
        if turned_away is None:
            return None
        if (
            turned_away.reason is CloseReason.BANNED
        ):  # it may come back as often as it likes: no line of the log for each
            self._server.roster.never_in(peer, turned_away.reason)
        else:
            self._server.roster.turned_away(peer, turned_away.reason)
        return said(plain, Closing(turned_away.message))

    def network_allowance(self, network: Network) -> Allowance | None:
        """Return what all users of a network may send together; None if there is no limit."""
        return self.admission.allowance(network, time.monotonic())

    def release(self, peer: Peer) -> None:
        """Count a peer out that was counted in."""
        self.admission.release(peer.network, time.monotonic())

    # --- The first bytes -------------------------------------------------------------------------------------------

    def serve(self, sock: socket.socket, peer: Peer) -> None:
        """Serve one peer: the greenlet that StreamServer spawns. Nothing that a peer does gets out as an error."""
        if not self._proxies.has(peer):
            self._serve(sock, peer)
        elif (origin := self._origin(sock, peer)) is not None:
            self._serve(sock, origin)

    def _origin(self, sock: socket.socket, proxy: Peer) -> Peer | None:
        """Return the peer behind a proxy, counted in; None if there is none, and then the socket is closed."""
        roster, line = self._server.roster, b""
        try:
            peer = self._proxies.origin(sock, proxy)
            if peer is None:
                roster.never_in(proxy, CloseReason.PROBE, "a health check of a proxy")
                self._pass_check(sock, proxy)
            elif not (line := self._count_in(peer, self._server.max_connections - len(self._proxies)) or b""):
                return peer
        except MalformedHeader as error:
            roster.refused_proxy(proxy, str(error))
            line = said(plain, Closing(HEADER_NEEDED))
        except OSError:
            roster.never_in(proxy, CloseReason.PROBE)
        turn_away(sock, line)
        return None

    def _pass_check(self, sock: socket.socket, proxy: Peer) -> None:
        """Let a proxy look whether we are here, in TLS if it begins so. There is no session, whatever it says."""
        with suppress(OSError), self._proxies.held(sock, proxy):
            transport = self._server.tls.enter(SocketTransport(sock), HEALTH_S)
            discard(transport, HEALTH_S)
            transport.close()

    def _serve(self, sock: socket.socket, peer: Peer) -> None:
        """Serve one peer that is counted in."""
        roster = self._server.roster
        transport: Transport
        transport = plain_transport = SocketTransport(sock)
        try:
            with self._server.password.asked(peer.network):
                transport, delay_s = self._enter_tls(plain_transport, peer)
                if transport.tls_version:
                    peer = replace(peer, is_private=True, has_tls=True)
                start = self._hear(transport, delay_s)
                connection = self._meet(transport, peer, start)
        except HandshakeError as error:
            roster.never_in(peer, CloseReason.TLS, str(error))
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

    def _meet(self, transport: Transport, peer: Peer, start: Opening) -> Connection | None:
        """Return the connection of a peer by what it said first; None if it was told why there is none."""
        server = self._server
        if start.has_ended and not start.heard:
            server.roster.never_in(peer, CloseReason.PROBE)
            return None
        dialect = spoken(start.heard)
        if not dialect.traits.has_hello and isinstance(foreign := sniff(start.heard, ended=start.has_ended), Foreign):
            self._server.roster.never_in(peer, CloseReason.FOREIGN, foreign.name)
            part(transport, foreign.answer)
            return None
        if (why := self._why_shut(peer)) is not None:
            self._refuse(transport, peer, dialect, *why)
            return None
        try:
            dialect = server.password.prove(transport, peer, start, server.stopping)
            hello, start.heard = dialect.hello(start.heard)
        except Refusal as refusal:
            reason = CloseReason.PASSWORD if refusal.code in CODES else CloseReason.BAD_HELLO
            self._refuse(transport, peer, spoken(start.heard), refusal, reason)
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
            part(transport, said(dialect, Closing(FAREWELL, CloseReason.SHUTDOWN.value)))
            return None
        connection: Connection | None = None

        def connect(session: Session) -> None:
            nonlocal connection
            connection = Connection(server, transport, peer, session, dialect)
            server.roster.by_session[session.id] = connection
            connection.reader.charge(entries)

        token = (hello.token or unguessable(16)) if hello else ""
        step = Connect(
            Entrance(peer.address, peer.attempt, network, peer.is_private),
            server.awake(),
            hello,
            token,
            lineage_of(token) if token else "",
            login_of(login),
            has_ended=hello is not None and transport.has_ended(),
        )
        try:
            server.steps.take(step, connect)
        except Refusal as refusal:
            self._refuse(transport, peer, dialect, refusal, NOT_LET_IN.get(refusal.code, CloseReason.REPLACED))
            return None
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
        is_told_twice = dialect.traits.has_hello and refusal.code is not Code.REPLACED
        refused = (
            said(dialect, Refused(refusal.code, refusal.message, "", refusal.retry_after_s)) if is_told_twice else b""
        )
        part(transport, refused + said(dialect, Closing(refusal.message, reason.value)))

    def _enter_tls(self, transport: SocketTransport, peer: Peer) -> tuple[Transport, float]:
        """Return what a peer's stream goes on with, and how long it may take to say something. Raises OSError."""
        server = self._server
        delay_s = greeting_delay_s = server.config.server.greeting_delay_s
        if not server.tls.is_on:
            return transport, delay_s
        if server.config.tls.required and not peer.has_tls:
            delay_s = max(delay_s, FIRST_BYTE_S)
        began = time.monotonic()
        entered = server.tls.enter(transport, delay_s)
        if entered.tls_version:
            return entered, greeting_delay_s
        return entered, max(0.0, began + greeting_delay_s - time.monotonic())

    def _why_shut(self, peer: Peer) -> tuple[Refusal, CloseReason] | None:
        """Return why a peer is not let in, whatever it asks for: it is banned, or somebody could read along."""
        server = self._server
        if ban := server.registry.order.bans.of_address(host_of(peer.address)):
            return Refusal(Code.BANNED, banned(ban)), CloseReason.BANNED
        if server.tls.is_on and server.config.tls.required and bool(peer.network) and not peer.has_tls:
            return Refusal(Code.TLS_NEEDED, TLS_NEEDED), CloseReason.TLS
        return None

    def _hear(self, transport: Transport, delay_s: float) -> Opening:
        """Return the first line of a peer, or as much of it as comes within `delay_s`. Raises OSError.

        A hello is waited for longer than anything else.
        """
        start = Opening()
        start.hear(transport, _is_enough, delay_s)
        if spoken(start.heard).traits.has_hello:
            start.hear(transport, _is_enough, HELLO_S)
        return start


def _is_enough(start: Opening) -> bool:
    if start.has_ended or len(start.heard) > MAX_BYTES:
        return True
    if spoken(start.heard).traits.has_hello:
        return b"\n" in start.heard
    return sniff(start.heard) is not MORE
