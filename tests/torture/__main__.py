"""The torture: `python -m tests.torture` has a server killed while people talk, and looks for what got lost.

With --nodes it has several servers that share an engine, and both are killed, stopped and cut off from each other.

Exit codes: 0, nothing did, and everything that was asked for happened; 1, something did; 2, asked wrongly; 3, this
machine does not allow it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.faults import NotHere
from tests.torture import cluster_nemesis
from tests.torture.nemesis import KINDS
from tests.torture.run import Torture

USUAL = ("kill", "term", "cut")


def main() -> int:
    """Run the torture, and say what came of it."""
    options = _options()
    torture = Torture(options)
    try:
        torture.run()
    except NotHere as error:
        print(f"torture: {error}", file=sys.stderr)
        return 3
    report = torture.report()
    if options.out:
        Path(options.out).write_text(json.dumps(report, indent=1) + "\n")
    for name, value in {**report["figures"], **report["anomalies"]}.items():
        print(f"{name:28} {value:>14,}")
    for kind, examples in report["examples"].items():
        for example in examples:
            print(f"{kind}: {example}")
    print("passed" if report["passed"] else "failed")
    return 0 if report["passed"] else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__, allow_abbrev=False)
    for name, default, what in (
        ("messages", "20,000; with nodes 200,000", "to be acknowledged"),
        ("senders", "20", "who say them"),
        ("readers", "50", "who read them, and a fifth of them in plain"),
        ("rooms", "2", "in which they do"),
        ("kills", "10", "times the server is killed and started again"),
        ("cuts", "100", "times a connection is cut"),
        ("faults", "3; with nodes 60", "times the disk is full, or does not sync; with nodes, times anything is done"),
    ):
        given = int(default) if default.isdecimal() else None
        parser.add_argument(f"--{name}", type=_number, default=given, metavar="N", help=f"{what} ({default})")
    parser.add_argument("--nodes", type=_number, default=0, metavar="N", help="that share an engine; 0: one server (0)")
    parser.add_argument("--down", type=float, default=4.0, metavar="S", help="with nodes: the longest of a fault (4)")
    parser.add_argument("--long", action="store_true", help="with nodes: some faults last longer than a node's lease")
    parser.add_argument(
        "--nemesis",
        type=lambda text: text.split(","),
        metavar="LIST",
        help=f"some of {','.join(KINDS)} ({','.join(USUAL)}); with nodes, of {','.join(cluster_nemesis.KINDS)} (all), "
        f"or of {','.join(cluster_nemesis.WITH_FAILOVER)}",
    )
    engines = ["primary", "replica"]
    parser.add_argument("--read-from", choices=engines, default="replica", help="with failover: what nodes read")
    parser.add_argument("--sync", choices=["full", "normal"], default="full", help="the server's history.sync (full)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is random (1)")
    parser.add_argument("--out", metavar="FILE", help="for the report, as JSON")
    options = parser.parse_args()
    kinds: tuple[str, ...]
    messages, faults, usual, kinds = (
        (200_000, 60, cluster_nemesis.KINDS, cluster_nemesis.KINDS) if options.nodes else (20_000, 3, USUAL, KINDS)
    )
    options.messages = messages if options.messages is None else options.messages
    options.faults = faults if options.faults is None else options.faults
    options.nemesis = options.nemesis or usual
    if options.nodes and "failover" in options.nemesis:
        kinds = cluster_nemesis.WITH_FAILOVER
    if unknown := set(options.nemesis) - set(kinds):
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(kinds)}")
    if not (options.senders and options.messages and options.rooms):
        parser.error("there must be senders, messages and rooms")
    return options


def _number(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 0")
    return value


if __name__ == "__main__":
    sys.exit(main())
