"""Somebody in the chat who asks, and notes how long the answer takes."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable
from typing import Self

from tests.bench.paced import drain, paced
from tests.bench.run import Failure, Server

#: Seconds between two pings at a fixed pace.
PACE_S = 0.01


class User:
    """Somebody who types, and waits for the answer: a /ping behind what is asked says when it has come."""

    def __init__(self, server: Server, source: str = "") -> None:
        self.sock = server.connect(source)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def sends(self, text: str) -> None:
        """Send text, and wait for nothing."""
        self.sock.sendall(text.encode())

    def pings(self) -> Callable[[], None]:
        """Ask now; what is returned waits for the answer."""
        number = next(self._numbers)
        pong = f"> pong {number}\n".encode()
        self.sends(f"/ping {number}\n")

        def wait() -> None:
            while pong not in self._received:
                try:
                    data = self.sock.recv(1 << 20)
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

    def paced_ms(self, seconds: float, act: Callable[[], None]) -> list[float]:
        """Ping at a fixed pace for so long, and `act` now and then; return how long each took (see paced)."""
        ends_at = time.monotonic() + seconds

        def goes_on() -> bool:
            on = time.monotonic() < ends_at
            if on:
                act()
            return on

        def asks(number: int) -> None:
            self.sends(f"/ping {number}\n")

        return [wait_ms for _, wait_ms in paced(self.sock, asks, self._numbers, PACE_S, goes_on)]

    def drains(self) -> None:
        """Read what there is."""
        drain(self.sock)
