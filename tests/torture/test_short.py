"""The torture in short: what takes an hour is `python -m tests.torture --messages 1000000 --kills 100`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tools import need

TOP = Path(__file__).parents[2]

#: torture's exit code where this machine does not allow what it needs.
NOT_HERE = 3


def torture(out: Path, *options: str) -> dict[str, Any]:
    """Run it, and return the report."""
    command = [sys.executable, "-m", "tests.torture", "--senders", "4", "--readers", "8", *options, "--out", str(out)]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False, timeout=110)
    if done.returncode == NOT_HERE:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(out.read_text())
    return found


@pytest.mark.parametrize("sync", ["full", "normal"])
def test_nothing_is_lost_or_doubled_by_kills_and_cuts(tmp_path: Path, sync: str) -> None:
    report = torture(tmp_path / "report", "--messages", "3000", "--kills", "4", "--cuts", "10", "--sync", sync)

    assert report["figures"]["acked"] >= 3000
    assert report["figures"]["kills"] >= 4


@pytest.mark.parametrize("fault", ["full", "fsync"])
def test_nothing_is_lost_or_doubled_by_a_disk_that_fails(tmp_path: Path, fault: str) -> None:
    need("mount" if fault == "full" else "strace")
    report = torture(
        *(tmp_path / "report", "--messages", "1500", "--nemesis", f"cut,{fault}", "--cuts", "5", "--faults", "2")
    )

    assert report["figures"]["faults of the disk"] == 2
    assert report["figures"]["refused"] > 0


def test_nothing_is_lost_or_doubled_by_nodes_and_an_engine_that_fail(tmp_path: Path) -> None:
    options = ("--nodes", "2", "--messages", "2500", "--faults", "7", "--rooms", "1", "--down", "1.5")
    report = torture(tmp_path / "report", *options)

    assert report["figures"]["engine-kill"] == report["figures"]["node-cut"] == 1
