"""Trusted proxies: each says, before a peer's own stream, whose it is. The first stage of the door.

Their connections are counted apart until they have said so, and few of them may wait for that: the oldest makes room,
because a proxy speaks at once. Then the peer is admitted as if it had connected itself.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import gevent
from gevent.hub import get_hub

from gchat.chat.networks import host_of, is_in, network_of
from gchat.cli import spelled
from gchat.dialects.proxy_header import MAX_HEADER_BYTES, MalformedHeader, ProxyHeader, parse
from gchat.server.listener import Peer, is_loopback
from gchat.server.settings import Config

#: How long the whole header may take.
HEADER_S = 5.0

#: Connections of proxies whose header is still to come, at most.
MAX_WAITING = 256

_READ = 1


class ProxiesServer(Protocol):
    """What is needed of the server."""

    config: Config


class Proxies:
    """Connections of trusted proxies, from their acceptance until it is known who is behind them."""

    def __init__(self, server: ProxiesServer) -> None:
        self._server = server
        self._waiting: dict[int, socket.socket | None] = {}  # by attempt, the one that waits longest first

    def __len__(self) -> int:
        """Return how many have not said yet who is behind them."""
        return len(self._waiting)

    def expect(self, peer: Peer) -> bool:
        """Return whether a peer is a trusted proxy, and from now on count it as one, until `origin`."""
        trusted = self._server.config.server.trusted_proxies
        if not (trusted and peer.network and is_in(host_of(peer.address), trusted)):
            return False
        if len(self._waiting) >= MAX_WAITING:
            self._drop_oldest()
        self._waiting[peer.attempt] = None
        return True

    def has(self, peer: Peer) -> bool:
        """Return whether a peer is a proxy that has not said yet who is behind it."""
        return peer.attempt in self._waiting

    def origin(self, sock: socket.socket, peer: Peer) -> Peer | None:
        """Return the peer of whom a proxy speaks; None if the proxy itself only looks whether we are here.

        What the proxy says is taken from the socket, and nothing else. Raises MalformedHeader: it is none, or it did
        not come in time; OSError if the proxy is gone.
        """
        with self.held(sock, peer):
            header = _received(sock)
        if header.is_local:
            return None
        has_tls = header.has_tls
        if not header.host:
            return Peer(peer.address, peer.network, peer.attempt, is_private=has_tls, has_tls=has_tls)
        is_private = has_tls or (peer.is_private and is_loopback(header.host))
        address, network = spelled(header.host, header.port), network_of(header.host)
        return Peer(address, network, peer.attempt, is_private, has_tls)

    @contextmanager
    def held(self, sock: socket.socket, peer: Peer) -> Iterator[None]:
        """Count a connection of a proxy among those that wait, of which the oldest makes room for another."""
        self._waiting[peer.attempt] = sock
        try:
            yield
        finally:
            self._waiting.pop(peer.attempt, None)

    def _drop_oldest(self) -> None:
        oldest = next(iter(self._waiting))
        if (sock := self._waiting.pop(oldest)) is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)  # which ends its greenlet
            except OSError:
                pass  # the proxy was quicker


def _received(sock: socket.socket) -> ProxyHeader:
    """Take a header from a socket. Raises MalformedHeader, OSError."""
    watcher = get_hub().loop.io(sock.fileno(), _READ)
    held = b""  # of the header: the rest stays in the kernel, for the next stage
    try:
        with gevent.Timeout(HEADER_S, False):  # type: ignore[arg-type]  # False: silent
            while True:
                get_hub().wait(watcher)
                data = sock.recv(MAX_HEADER_BYTES, socket.MSG_PEEK)
                if not data:
                    raise OSError("gone")
                if (header := parse(held + data)) is not None:
                    sock.recv(header.size - len(held))
                    return header
                held += sock.recv(len(data))
    finally:
        watcher.close()
    raise MalformedHeader(f"no PROXY header within {HEADER_S:g} s")
