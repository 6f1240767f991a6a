"""The guard of reads in TLS: a native thread that ends a read which holds the loop.

OpenSSL goes on within one call for as long as more comes of what is no data: new keys (measured: 20 us for 27 bytes),
and renegotiations that it refuses. A peer that sends nothing else would have the loop for itself.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

#: A read that has taken so much of the processor is ended. Where the machine is busy, waiting does not count.
HOLD_S = 0.02

#: The kernel keeps so much of what a peer sends (SO_RCVBUF, which it doubles): that is still read after the end.
RECEIVE_BUFFER_BYTES = 32768


class ReadGuard:
    """Watches the reads of the thread that makes it: set `descriptor`, and call `begin`; -1 when a read is over."""

    def __init__(self) -> None:
        self.descriptor = -1  # what is read now
        self._reads = 0  # begun so far
        self._is_awake = False
        self._wanted = threading.Event()
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        threading.Thread(target=self._run, name="read guard", daemon=True).start()

    def begin(self, descriptor: int) -> None:
        """Note that a read begins."""
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
        """End what comes on a socket, by a second descriptor: its own may be closed meanwhile."""
        with suppress(OSError), socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as same:
            same.shutdown(socket.SHUT_RDWR)
