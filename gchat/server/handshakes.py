"""Handshakes of TLS: none holds the others up, however many there are, and however slow a peer is.

One takes half a millisecond of the processor, in two steps, and nothing can be done meanwhile. So a round of the loop
has little time for them, and the peer that waits longest has the next step. A peer that stalls is given up. Above
MAX_OPEN the one that has been at it longest makes room, because a peer that means it is done within two round trips.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from contextlib import suppress

import gevent
from gevent.event import Event
from gevent.hub import get_hub

from gchat.breather import Breather
from gchat.server.counters import CounterBy
from gchat.server.linux import has_ended
from gchat.server.transport import HandshakeError

#: How long a peer may take, without the time that it waits for us.
HANDSHAKE_S = 5.0

#: No step of a round of the loop begins when the others have taken so long: one dear step, or two, is all. A message
#: meets up to three rounds on its way, while it is read, stored and sent; four steps took 1.8 ms of each (measured).
ROUND_S = 0.00025

#: Handshakes at a time, of 30 KiB each.
MAX_OPEN = 1000

DONE, FAILED, TIMED_OUT, GONE, CUT_OFF = "done", "failed", "timed_out", "gone", "cut_off"
HANDSHAKES = CounterBy(
    "gchat_tls_handshakes", "TLS handshakes, by result.", "result", (DONE, FAILED, TIMED_OUT, GONE, CUT_OFF)
)

_WENT_AWAY = "the peer went away during the TLS handshake"

_READ, _WRITE = 1, 2


class Handshakes:
    """The handshakes that are under way, of all doors."""

    def __init__(self) -> None:
        self._open: dict[ssl.SSLSocket, None] = {}  # the one that began first is first
        self._cut_off: set[ssl.SSLSocket] = set()
        self._used_s = 0.0  # of the time of this round
        self._waiting: deque[Event] = deque()  # for another round
        self._goes_round = False

    def shake(self, sock: ssl.SSLSocket) -> None:
        """Do the handshake of a socket that does not block. Raises HandshakeError."""
        if len(self._open) >= MAX_OPEN:
            self._cut(next(iter(self._open)))
        self._open[sock] = None
        result = GONE
        try:
            self._shake(sock)
            result = DONE
        except TimeoutError:
            result = TIMED_OUT
            raise HandshakeError(f"the TLS handshake took longer than {HANDSHAKE_S:g} s") from None
        except ssl.SSLError as error:
            if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
                raise HandshakeError(_WENT_AWAY) from None
            result = FAILED
            raise HandshakeError(f"the TLS handshake failed: {error.reason}") from None
        except OSError:
            raise HandshakeError(_WENT_AWAY) from None
        finally:
            self._open.pop(sock, None)
            if sock in self._cut_off:
                self._cut_off.discard(sock)
                result = CUT_OFF
            HANDSHAKES.add(result)

    def _shake(self, sock: ssl.SSLSocket) -> None:
        hub, left_s = get_hub(), HANDSHAKE_S
        while True:
            try:
                self._step(sock)
            except ssl.SSLWantReadError:
                watcher = hub.loop.io(sock.fileno(), _READ)
            except ssl.SSLWantWriteError:
                watcher = hub.loop.io(sock.fileno(), _WRITE)
            else:
                return
            began = time.monotonic()
            try:
                with gevent.Timeout(left_s, TimeoutError()):
                    hub.wait(watcher)
            finally:
                watcher.close()
            left_s = max(0.0, left_s - (time.monotonic() - began))

    def _cut(self, sock: ssl.SSLSocket) -> None:
        """End a handshake: its greenlet meets the end of the stream."""
        del self._open[sock]
        self._cut_off.add(sock)
        # By a second descriptor: SSLSocket.shutdown would forget that it is TLS.
        with socket.fromfd(sock.fileno(), sock.family, sock.type) as same, suppress(OSError):
            same.shutdown(socket.SHUT_RDWR)

    # --- Turns -----------------------------------------------------------------------------------------------------

    def _step(self, sock: ssl.SSLSocket) -> None:
        """Do the next step of a handshake in a round of the loop that has time for it.

        The first, which is the dear one, is not done for a peer that is gone then. Later it may have said all it wants.
        """
        has_waited = False
        if self._waiting or self._used_s >= ROUND_S:
            turn = Event()
            self._waiting.append(turn)
            try:
                turn.wait()
            finally:
                self._waiting.remove(turn)
            has_waited = True
        if not self._goes_round:
            self._goes_round = True
            gevent.spawn(self._go_round)
        began_s = time.thread_time()
        try:
            if has_waited and sock.cipher() is None and has_ended(sock):  # none is agreed on yet
                raise ConnectionResetError
            sock.do_handshake()
        finally:
            self._used_s += time.thread_time() - began_s
            self._let_in()

    def _let_in(self) -> None:
        """Have the peer that has waited longest take its step, if there is time; until then it keeps its place."""
        if self._waiting and self._used_s < ROUND_S:
            self._waiting[0].set()

    def _go_round(self) -> None:
        """Begin new rounds, until nobody wants one."""
        breather = Breather()
        while self._waiting or self._used_s:
            breather.breathe_behind()
            self._used_s = 0.0
            self._let_in()
        self._goes_round = False
