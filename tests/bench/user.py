"""Somebody in the chat who asks, and notes how long the answer takes."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from tests.bench.run import START_S, Failure, Server

#: Seconds between two pings at a fixed pace, and between two things that somebody else asks meanwhile.
PACE_S, ACT_S = 0.01, 0.1

#: A server that answers nothing for so long has failed.
SILENCE_S = 15.0


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

    def paced_ms(self, seconds: float, act: Callable[[], None]) -> list[float]:
        """Ping at a fixed pace whatever becomes of the answers, and `act` now and then; return how long each took.

        That counts from when a ping was due: so the time in which the server stands still counts for each of them.
        """
        due: dict[bytes, float] = {}
        waits: list[float] = []
        self._sock.setblocking(False)
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        now = ping_at = act_at = time.monotonic()
        ends_at = now + seconds
        while now < ends_at or (due and now < ends_at + SILENCE_S):
            if now >= act_at and now < ends_at:
                act()
                act_at += ACT_S
            while ping_at <= now and ping_at < ends_at:
                self._asked += 1
                due[b"> pong %d" % self._asked] = ping_at
                self.sends(f"/ping {self._asked}\n")
                ping_at += PACE_S
            for _ in poll.poll(1):
                lines = (self._received + self._sock.recv(1 << 20)).split(b"\n")
                self._received = lines.pop()
                now = time.monotonic()
                waits += [(now - due.pop(line)) * 1000 for line in lines if line in due]
            now = time.monotonic()
        self._sock.settimeout(START_S)
        if due:
            raise Failure(f"no answer to {len(due)} of {len(due) + len(waits)} pings")
        return waits

    def drains(self) -> None:
        """Read what there is."""
        self._sock.setblocking(False)
        with suppress(BlockingIOError):
            while self._sock.recv(1 << 20):
                pass
        self._sock.settimeout(START_S)
