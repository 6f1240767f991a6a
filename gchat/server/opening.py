"""The first bytes of a connection: they tell who speaks the rich dialect. Who says nothing soon is greeted in plain."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

import gevent
from gevent.hub import get_hub

from gchat.protocol.wire import ANY_OPENING

#: How long the first line of who begins like a client may take.
LINE_S = 5.0

_READ = 1


def hear(sock: socket.socket, silence_s: float, max_line_bytes: int) -> bytes:
    """Return the first bytes of a connection, none if it says nothing for `silence_s`. Raises OSError.

    If they are an opening, then at least the whole line of it, unless that does not come, or is too long.
    """
    heard = _read(sock, b"", silence_s, lambda data: len(data) >= len(ANY_OPENING) or not ANY_OPENING.startswith(data))
    if not heard.startswith(ANY_OPENING):
        return heard
    return _read(sock, heard, LINE_S, lambda data: b"\n" in data or len(data) > max_line_bytes)


def _read(sock: socket.socket, data: bytes, timeout_s: float, is_enough: Callable[[bytes], bool]) -> bytes:
    """Read on from `data` until it is enough, or the end, or for `timeout_s` at most."""
    hub = get_hub()
    watcher = hub.loop.io(sock.fileno(), _READ)
    try:
        with gevent.Timeout(timeout_s, False):  # type: ignore[arg-type]  # False: silent
            while not is_enough(data):
                hub.wait(watcher)
                more = sock.recv(4096)
                if not more:
                    break
                data += more
        if not is_enough(data):
            # It may have come in time: where the loop was held up, it looks at its timers before its sockets.
            with suppress(BlockingIOError):
                data += sock.recv(4096)
    finally:
        watcher.close()
    return data
