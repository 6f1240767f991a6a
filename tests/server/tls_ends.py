"""The two ends of a stream in TLS, in this process: ours, and a peer's."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from gchat.server.certificate import Certificate
from gchat.server.read_guard import ReadGuard
from gchat.server.settings import TlsSection
from gchat.server.tls_transport import TlsTransport
from tests.certificates import certificate, client_context
from tests.server.stage import pair


def wrapped(theirs: socket.socket, section: TlsSection) -> ssl.SSLSocket:
    """Return the socket of a peer that trusts the certificate, before its handshake."""
    return client_context(section).wrap_socket(
        theirs, server_hostname="localhost", do_handshake_on_connect=False, suppress_ragged_eofs=False
    )


def ends(
    directory: Path, sockets: Callable[[], tuple[socket.socket, socket.socket]] = pair
) -> tuple[TlsTransport, ssl.SSLSocket]:
    """Return our transport and the peer's socket, neither of which blocks, after the handshake."""
    section = certificate(directory)
    ours, theirs = sockets()
    server = Certificate(section).context.wrap_socket(
        ours, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False
    )
    client = wrapped(theirs, section)
    left = [client, server]
    while left:
        for end in list(left):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            left.remove(end)
    ReadGuard().watch(server)
    return TlsTransport(server), client
