"""The tests of servers, with servers that are nodes: what is run so, where histories are, and a selection of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e import clustered
from tests.e2e.clustered import in_cluster, why_not
from tests.e2e.harness import Server

HERE = Path(__file__).parent


def namespace(*arguments: str, state: str = "", **settings: object) -> str:
    return in_cluster(arguments, settings, state)[1]


def test_the_same_history_is_the_same_namespace_and_a_new_one_is_another() -> None:
    assert namespace("--db", "a") == namespace("--db", "a") == namespace(history_path="a")
    assert namespace("--db", "a") != namespace("--db", "b")
    assert namespace(state="s") == namespace(state="s")
    assert namespace(state="s") != namespace(state="t")
    assert namespace() != namespace()
    assert namespace("--memory") != namespace("--memory")
    assert namespace("--db", ":memory:") != namespace("--db", ":memory:")
    assert namespace(history_store="memory") != namespace(history_store="memory")


def test_where_the_history_is_stands_in_no_argument_of_a_node() -> None:
    assert in_cluster(["--quiet", "--db", "a", "--memory", "--no-admin"], {}, "")[0] == ["--quiet", "--no-admin"]


def test_what_is_not_run_in_a_cluster_says_why() -> None:
    assert why_not("test_storage.py::test_anything", "1") == "about the files of SQLite"
    assert why_not("test_client_keys.py::test_anything[x::y]", "1") == ""
    assert why_not("test_client_keys.py::test_anything", "2") == "not among what is run on two nodes"
    assert why_not("test_plain.py::test_a_user", "2") == ""


def written_in(file: str) -> list[str]:
    return [line.split("(")[0][4:] for line in (HERE / file).read_text().splitlines() if line.startswith("def test_")]


@pytest.mark.parametrize(
    "names", [clustered.NOT_IN_A_CLUSTER, clustered.NOT_ON_TWO_NODES, clustered.ON_TWO_NODES, clustered.IN_THE_GATE]
)
def test_every_test_that_is_listed_is_there(names: tuple[str, ...]) -> None:
    for name in names:
        file, _, test = name.partition("::")
        assert (HERE / file).is_file()
        assert not test or test.partition("[")[0] in written_in(file), name


def test_what_the_gate_runs_is_run_with_both() -> None:
    assert not [name for name in clustered.IN_THE_GATE for mode in "12" if why_not(name, mode)]


def test_on_two_nodes_users_come_to_both_in_turn_and_both_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustered, "MODE", "2")
    with Server() as server:
        users = [server.connect() for _ in range(4)]
        ports = [user.sock.getpeername()[1] for user in users]
        for user in users:
            user.sock.close()
        assert server.twin is not None
        assert ports == [server.port, server.twin.port] * 2
        server.kill()
        assert server.process.poll() == server.twin.process.poll() == -9
        server.may_complain = True


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", ["1", "2"])
def test_a_selection_of_all_tests_passes_in_a_cluster(mode: str) -> None:
    """The whole is run by hand: see tests/README.md."""
    names = [str(HERE / name) for name in clustered.IN_THE_GATE]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", *names],
        cwd=HERE.parents[1],
        env={**os.environ, "GCHAT_TEST_CLUSTER": mode},
        capture_output=True,
        text=True,
        check=False,
        timeout=230,
    )

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " skipped" not in done.stdout
