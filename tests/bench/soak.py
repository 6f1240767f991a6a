"""A long evening: `python -m tests.bench.soak` watches what a server holds while people talk, leave and come back."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.attacks import connected
from tests.bench.peers import GCHAT_AS_IT_COMES
from tests.bench.people import RICH, ROOMS, People
from tests.bench.run import HERE, LOAD_CORE, Failure, Server, descriptors
from tests.bench.tables import table

#: Seconds from one sample to the next, and how many there are at least.
SAMPLE_S, SAMPLES = 15.0, 10

#: What is not judged, because everything grows to its size then, as a share: 12 minutes of 26. The server keeps ids,
#: and which token takes over which session, for ten minutes: before, it grows by what it is meant to keep.
WARM_UP = 12 / 26

#: What the resident memory may grow by in a minute; and descriptors and objects in all, as a share.
MIB_PER_MIN, SHARE = 0.1, 0.01

COUNTED = replace(
    GCHAT_AS_IT_COMES,
    command=lambda port, directory, _clients: [
        *(sys.executable, str(HERE / "counted.py"), "127.0.0.1", str(port), "--quiet"),
        *("--admin", str(directory / "admin"), "--db", str(directory / "history.db")),
    ],
    environment={"PYTHONPATH": str(HERE.parent.parent)},
)

#: What must not happen to anybody.
LOSSES = ("holes", "repetitions", "other epochs", "closed by the server", "not sent")


@dataclass(slots=True)
class Sample:
    """What the server holds, so many minutes from the start; files in KiB."""

    minutes: float
    rss_mib: float
    descriptors: int
    threads: int
    objects: int  # that the garbage collector knows, but for those of the start
    blocks: int  # of memory that Python has allocated
    file_kib: int
    wal_kib: int
    cpu: float  # of a core, since the last


class Soak:
    """A server, its people, and the samples so far."""

    def __init__(self, server: Server, users: int) -> None:
        self.server = server
        self.people = People(server.port, users)
        self.samples: list[Sample] = []
        self._began = self._sampled_at = time.monotonic()
        self._cpu_s = server.cpu_s()

    def run(self, minutes: float) -> None:
        """Let them live, and take a sample now and then, when all are there."""
        count = max(SAMPLES, round(minutes * 60 / SAMPLE_S))
        for number in range(count):
            self.people.live(self._began + minutes * 60 * (number + 1) / count - time.monotonic())
            if not self.people.gather():
                raise Failure("some users did not come back")
            self.sample()

    def sample(self) -> None:
        """Take a sample."""
        server, now, cpu_s = self.server, time.monotonic(), self.server.cpu_s()
        proc = Path(f"/proc/{server.process.pid}")
        threads = re.search(r"Threads:\s+(\d+)", (proc / "status").read_text())
        counts = self._counts()
        self.samples.append(
            Sample(
                (now - self._began) / 60,
                server.rss_kib() / 1024,
                len(os.listdir(proc / "fd")),
                int(threads[1]) if threads else 0,
                counts["objects"],
                counts["blocks"],
                _kib(server.directory / "history.db"),
                _kib(server.directory / "history.db-wal"),
                (cpu_s - self._cpu_s) / (now - self._sampled_at),
            )
        )
        self._sampled_at, self._cpu_s = now, cpu_s

    def _counts(self) -> dict[str, int]:
        path = self.server.directory / "counts"
        path.unlink(missing_ok=True)
        self.server.process.send_signal(signal.SIGUSR2)
        ends_at = time.monotonic() + 10
        while not path.exists():
            if time.monotonic() > ends_at:
                raise Failure("the server does not say what it holds")
            time.sleep(0.01)
        return dict(json.loads(path.read_text()))

    def end(self) -> tuple[dict[str, int], int]:
        """Have everybody leave; return the server's crashes and closed connections, and its exit code."""
        self.people.leave()
        time.sleep(1)
        self.sample()
        metrics = _metrics(str(self.server.directory / "admin"))
        self.server.process.terminate()
        return metrics, self.server.process.wait(30)


def _kib(path: Path) -> int:
    return path.stat().st_size // 1024 if path.exists() else 0


