"""The obvious gevent chat server: a greenlet a reader, and one sendall after the other. It is what gchat is not."""

from __future__ import annotations

import resource
import sys

from gevent.server import StreamServer
from gevent.socket import socket

present: set[socket] = set()


def serve(sock: socket, address: tuple[str, int]) -> None:
    """Relay each line of one user to everybody else."""
    name = f"[{address[0]}:{address[1]}] ".encode()
    rest = b""
    present.add(sock)
    try:
        while data := sock.recv(65536):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                broadcast(sock, name + line + b"\n")
    except OSError:
        pass
    finally:
        present.discard(sock)
        sock.close()


def broadcast(speaker: socket, message: bytes) -> None:
    """Send to one after the other; whoever does not read keeps all who come after waiting."""
    for reader in list(present):
        if reader is not speaker:
            try:
                reader.sendall(message)
            except OSError:
                present.discard(reader)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    StreamServer(("127.0.0.1", int(sys.argv[1])), serve, backlog=4096).serve_forever()
