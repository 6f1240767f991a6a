"""The benchmark's quick form runs, and gchat loses nothing in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.bench.__main__ import NAMES
from tests.bench.attacks import CHAT, DOOR
from tests.bench.run import TOP, compiler, process_cpu_s

#: It takes as long as all the others together.
ATTACKS, AT_THE_DOOR = "attacks", "door"

#: These have tests of their own.
ROOMS, CLUSTER = "rooms", "cluster"

needs_compiler = pytest.mark.skipif(
    compiler() is None and os.environ.get("CI") != "true", reason="no C compiler for the load generator"
)


def test_the_clock_of_a_process_is_read_from_outside() -> None:
    before = time.process_time()
    from_outside = process_cpu_s(os.getpid())
    assert before <= from_outside <= time.process_time()


def measured(tmp_path: Path, *names: str) -> dict[str, Any]:
    """Return the results of these cases."""
    command = [sys.executable, "-m", "tests.bench", "--quick", "--only", ",".join(names), "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False, timeout=115)
    assert done.returncode == 0, done.stderr
    return dict(json.loads((tmp_path / "results.json").read_text()))


@needs_compiler
def test_the_quick_benchmark_runs_and_gchat_loses_nothing(tmp_path: Path) -> None:
    results = measured(tmp_path, *(name for name in NAMES if name not in (ATTACKS, AT_THE_DOOR, ROOMS, CLUSTER)))
    ours = [run for run in results["runs"] if run["server"] == "gchat"]
    assert {run["case"] for run in ours} >= {"fanout", "all", "small", "rich", "paced", "idle", "silent", "stuck"}
    assert not [run for run in ours if run["failure"] or run["missing"] or run["closed"]]
    assert sum("beside a bare server" in figure["what"] for figure in results["figures"]) == 4
    assert "| gchat |" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "fanout.svg").read_text().endswith("</svg>\n")


@needs_compiler
def test_readers_of_several_rooms_lose_nothing_and_are_told_what_they_missed(tmp_path: Path) -> None:
    runs = measured(tmp_path, ROOMS)["runs"]
    assert {run["case"] for run in runs} == {"rooms", "rooms idle", "rooms silent"}
    assert not [run for run in runs if run["failure"] or run["missing"] or run["closed"]]
    assert [run["silent_know"] for run in runs if run["ask"]["silent"]] == [50]
    assert "## Several rooms" in (tmp_path / "results.md").read_text()


@needs_compiler
def test_two_nodes_are_measured_and_lose_nothing(tmp_path: Path) -> None:
    figures = measured(tmp_path, CLUSTER)["figures"]
    assert sum("2 nodes beside one process" in figure["what"] for figure in figures) == 4
    assert sum("seen on the other node" in figure["what"] for figure in figures) == 4
    assert "memory of a user of another node" in {figure["what"] for figure in figures}


def test_a_small_room_talks_on_under_each_attack_and_loses_nothing(tmp_path: Path) -> None:
    attacked = measured(tmp_path, ATTACKS)["attacked"]
    assert {one["attack"] for one in attacked} == set(CHAT)
    assert not [one for one in attacked if one["failure"] or not one["calm"] or not one["under"]]
    report = (tmp_path / "results.md").read_text()
    assert all(f"| {attack} | gchat as it comes |" in report for attack in CHAT)


def test_a_room_talks_on_while_others_are_at_the_door(tmp_path: Path) -> None:
    attacked = measured(tmp_path, AT_THE_DOOR)["at_door"]
    assert {one["attack"] for one in attacked} == set(DOOR)
    assert not [one for one in attacked if one["failure"] or not one["calm"] or not one["under"]]
    assert all(f"| {attack} |" in (tmp_path / "results.md").read_text() for attack in DOOR)


def test_a_short_evening_loses_nothing_and_says_what_the_server_holds() -> None:
    command = [sys.executable, "-m", "tests.bench.soak", "--minutes", "0.1", "--users", "40"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False, timeout=115)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("RSS, slope", "descriptors, growth", "objects, growth"):
        assert f"| {name} | " in done.stdout
    assert "Lost or crashed: 0. Exit code of the server: 0.\n" in done.stdout
