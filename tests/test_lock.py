"""The lock files: what the gate and the Dockerfile install, each package with its hashes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

TOP = Path(__file__).parent.parent
RUNTIME, TESTS = TOP / "requirements.lock", TOP / "requirements-test.lock"
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
WANTED = {
    RUNTIME: PROJECT["dependencies"],
    TESTS: [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]],
}

both = pytest.mark.parametrize("lock", [RUNTIME, TESTS], ids=lambda lock: lock.name)


def entries(lock: Path) -> list[tuple[Requirement, int]]:
    """Return each package of a lock file and how many hashes it has."""
    lines = [line for line in lock.read_text().replace("\\\n", " ").splitlines() if not line.startswith("#")]
    return [(Requirement(line.partition("--hash")[0].strip()), line.count("--hash=sha256:")) for line in lines]


def name_of(text: str) -> str:
    return re.sub("[-_.]+", "-", text).lower()


@both
def test_the_lock_has_what_the_project_wants_in_a_version_that_it_takes(lock: Path) -> None:
    command = lock.read_text().splitlines()[1].lstrip("# ")
    for wanted in map(Requirement, WANTED[lock]):
        # More than one where some of them are for some Pythons only.
        versions = [
            str(found.specifier)[2:] for found, _ in entries(lock) if name_of(found.name) == name_of(wanted.name)
        ]
        assert any(map(wanted.specifier.contains, versions)), (
            f"{lock.name} has {versions or 'none'}, not {wanted}; make it again: {command}"
        )


# With hashes of one kind of machine the others could not install: https://github.com/pypa/pipenv/issues/534.
@both
def test_each_package_of_the_lock_has_one_version_for_a_machine_and_its_hashes(lock: Path) -> None:
    for found, hashes in entries(lock):
        assert re.fullmatch(r"==[\w.]+", str(found.specifier)), found
        assert hashes > 0, found
    compiled = {name_of(found.name): hashes for found, hashes in entries(lock)}
    assert min(compiled["gevent"], compiled["msgspec"]) > 20  # one for each Python and each kind of machine


@both
def test_the_lock_names_no_place_to_fetch_from(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-|--)(?!hash)\w", text, re.MULTILINE)


def test_what_is_tested_is_what_runs() -> None:
    tested = {str(found) for found, _ in entries(TESTS)}
    assert {str(found) for found, _ in entries(RUNTIME)} <= tested


def test_the_gate_installs_from_the_lock_and_then_runs_the_command_of_the_readme() -> None:
    gate = (TOP / ".ci" / "run").read_text()
    assert "pip install -q --require-hashes -r requirements-test.lock" in gate
    assert gate.index("--require-hashes") < gate.index('PIP_NO_INDEX=1 PIP_NO_BUILD_ISOLATION=0 bash -c "$command"')


def test_no_package_has_a_known_weakness() -> None:
    if find_spec("pip_audit") is None:
        pytest.skip("pip-audit is not installed; pip install -e '.[audit]'")
    audit = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--timeout", "10", "-f", "json"]
    done = subprocess.run([*audit, "-r", str(TESTS)], capture_output=True, text=True, timeout=100, check=False)
    if not done.stdout:
        pytest.skip(f"the data cannot be had: {done.stderr.strip().splitlines()[-1][:200]}")
    audited = json.loads(done.stdout)["dependencies"]
    assert not {entry["name"]: entry["vulns"] for entry in audited if entry.get("vulns")}
    if skipped := [entry["skip_reason"] for entry in audited if "skip_reason" in entry]:
        pytest.skip(f"the data cannot be had: {skipped[0]}")
