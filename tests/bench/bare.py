"""A gevent server that greets at once, and does nothing else: none on gevent starts faster."""

from __future__ import annotations

import sys

from gevent.server import StreamServer
from gevent.socket import socket


def greet(sock: socket, _address: tuple[str, int]) -> None:
    """Say hello."""
    sock.sendall(b"> Connected\n")


if __name__ == "__main__":
    StreamServer(("127.0.0.1", int(sys.argv[1])), greet).serve_forever()
