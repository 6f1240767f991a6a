"""The benchmark's quick form runs, and gchat loses nothing in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.run import TOP, compiler


@pytest.mark.skipif(
    compiler() is None and os.environ.get("CI") != "true", reason="no C compiler for the load generator"
)
def test_the_quick_benchmark_runs_and_gchat_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False, timeout=115)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    ours = [run for run in results["runs"] if run["server"] == "gchat"]
    assert {run["case"] for run in ours} >= {"fanout", "all", "small", "rich", "paced", "idle", "silent", "stuck"}
    assert not [run for run in ours if run["failure"] or run["missing"] or run["closed"]]
    assert "| gchat |" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "fanout.svg").read_text().endswith("</svg>\n")
