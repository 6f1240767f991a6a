"""Somebody in the chat who asks, and notes how long the answer takes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Self

from tests.bench.run import Failure, Server


class User:
    """Somebody who types, and waits for the answer: a /ping behind what is asked says when it has come."""

    def __init__(self, server: Server) -> None:
        self._sock = server.connect()
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def sends(self, text: str) -> None:
        """Send text, and wait for nothing."""
        self._sock.sendall(text.encode())

    def pings(self) -> Callable[[], None]:
        """Ask now; what is returned waits for the answer."""
        self._asked += 1
        pong = f"> pong {self._asked}\n".encode()
        self.sends(f"/ping {self._asked}\n")

        def wait() -> None:
            while pong not in self._received:
                try:
                    data = self._sock.recv(1 << 20)
                except TimeoutError:
                    raise Failure("no answer to a /ping") from None
                if not data:
                    raise Failure("the server closed the connection")
                self._received = self._received[-100:] + data

        return wait

    def asks(self, line: str) -> None:
        """Send a line, and wait until it is done."""
        self.sends(f"{line}\n" if line else "")
        self.pings()()

    def waits_ms(self) -> float:
        """Ask, and return how long the answer took."""
        started_at = time.monotonic()
        self.pings()()
        return (time.monotonic() - started_at) * 1000
