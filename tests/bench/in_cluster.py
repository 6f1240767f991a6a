"""Two nodes that share an engine: what a delivery costs beside one process, how late the other node shows a message.

The two nodes and their engine have the server's core together where what counts is their CPU time. Where it is how late
the other node shows a message, that has the generator's core: on one core it stands behind the first node, which hears
its own message (measured, 20/s: 0.26 ms). Every second client is on the second node.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Self

from tests.bench.peers import GCHAT
from tests.bench.run import (
    LOAD_CORE,
    SERVER_CORE,
    Ask,
    Failure,
    Figure,
    Generator,
    Kind,
    Run,
    Server,
    process_cpu_s,
)
from tests.cluster.engines import EngineProcess

#: Readers of a node, messages a second (0: as many as go), how many are on their way at a time, and what is wanted of
#: what one process delivers. Where few are on their way, a cluster is rarely busy: it waits for its engine, sends each
#: reader a few messages at a time, and pays for more sends.
SHARES = ((900, 0.0, 64, 0.80), (900, 0.0, 640, 0.80), (500, 50.0, 64, 0.90), (100, 0.0, 640, 0.50))

#: Messages a second, with the wanted p50 and p99 in milliseconds until the other node shows one.
LATENCIES = ((20.0, 2.0, 6.0), (5000.0, 3.0, 10.0))

#: The bytes that the engine appends to its file for a message of the first rate, and the milliseconds in which the disk
#: has to have them: nodes and engine take about 1.5 of the 2 (measured with the file in memory).
APPENDED, SYNCED_MS = 700, 0.5

#: The CPU of a message that nobody on the node reads, and the memory of a user of another node.
FOREIGN_RATE, FOREIGN_US = 5000.0, 20.0
FOREIGN_USERS, FOREIGN_KIB = 5000, 1.0


def _node(engine: EngineProcess, name: str) -> Kind:
    """The server, as a node."""
    cluster = {"URL": engine.url, "NAME": name, "NAMESPACE": "bench"}
    return replace(
        GCHAT,
        name="2 nodes",
        command=lambda port, directory, clients: [
            word for word in GCHAT.command(port, directory, clients) if word != "--memory"
        ],
        environment={**GCHAT.environment, **{f"GCHAT_CLUSTER_{key}": value for key, value in cluster.items()}},
    )


class Nodes:
    """Two nodes and their engine; the second node has a core of its own if it is `apart`.

    To the load generator they are one server.
    """

    def __init__(self, clients: int, *, apart: bool = False) -> None:
        self._clients = clients
        self._apart = apart

    def __enter__(self) -> Self:
        with ExitStack() as end:
            self.engine = end.enter_context(EngineProcess())
            os.sched_setaffinity(self.engine.process.pid, {SERVER_CORE})
            kinds = [_node(self.engine, name) for name in ("one", "two")]
            self.one, self.two = (end.enter_context(Server(kind, self._clients)) for kind in kinds)
            if self._apart:
                for thread in os.listdir(f"/proc/{self.two.process.pid}/task"):
                    os.sched_setaffinity(int(thread), {LOAD_CORE})
            self._end = end.pop_all()
        self.kind, self.port, self.process = self.one.kind, self.one.port, self.one.process
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def cpu_s(self) -> float:
        """The CPU time of both nodes."""
        return self.one.cpu_s() + self.two.cpu_s()

    def rss_kib(self) -> int:
        """Their memory."""
        return self.one.rss_kib() + self.two.rss_kib()

    def engine_cpu_s(self) -> float:
        """The CPU time of the engine."""
        return process_cpu_s(self.engine.process.pid)


def figures(generator: Generator, rounds: int, seconds: float, *, quick: bool) -> Iterator[Figure]:
    """What a cluster costs, and how late it is. Raises Failure: something was lost."""
    for readers, rate, window, wanted in SHARES:
        ask = Ask(20 if quick else readers, 10, rate=rate, seconds=max(seconds, 1.0), window=window)
        at = f"{rate:g}/s" if rate else f"peak, {window} on their way"
        what = f"deliveries per CPU-second of 2 nodes beside one process, {ask.clients:,} readers each, {at}"
        yield Figure(what, "x", [_share(generator, ask) for _ in range(rounds)], wanted, more=True)
        if rate:
            what = f"the same of two processes that share nothing but the core, at {at}"
            yield Figure(what, "x", [_share_of_strangers(generator, ask) for _ in range(rounds)], wanted, more=True)
    for rate, p50, p99 in LATENCIES:
        runs = [_of_pair(generator, Ask(2, 1, rate=rate, seconds=seconds), apart=True) for _ in range(rounds)]
        yield Figure(f"seen on the other node, {rate:g}/s, p50", "ms", [run.p50_ms for run in runs], p50)
        yield Figure(f"seen on the other node, {rate:g}/s, p99", "ms", [run.p99_ms for run in runs], p99)
    synced = [_synced_ms(LATENCIES[0][0], seconds) for _ in range(rounds)]
    yield Figure(f"the disk: {APPENDED} bytes appended and synced, {LATENCIES[0][0]:g}/s, p50", "ms", synced, SYNCED_MS)
    cpu = [_foreign_message_us(generator, Ask(2, 1, rate=FOREIGN_RATE, seconds=seconds)) for _ in range(rounds)]
    yield Figure("CPU of a message that nobody on the node reads", "µs", [node for node, _ in cpu], FOREIGN_US)
    yield Figure("CPU of the engine for a message", "µs", [engine for _, engine in cpu], 100)
    users = Ask(50) if quick else Ask(FOREIGN_USERS, pace=0.004)  # all at once leave a heap with holes
    memory = [_foreign_user_kib(generator, users) for _ in range(rounds)]
    yield Figure("memory of a user of another node", "KiB", memory, FOREIGN_KIB)


def _share(generator: Generator, ask: Ask) -> float:
    """Return how many deliveries two nodes make in a second of their CPU, of those of one process of as many users."""
    alone = generator.measure("cluster", GCHAT, ask)
    both = _of_pair(generator, replace(ask, clients=2 * ask.clients))
    if alone.failure or not both.cpu_us_per_delivery:
        raise Failure(alone.failure or "no CPU time was measured; more --seconds are needed")
    return alone.cpu_us_per_delivery / both.cpu_us_per_delivery


def _share_of_strangers(generator: Generator, ask: Ask) -> float:
    """Return how many deliveries two processes, each with such users of its own, make of those of one by itself.

    What is missing is what it costs that the other one has driven all out of the core's cache, and no cluster's.
    """
    alone = generator.measure("cluster", GCHAT, ask)
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda _: generator.measure("cluster", GCHAT, ask), range(2)))
    for run in (alone, *both):
        if run.failure:
            raise Failure(run.failure)
    return alone.cpu_us_per_delivery / statistics.mean(run.cpu_us_per_delivery for run in both)


def _of_pair(generator: Generator, ask: Ask, *, apart: bool = False) -> Run:
    """Return a run on two nodes, with every second client on the second one."""
    run = Run("cluster", "2 nodes", ask)
    with Nodes(ask.clients, apart=apart) as nodes:
        run.ask = replace(ask, second=nodes.two.port)
        generator._measure(nodes, run)
    if run.missing or run.closed:
        raise Failure(f"{run.missing} missing, {run.closed} closed")
    return run


def _synced_ms(rate: float, seconds: float) -> float:
    """Return how long the disk takes for what an engine appends to its file and syncs, so many times a second."""
    took: list[float] = []
    with tempfile.TemporaryFile(prefix="gchat-bench-", buffering=0) as file:
        for _ in range(max(1, int(rate * seconds))):
            time.sleep(1 / rate)
            began_at = time.perf_counter()
            file.write(bytes(APPENDED))
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began_at)
    return 1000 * statistics.median(took)


def _foreign_message_us(generator: Generator, ask: Ask) -> tuple[float, float]:
    """Return what a message costs a node that has no reader of it, and the engine."""
    with Nodes(ask.clients) as nodes, generator.started(nodes, ask) as phases:
        before = after = (0.0, 0.0)
        for phase in phases:
            match phase["phase"]:
                case "measuring":
                    before = nodes.two.cpu_s(), nodes.engine_cpu_s()
                case "measured":
                    after = nodes.two.cpu_s(), nodes.engine_cpu_s()
                case "done":
                    node, engine = (
                        1e6 * (end - begin) / phase["messages"] for begin, end in zip(before, after, strict=True)
                    )
        return node, engine


def _foreign_user_kib(generator: Generator, ask: Ask) -> float:
    """Return by how much a node grows for each user of another."""
    with Nodes(ask.clients) as nodes:
        with generator.started(nodes, Ask(50), idle=True) as phases:  # what a node loads for the first is not theirs
            next(phases)
        before = nodes.two.rss_kib()
        with generator.started(nodes, ask, idle=True) as phases:
            next(phases)
            return (nodes.two.rss_kib() - before) / ask.clients
