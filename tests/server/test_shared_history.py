"""The history of a cluster: opened on a real engine, and each way in which it cannot be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from gchat.chat.limits import Limits
from gchat.chat.registry import Registry
from gchat.journal.journal import Journal, JournalError, Posting
from gchat.model.messages import Said
from gchat.server.config import load
from gchat.server.history import HistoryError, open_journal, unreadable
from gchat.server.listener import StartError
from gchat.server.pump import Pump
from gchat.server.roster import Onlooker
from gchat.server.settings import Config
from gchat.server.shared_history import node_name, shared_steps
from gchat.server.start_checks import check_files
from tests.cluster.engines import EngineProcess, wait_until_in_loop


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    with EngineProcess() as process:
        yield process


def config_of(url: str, **settings: str) -> Config:
    environment = {f"GCHAT_{key.upper()}": value for key, value in settings.items()}
    return load(None, {"GCHAT_CLUSTER_URL": url, **environment}, {})


def joined(url: str, **settings: str) -> Journal:
    """Return the journal of a node without users, which has joined."""
    config = config_of(url, **settings)
    registry = Registry(Limits())
    journal = open_journal(config, "")
    try:
        pump = SimpleNamespace(connections={}, submit=list, fan_out=SimpleNamespace(is_read=bool))
        onlooker = SimpleNamespace(came=id, went=id)
        shared_steps(registry, Limits(), cast("Pump", pump), journal, cast("Onlooker", onlooker)).join(lambda: None)
    except JournalError as error:
        raise unreadable(config, "", error) from None
    return journal


def test_what_one_node_says_another_has(engine: EngineProcess) -> None:
    one, other = joined(engine.url), joined(engine.url)
    alone = joined(engine.url, cluster_namespace="other")
    try:
        heard: list[object] = []
        other.follow(heard.extend)
        other.open(["lobby"])
        one.append([Posting("lobby", Said("alice", ("hello",)))], 0.0)
        wait_until_in_loop(lambda: heard, "the message comes")
        alone.open(["lobby"])
        assert alone.next_seq("lobby") == 1
    finally:
        for journal in (one, other, alone):
            journal.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("valkey://:secret@127.0.0.1:1", "127.0.0.1:1 cannot be reached: connection refused"),
        ("unix:///nowhere/socket", "unix:///nowhere/socket cannot be reached: no such file or directory"),
    ],
)
def test_an_engine_that_is_not_there_is_one_line(url: str, why: str) -> None:
    with pytest.raises(HistoryError) as error:
        joined(url)

    assert (
        str(error.value) == f"cannot use the engine of the cluster: {why}; start it, or correct cluster.url (--cluster)"
    )


def test_a_wrong_password_is_one_line(engine: EngineProcess) -> None:
    with pytest.raises(
        HistoryError, match=r"cannot use the engine of the cluster: unix:///.* refuses the password"
    ) as error:
        joined(engine.url.replace("unix://", "unix://gchat:secret@"))

    assert "secret" not in str(error.value)


def test_without_the_extra_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hiredis", None)
    config = config_of("valkey://127.0.0.1:1", admin_enabled="false")

    with pytest.raises(HistoryError, match="needs the extra `cluster`: pip install"):
        open_journal(config, "")
    with pytest.raises(StartError, match="needs the extra `cluster`"):
        check_files(config)


def test_a_node_is_called_as_it_is_configured_or_as_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "web1.example.org")

    assert node_name(config_of("valkey://db1", cluster_name="left").cluster) == "left"
    assert node_name(config_of("valkey://db1").cluster) == "web1"
