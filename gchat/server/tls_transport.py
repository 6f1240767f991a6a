"""A transport in TLS. What goes over the wire is enciphered for this peer alone, so nothing is written past it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from gevent.hub import get_hub

from gchat.server.linux import has_ended, in_kernel
from gchat.server.transport import OFFER_BYTES, Watcher

_READ, _WRITE = 1, 2


#: What one record carries at most. OpenSSL is never given more at once: it wants all of that again.
RECORD_BYTES = OFFER_BYTES


class TlsTransport:
    """A socket after its handshake, which never blocks. Implements Transport.

    The kernel may take a part of a record. Then the rest of it comes first, whatever is sent next: all of the record
    but its last byte counts as taken, and that byte when the kernel has the record. So the next `send` begins with it,
    as after any other send that took less than all.
    """

    __slots__ = ("_is_broken", "_is_over", "_record", "_sock", "offer")

    descriptor = None

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._sock = sock
        # What SSLSocket.write calls, without its three Python frames (measured, 900 readers: a sixth of all).
        self.offer = cast("Callable[[bytes], int]", sock._sslobj.write)  # type: ignore[attr-defined]  # noqa: SLF001
        self._record = b""  # what the kernel has taken a part of, before it is enciphered
        self._is_broken = False  # whether nothing more can be received
        self._is_over = False  # whether the stream to the peer has ended

    @property
    def tls_version(self) -> str:
        """See Transport.tls_version."""
        return self._sock.version() or ""

    def receive(self, size: int, /) -> bytes:
        """See Transport.receive; records are received as a whole, or the loop would not be told of their rest."""
        if self._is_over:  # nobody reads it: it is taken from the kernel, so that closing resets nothing
            return socket.socket.recv(self._sock, size)
        if self._is_broken:
            raise ConnectionResetError
        received = b""
        try:
            while len(received) < size:
                record = self._sock.recv(RECORD_BYTES)
                if not record:
                    self._end_reading()
                    break
                received += record
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if not received:
                raise BlockingIOError from None
        except OSError:
            if not received:
                raise
            self._is_broken = True
            self._end_reading()
        return received

    def _end_reading(self) -> None:
        """Have the kernel know of the end that TLS has told of, or the loop would not be told of it after the rest."""
        with suppress(OSError):  # the peer is gone
            socket.socket.shutdown(self._sock, socket.SHUT_RD)

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
        self._say_goodbye()
        socket.socket.shutdown(self._sock, socket.SHUT_WR)

    def close(self) -> None:
        """See Transport.close."""
        if not self._is_over:
            self._say_goodbye()
        self._sock.close()

    def _say_goodbye(self) -> None:
        """Send a close_notify: without one, a peer takes the end for an attack."""
        self._is_over = True
        try:
            self._sock.unwrap()
        except (OSError, ValueError):  # it is sent, and the peer's own has not come; or nothing can be sent
            pass
