"""A history in an SQLite file, moved into an engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gchat.cluster.engine import UrlEngine
from gchat.cluster.engine_url import parsed
from gchat.cluster.importing import EngineUsed, move_history
from gchat.cluster.journal import SharedJournal
from gchat.journal.journal import Posting
from gchat.journal.native_thread import NativeThread, Urgency
from gchat.journal.sqlite.database import Database
from gchat.journal.sqlite.journal import SqliteJournal
from gchat.model.messages import Acted, Said, TopicSet
from gchat.server.config import load
from gchat.server.history import open_journal
from tests.cluster.engines import EngineProcess, at_once
from tests.e2e.harness import Server, free_port
from tests.e2e.rich_user import RichUser
from tests.e2e.workers import Workers


def run(_urgency: Urgency) -> NativeThread:
    return at_once


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A file with two rooms."""
    found = str(tmp_path / "history.db")
    journal = SqliteJournal(Database(found, "normal", "epoch", ""), run)
    journal.open(["lobby", "dev", "empty"])
    for at in range(700):
        journal.append([Posting("dev", Said("alice", (f"line {at}",), (f"id-{at}",)), "lineage")], 1000.0 + at)
    journal.append([Posting("lobby", Said("bob", ("one", "two ☺"))), Posting("lobby", Acted("bob", "waves"))], 2000.25)
    journal.append([Posting("lobby", TopicSet("bob", "all of it"))], 2001.0)
    journal.note("session", "lineage", b'{"name":"alice","has_nick":true}')
    journal.note("other", "1", b"{}")
    journal.tidy(3000.0, 0.0)
    journal.close()
    return found


def test_messages_keep_their_numbers_and_times_and_rooms_their_topics_and_order(
    engine: EngineProcess, path: str
) -> None:
    moved = move_history(path, UrlEngine(parsed(engine.url)), "gchat")
    assert (moved.rooms, moved.messages, moved.notes) == (2, 704, 2)

    journal = open_journal(load(None, {"GCHAT_CLUSTER_URL": engine.url}, {}), "")
    assert isinstance(journal, SharedJournal)
    journal.link.start()
    try:
        journal.open(["lobby", "dev"])
        assert (journal.next_seq("lobby"), journal.next_seq("dev")) == (5, 701)
        found = [(record.seq, record.time, record.message) for record in journal.read("lobby", 1, 10)]
        assert found == [
            (1, 2000.25, Said("bob", ("one",))),
            (2, 2000.25, Said("bob", ("two ☺",))),
            (3, 2000.25, Acted("bob", "waves")),
            (4, 2001.0, TopicSet("bob", "all of it")),
        ]
        assert [record.message.name for record in journal.read("dev", 1, 700)] == ["alice"] * 700
        topic = journal.topic("lobby")
        assert topic is not None
        assert (topic.text, topic.name) == ("all of it", "bob")
    finally:
        journal.close()


def test_an_engine_that_has_a_history_is_left_alone(engine: EngineProcess, path: str) -> None:
    move_history(path, UrlEngine(parsed(engine.url)), "gchat")

    with pytest.raises(EngineUsed, match="it has a history already"):
        move_history(path, UrlEngine(parsed(engine.url)), "gchat")
    move_history(path, UrlEngine(parsed(engine.url)), "another")


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gchat.server.main", *arguments],
        capture_output=True, text=True, check=False, timeout=60, env=environment or None,
    )  # fmt: skip


def test_by_command_a_server_of_old_goes_on_as_a_cluster(engine: EngineProcess, tmp_path: Path) -> None:
    path = str(tmp_path / "history.db")
    with Server("127.0.0.1", "--db", path) as server, RichUser(server, nick="alice", room="dev") as alice:
        alice.sees("welcome")
        alice.asks({"type": "register", "secret": "correct horse battery"})
        alice.sees("account")
        alice.says("before the move", "1")
        alice.sees("ack")
    done = command("--import", path, "--cluster", engine.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("moved 1 messages in 1 rooms, and ")
    again = command("--import", path, "--cluster", engine.url)
    assert again.returncode == 1
    assert "it has a history already; empty it, or choose another cluster.namespace" in again.stderr
    with Server("127.0.0.1", "--cluster", engine.url) as server, server.join("bob", "dev") as bob:
        bob.sees_bytes(b"[alice] before the move\n")
        bob.says("/nick alice")
        bob.sees("> The nick alice is registered")
        with RichUser(server, nick="alice", secret="correct horse battery") as alice:
            assert alice.sees("welcome")["account"] == "alice"


def test_by_command_a_server_of_old_goes_on_with_workers(path: str, tmp_path: Path) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    with Workers(environment=environment) as server:
        port, variables = server.port, {k: v for k, v in server.environment.items() if "GEVENT" not in k}
    refused = command("--import", path, "--workers", "2", "127.0.0.1", str(port), **variables)
    assert "it has a history already" in refused.stderr
    other = free_port()
    done = command("--import", path, "--workers", "2", "127.0.0.1", str(other), **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"moved 704 messages in 2 rooms, and 2 notes, from {path}\n"
    with Workers(environment=environment, port=other) as server, server.join() as late:
        late.says("/history")
        late.sees_bytes(b"two")


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        ((), 2, "--import needs an engine to move the history to; type --cluster URL, or --workers N"),
        (("--cluster", "valkey://:secret@127.0.0.1:1"), 1, "cannot be reached: connection refused"),
        (("--export", "lobby"), 2, "--export and --import exclude each other"),
    ],
)
def test_what_cannot_be_moved_is_one_line(path: str, arguments: tuple[str, ...], code: int, why: str) -> None:
    done = command("--import", path, *arguments)

    assert done.returncode == code
    assert why in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_no_history_moves_nothing(engine: EngineProcess, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nonsense")
    for name in ("x", "missing"):
        done = command("--import", str(tmp_path / name), "--cluster", engine.url)
        assert done.returncode == 1
        assert f"cannot move {tmp_path / name} to {engine.url}: " in done.stderr
