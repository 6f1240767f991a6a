"""A transport in TLS. What goes over the wire is enciphered for this peer alone, so nothing is written past it."""

from __future__ import annotations

import socket
import ssl

from gevent.hub import get_hub

from gchat.server.linux import has_ended, in_kernel
from gchat.server.transport import Watcher

_READ, _WRITE = 1, 2

#: What one record of TLS carries at most (RFC 8446, section 5.1).
RECORD_BYTES = 16384


class TlsTransport:
    """A socket after its handshake, which never blocks. Implements Transport.

    The kernel may take a part of a record. Then the rest of it comes first, whatever is sent next: all of the record
    but its last byte counts as taken, and that byte when the kernel has the record. So the next `send` begins with it,
    as after any other send that took less than all.
    """

    __slots__ = ("_is_over", "_record", "_sock")

    descriptor = None

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._sock = sock
        self._record = b""  # what the kernel has taken a part of, before it is enciphered
        self._is_over = False  # whether the stream to the peer has ended

    @property
    def tls_version(self) -> str:
        """See Transport.tls_version."""
        return self._sock.version() or ""

    def receive(self, size: int, /) -> bytes:
        """See Transport.receive; a record is received as a whole, or the loop would not be told of its rest."""
        if self._is_over:  # nobody reads it: it is taken from the kernel, so that closing resets nothing
            return socket.socket.recv(self._sock, size)
        try:
            return self._sock.recv(RECORD_BYTES)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None

    def send(self, data: bytes) -> int:
        """See Transport.send."""
        write, taken, size = self._sock.write, 0, len(data)
        try:
            if self._record:
                self._write_rest()
                taken = 1
            while taken < size:
                record = data if size <= RECORD_BYTES and not taken else data[taken : taken + RECORD_BYTES]
                taken += write(record)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            if self._record:
                return 0
            self._record = record
            return taken + len(record) - 1
        return taken

    def _write_rest(self) -> None:
        """Have the kernel take the rest of a record, which it may in several, if the peer asked for short ones."""
        while self._record:
            self._record = self._record[self._sock.write(self._record) :]

    def readable(self) -> Watcher:
        """See Transport.readable."""
        return get_hub().loop.io(self._sock.fileno(), _READ)

    def writable(self) -> Watcher:
        """See Transport.writable."""
        return get_hub().loop.io(self._sock.fileno(), _WRITE)

    def has_ended(self) -> bool:
        """See Transport.has_ended."""
        return has_ended(self._sock)

    def in_kernel(self) -> tuple[int, int]:
        """See Transport.in_kernel."""
        return in_kernel(self._sock)

    def shutdown(self) -> None:
        """See Transport.shutdown: a close_notify, and the end of the TCP stream."""
        self._is_over = True
        try:
            self._sock.unwrap()
        except ssl.SSLError:  # it is sent, and the peer's own has not come
            pass
        socket.socket.shutdown(self._sock, socket.SHUT_WR)

    def close(self) -> None:
        """See Transport.close."""
        self._sock.close()
