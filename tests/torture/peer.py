"""Somebody who connects again and again, and what all of them share."""

from __future__ import annotations

import socket as native
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from random import Random

import gevent
from gevent import socket

from tests.torture.oracle import Epochs, Findings, Kind, Log, Texts

#: A user who finds nobody listening tries again within so long.
RETRY_S = 0.1

#: To connect, on this machine, takes no time; unless the server's queue is full.
CONNECT_S = 5.0

READ_BYTES = 65536

#: Nobody connects from the address that the server has: a port that is tried while nobody listens connects to itself.
SOURCE = "127.0.0.2"

_LINGER_NOT = b"\1\0\0\0\0\0\0\0"  # struct linger: on, 0 s


@dataclass
class World:
    """What all share."""

    wanted: int  # acknowledged messages
    random: Random
    ports: list[int] = field(default_factory=list)  # one for each node
    findings: Findings = field(default_factory=Findings)
    shown: dict[Log, Texts] = field(default_factory=dict)
    epochs: Epochs = field(default_factory=Epochs)
    allowed: float = inf  # messages may be sent until now
    may_lose: bool = False  # whether what was shown may be lost: by an engine that is emptied, or behind
    sent: int = 0
    acked: int = 0
    refused: int = 0
    unknown: int = 0  # sent, and the connection broke before the answer; they were sent again
    told: int = 0  # messages that came to rich readers and senders
    cuts: int = 0
    connections: int = 0
    slowest_ack_s: float = 0.0
    slowest_refusal_s: float = 0.0  # while something was done to the servers
    slowest_outcome_s: float = 0.0  # a refusal after that: what was under way to an engine is known when it is back
    suffers: bool = False  # whether something is being done to them
    flowing: Counter[int] = field(default_factory=Counter)  # by node: messages of its users that were acknowledged
    why_refused: Counter[str] = field(default_factory=Counter)  # as users are told, of messages
    troubled: dict[int, float] = field(default_factory=dict)  # by node that can keep nothing: when users were told
    stood: defaultdict[int, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # by node: for how many seconds it was stopped
    refusals: Counter[str] = field(default_factory=Counter)  # of anything, by code
    closings: Counter[str] = field(default_factory=Counter)  # by code

    far_behind: set[str] = field(default_factory=set)  # rooms whose readers need time

    tormented: bool = True  # whether the nemesis has more to do

    @property
    def enough(self) -> bool:
        """Whether all that was wanted is acknowledged, and nobody is needed to say more."""
        return self.acked >= self.wanted and not self.tormented

    def clock(self, node: int) -> float:
        """Return a steady time in seconds that stands still with a node: what that takes is not the server's doing."""
        return time.monotonic() - self.stood[node]

    def see_epoch(self, who: str, room: str, epoch: str) -> None:
        """Take the name of a room's log: while nothing is lost, it is the same all the time."""
        before = self.epochs.last(room)
        if self.epochs.see(room, epoch) and not self.may_lose:
            self.findings.add(Kind.UNEXPECTED, f"{who} is welcomed to another log of {room}: {epoch}, not {before}")


class Peer:
    """Somebody who connects, again and again."""

    def __init__(self, world: World, name: str, room: str, *, receive_buffer: int = 0) -> None:
        self.world = world
        self.name = name
        self.room = room
        self.node = 0  # to which it is connected, or was
        self._receive_buffer = receive_buffer
        self._sock: socket.socket | None = None

    def run(self) -> None:
        """Connect and read until the end, for ever."""
        while True:
            try:
                self._sock = self._connected()
                self.world.connections += 1
                for data in self._received():
                    self.hears(data)
            except OSError:  # refused, broken, or cut by the nemesis
                pass
            finally:
                self._close()
            self.breaks()
            gevent.sleep(self.world.random.random() * RETRY_S)

    @property
    def connected(self) -> bool:
        """Whether there is a connection to be cut."""
        return self._sock is not None

    def cut(self) -> None:
        """Break the connection: the server gets a reset, and this peer loses what it has not read."""
        if self._sock is not None:
            self._sock.setsockopt(native.SOL_SOCKET, native.SO_LINGER, _LINGER_NOT)
            self._close()
            self.world.cuts += 1

    def sends(self, data: bytes) -> None:
        """Send bytes, if there is a connection."""
        if self._sock is not None:
            with suppress(OSError):  # who reads notices it too
                self._sock.sendall(data)

    def opening(self) -> bytes:
        """Return what is said first."""
        return b""

    def hears(self, data: bytes) -> None:
        """Take whole lines."""

    def breaks(self) -> None:
        """Take it that the connection is over."""

    def _connected(self) -> socket.socket:
        """Return a connection to any node, with the first words said: at once, also if this process is busy."""
        self.node = self.world.random.randrange(len(self.world.ports))
        with native.socket() as sock:
            sock.settimeout(CONNECT_S)
            if self._receive_buffer:
                sock.setsockopt(native.SOL_SOCKET, native.SO_RCVBUF, self._receive_buffer)
            sock.setsockopt(native.IPPROTO_TCP, native.TCP_NODELAY, 1)
            sock.bind((SOURCE, 0))
            sock.connect(("127.0.0.1", self.world.ports[self.node]))
            sock.sendall(self.opening())
            return socket.socket(fileno=sock.detach())

    def _received(self) -> Iterator[bytes]:
        """Return whole lines as they come. What is cut off at the end was never said."""
        rest = b""
        while self._sock is not None and (data := self._sock.recv(READ_BYTES)):
            whole, newline, rest = (rest + data).rpartition(b"\n")
            if newline:
                yield whole

    def _close(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()
