"""`python -m tests.cluster.bench_link`: what a step costs the node that reads it, and how long it takes to get there.

A process puts steps of 200 bytes at a rate, every 2 ms those that are due; another one reads them. The engine stores
each batch before it answers. CPU is the reader's, all of it; the latency is from put to arrived.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import gevent

from gchat.cluster.engine import UrlEngine
from gchat.cluster.engine_url import parsed
from gchat.cluster.entries import Fed, packed, packed_step, unpacked
from gchat.cluster.link import EngineLink
from gchat.journal.journal import Posting
from gchat.model.messages import Said
from tests.cluster.engines import EngineProcess
from tests.cluster.owners import Owner

SECONDS = 10
SIZE = 200


class Reader(Owner):
    """Takes what arrives as fast as it can."""

    def __init__(self, url: str) -> None:
        self.link = EngineLink(UrlEngine(parsed(url)), self, "test", "reader")
        self.late: list[float] = []

    def arrived(self, told: Sequence[tuple[Fed, Any]]) -> None:
        """See LinkOwner.arrived."""
        now = time.monotonic()
        for fed, _ in told:
            if fed.step:
                self.late.append(now - float(fed.step.split(b" ", 1)[0]))
            elif fed.record:
                message = unpacked(fed.record).message
                assert isinstance(message, Said)
                self.late.append(now - float(message.texts[0].split(" ", 1)[0]))

    def find_place(self, base: str, ask: Any) -> int:  # noqa: ARG002
        """See LinkOwner.find_place."""
        newest = ask("XREVRANGE", self.link.key("feed"), "+", "-", "COUNT", 1)
        return int(newest[0][0].partition(b"-")[0]) if newest else 0


def write(url: str, kind: str, rate: int) -> None:
    """Put at a rate, for SECONDS."""
    writer = Reader(url)
    writer.link.start()
    began_at, done = time.monotonic(), 0
    while done < SECONDS * rate:
        due = int((time.monotonic() - began_at) * rate) - done
        now = f"{time.monotonic()} ".ljust(SIZE, "x")
        item = packed_step(now.encode()) if kind == "step" else packed(Posting("lobby", Said("alice", (now,))))
        writer.link.put([(item, "cause")] * due)
        done += due
        gevent.sleep(0.002)
    writer.link.close()


def read(url: str, count: int) -> None:
    """Read until so many have arrived, and tell what it cost."""
    reader = Reader(url)
    reader.link.start()
    print("ready", flush=True)
    while not reader.late:
        gevent.sleep(0.001)
    began = time.process_time()
    while len(reader.late) < count:
        gevent.sleep(0.05)
    cost = (time.process_time() - began) / count * 1e6
    late = sorted(reader.late)
    p50, p99 = (late[len(late) * part // 100] * 1000 for part in (50, 99))
    print(f"{cost:6.1f} us of CPU each, late p50 {p50:.2f} ms, p99 {p99:.2f} ms")


def main() -> None:
    """Measure each kind at each rate."""
    with EngineProcess() as engine:
        for kind in ("step", "message"):
            for rate in (20, 5000):
                again = [sys.executable, "-m", "tests.cluster.bench_link"]
                count = str(SECONDS * rate)
                with subprocess.Popen([*again, "read", engine.url, count], stdout=subprocess.PIPE, text=True) as reader:
                    assert reader.stdout is not None
                    assert reader.stdout.readline() == "ready\n"
                    subprocess.run([*again, "write", engine.url, kind, str(rate)], check=True)
                    print(f"{kind:8} {rate:5}/s: {reader.stdout.read().strip()}", flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["read", url, count]:
            read(url, int(count))
        case ["write", url, kind, rate]:
            write(url, kind, int(rate))
        case _:
            main()
