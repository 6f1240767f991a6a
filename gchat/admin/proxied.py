"""The begin of a connection from a trusted proxy that passes on bytes: its PROXY header, if it sends one.

Proxies that speak HTTP send none; they say in each request whose it is (forwarded).
"""

from __future__ import annotations

import socket
from typing import Any

import gevent
from gevent import Timeout

from gchat.admin.forwarded import seen_from_here
from gchat.admin.security import FIRST_BYTE_S, Newcomer, Seats
from gchat.chat.networks import is_in
from gchat.dialects.proxy_header import MAX_HEADER_BYTES, MalformedHeader, parse

#: A header comes in one packet; one in several is looked for so often.
AGAIN_S = 0.02


def behind(sock: Any, address: Any, trusted: str, seats: Seats) -> Any:
    """Return the address of the peer behind a connection; None if there is none to serve, and it is closed.

    What a proxy says in a PROXY header is taken from the socket, and nothing else.
    """
    if not (trusted and isinstance(address, tuple) and is_in(address[0], trusted)):
        return address
    newcomer = Newcomer(sock)
    seats.waiting[newcomer] = None
    header = None
    try:
        with Timeout(FIRST_BYTE_S, False):  # type: ignore[arg-type]  # False: silent
            while (start := sock.recv(MAX_HEADER_BYTES, socket.MSG_PEEK)) and (header := parse(start)) is None:
                gevent.sleep(AGAIN_S)
        if header is not None:
            sock.recv(header.size)
    except MalformedHeader:  # it is HTTP, or TLS
        return address
    except OSError:
        header = None
    finally:
        seats.waiting.pop(newcomer, None)
    if header is not None and not header.is_local:
        return (seen_from_here(header.host, address[0]), header.port) if header.host else address
    seats.open.discard(sock)
    sock.close()
    return None
