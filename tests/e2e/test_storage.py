"""The history as files: displaced under the server, copied, read by others, under the names of addresses."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.admin_client import Operator
from tests.e2e.harness import DEADLINE_S, Server, free_port, wait_until
from tests.e2e.restarted import Restarted, kills, stored
from tests.e2e.rich_user import RichUser, joins
from tests.e2e.test_failing_disk import possible_here
from tests.e2e.test_time import YEAR_S, Clock
from tests.faults import NotHere, ReadOnly

NOBODY = 65534


#: Another user may not be able to read our program, but once it runs it may be anybody's.
AS_USER = """
import encodings.idna, os, sys
import difflib, gchat.journal.sqlite.backup
from gchat.server import admin_endpoint, cli, main
cli._parser().format_help()  # which imports the rest
user = int(sys.argv.pop(1))
os.setgroups([])
os.setgid(65534)
os.setuid(user)
main.main()
"""


def runs(
    *arguments: str, user: int = 0, before: Sequence[str] = (), **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run the command with these arguments, as our user or this one; `before` is a command that runs it."""
    program = ["-c", AS_USER, str(user)] if user else ["-m", "gchat.server.main"]
    command = [*before, sys.executable, *program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S, **options)


def exported(path: Path, **options: Any) -> list[str]:
    """Return the texts of the lobby as another process exports them."""
    done = runs("--db", str(path), "--export", "lobby", **options)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.rpartition("] ")[2] for line in done.stdout.splitlines()]


def alone(path: Path, directory: Path) -> list[object]:
    """Return the texts that a copy of the file without those beside it has."""
    copy = directory / "copy.db"
    shutil.copy(path, copy)
    found = [text for (text,) in stored(copy, "SELECT text FROM messages ORDER BY key")]
    for name in (copy, f"{copy}-wal", f"{copy}-shm"):
        Path(name).unlink(missing_ok=True)
    return found


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that other users may enter."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


# --- Displaced under the server --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["moved", "replaced"])
def test_a_database_that_is_gone_refuses_what_is_said_and_heals_when_it_is_back(
    restarted: Restarted, tmp_path: Path, how: str
) -> None:
    path, away = restarted.path, tmp_path / "away.db"
    with restarted.runs(admin_enabled="true", admin_port=0) as server, joins(server, "alice") as alice:
        operator = Operator(server)
        alice.says("before", "1")
        alice.sees("ack", id="1")
        path.rename(away)
        if how == "replaced":
            shutil.copy(away, path)
        # Nobody says anything: it is noticed all the same.
        wait_until(lambda: "messages cannot be stored and are refused: the database file was" in server.log, "noticed")
        assert "the database file was" in operator.is_refused(503, "GET", "/readyz")
        alice.says("lost", "2")
        refused = alice.sees("refused", id="2")
        assert refused["code"] == "not_kept"
        assert refused["message"].startswith("Not sent: the database file was ")
        wait_until(lambda: alone(away, tmp_path) == ["before"], "all that was stored is in the file itself")
        assert exported(away) == ["before"]
        away.rename(path)
        wait_until(lambda: "messages are stored again" in server.log, "it has healed")
        alice.says("after", "3")
        assert alice.sees("ack", id="3")["seq"] == 2
        assert operator.asks("GET", "/readyz") == {"status": "ready"}
        kills(server)
    assert exported(path) == ["before", "after"]


def test_a_message_that_is_said_right_after_the_database_was_removed_is_not_acknowledged(restarted: Restarted) -> None:
    with restarted.runs() as server, joins(server, "alice") as alice:
        alice.says("before", "1")
        alice.sees("ack", id="1")
        for path in restarted.path.parent.glob("history.db*"):
            path.unlink()
        alice.says("lost", "2")
        assert alice.sees_any("ack", "refused", id="2")["type"] == "refused"


@pytest.mark.parametrize("ends", ["killed", "stopped"])
def test_a_log_that_is_removed_takes_nothing_with_it(restarted: Restarted, ends: str) -> None:
    with restarted.runs() as server, joins(server, "alice") as alice, server.join("bob") as bob:
        said = [f"line {number}" for number in range(200)]
        for number, text in enumerate(said):
            alice.says(text, str(number))
        alice.sees("ack", id="199")
        for suffix in ("-wal", "-shm"):
            Path(f"{restarted.path}{suffix}").unlink()
        wait_until(lambda: "messages are stored again" in server.log, "it has healed")
        alice.says("after", "after")
        assert alice.sees("ack", id="after")["seq"] == 201
        bob.says("/history 1")
        bob.sees_bytes(b"[alice] line 0\n")
        kills(server) if ends == "killed" else server.stop()
    assert exported(restarted.path) == [*said, "after"]


