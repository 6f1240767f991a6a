"""The benchmark: `python -m tests.bench` from the repository's top measures gchat against what else there is."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.bench import peers, plot, report
from tests.bench.cases import Bench
from tests.bench.run import HERE, LOAD_CORE, Failure, Generator, compiler, descriptors

NAMES = (
    *("fanout", "small", "limits", "rich", "rooms", "disk", "paced", "idle", "silent"),
    *("tls", "start", "hold", "attacks", "door", "status", "stored", "window", "peers", "cluster"),
)

#: Servers of which nothing may be lost.
OURS = (peers.GCHAT.name, peers.GCHAT_RICH.name, peers.GCHAT_SMALL_LOGS.name, peers.GCHAT_TLS.name)


def main() -> int:
    """Measure, write the report, and return 1 if gchat lost anything."""
    options = _options()
    os.sched_setaffinity(0, {LOAD_CORE})  # the server has its core to itself
    with tempfile.TemporaryDirectory(prefix="gchat-bench-") as directory:
        bench = Bench(
            Generator(Path(directory), 0.3 if options.quick else 0.7),
            peers.limit(options.limit, Path(directory)),
            peers.installed(plain_only=options.quick or compiler() is None),
            options.rounds,
            options.seconds,
            descriptors(),
            options.quick,
        )
        _measure(bench, options)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(report.raw(bench)), indent=1) + b"\n")
    (out / "results.md").write_text(report.markdown(bench, peers.absent()))
    (out / "fanout.svg").write_text(plot.svg(bench.runs))
    print((out / "results.md").read_text())
    lost = bench.failures + [
        f"{run.case}, {run.ask}: {run.failure or f'{run.missing} missing, {run.closed} closed'}"
        for run in bench.runs
        if run.server in OURS and (run.failure or run.missing or run.closed)
    ]
    lost += [f"{one.attack}: {one.failure}" for one in bench.attacked + bench.at_door if one.failure]
    for what in lost:
        print(f"gchat: {what}", file=sys.stderr)
    return 1 if lost else 0


def _measure(bench: Bench, options: argparse.Namespace) -> None:
    cases: dict[str, Callable[[], None]] = {
        "start": bench.start,
        "fanout": lambda: bench.fanout(options.sizes),
        "small": bench.small,
        "limits": bench.limits,
        "rich": lambda: bench.rich([size for size in options.sizes if size <= 5000]),
        "rooms": bench.rooms,
        "disk": bench.disk,
        "paced": bench.paced,
        "idle": bench.idle,
        "silent": bench.silent,
        "tls": bench.tls,
        "hold": bench.hold,
        "attacks": bench.attacks,
        "door": bench.door,
        "status": bench.status,
        "stored": bench.stored,
        "window": bench.window,
        "cluster": bench.cluster,
        "peers": lambda: bench.fanout_of_peers(options.peer_sizes),
    }
    for name, case in cases.items():
        if name not in options.only:
            continue
        try:
            case()
        except (Failure, OSError) as failure:
            bench.failures.append(f"{name}: {failure}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("--sizes", type=_sizes, metavar="N,N", help="readers, for the fan-out (100,900,5000,15000)")
    parser.add_argument("--peer-sizes", type=_sizes, metavar="N,N", help="the same, for the other servers (100,900)")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often gchat and the limit are measured (3)")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long each time (3)")
    parser.add_argument("--only", type=_names, default=NAMES, metavar="NAME,NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="small sizes, once: does it work, is nothing lost")
    parser.add_argument("--limit", metavar="PATH", help="limit.c (GCHAT_LIMIT_C, or ../shared/tools/limit.c)")
    parser.add_argument(
        "--out", default=str(HERE / "results"), metavar="DIR", help="for the report (tests/bench/results)"
    )
    options = parser.parse_args()
    quick = options.quick
    options.sizes = options.sizes or ([50] if quick else [100, 900, 5000, 15000])
    options.peer_sizes = options.peer_sizes or ([50] if quick else [100, 900])
    options.rounds = options.rounds or (1 if quick else 3)
    options.seconds = options.seconds or (0.3 if quick else 3.0)
    return options


def _sizes(text: str) -> list[int]:
    sizes = sorted({int(part) for part in text.split(",")})
    if sizes[0] < 4:
        raise argparse.ArgumentTypeError("sizes are 4 and more")
    return sizes


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(NAMES):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: expected some of {', '.join(NAMES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
