"""What is measured: each case asks the load generator for some runs, of gchat and of the limit in turn."""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from tests.bench import alone, attacks, canary, in_cluster, in_tls
from tests.bench.peers import (
    GCHAT,
    GCHAT_DEFAULT_LIMITS,
    GCHAT_FULL,
    GCHAT_NORMAL,
    GCHAT_RICH,
    GCHAT_SMALL_LOGS,
    GCHAT_TLS,
    GCHAT_WINDOW,
)
from tests.bench.run import Ask, Failure, Figure, Generator, Kind, Run, Server, p99
from tests.bench.user import User

#: Of 100 healthy readers at 50 lines of 1 kB a second, so long that the room log (1 MiB) has gone round.
SILENT_S = 30.0

#: Lines in the room, and their bytes, when /history is asked for.
HISTORY_LINES, HISTORY_BYTES = 500, 400

#: What is asked ten times a second in a room of many, while others wait.
HOLDS = (
    ("nothing", ""),
    ("/who", "/who\n"),
    ("/history", "/history 1\n"),
    ("/join, into the room", "/join elsewhere\n/join lobby\n"),
    ("a line, to the room", "hello\n"),
    ("100 lines, to the room", "hello\n" * 100),
)


@dataclass(slots=True)
class Hold:
    """How long the pings of a user in another room took while somebody asked for something, in a room of many."""

    server: str
    asked: str
    members: int
    median_ms: float
    p99_ms: float
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
    figures: list[Figure] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    attacked: list[canary.Attacked] = field(default_factory=list)
    at_door: list[canary.Attacked] = field(default_factory=list)
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

    def limits(self) -> None:
        """A small room and one of 900 with the default limits, at a pace that they allow; and without, at that pace."""
        for size in (10, 20) if self.quick else (10, 900):
            senders = min(10, size)
            ask = Ask(size, senders, rate=4.0 * senders, seconds=self.seconds)
            self._alternate("limits", ask, [GCHAT_DEFAULT_LIMITS, GCHAT])

    def rich(self, sizes: list[int]) -> None:
        """Peak fan-out to readers of the rich dialect, beside as many of the plain one."""
        if self.generator.is_c:
            for size in sizes:
                self._alternate("rich", Ask(size, min(10, size), seconds=self.seconds), [GCHAT_RICH, GCHAT])

    def rooms(self) -> None:
        """Readers who are in several rooms at once, beside those who are in one: see several_rooms.py."""
        if not self.generator.is_c:
            return
        readers, idle, healthy, silent = (50, 50, 20, 50) if self.quick else (900, 5000, 100, 1000)
        peak = Ask(readers, seconds=self.seconds)
        seconds = self.seconds if self.quick else SILENT_S
        modest = Ask(healthy, rate=50, size=1000, seconds=seconds, rooms=10, busy=10)
        for number in range(self.rounds):
            turn = [
                ("rooms", GCHAT_RICH, peak),
                ("rooms", GCHAT_RICH, replace(peak, rooms=10)),
                ("rooms", GCHAT_RICH, replace(peak, rooms=2, busy=2)),
                *([("rooms", self.limit, peak)] if self.limit else []),
            ]
            for case, kind, ask in turn[:: -1 if number % 2 else 1]:
                self._measure(case, kind, ask)
            for rooms in (1, 50):
                # All at once leave a heap with holes: that is what the rush takes, not what a session does.
                pace = 0.0 if self.quick else 0.004
                self._idle("rooms idle", GCHAT_RICH, Ask(self._most(idle), rooms=rooms, pace=pace))
            for count in (0, silent):
                self._measure("rooms silent", GCHAT_SMALL_LOGS, replace(modest, silent=count))

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
                self._idle("idle", kind, Ask(self._most(100 if self.quick else 5000)))

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
            for attack in ("", *(("requests",) if self.quick else attacks.WINDOW)):
                self._keep(self.generator.measure("window", GCHAT_WINDOW, ask, attack))

    def tls(self) -> None:
        """Readers in TLS: beside the limit and beside plain ones; and handshakes."""
        if not self.generator.has_tls:
            return
        readers, many, idle = (20, 50, 100) if self.quick else (900, 1000, 5000)
        limit = [self.limit] if self.limit else []
        self._alternate("tls", Ask(readers, seconds=self.seconds), [GCHAT_TLS, *limit])
        self._alternate("tls paced", Ask(many, rate=50, seconds=self.seconds), [GCHAT_TLS, GCHAT])
        for _ in range(self.rounds):
            self._idle("tls idle", GCHAT_TLS, Ask(self._most(idle)))
        self._keep_figures(in_tls.figures(self.generator, quick=self.quick))

    def cluster(self) -> None:
        """Two nodes that share an engine."""
        self._keep_figures(in_cluster.figures(self.generator, self.rounds, self.seconds, quick=self.quick))

    def start(self) -> None:
        """From the start of the process until it listens and greets."""
        self._keep_figures(alone.starts(quick=self.quick))

    def status(self) -> None:
        """The operator's window by itself."""
        members = self._most(100 if self.quick else 5000)
        self._keep_figures(alone.window(self.generator, members, quick=self.quick))

    def stored(self) -> None:
        """A long history on disk."""
        self._keep_figures(alone.stored(quick=self.quick))

    def hold(self) -> None:
        """How long others wait for what one user asks, again and again, in a room of many."""
        members = self._most(100 if self.quick else 15000)
        for kind in (GCHAT, GCHAT_FULL):
            with Server(kind, members) as server, User(server) as asker, User(server) as other:
                other.asks("/join aside")
                asker.sends("".join(f"{number:x<{HISTORY_BYTES}}\n" for number in range(HISTORY_LINES)))
                asker.asks("")
                with self._members(server, Ask(members)):
                    for asked, commands in HOLDS:
                        waits = self._waits_ms(asker, commands, other)
                        most = waits[-1]
                        self.holds.append(Hold(kind.name, asked, members, statistics.median(waits), p99(waits), most))
                        self._say(f"hold, {members} members: {kind.name}: {asked}: most {most:.2f} ms")

    def _waits_ms(self, asker: User, commands: str, other: User) -> list[float]:
        def act() -> None:
            asker.drains()
            asker.sends(commands)

        waits = sorted(other.paced_ms(0.5 if self.quick else 10.0, act))
        asker.asks("")
        return waits

    def attacks(self) -> None:
        """How long a small room waits while others do their worst, beside how long it waits without them."""
        seconds, share = (0.5, 0.05) if self.quick else (10.0, 1.0)
        for _ in range(self.rounds):
            for attack, kind in canary.CASES:
                found = canary.measure(attack, kind, seconds, share)
                self.attacked.append(found)
                figures = found.failure or f"{found.more_ms:+.1f} ms of p99, most {found.most_mib:.0f} MiB"
                self._say(f"attacks: {found.server}: {attack}: {figures}")

    def door(self) -> None:
        """How long a hundred users wait while others try to come in, beside how long they wait without that."""
        seconds, share, listeners = (0.5, 0.05, 5) if self.quick else (10.0, 1.0, canary.LISTENERS)
        for _ in range(self.rounds):
            for attack, kind in canary.DOOR_CASES:
                found = canary.measure(attack, kind, seconds, share, listeners)
                self.at_door.append(found)
                figures = found.failure or f"{found.times:.2f} times the p99, most {found.most_mib:.0f} MiB"
                self._say(f"door: {found.server}: {attack}: {figures}")

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

    def _idle(self, case: str, kind: Kind, ask: Ask) -> None:
        run = Run(case, kind.name, ask)
        try:
            with Server(kind, ask.clients) as server:
                before = server.rss_kib()
                with self._members(server, ask):
                    run.kib_per_connection = (server.rss_kib() - before) / ask.clients
                    run.rss_mib = server.rss_kib() / 1024
        except Failure as failure:
            run.failure = str(failure)
        self._keep(run)

    def _keep(self, run: Run) -> None:
        self.runs.append(run)
        figures = run.failure or (
            f"{run.deliveries_per_s:,.0f}/s, {run.cpu_us_per_delivery:.2f} us, p99 {run.p99_ms:.1f} ms, "
            f"{run.kib_per_connection:.1f} KiB each, {run.skipped:,} skipped, {run.missing:,} missing"
        )
        rooms = f" in {run.ask.rooms} rooms" if run.ask.rooms > 1 else ""
        self._say(f"{run.case}, {run.ask.clients} clients{rooms}, {run.ask.silent} silent: {run.server}: {figures}")

    def _keep_figures(self, figures: Iterable[Figure]) -> None:
        for figure in figures:
            self.figures.append(figure)
            self._say(f"{figure.what}: {figure.judged(figure.values):.3g} {figure.unit}, of {len(figure.values)}")

    def _most(self, clients: int) -> int:
        return min(clients, self.descriptors - 200)

    @contextlib.contextmanager
    def _members(self, server: Server, ask: Ask) -> Iterator[None]:
        """As many clients in the rooms, who read and say nothing."""
        with self.generator.started(server, ask, idle=True) as phases:
            next(phases)
            yield

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)
