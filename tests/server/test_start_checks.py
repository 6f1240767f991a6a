"""The checks before a start: what keeps a server from it is found without leaving anything behind."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gchat.journal.sqlite.database import Database
from gchat.journal.sqlite.errors import NOT_OURS
from gchat.journal.sqlite.schema import MIGRATIONS
from gchat.server import start_checks
from gchat.server.listener import StartError
from gchat.server.settings import Config
from gchat.server.start_checks import check_files, check_places, check_user, is_own

TOKEN = "0123456789abcdefghijklmnopqrstuv"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Config()
    made.server.port = made.admin.port = 0
    made.history.path = str(tmp_path / "h.db")
    return made


def complaint(function: Callable[[Config], Any], config: Config) -> str:
    with pytest.raises(StartError) as refused:
        function(config)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def token_file(path: Path, token: str = TOKEN, mode: int = 0o600) -> str:
    path.touch(mode)
    path.write_text(token)
    path.chmod(mode)
    return str(path)


# --- Places ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("/run/admin", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("chat.example", False),
    ],
)
def test_an_endpoint_that_others_could_reach_needs_to_be_asked_for(config: Config, host: str, *, own: bool) -> None:
    assert is_own(host) is own
    config.admin.host = host
    if host in ("0.0.0.0", "::"):
        said = complaint(check_places, config)
        assert "the admin endpoint would listen on a network at" in said
        assert "or set tls.cert, or admin.insecure = true" in said
        config.admin.insecure = True
        check_places(config)


def test_two_listeners_at_one_place_are_refused_with_how_to_move_one(config: Config, tmp_path: Path) -> None:
    config.server.host = config.admin.host = str(tmp_path / "sock")
    said = complaint(check_places, config)
    assert said == (
        f"the admin endpoint cannot listen on {tmp_path}/sock: the chat listens there; --admin HOST:PORT moves it, "
        "--no-admin turns it off"
    )
    config.admin.enabled = False
    check_places(config)
    assert list(tmp_path.iterdir()) == []


def test_the_place_of_the_endpoint_is_told_apart_from_that_of_the_chat(config: Config) -> None:
    config.admin.host = "/nowhere/sock"
    assert complaint(check_places, config).startswith("the admin endpoint cannot listen on /nowhere/sock: ")
    config.server.host = "/nowhere/chat"
    assert complaint(check_places, config).startswith("cannot listen on /nowhere/chat: ")


def test_root_does_not_listen_where_other_machines_can_connect(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    config.admin.host = "127.0.0.1"
    for host in ("192.0.2.1", "::", "127.0.0.1", "[::1]", "localhost", "/run/chat"):
        config.server.host = host
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        check_user(config)
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        if is_own(host):
            check_user(config)
        else:
            assert complaint(check_user, config).startswith("root would listen on ")
    config.server.host, config.admin.host = "127.0.0.1", "192.0.2.1"
    assert complaint(check_user, config) == (
        f"root would listen on 192.0.2.1:{config.admin_port}, which other machines can reach; start the server as "
        "another user, as config/gchat.service does, or with --allow-root in a container that has only root"
    )
    config.admin.enabled = False
    check_user(config)


def test_too_few_descriptors_are_named_with_how_many_it_takes(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_checks, "raise_descriptor_limit", lambda: 39)
    assert complaint(check_places, config) == (
        "the limit of open files is 39, expected at least 40; raise it (ulimit -n)"
    )
    monkeypatch.setattr(start_checks, "raise_descriptor_limit", lambda: 40)
    check_places(config)


# --- The history -----------------------------------------------------------------------------------------------------


def test_a_start_that_can_be_is_not_warned_of_and_leaves_nothing_behind(config: Config, tmp_path: Path) -> None:
    assert check_files(config) == []
    config.history.path = str(tmp_path / "not" / "yet" / "h.db")
    assert check_files(config) == []
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_ours_and_an_empty_file_can_be_used(config: Config, tmp_path: Path) -> None:
    Path(config.history.path).touch()
    assert check_files(config) == []
    config.history.path = str(tmp_path / "ours.db")
    made = Database(config.history.path, "normal", "epoch", "boot")
    for reader in made.readers:
        reader.close()
    made.close()
    before = Path(config.history.path).read_bytes()
    assert check_files(config) == []
    assert Path(config.history.path).read_bytes() == before


@pytest.mark.parametrize("content", [b"root:x:0:0\n", b"SQLite format 3\0" + b"\0" * 10, b"\0" * 4096])
def test_a_file_of_another_kind_is_refused(config: Config, content: bytes) -> None:
    Path(config.history.path).write_bytes(content)
    said = complaint(check_files, config)
    assert said.startswith(f"cannot store the history in {config.history.path}: ")
    assert NOT_OURS in said


def test_a_database_of_another_program_is_refused_and_a_new_one_is_not(config: Config) -> None:
    with closing(sqlite3.connect(config.history.path)) as other:
        other.execute("PRAGMA user_version = 0")
        other.execute("CREATE TABLE things (id)")
        other.commit()
    assert NOT_OURS in complaint(check_files, config)
    with closing(sqlite3.connect(config.history.path)) as other:
        other.execute("DROP TABLE things")
        other.commit()
    assert check_files(config) == []


def test_a_database_of_a_newer_gchat_is_refused_with_both_versions(config: Config) -> None:
    made = Database(config.history.path, "normal", "epoch", "boot")
    for reader in made.readers:
        reader.close()
    made.close()
    newer = len(MIGRATIONS) + 1
    with closing(sqlite3.connect(config.history.path)) as ours:
        ours.execute(f"PRAGMA user_version = {newer}")
        ours.commit()
    for name in ("-wal", "-shm"):
        Path(config.history.path + name).unlink(missing_ok=True)
    assert f"a newer gchat has made it (version {newer}; this one knows {len(MIGRATIONS)})" in complaint(
        check_files, config
    )


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("directory", "it is a directory"),
        ("fifo", "it is not a regular file"),
        ("file/h.db", "file is not a directory"),
        ("/proc/h.db", "no files can be created in /proc"),
    ],
)
def test_a_path_where_no_file_can_be_is_refused(config: Config, tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    config.history.path = str(tmp_path / path)
    assert why in complaint(check_files, config)


def test_a_history_in_memory_needs_no_file(config: Config) -> None:
    config.history.path = "/proc/h.db"
    config.history.store = "memory"
    assert check_files(config) == []


# --- Tokens ----------------------------------------------------------------------------------------------------------


def test_a_token_that_cannot_be_read_keeps_the_start_if_it_was_asked_for_and_is_a_warning_else(
    config: Config, tmp_path: Path
) -> None:
    usual = tmp_path / "state" / "gchat" / "admin-token-127.0.0.1_0"
    usual.parent.mkdir(parents=True)
    token_file(usual, mode=0o644)
    (warning,) = check_files(config)
    assert warning.startswith("the admin endpoint has no admin token: other users can read or write")
    config.admin.token_file = str(usual)
    assert "other users can read or write" in complaint(check_files, config)
    config.admin.token_file = ""
    config.admin.host, config.admin.insecure = "0.0.0.0", True
    assert "other users can read or write" in complaint(check_files, config)
    config.admin.enabled = False
    assert check_files(config) == []


def test_on_a_network_there_is_a_token_and_an_empty_one_is_none(config: Config, tmp_path: Path) -> None:
    config.admin.token_file = token_file(tmp_path / "token", "")
    assert check_files(config) == []
    config.admin.host, config.admin.insecure = "0.0.0.0", True
    assert complaint(check_files, config) == (
        f"the admin endpoint listens on a network, but the token file {tmp_path}/token is empty"
    )


def test_the_token_for_reading_is_another(config: Config, tmp_path: Path) -> None:
    config.admin.token_file = token_file(tmp_path / "token")
    config.admin.read_token_file = token_file(tmp_path / "other", TOKEN[::-1])
    assert check_files(config) == []
    token_file(tmp_path / "other")
    assert complaint(check_files, config) == "admin.read_token_file has the admin token; give it a file of its own"
    (tmp_path / "other").unlink()
    (tmp_path / "other").symlink_to(tmp_path / "token")
    assert "give it a file of its own" in complaint(check_files, config)
    config.admin.token_file = str(tmp_path / "new")
    config.admin.read_token_file = str(tmp_path / "new")
    assert "give it a file of its own" in complaint(check_files, config)