def _metrics(path: str) -> dict[str, int]:
    """Return the crashes, and the closed connections by reason."""
    sock = connected(path)
    if sock is None:
        raise Failure("no metrics")
    with sock:
        sock.settimeout(10)
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = "".join(iter(lambda: sock.recv(1 << 16).decode(), ""))
    closed = re.findall(r'^gchat_connections_closed_total\{reason="([^"]+)"\} (\d+)', text, re.MULTILINE)
    crashes = re.search(r"^gchat_crashes_total (\d+)", text, re.MULTILINE)
    return {"crashes": int(crashes[1]) if crashes else -1, **{f"closed: {why}": int(many) for why, many in closed}}


# --- The report ------------------------------------------------------------------------------------------------------


def slope(samples: list[Sample], of: Callable[[Sample], float]) -> float:
    """Return by how much it grows in a minute, by least squares."""
    minutes = [sample.minutes for sample in samples]
    return statistics.linear_regression(minutes, [of(sample) for sample in samples]).slope


def growth(samples: list[Sample], of: Callable[[Sample], float]) -> float:
    """Return by which share it grows from the first sample to the last, on that line."""
    return slope(samples, of) * (samples[-1].minutes - samples[0].minutes) / statistics.fmean(map(of, samples))


def report(samples: list[Sample], warm_up: float) -> str:
    """Return the samples, and what they say of the bounds. The last of them was taken when all were gone."""
    head = ["minute", "RSS", "descriptors", "threads", "objects", "blocks", "file", "WAL", "CPU"]
    rows = [
        [
            *(f"{sample.minutes:.2f}", f"{sample.rss_mib:.1f} MiB"),
            *(f"{value:,}" for value in (sample.descriptors, sample.threads, sample.objects, sample.blocks)),
            *(f"{sample.file_kib:,} KiB", f"{sample.wal_kib:,} KiB", f"{sample.cpu:.1%}"),
        ]
        for sample in samples
    ]
    note = "Each sample is taken when all are there, but the last, when all are gone."
    measured = [sample for sample in samples[:-1] if sample.minutes > warm_up]
    mib = slope(measured, lambda sample: sample.rss_mib)
    bounds = [["RSS, slope", f"{mib:+.3f} MiB/min", f"≤ {MIB_PER_MIN:g} MiB/min", _yes(mib <= MIB_PER_MIN)]]
    for name, of in (("descriptors", lambda sample: sample.descriptors), ("objects", lambda sample: sample.objects)):
        grown = growth(measured, of)
        bounds.append([f"{name}, growth", f"{grown:+.2%}", f"within {SHARE:.0%}", _yes(abs(grown) <= SHARE)])
    title = f"From minute {warm_up:.1f} to {measured[-1].minutes:.1f}"
    return "\n\n".join(
        [table("What the server holds", head, rows, note), table(title, ["", "measured", "wanted", "reached"], bounds)]
    )


def _yes(reached: bool) -> str:
    return "yes" if reached else "**no**"


def main() -> int:
    """Run it; return 1 if anything was lost or crashed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__, allow_abbrev=False)
    parser.add_argument("--minutes", type=float, default=26.0, metavar="M", help="how long (26)")
    parser.add_argument("--users", type=int, default=500, metavar="N", help="how many (500)")
    parser.add_argument("--warm-up", type=float, metavar="M", help="minutes that are not judged (12 of 26)")
    options = parser.parse_args()
    warm_up = options.minutes * WARM_UP if options.warm_up is None else options.warm_up
    descriptors()
    os.sched_setaffinity(0, {LOAD_CORE})
    with Server(COUNTED, options.users) as server:
        soak = Soak(server, options.users)
        try:
            soak.run(options.minutes)
            metrics, code = soak.end()
        except (Failure, OSError) as failure:
            print(f"after {dict(soak.people.counts)}: {failure}", file=sys.stderr)
            return 1
    print(f"# {options.users} users, one in {RICH} speaks rich, in {ROOMS} rooms, history on disk and synced\n")
    print(report(soak.samples, warm_up))
    counts = soak.people.counts
    print("\n" + ", ".join(f"{name}: {many:,}" for name, many in sorted({**counts, **metrics}.items()) if many))
    lost = sum(counts[loss] for loss in LOSSES) + metrics["crashes"]
    print(f"Lost or crashed: {lost}. Exit code of the server: {code}.")
    return 1 if lost or code else 0


if __name__ == "__main__":
    sys.exit(main())
