"""The torture: `python -m tests.torture` has a server killed while people talk, and looks for what got lost.

Exit codes: 0, nothing did, and everything that was asked for happened; 1, something did; 2, asked wrongly; 3, this
machine does not allow it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.faults import NotHere
from tests.torture.nemesis import KINDS
from tests.torture.run import Torture


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
        ("messages", 20_000, "to be acknowledged"),
        ("senders", 20, "who say them"),
        ("readers", 50, "who read them, and a fifth of them in plain"),
        ("rooms", 2, "in which they do"),
        ("kills", 10, "times the server is killed and started again"),
        ("cuts", 100, "times a connection is cut"),
        ("faults", 3, "times the disk is full, or does not sync"),
    ):
        parser.add_argument(f"--{name}", type=_number, default=default, metavar="N", help=f"{what} ({default:,})")
    usual = "kill,term,cut"
    parser.add_argument(
        "--nemesis", type=_kinds, default=usual, metavar="LIST", help=f"some of {','.join(KINDS)} ({usual})"
    )
    parser.add_argument("--sync", choices=["full", "normal"], default="full", help="the server's history.sync (full)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is random (1)")
    parser.add_argument("--out", metavar="FILE", help="for the report, as JSON")
    options = parser.parse_args()
    if not (options.senders and options.messages and options.rooms):
        parser.error("there must be senders, messages and rooms")
    return options


def _number(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 0")
    return value


def _kinds(text: str) -> list[str]:
    kinds = text.split(",")
    if unknown := set(kinds) - set(KINDS):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: expected some of {', '.join(KINDS)}")
    return kinds


if __name__ == "__main__":
    sys.exit(main())
