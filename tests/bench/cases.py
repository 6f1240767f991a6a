"""What is measured: each case asks the load generator for some runs, of gchat and of the limit in turn."""

from __future__ import annotations

import contextlib
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

from tests.bench import attacks
from tests.bench.peers import GCHAT, GCHAT_FULL, GCHAT_NORMAL, GCHAT_RICH, GCHAT_WINDOW
from tests.bench.run import Ask, Failure, Generator, Kind, Run, Server

#: Of 100 healthy readers at 50 lines of 1 kB a second, so long that the room log (1 MiB) has gone round.
SILENT_S = 30.0

#: Lines in the room, and their bytes, when /history is asked for.
HISTORY_LINES, HISTORY_BYTES = 500, 400


@dataclass(slots=True)
class Hold:
    """How long another user's /ping took just after somebody asked for something, in a room of many."""

    asked: str
    members: int
    median_ms: float
    max_ms: float


@dataclass(slots=True)
class Bench:
    """The servers, how often and how long each is measured, and the figures so far."""

    generator: Generator
    limit: Kind | None
    peers: list[Kind]
    rounds: int
    seconds: float
    descriptors: int
    quick: bool
    runs: list[Run] = field(default_factory=list)
    starts_s: list[float] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)  # of cases that could not be measured at all

    def fanout(self, sizes: list[int]) -> None:
        """Peak fan-out of 10 senders to many readers, and of everybody to everybody."""
        for size in sizes:
            self._alternate("fanout", Ask(size, min(10, size), seconds=self.seconds))
        everybody = 20 if self.quick else 900
        self._alternate("all", Ask(everybody, everybody, seconds=self.seconds))

    def fanout_of_peers(self, sizes: list[int]) -> None:
        """The same, of the others, once."""
        for size in sizes:
            for kind in self.peers:
                self._measure("fanout", kind, Ask(size, min(10, size // 2), seconds=self.seconds))

    def small(self) -> None:
        """A small room in which all talk: here the cost of a line counts, not that of a delivery."""
        self._alternate("small", Ask(10, 10, seconds=self.seconds))

    def rich(self, sizes: list[int]) -> None:
        """Peak fan-out to readers of the rich dialect, beside as many of the plain one."""
        if self.generator.is_c:
            for size in sizes:
                self._alternate("rich", Ask(size, min(10, size), seconds=self.seconds), [GCHAT_RICH, GCHAT])

    def disk(self) -> None:
        """Peak fan-out with history on disk; and at a quiet pace what it adds to the latency."""
        if self.limit is not None:
            for ask in (
                Ask(20 if self.quick else 900, 10, seconds=self.seconds),
                Ask(20 if self.quick else 100, rate=20, seconds=self.seconds),
            ):
                self._alternate("disk", ask, [self.limit, GCHAT, GCHAT_FULL, GCHAT_NORMAL])

    def paced(self) -> None:
        """A busy evening: CPU and latency at a rate that nobody has trouble with."""
        self._alternate("paced", Ask(50 if self.quick else 1000, rate=50, seconds=self.seconds))

    def idle(self) -> None:
        """The memory of connections that do nothing."""
        for _ in range(self.rounds):
            for kind in self._pair():
                ask = Ask(self._most(100 if self.quick else 5000))
                run = Run("idle", kind.name, ask)
                try:
                    with Server(kind, ask.clients) as server:
                        before = server.rss_kib()
                        with self._members(server, ask.clients):
                            run.kib_per_connection = (server.rss_kib() - before) / ask.clients
                            run.rss_mib = server.rss_kib() / 1024
                except Failure as failure:
                    run.failure = str(failure)
                self._keep(run)

    def silent(self) -> None:
        """Readers that do not read: many at a modest rate, gchat; and one at full speed, everybody."""
        healthy, silent, seconds = (20, 50, self.seconds) if self.quick else (100, 1000, SILENT_S)
        for _ in range(self.rounds):
            for count in (0, silent):
                self._measure("silent", GCHAT, Ask(healthy, silent=count, rate=50, size=1000, seconds=seconds))
        for kind in [GCHAT] if self.quick else [*self._pair(), *self.peers]:
            for count in (0, 1):
                ask = Ask(healthy, silent=count, size=min(1000, kind.longest), seconds=self.seconds)
                self._measure("stuck", kind, ask)

    def window(self) -> None:
        """The chat while somebody does to the operator's window what he can; and the same without."""
        ask = Ask(20 if self.quick else 100, rate=50, seconds=self.seconds)
        for _ in range(self.rounds):
            for attack in ("", *(("requests",) if self.quick else attacks.KINDS)):
                self._keep(self.generator.measure("window", GCHAT_WINDOW, ask, attack))

    def start(self) -> None:
        """From the start of the process to the first bytes of the greeting."""
        for _ in range(3 if self.quick else 9):
            server = Server(GCHAT, 1)
            try:
                with server.connect() as sock:
                    sock.recv(1)
                    self.starts_s.append(time.monotonic() - server.started_at)
            finally:
                server.__exit__()
        self._say(f"start: {statistics.median(self.starts_s):.3f} s")

    def hold(self) -> None:
        """How long others wait for what one user asks, in a room of many."""
        members = self._most(100 if self.quick else 15000)
        repeats = 5 if self.quick else 40
        with Server(GCHAT, members) as server, _User(server) as asker, _User(server) as other:
            other.asks("/join aside")
            asker.sends("".join(f"{number:x<{HISTORY_BYTES}}\n" for number in range(HISTORY_LINES)))
            asker.asks("")
            with self._members(server, members):
                for asked, before, commands in (
                    ("nothing", "", ""),
                    ("/who", "", "/who\n"),
                    ("/history", "", "/history 1\n"),
                    ("/join, into the room", "/join elsewhere", "/join lobby\n"),
                    ("a line, to the room", "", "hello\n"),
                ):
                    waits = [_wait_ms(asker, other, before, commands) for _ in range(repeats)]
                    self.holds.append(Hold(asked, members, statistics.median(waits), max(waits)))
                    self._say(f"hold, {members} members: {asked}: {statistics.median(waits):.2f} ms")

    # --- Parts -----------------------------------------------------------------------------------------------------

    def _pair(self) -> list[Kind]:
        return [GCHAT, self.limit] if self.limit else [GCHAT]

    def _alternate(self, case: str, ask: Ask, kinds: list[Kind] | None = None) -> None:
        kinds = kinds or self._pair()
        for number in range(self.rounds):
            for kind in kinds[:: -1 if number % 2 else 1]:
                self._measure(case, kind, ask)

    def _measure(self, case: str, kind: Kind, ask: Ask) -> None:
        if ask.clients + ask.silent > self._most(ask.clients + ask.silent):
            self._keep(Run(case, kind.name, ask, failure=f"only {self.descriptors:,} descriptors"))
        else:
            self._keep(self.generator.measure(case, kind, ask))

    def _keep(self, run: Run) -> None:
        self.runs.append(run)
        figures = run.failure or (
            f"{run.deliveries_per_s:,.0f}/s, {run.cpu_us_per_delivery:.2f} us, p99 {run.p99_ms:.1f} ms, "
            f"{run.kib_per_connection:.1f} KiB each, {run.skipped:,} skipped, {run.missing:,} missing"
        )
        self._say(f"{run.case}, {run.ask.clients} clients, {run.ask.silent} silent: {run.server}: {figures}")

    def _most(self, clients: int) -> int:
        return min(clients, self.descriptors - 200)

    @contextlib.contextmanager
    def _members(self, server: Server, count: int) -> Iterator[None]:
        """As many clients in the room, who read and say nothing."""
        with self.generator.started(server, Ask(count), idle=True) as phases:
            next(phases)
            yield

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class _User:
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


def _wait_ms(asker: _User, other: _User, before: str, commands: str) -> float:
    asker.asks(before)
    asker.sends(commands)
    started_at = time.monotonic()
    other.pings()()
    wait_ms = (time.monotonic() - started_at) * 1000
    asker.asks("")
    return wait_ms
