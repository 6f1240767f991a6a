"""Transports: one peer's stream of bytes, whatever carries it. Nothing here waits; a watcher tells when to try again.

A TCP and a Unix socket are one implementation, SocketTransport; TLS is another (tls_transport). To add one (WebSocket),
write a class with the members of Transport, and have the door wrap the socket in it when the first bytes ask for it.
Its `descriptor` is None if bytes that are written past it would reach the peer unencrypted, or without a frame: then
the fan-out comes to it by `send`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from gevent.hub import get_hub

from gchat.server.linux import has_ended, in_kernel

_READ, _WRITE = 1, 2

#: What `Transport.offer` takes at most: a record of TLS (RFC 8446, section 5.1).
OFFER_BYTES = 16384


class HandshakeError(OSError):
    """A handshake of TLS did not come about: says why, for the log."""


class Watcher(Protocol):
    """Calls back in the hub, again and again, while there is something to do; as gevent's io watchers."""

    def start(self, callback: Callable[..., Any], /, *args: object) -> None:
        """Begin to call."""

    def stop(self) -> None:
        """Call no more, until the next start."""

    def close(self) -> None:
        """Let go of what is watched: before it is closed."""


class Transport(Protocol):
    """A peer's stream, both ways. OSError means that it is broken in the direction that was asked for."""

    @property
    def descriptor(self) -> int | None:
        """What the bytes of a room may be written to as they are; None if all have to go through `send`."""

    @property
    def tls_version(self) -> str:
        """The version of TLS that it is in, as "TLSv1.3"; "" if it is in none."""

    def receive(self, size: int, /) -> bytes:
        """Return what has come, about `size` bytes at most; b"" at the end. Raises BlockingIOError: nothing has."""

    def send(self, data: bytes) -> int:
        """Send as much of `data` as is taken now, and return how much that is.

        After less than all, the next call begins with the byte after, and not before `writable` says so.
        """

    @property
    def offer(self) -> Callable[[bytes], int]:
        """The quickest way to send at most OFFER_BYTES to a peer that has taken all before, without a descriptor.

        It takes all, or raises OSError: then `send` is to be called with the same.
        """

    def readable(self) -> Watcher:
        """Return a new watcher for when `receive` has something to return."""

    def writable(self) -> Watcher:
        """Return a new watcher for when `send` takes more."""

    def has_ended(self) -> bool:
        """Return whether the peer has ended its stream, or it is broken; what it said may still be unread."""

    def in_kernel(self) -> tuple[int, int]:
        """Return how many bytes are held for the peer, and a measure of progress that grows as it takes them."""

    def shutdown(self) -> None:
        """End the stream to the peer, behind all that was sent."""

    def close(self) -> None:
        """Close both ways, and throw away what the peer has not taken. Watchers are closed before."""


class SocketTransport:
    """A TCP or Unix socket, which never blocks. Implements Transport."""

    __slots__ = ("descriptor", "receive", "sock")

    tls_version = ""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock  # for a stage of the door that looks at what has come, or wraps it
        self.descriptor = sock.fileno()
        self.receive = sock.recv  # it does what is asked for, and is called for everything that users say

    def send(self, data: bytes) -> int:
        """See Transport.send."""
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0

    @property
    def offer(self) -> Callable[[bytes], int]:
        """See Transport.offer; this one has a descriptor."""
        return self.sock.send

    def readable(self) -> Watcher:
        """See Transport.readable."""
        return get_hub().loop.io(self.descriptor, _READ)

    def writable(self) -> Watcher:
        """See Transport.writable."""
        return get_hub().loop.io(self.descriptor, _WRITE)

    def has_ended(self) -> bool:
        """See Transport.has_ended."""
        return has_ended(self.sock)

    def in_kernel(self) -> tuple[int, int]:
        """See Transport.in_kernel."""
        return in_kernel(self.sock)

    def peek(self, size: int) -> bytes:
        """Do the same as `receive`, but have it received again."""
        return self.sock.recv(size, socket.MSG_PEEK)

    def shutdown(self) -> None:
        """See Transport.shutdown."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """See Transport.close."""
        self.sock.close()
