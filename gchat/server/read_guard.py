"""The guard of reads in TLS: a native thread that ends a read which holds the loop, of the chat and of the endpoint.

OpenSSL goes on within one call for as long as more comes of what is no data: new keys (measured: 20 us for 27 bytes),
and renegotiations that it refuses. A peer that sends nothing else would have the loop for itself. To end a stream is a
read too: OpenSSL looks for the end of the peer's.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Any

#: A read that has taken so much of the processor is ended. Where the machine is busy, waiting does not count.
HOLD_S = 0.01

#: The kernel keeps so much of what a peer sends (SO_RCVBUF, which it doubles).
RECEIVE_BUFFER_BYTES = 32768


class ReadGuard:
    """Watches the reads of the thread that makes it, of the sockets given to `watch`."""

    def __init__(self) -> None:
        self.descriptor = -1  # what is read now
        self._reads = 0  # begun so far
        self._is_awake = False
        self._wanted = threading.Event()
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        threading.Thread(target=self._run, name="read guard", daemon=True).start()

    def watch(self, sock: ssl.SSLSocket) -> None:
        """Watch the reads of a socket that does not block, after its handshake."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock._sslobj = _Watched(self, sock._sslobj, sock.fileno())  # type: ignore[attr-defined]  # noqa: SLF001

    def begin(self, descriptor: int) -> None:
        """Note that a read begins; when it is over, `descriptor` is to be -1."""
        self.descriptor = descriptor
        self._reads += 1
        if not self._is_awake:
            self._is_awake = True
            self._wanted.set()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            self._watch()

    def _watch(self) -> None:
        """Look at reads while there are any."""
        reads, began_s = -1, 0.0
        while True:
            now_s = time.clock_gettime(self._clock)
            if self._reads != reads:
                reads, began_s = self._reads, now_s
            elif self.descriptor < 0:
                self._is_awake = False
                if self._reads == reads:  # else one has begun that takes us to be awake
                    return
                self._is_awake = True
            elif now_s - began_s >= HOLD_S:
                self._end(self.descriptor)
            time.sleep(HOLD_S)

    @staticmethod
    def _end(descriptor: int) -> None:
        """End what comes on a socket, by a second descriptor: its own may be closed meanwhile.

        What the kernel has of it is thrown away, or the read would go on with that: 64 KiB are 40 ms.
        """
        with suppress(OSError), socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as same:
            same.shutdown(socket.SHUT_RDWR)
            while same.recv(RECEIVE_BUFFER_BYTES, socket.MSG_DONTWAIT):
                pass


class _Watched:
    """The stream that a socket has from OpenSSL, with its reads watched."""

    __slots__ = ("_descriptor", "_guard", "_stream", "write")

    def __init__(self, guard: ReadGuard, stream: Any, descriptor: int) -> None:
        self._guard = guard
        self._stream = stream
        self._descriptor = descriptor
        self.write = stream.write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, *arguments: Any) -> Any:
        """Read, watched."""
        self._guard.begin(self._descriptor)
        try:
            return self._stream.read(*arguments)
        finally:
            self._guard.descriptor = -1

    def shutdown(self) -> Any:
        """End the stream, watched."""
        self._guard.begin(self._descriptor)
        try:
            return self._stream.shutdown()
        finally:
            self._guard.descriptor = -1
