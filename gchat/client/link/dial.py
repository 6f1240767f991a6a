"""Dialling a server: its address, the socket, and why it failed in plain words."""

from __future__ import annotations

import errno
import os
import socket as names  # its constants and errors; the sockets are gevent's
from contextlib import suppress
from typing import Any

from gevent import socket

#: Why a connection ended that nothing else is known of.
CLOSED_BY_SERVER = "the server closed the connection"


def reason_of(error: Exception) -> str:
    """Return why a connection failed or ended, in plain words."""
    match error:
        case names.gaierror(errno=names.EAI_AGAIN):
            return "the host name cannot be looked up now"
        case names.gaierror() | UnicodeError():
            return "no such host"
        case TimeoutError():
            return str(error) or "timed out"
        case OSError(errno=errno.ECONNRESET | errno.EPIPE):
            return "the connection was reset"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
    return str(error)


def raw(sock: socket.socket) -> names.socket:
    """Return the socket beneath gevent's, which never waits."""
    found: names.socket = sock._sock  # type: ignore[attr-defined]  # noqa: SLF001
    return found


def send_now(sock: socket.socket, data: bytearray) -> int:
    """Send what is taken now, without waiting; return how many bytes that is. Raises OSError.

    TLS may have taken more than it says: the same bytes, and more, must come again.
    """
    if not hasattr(sock, "_sslobj"):
        try:
            return raw(sock).send(data)
        except BlockingIOError:
            return 0
    import ssl  # noqa: PLC0415  # most links need no OpenSSL

    try:
        sent: int = sock._sslobj.write(data)  # noqa: SLF001  # SSLSocket.send would wait
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return 0
    return sent


def end_sending(sock: socket.socket) -> None:
    """Say that nothing more will come; what the peer sends can still be read. Raises OSError."""
    _end_tls(sock)
    raw(sock).shutdown(names.SHUT_WR)


def cut(sock: socket.socket) -> None:
    """End the connection: the greenlet that reads it finds the end."""
    with suppress(OSError):  # it is gone already
        raw(sock).shutdown(names.SHUT_RDWR)  # SSLSocket.shutdown would go on in plain text


def hang_up(sock: socket.socket) -> None:
    """Let go of a connection, of which nothing more is read."""
    _end_tls(sock)
    sock.close()


def _end_tls(sock: socket.socket) -> None:
    if tls := getattr(sock, "_sslobj", None):
        with suppress(OSError):  # there was no handshake, or the peer has not ended, too
            tls.shutdown()


def dial(host: str, port: int) -> socket.socket:
    """Return a connection to `host`: a name, an address, [an IPv6 address], or with a slash in it a Unix socket's path.

    Each address that the name has is tried. Raises OSError, ValueError, OverflowError, or RuntimeError if no thread can
    be started to look up a name.
    """
    if "/" in host:
        return _connected(socket.AF_UNIX, host)
    try:
        host.encode("idna")
    except UnicodeError:  # in gevent's native thread it would be a traceback
        raise names.gaierror(names.EAI_NONAME, "no such host") from None
    last_error: OSError = OSError(errno.EADDRNOTAVAIL, "no address")
    for family, address in _addresses(host.strip("[]"), port):
        try:
            sock = _connected(family, address)
        except OSError as error:
            last_error = error
            continue
        sock.setsockopt(names.IPPROTO_TCP, names.TCP_NODELAY, 1)
        sock.setsockopt(names.SOL_SOCKET, names.SO_KEEPALIVE, 1)
        for option, value in ((names.TCP_KEEPIDLE, 60), (names.TCP_KEEPINTVL, 10), (names.TCP_KEEPCNT, 3)):
            sock.setsockopt(names.IPPROTO_TCP, option, value)
        return sock
    raise last_error


def _addresses(host: str, port: int) -> list[tuple[int, Any]]:
    try:  # an address needs no native thread, which a look-up has, and which cannot start when the interpreter ends
        found = names.getaddrinfo(host, port, type=names.SOCK_STREAM, flags=names.AI_NUMERICHOST)
    except names.gaierror:
        found = socket.getaddrinfo(host, port, type=names.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def _connected(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, names.SOCK_STREAM)
    try:
        sock.connect(address)
    except BaseException:  # a deadline or the end of the greenlet, too
        sock.close()
        raise
    return sock