def test_a_copy_of_the_file_alone_is_the_chat_of_a_few_seconds_ago(restarted: Restarted, tmp_path: Path) -> None:
    with restarted.runs() as server, joins(server, "alice") as alice:
        assert alone(restarted.path, tmp_path) == []
        alice.says("hello", "1")
        alice.sees("ack", id="1")
        wait_until(lambda: alone(restarted.path, tmp_path) == ["hello"], "the file has it", 10)
        alice.says("again", "2")
        alice.sees("ack", id="2")
        wait_until(lambda: alone(restarted.path, tmp_path) == ["hello", "again"], "the file has it", 10)


# --- The clock -------------------------------------------------------------------------------------------------------


def test_an_older_copy_that_is_put_back_is_a_new_log_to_who_comes_back(restarted: Restarted, tmp_path: Path) -> None:
    path, copy = restarted.path, tmp_path / "older.db"
    with restarted.runs() as server, joins(server, "alice") as alice:
        alice.says("one", "1")
        wait_until(lambda: alone(path, tmp_path) == ["one"], "the file has it")
        shutil.copy(path, copy)
        alice.says("two", "2")
        alice.sees("ack", id="2")
        wait_until(lambda: alone(path, tmp_path) == ["one", "two"], "the file has it")
        welcome = alice.events[0]
        kills(server)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink()
    shutil.copy(copy, path)
    after = {"epoch": welcome["epoch"], "seq": 2}
    with restarted.runs() as server, joins(server, "bob", after=after) as bob:
        assert bob.events[0]["epoch"] != welcome["epoch"]
        assert [event["text"] for event in bob.events if event["type"] == "said"] == ["one"]
        assert f"the history in {path} gets a new epoch: it is an older copy, or another file" in server.log


def test_a_place_beyond_the_end_of_the_history_is_refused_and_what_there_is_is_shown(restarted: Restarted) -> None:
    with restarted.runs() as server, joins(server, "alice") as alice:
        alice.says("one", "1")
        alice.sees("ack", id="1")
        epoch = alice.events[0]["epoch"]
        with RichUser(server, after={"epoch": epoch, "seq": 1}) as bob:
            assert [event["type"] for event in bob.sees_up_to("live")] == ["welcome"]
        for seq in (2, 10**9):
            with RichUser(server, after={"epoch": epoch, "seq": seq}) as bob:
                told = bob.sees_up_to("live")
                assert [event["type"] for event in told] == ["welcome", "refused", "said"]
                assert (told[0]["seq"], told[1]["code"]) == (1, "no_such_place")
                assert told[1]["message"] == f"Cannot resume after message {seq} of lobby: its last message is number 1"


# --- Whose files they are --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_files_and_directories_are_for_nobody_else_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "new" / "deep" / "history.db"
    before = os.umask(umask)
    try:
        with Server("127.0.0.1", "--db", str(path)) as server, server.join("alice") as alice:
            alice.says("hello", "/ping end")
            alice.sees("> pong end")
            wait_until(lambda: len(list(path.parent.iterdir())) == 4, "all files are there")
            found = {each: stat.S_IMODE(each.stat().st_mode) for each in path.parents[1].rglob("*")}
            found[path.parents[1]] = stat.S_IMODE(path.parents[1].stat().st_mode)
    finally:
        os.umask(before)
    assert {mode for each, mode in found.items() if each.suffix} == {0o600}
    assert {mode for each, mode in found.items() if not each.suffix} == {0o700}
    assert len(found) == 6


# In https://github.com/ducks/claux/issues/2 the permissions were set once, and a -wal that was made later had others;
# in https://github.com/dmarzzz/VoxTerm/pull/17 copies had.
@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_files_that_are_made_again_and_copies_are_for_nobody_else_whatever_the_umask(
    restarted: Restarted, suffix: str
) -> None:
    directory = restarted.path.parent
    before = os.umask(0)
    try:
        with restarted.runs() as server, joins(server, "alice") as alice:
            alice.says("one", "1")
            alice.sees("ack", id="1")
            stored(restarted.path, "PRAGMA wal_checkpoint(TRUNCATE)")
            Path(f"{restarted.path}{suffix}").unlink()
            wait_until(lambda: "messages are stored again" in server.log, "it has healed")
            alice.says("two", "2")
            alice.sees("ack", id="2")
            assert runs("--db", str(restarted.path), "--backup", str(directory / "copy.db")).returncode == 0
            found = {each.name: stat.S_IMODE(each.stat().st_mode) for each in directory.iterdir() if each.is_file()}
    finally:
        os.umask(before)
    assert {restarted.path.name + end for end in ("", "-wal", "-shm")} | {"copy.db"} <= found.keys()
    assert set(found.values()) == {0o600}, found


