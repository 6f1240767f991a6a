"""The listening socket: where it is bound, and who is let in. gevent's StreamServer spawns a greenlet for each."""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from collections.abc import Callable
from ipaddress import IPv6Address
from itertools import count
from typing import Any

import gevent
from gevent.server import StreamServer
from msgspec import Struct

from gchat.chat.limits import network_of
from gchat.protocol.errors import GchatError
from gchat.server.log import logger

#: accept() fails for want of these; it is tried again after PAUSE_S. (trio's _highlevel_serve_listeners lists them.)
_CAPACITY = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
PAUSE_S = 0.1

#: Keepalive: after so many idle seconds, every so many, given up after so many without an answer.
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_PROBES = 60, 10, 3


class StartError(GchatError):
    """The machine does not let us start: the address is in use, or not ours, or not to be had."""


def bind(host: str, port: int, backlog: int) -> socket.socket:
    """Return a listening socket that does not block. A host with a slash is a Unix socket's path. Raises StartError."""
    if "/" in host:
        return _bind_unix(host, backlog)
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    where = spelled(name, port)
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise StartError(f"cannot listen on {where}: {host} is no address and no known name ({error})") from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {where}: {_explained(error)}") from None
    listener.setblocking(False)
    return listener


def set_options(listener: socket.socket, send_buffer_bytes: int) -> None:
    """Set what every accepted socket inherits: it does not wait to send, takes little, and notices who is gone.

    Not TCP_USER_TIMEOUT: it resets peers who do read, but slowly (measured: 6 kB/s on a small window, after the
    timeout), and keepalive then counts seconds, not probes. The watch in app looks for who takes nothing.
    """
    # With the default the kernel takes up to 4 MiB for each reader that does not read (threats.md, section 0).
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    if listener.family == socket.AF_UNIX:
        return
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)


def spelled(host: str, port: int) -> str:
    """Return an address as people write it: an IPv6 one in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _explained(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "it is in use; stop what uses it, or choose another port"
    if error.errno == errno.EADDRNOTAVAIL:
        return "that is not an address of this machine"
    if error.errno == errno.EACCES:
        return "not permitted; ports below 1024 are the system's, choose a higher one"
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _bind_unix(path: str, backlog: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        if os.path.exists(path):
            _remove_stale(path)
        listener.bind(path)
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {path}: {_explained(error)}") from None
    listener.setblocking(False)
    return listener


def _remove_stale(path: str) -> None:
    """Remove the socket that a server that is gone has left behind. Raises StartError if it is anything else."""
    if not stat.S_ISSOCK(os.stat(path).st_mode):
        raise StartError(f"cannot listen on {path}: there is a file of that name, and it is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise StartError(f"cannot listen on {path}: another server listens there")


class Peer(Struct, frozen=True):
    """Where a connection comes from."""

    address: str  # host:port, or unix:N
    network: str  # counts together (limits.network_of); "" on a Unix socket
    attempt: int  # which connection it is, in the order in which they were made


class Listener(StreamServer):
    """Accepts connections, and hands each as a plain socket, with its peer, to `handle`.

    Sockets are plain ones that never block, for the fan-out sends on them without a greenlet (`_sock` of gevent's own
    would be the same thing, and is private).
    """

    # Of those who wait, at most so many are let in before the others have a turn (measured: p99 0.5 ms, not 2.7).
    max_accept = 16

    def __init__(
        self,
        listener: socket.socket,
        handle: Callable[[socket.socket, Peer], None],
        refusal: Callable[[Peer], bytes | None],
    ) -> None:
        super().__init__(listener, handle)
        self._refusal = refusal  # returns the line to turn a peer away with, None if it is admitted
        self._attempts = count(1)
        self._unix_peers = count(1)
        self._complained_at = -60.0

    def do_read(self) -> tuple[Any, ...] | None:  # type: ignore[override]  # a Peer is no address of gevent's
        """Accept one connection; None if there is none, or no descriptor for it."""
        try:
            sock, address = self.socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:
            if error.errno in _CAPACITY:
                self._pause(error)
                return None
            raise
        if sock.family == socket.AF_UNIX:
            return sock, Peer(f"unix:{next(self._unix_peers)}", "", next(self._attempts))
        host = address[0]
        if sock.family == socket.AF_INET6:
            bare = IPv6Address(host.partition("%")[0])
            host = str(bare.ipv4_mapped or host)
        return sock, Peer(spelled(host, address[1]), network_of(host), next(self._attempts))

    def do_handle(self, *args: Any) -> None:
        """Spawn the greenlet, unless there is no place: then say so."""
        sock, peer = args
        sock.setblocking(False)
        line = self._refusal(peer)
        if line is None:
            super().do_handle(*args)
            return
        try:
            sock.send(line)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        sock.close()

    def do_close(self, *_args: Any) -> None:
        """Do nothing when the greenlet ends: the connection lives on until all that is owed to it is sent."""

    def _pause(self, error: OSError) -> None:
        """Accept nobody for a moment: there is no descriptor for them, and the loop would spin."""
        now = time.monotonic()
        if now - self._complained_at >= 60:
            self._complained_at = now
            logger.error("cannot accept connections: %s; trying again", os.strerror(error.errno or 0).lower())
        self.stop_accepting()
        gevent.spawn_later(PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        if not self.closed:
            self.start_accepting()
