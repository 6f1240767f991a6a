"""A disk that fails under a running server: what it does not take is refused with the reason, and it heals."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.admin_client import Operator
from tests.e2e.harness import Server, User, wait_until
from tests.e2e.restarted import Restarted, kills, stored
from tests.e2e.rich_user import RichUser, joins
from tests.e2e.tools import need
from tests.faults import SYNCS, Ballast, Disk, NotHere, Tracer


def test_a_file_that_another_program_has_locked_refuses_what_is_said_and_heals(restarted: Restarted) -> None:
    with restarted.runs() as server, server.join("alice") as alice, joins(server, "bob") as bob:
        alice.says("before")
        bob.sees("said", text="before")
        other = sqlite3.connect(restarted.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        alice.says("lost")
        alice.sees("> Not sent: another program has locked the file. Try again later")
        bob.says("lost too", "1")
        assert bob.sees("refused", id="1")["code"] == "not_kept"
        alice.says("/history -1")
        alice.sees_bytes(b"[alice] before\n")
        other.execute("ROLLBACK")
        other.close()
        wait_until(lambda: "messages are stored again" in server.log, "it has healed")
        alice.says("after")
        assert bob.sees("said")["seq"] == 2
        assert stored(restarted.path, "SELECT text FROM messages ORDER BY key") == [("before",), ("after",)]


def test_a_full_disk_refuses_what_is_said_and_heals(tmp_path: Path) -> None:
    need("mount")
    with possible_here(), Disk(tmp_path / "disk", 2 << 20) as disk:
        restarted = Restarted(disk / "history.db")
        with restarted.runs() as server, joins(server, "alice") as alice, server.join("bob") as bob:
            alice.says("before", "0")
            alice.sees("ack", id="0")
            with Ballast(disk / "ballast"):
                acked = says_until_refused(alice, "x" * 4000)
                bob.says("/history -1")
                bob.sees_bytes(b"[alice] ")
            says_when_healed(server, alice, acked + 1)
            kills(server)
        with restarted.runs():
            pass
        texts = [text for (text,) in stored(restarted.path, "SELECT text FROM messages ORDER BY key")]
        assert texts == ["before", *("x" * 4000 + str(sent) for sent in range(1, acked)), "after"]


@pytest.mark.parametrize(
    ("calls", "error", "why"),
    [
        (SYNCS, "EIO", "disk error"),  # T28: it is not retried and believed
        ("pwrite64", "EIO", "disk error"),
        ("pwrite64", "EROFS", "disk error"),
        ("pwrite64", "ENOSPC", "the disk is full"),
    ],
)
def test_what_the_disk_does_not_take_is_refused_and_the_operator_sees_why(
    restarted: Restarted, calls: str, error: str, why: str
) -> None:
    with restarted.runs(admin_enabled="true", admin_port=0) as server, joins(server, "alice") as alice:
        operator = Operator(server)
        with server.join("writer") as writer:
            says_more_than_is_in_memory(writer)
        alice.says("before", "0")
        assert alice.sees("ack", id="0")["seq"] == 201
        assert operator.asks("GET", "/readyz") == {"status": "ready"}
        with fails(server, calls, error), server.join("bob") as bob:
            number = says_until_refused(alice, "m")
            bob.says("hello", "/history 1")
            assert why in bob.sees("> Not sent: ")
            bob.sees_bytes(b"[writer] 1 xxx")
            assert why in operator.is_refused(503, "GET", "/readyz")
            assert operator.asks("GET", "/status")["history"]["state"] != "ok"
            assert operator.asks("GET", "/healthz")
            assert measured(operator, "gchat_commit_failures_total") >= 2
        says_when_healed(server, alice, 201 + number)
        assert operator.asks("GET", "/readyz") == {"status": "ready"}
        assert operator.asks("GET", "/status")["history"]["state"] == "ok"
        kills(server)
    with restarted.runs():
        pass
    texts = [text for (text,) in stored(restarted.path, "SELECT text FROM messages ORDER BY key")]
    assert texts[200:] == ["before", *(f"m{sent}" for sent in range(1, number)), "after"]


def test_a_disk_that_cannot_be_read_is_said_and_what_is_in_memory_is_told(restarted: Restarted) -> None:
    with restarted.runs() as server, server.join("bob") as bob:
        says_more_than_is_in_memory(bob)
        kills(server)
    with restarted.runs(admin_enabled="true", admin_port=0) as server, server.join("bob") as bob:
        operator = Operator(server)
        with joins(server, "alice") as alice, server.join("dave") as dave:
            with fails(server, "pread64", "EIO"):
                bob.says("/history 1", "/search x", "/history -1")
                bob.sees("> Cannot read the history: ")
                bob.sees("> Cannot read the history: ")
                bob.sees_bytes(b"[bob] 200 xxx")
                alice.says("new", "1")
                assert alice.sees("refused", id="1")["code"] == "not_kept"
                assert measured(operator, "gchat_commit_failures_total") >= 1
                dave.says("/join unheard-of")
                dave.sees("> Cannot enter unheard-of: its history cannot be read")
            assert len(re.findall("cannot read the history", server.log)) == 1
            answers = []

            def is_kept() -> object:
                alice.says("new", "1")
                answers.append(alice.sees_any("ack", "refused", id="1"))
                return answers[-1]["type"] == "ack"

            wait_until(is_kept, "it has healed")
            assert answers[-1]["seq"] == 201
            bob.says("/history 1", "/search 77")
            bob.sees_bytes(b"[bob] 1 xxx")
            bob.sees("#77 ")


@contextmanager
def possible_here() -> Iterator[None]:
    """Skip a test whose fault this machine does not allow; in CI it must."""
    try:
        yield
    except NotHere as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(reason))


@contextmanager
def fails(server: Server, calls: str, error: str) -> Iterator[None]:
    """Have system calls of the server fail."""
    need("strace")
    with possible_here(), Tracer(server.pid, calls, error):
        yield


def measured(operator: Operator, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", operator.asks("GET", "/metrics"), re.MULTILINE)
    assert found, name
    return float(found[1])


def says_more_than_is_in_memory(user: User) -> None:
    """Say 200 lines, of which the first can only be read from the disk."""
    user.says(*(f"{number} " + "x" * 2000 for number in range(1, 201)))
    user.does_not_see(b"Not sent")


def says_until_refused(user: RichUser, text: str) -> int:
    """Say it with 1 behind it, with 2, and so on, until it is refused; return with which that was."""
    number, answer = 0, "ack"
    while answer == "ack":
        number += 1
        user.says(f"{text}{number}", f"m{number}")
        answer = user.sees_any("ack", "refused", id=f"m{number}")["type"]
    return number


def says_when_healed(server: Server, user: RichUser, seq: int) -> None:
    """Say "after" when messages are stored again, and fail unless it gets this number."""
    wait_until(lambda: "messages are stored again" in server.log, "it has healed")
    user.says("after", "after")
    assert user.sees("ack", id="after")["seq"] == seq


def test_a_message_that_another_program_has_stored_is_in_nobody_s_way(restarted: Restarted) -> None:
    with restarted.runs() as server, joins(server, "alice") as alice, server.join("bob") as bob:
        alice.says("one", "1")
        alice.sees("ack", id="1")
        with closing(sqlite3.connect(restarted.path, isolation_level=None)) as other:
            other.execute("INSERT INTO messages SELECT key + 1, time, kind, name, text, NULL, NULL, 0 FROM messages")
        alice.says("two", "2")
        assert alice.sees("ack", id="2")["seq"] == 3
        bob.sees("[alice] two")
        bob.says("/history 1", "/ping end")
        bob.sees_bytes(b"this message is damaged and cannot be read\n")
        bob.sees("> pong end")
        wait_until(lambda: "the history is damaged: message 2 of lobby was stored by" in server.log, "it is logged")
