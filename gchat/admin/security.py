"""The begin of a connection where the endpoint is in TLS: its handshake, or a word to a peer that speaks plain HTTP."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any, Protocol

from gevent import Timeout

from gchat.admin.responses import Problem, answered

#: The first byte of a connection in TLS.
HANDSHAKE = b"\x16"

#: For the first byte of a connection; for what is still coming from a peer that was told to use TLS.
FIRST_BYTE_S, LINGER_S = 5.0, 0.5

PLAIN = "This is HTTPS, and the request came in plain HTTP; begin the URL with https://"


class Security(Protocol):
    """TLS, as the server has it. Both raise OSError."""

    def wrap(self, sock: Any, /) -> Any:
        """Return a socket in TLS before its handshake, instead of `sock`."""

    def shake(self, sock: Any, /) -> None:
        """Do its handshake, within some seconds."""


class Seats(Protocol):
    """The connections of the endpoint."""

    open: set[Any]  # sockets
    waiting: dict[Any, None]  # those that may be evicted


class Newcomer:
    """A connection before its handshake."""

    def __init__(self, sock: Any) -> None:
        self.sock = sock

    def evict(self, how: int) -> None:
        """Make room for another; see Handler.evict."""
        with suppress(OSError):
            self.sock.shutdown(how)


def begin(sock: Any, security: Security, seats: Seats) -> Any:
    """Return the socket that takes the place of `sock` after its handshake; None if there is none to serve."""
    newcomer = Newcomer(sock)
    seats.waiting[newcomer] = None
    try:
        first = b""
        with Timeout(FIRST_BYTE_S, False):  # type: ignore[arg-type]  # False: silent
            first = sock.recv(1, socket.MSG_PEEK)
        if first == HANDSHAKE:
            newcomer.sock = security.wrap(sock)
            seats.open.discard(sock)
            seats.open.add(newcomer.sock)
            security.shake(newcomer.sock)
            return newcomer.sock
        if first:
            _refuse(sock)
    except OSError:
        pass
    finally:
        seats.waiting.pop(newcomer, None)
    seats.open.discard(newcomer.sock)
    newcomer.sock.close()
    return None


def _refuse(sock: Any) -> None:
    """Tell a peer what it lacks, and read on for a moment: closed before all is read, it would get a reset."""
    sock.sendall(answered(Problem(400, PLAIN)))
    sock.shutdown(socket.SHUT_WR)
    with Timeout(LINGER_S, False):  # type: ignore[arg-type]
        while sock.recv(65536):
            pass