def test_the_log_of_a_file_that_others_may_read_is_for_nobody_else(restarted: Restarted) -> None:
    restarted.path.touch(0o644)
    restarted.path.chmod(0o644)
    with restarted.runs() as server, server.join("alice") as alice:
        alice.says("hello", "/ping end")
        alice.sees("> pong end")
        for suffix in ("-wal", "-shm"):
            assert stat.S_IMODE(Path(f"{restarted.path}{suffix}").stat().st_mode) == 0o600


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_file_that_others_may_write_to_is_refused_with_what_to_type(restarted: Restarted, suffix: str) -> None:
    with restarted.runs() as server:
        kills(server)
    path = Path(f"{restarted.path}{suffix}")
    path.chmod(0o666)
    done = runs("127.0.0.1", "0", "--no-admin", "--db", str(restarted.path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"other users may write to {path.name} (mode 0666); type chmod 600 {path}; use --db" in done.stderr
    path.chmod(0o600)
    with restarted.runs():
        pass


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_file_of_another_user_is_refused_also_to_root(restarted: Restarted, suffix: str) -> None:
    need_root()
    with restarted.runs() as server:
        kills(server)
    path = Path(f"{restarted.path}{suffix}")
    os.chown(path, NOBODY, NOBODY)
    done = runs("127.0.0.1", "0", "--no-admin", "--db", str(restarted.path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"{path.name} belongs to the user nobody, but the server runs as the user root" in done.stderr


def test_the_file_alone_is_a_history_before_anything_is_said(restarted: Restarted, tmp_path: Path) -> None:
    with restarted.runs():
        assert alone(restarted.path, tmp_path) == []


# --- The clock -------------------------------------------------------------------------------------------------------


def test_a_start_with_the_clock_years_ahead_does_not_delete_the_history(restarted: Restarted, tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    with restarted.runs() as server, joins(server, "alice") as alice:
        alice.says("today", "1")
        alice.sees("ack", id="1")
    connection = sqlite3.connect(restarted.path)
    with connection:  # as if there were ten days of it
        connection.execute("UPDATE messages SET key = key + 9")
        columns = "kind, name, text, lineage, id, sum"
        for day in range(9):
            connection.execute(
                f"INSERT INTO messages (key, time, {columns}) "
                f"SELECT (key & ~0xFFFF) | ?, time - ? * 86400, {columns} FROM messages WHERE key & 0xFFFF = 10",
                (day + 1, 9 - day),
            )
    connection.close()
    clock.goes(10 * YEAR_S)
    with restarted.runs(environment=clock.environment, history_keep_days=7) as server:
        wait_until(lambda: "not deleting all old messages yet: the clock says 20" in server.log, "it is said")
        wait_until(lambda: stored(restarted.path, "SELECT first_seq FROM rooms") == [(2,)], "a day's share is gone")
    assert stored(restarted.path, "SELECT count(*) FROM messages") == [(9,)]


# --- Names -----------------------------------------------------------------------------------------------------------


def test_a_server_its_export_and_its_backup_find_the_same_history_however_the_address_is_written(
    tmp_path: Path,
) -> None:
    port, state = free_port(), {"XDG_STATE_HOME": str(tmp_path)}
    for host, others in (("127.0.0.1", ("127.1", "2130706433")), ("[::1]", ("::1", "0:0::1"))):
        with Server(host, port=port, environment=state) as server, server.join("alice") as alice:
            alice.says(f"said at {host}")
            alice.does_not_see(b"Not sent")
            for other in (host, *others):
                done = runs(other, str(port), "--export", "lobby", env={**os.environ, **state})
                assert done.stdout.endswith(f"[alice] said at {host}\n"), (other, done.stderr)
        done = runs(others[0], str(port), "--backup", str(tmp_path / f"{port}{host}"), env={**os.environ, **state})
        assert done.returncode == 0
    assert (tmp_path / "gchat" / f"history-127.0.0.1_{port}.db").exists()


def test_unix_sockets_of_one_name_in_two_directories_have_two_histories(tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    for name in ("a", "b"):
        directory = tmp_path / name
        directory.mkdir()
        command = [sys.executable, "-m", "gchat.server.main", "./chat.sock"]
        with Server(str(directory / "chat.sock"), environment=state) as server, server.join("alice") as alice:
            alice.says(f"said in {name}")
            alice.does_not_see(b"Not sent")
        done = subprocess.run(
            [*command, "--export", "lobby"],
            cwd=directory,
            env={**os.environ, **state, "PYTHONPATH": os.getcwd()},
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )
        assert re.findall(r"\[alice\] (.*)", done.stdout) == [f"said in {name}"], done.stderr


def test_a_new_history_beside_another_one_is_said_with_the_flag_that_continues_the_other(tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path)}
    with Server(environment=state) as first:
        assert "this is a new history" not in first.log
        old = tmp_path / "gchat" / f"history-127.0.0.1_{first.port}.db"
        assert old.exists()
    with Server(environment=state, port=free_port()) as second:
        notice = f"this is a new history; to continue that of another address, use --db {old}"
        wait_until(lambda: notice in second.log, "it is said")
        port = second.port
    with Server(environment=state, port=port) as again:
        wait_until(lambda: "history: " in again.log, "it has started")
        assert "this is a new history" not in again.log


@pytest.mark.parametrize("environment", [{"XDG_STATE_HOME": "state"}, {"XDG_STATE_HOME": ""}])
def test_a_state_directory_that_is_not_absolute_is_ignored(tmp_path: Path, environment: Mapping[str, str]) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with Server(environment={**environment, "HOME": str(home)}) as server:
        wait_until(lambda: "history: " in server.log, "it has started")
        assert f"history: {home}/.local/state/gchat/history-127.0.0.1_{server.port}.db" in server.log


@pytest.mark.parametrize("home", ["", "relative"])
def test_without_a_home_directory_nothing_is_made_in_a_directory_of_that_name(
    tmp_path: Path, shared: Path, home: str
) -> None:
    need_root()
    environment = {"PATH": os.environ["PATH"], "HOME": home, "PYTHONPATH": os.getcwd()}
    # A user without an entry in the table of users, as in a container.
    done = runs("127.0.0.1", "0", "--no-admin", user=1_234_567, cwd=shared, env=environment)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("gchat-server: cannot tell where to store files: neither XDG_STATE_HOME nor HOME")
    assert len(done.stderr.splitlines()) == 1
    assert not list(shared.iterdir())


def test_a_path_with_two_slashes_works_everywhere(tmp_path: Path) -> None:
    path = f"/{tmp_path}/history.db"
    with Server("127.0.0.1", "--db", path) as server, server.join("alice") as alice:
        alice.says("hello")
        alice.does_not_see(b"Not sent")
        assert exported(Path(path)) == ["hello"]
        done = runs("--db", path, "--export", "lobby")
        assert done.stdout.endswith("[alice] hello\n"), done.stderr
        assert runs("--db", path, "--backup", f"/{tmp_path}/copy.db").returncode == 0
    assert exported(tmp_path / "copy.db") == ["hello"]


def test_the_name_that_sqlite_has_for_memory_makes_no_file_of_that_name() -> None:
    with Server("127.0.0.1", "--db", ":memory:") as server, server.join("alice") as alice:
        alice.says("hello", "/history 1")
        alice.sees_bytes(b"[alice] hello\n")
        alice.does_not_see(b"Not sent")
        assert not Path(f"/proc/{server.pid}/cwd/:memory:").exists()


def test_a_path_of_any_characters_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=memory&x=%41#b ä"
    with Server("127.0.0.1", "--db", str(path)) as server, server.join("alice") as alice:
        alice.says("hello")
        alice.does_not_see(b"Not sent")
        assert exported(path) == ["hello"]
    assert path.exists()


# --- Other users and read-only disks ---------------------------------------------------------------------------------


def need_root() -> None:
    """Skip a test that needs another user; in CI it must be possible."""
    with possible_here():
        if os.geteuid():
            raise NotHere("only root can be another user")


def fills(directory: Path, ends: str) -> Path:
    """Have a server leave its files there."""
    restarted = Restarted(directory / "history.db")
    with restarted.runs() as server, joins(server, "alice") as alice:
        alice.says("one", "1")
        alice.sees("ack", id="1")
        wait_until(lambda: alone(restarted.path, directory) == ["one"], "the file has it", 10)
        alice.says("two", "2")
        alice.sees("ack", id="2")
        if ends != "stopped":
            kills(server)
    if ends == "killed, without -shm":
        Path(f"{restarted.path}-shm").unlink()
    return restarted.path


@pytest.mark.parametrize("ends", ["stopped", "killed", "killed, without -shm"])
def test_a_history_is_read_where_nothing_can_be_written(tmp_path: Path, shared: Path, ends: str) -> None:
    path = fills(shared, ends)
    before = {each.name: each.read_bytes() for each in shared.iterdir()}
    with possible_here(), ReadOnly(shared):
        assert exported(path) == ["one", "two"]
        done = runs("--db", str(path), "--backup", str(tmp_path / "copy.db"))
        assert (done.returncode, done.stderr) == (0, "")
    assert {each.name: each.read_bytes() for each in shared.iterdir()} == before
    assert exported(tmp_path / "copy.db") == ["one", "two"]


@pytest.mark.parametrize("ends", ["stopped", "killed", "killed, without -shm"])
def test_a_user_who_may_only_read_can_export(shared: Path, ends: str) -> None:
    need_root()
    path = fills(shared, ends)
    for each in shared.iterdir():
        each.chmod(0o644)
    assert exported(path, user=NOBODY) == ["one", "two"]


@pytest.mark.parametrize("user", [0, NOBODY])
@pytest.mark.parametrize("ends", ["stopped", "killed"])
def test_an_export_leaves_nothing_that_keeps_the_server_out(shared: Path, tmp_path: Path, ends: str, user: int) -> None:
    need_root()
    path = fills(shared, ends)
    shared.chmod(0o777)
    path.chmod(0o644)
    if user and ends == "killed":
        done = runs("--db", str(path), "--export", "lobby", user=user)
        assert f"permission denied; {path}-wal belongs to the user root" in done.stderr
    for each in shared.iterdir():
        each.chmod(0o644)
    assert exported(path, user=user) == ["one", "two"]
    assert runs("--db", str(path), "--backup", str(tmp_path / "copy.db")).returncode == 0
    assert [each.name for each in shared.iterdir() if each.stat().st_uid == NOBODY] == []
    if ends == "stopped":
        assert sorted(each.name for each in shared.iterdir()) == ["history.db", "history.db-mark"]


def test_a_user_who_may_only_read_can_export_and_back_up_while_the_server_runs(shared: Path) -> None:
    need_root()
    restarted = Restarted(shared / "history.db")
    (shared / "copies").mkdir()
    (shared / "copies").chmod(0o777)
    with restarted.runs() as server, joins(server, "alice") as alice:
        for number in range(1, 4):
            alice.says(f"line {number}", str(number))
            alice.sees("ack", id=str(number))
            for each in shared.glob("history.db*"):
                each.chmod(0o644)
            expected = [f"line {said}" for said in range(1, number + 1)]
            assert exported(restarted.path, user=NOBODY) == expected
            copy = shared / "copies" / f"{number}.db"
            done = runs("--db", str(restarted.path), "--backup", str(copy), user=NOBODY)
            assert (done.returncode, done.stderr) == (0, "")
            assert exported(copy) == expected
            assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_user_who_may_not_read_is_told_whose_file_it_is(shared: Path) -> None:
    need_root()
    path = fills(shared, "stopped")
    for directory in (path.parent, path.parent / "deep"):
        for arguments in (("--export", "lobby"), ("--backup", "/dev/shm/never.db"), ("127.0.0.1", "0", "--no-admin")):
            done = runs("--db", str(path), *arguments, user=NOBODY)
            assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
            assert f"permission denied; {path} belongs to the user root: run this command as that user" in done.stderr
        directory.mkdir(exist_ok=True)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        ("EAGAIN", "another server is using it"),
        ("ENOLCK", "this file system cannot lock files (no locks available)"),
        ("ENOSYS", "this file system cannot lock files (function not implemented)"),
    ],
)
def test_a_lock_that_fails_is_explained_by_its_own_error(tmp_path: Path, error: str, why: str) -> None:
    strace = shutil.which("strace")
    if strace is None:
        with possible_here():
            raise NotHere("strace is not installed")
    assert strace is not None
    inject = ["-f", "-o", "/dev/null", "-e", "trace=flock", "-e", f"inject=flock:error={error}"]
    done = runs("127.0.0.1", "0", "--no-admin", "--db", str(tmp_path / "x.db"), before=(strace, *inject))
    assert done.returncode == 1, done.stderr
    assert f"x.db: {why}; use --db FILE" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "why"), [(".", "it is a directory"), ("fifo", "it is not a regular file"), ("/dev/null", "regular file")]
)
def test_what_is_no_file_is_said_to_be_none(tmp_path: Path, name: str, why: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    path = str(tmp_path / name)
    for arguments in (("127.0.0.1", "0", "--no-admin"), ("--export", "lobby"), ("--backup", str(tmp_path / "copy"))):
        done = runs("--db", path, *arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert why in done.stderr


# --- An export that stalls -------------------------------------------------------------------------------------------


def test_an_export_that_stalls_holds_up_nothing_and_ends_where_it_began(restarted: Restarted, tmp_path: Path) -> None:
    with restarted.runs() as server, joins(server, "alice") as alice:
        for number in range(2000):
            alice.says(f"{number} " + "x" * 500, str(number))
        alice.sees("ack", id="1999")
        command = [sys.executable, "-m", "gchat.server.main", "--db", str(restarted.path), "--export", "lobby"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as export:
            assert export.stdout is not None
            begin = export.stdout.read(1)  # it has begun, and stalls at a full pipe
            for number in range(2000, 2100):
                alice.says(f"{number} late", str(number))
            alice.sees("ack", id="2099")
            wait_until(lambda: _has(restarted.path, tmp_path, 2100), "the file has all", 15)
            lines = (begin + export.stdout.read()).splitlines()
        assert export.returncode == 0
        assert [int(re.findall(rb"\] (\d+) ", line)[0]) for line in lines] == list(range(2000))


def _has(path: Path, directory: Path, count: int) -> bool:
    try:
        return len(alone(path, directory)) == count
    except sqlite3.DatabaseError:  # the server was just writing to it
        return False


# --- Search ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", [(), ("--memory",)])
def test_words_without_spaces_symbols_and_emoji_are_found(store: tuple[str, ...]) -> None:
    texts = ["今日の天気はいいですね", "오늘 날씨가 좋네요", "วันนี้อากาศดีมาก", "C and c+", "I like C++!", "done 🎉"]
    found = {"天気": [1], "날씨": [2], "อากาศ": [3], "c++": [5], "c": [4, 5], "🎉": [6], "天": [1], "気天": []}
    with Server("127.0.0.1", *store, limits_messages_per_s=0) as server, joins(server, "alice") as alice:
        for number, text in enumerate(texts):
            alice.says(text, str(number))
        alice.sees("ack", id=str(len(texts) - 1))
        for query, numbers in found.items():
            alice.asks({"type": "search", "text": query})
            assert [event["seq"] for event in alice.sees("found")["events"]] == numbers, query
        with server.join("bob") as bob:
            bob.says("/search 天気")
            assert bob.sees("#1 ").endswith(texts[0])


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_tool_that_cleans_up_beside_the_database_costs_no_restart(restarted: Restarted, suffix: str) -> None:
    with restarted.runs() as server, joins(server, "alice") as alice, server.join("bob") as bob:
        alice.says("one", "1")
        alice.sees("ack", id="1")
        stored(restarted.path, "PRAGMA wal_checkpoint(TRUNCATE)")
        Path(f"{restarted.path}{suffix}").unlink()
        wait_until(lambda: "messages are stored again" in server.log, "it has healed")
        alice.says("two", "2")
        assert alice.sees("ack", id="2")["seq"] == 2
        bob.says("/search one", "/search two")
        bob.sees("#1 ")
        bob.sees("#2 ")
        server.stop()
        assert "database" not in server.log.partition("messages are stored again")[2]
    assert exported(restarted.path) == ["one", "two"]


def test_a_user_resumes_over_a_displaced_log(restarted: Restarted) -> None:
    with restarted.runs() as server, joins(server, "alice") as alice:
        token, epoch = alice.events[0]["token"], alice.events[0]["epoch"]
        alice.says("one", "1")
        alice.sees("ack", id="1")
        Path(f"{restarted.path}-wal").unlink()
        wait_until(lambda: "messages are stored again" in server.log, "it has healed")
        kills(server)
    with restarted.runs() as server, RichUser(server, token=token, after={"epoch": epoch, "seq": 0}) as alice:
        assert [event["text"] for event in alice.sees_up_to("live") if event["type"] == "said"] == ["one"]
