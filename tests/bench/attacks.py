"""Attacks on the operator's window while the chat is measured: `python attacks.py KIND SOCKET SECONDS`."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import sys
import time

HEAD = b"GET /status HTTP/1.1\r\nHost: localhost\r\n"

#: Connections that an attack keeps open at a time.
SLOW, STREAMS, ASKING = 1000, 100, 4


def connected(path: str) -> socket.socket | None:
    """Return a connection; None if there is no place for it just now."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(1)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        return None
    return sock


def slow_heads(path: str, ends_at: float) -> None:
    """A thousand heads that come at a byte a second, for ever: whoever is thrown out comes again."""
    crowd: list[socket.socket] = []
    while time.monotonic() < ends_at:
        began = time.monotonic()
        while len(crowd) < SLOW and (sock := connected(path)):
            crowd.append(sock)
        for sock in list(crowd):
            try:
                sock.send(b"G")
            except OSError:
                sock.close()
                crowd.remove(sock)
        time.sleep(max(0.0, began + 1 - time.monotonic()))


def requests(path: str, ends_at: float) -> None:
    """The dearest request, again and again on kept connections."""
    poll = select.poll()
    crowd = {sock.fileno(): sock for _ in range(ASKING) if (sock := connected(path))}
    for descriptor, sock in crowd.items():
        poll.register(descriptor, select.POLLIN)
        sock.send(HEAD + b"\r\n")
    while time.monotonic() < ends_at:
        for descriptor, _ in poll.poll(100):
            sock = crowd[descriptor]
            if sock.recv(1 << 20).endswith(b"0\r\n\r\n"):
                with contextlib.suppress(OSError):
                    sock.send(HEAD + b"\r\n")


def malformed(path: str, ends_at: float) -> None:
    """What is no HTTP, on a new connection each time."""
    while time.monotonic() < ends_at:
        if sock := connected(path):
            with sock, contextlib.suppress(OSError):
                sock.sendall(b"\x00\xffGET /status\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" * 50)
                sock.recv(4096)


def huge(path: str, ends_at: float) -> None:
    """Heads and bodies that are as long as it takes."""
    body = (
        b"POST /announce HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
    )
    while time.monotonic() < ends_at:
        for data in (HEAD + b"X: " + b"x" * (1 << 20), body + b"x" * 60000):
            if sock := connected(path):
                with sock, contextlib.suppress(OSError):
                    sock.sendall(data)
                    sock.recv(4096)


def streams(path: str, ends_at: float) -> None:
    """Event streams that nobody reads, more than there may be."""
    crowd: list[socket.socket] = []
    while time.monotonic() < ends_at:
        while len(crowd) < STREAMS and (sock := connected(path)):
            with contextlib.suppress(OSError):
                sock.send(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            crowd.append(sock)
        time.sleep(0.5)


KINDS = {"slow heads": slow_heads, "requests": requests, "malformed": malformed, "huge": huge, "streams": streams}

if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    KINDS[sys.argv[1]](sys.argv[2], time.monotonic() + float(sys.argv[3]))
