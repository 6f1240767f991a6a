"""Where a server's files are: one name for each address, however it is written."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

import pytest

from gchat.server import state_files
from gchat.server.listener import StartError
from gchat.server.settings import Config
from gchat.server.state_files import found_history, other_history, path_of, server_name


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


def test_the_usual_address_has_the_usual_files() -> None:
    assert path_of("history.db", "127.0.0.1", 8888) == "/state/gchat/history-127.0.0.1_8888.db"
    assert path_of("admin-token", "127.0.0.1", 8888) == "/state/gchat/admin-token-127.0.0.1_8888"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("127.0.0.1", "127.1"),
        ("127.0.0.1", "2130706433"),
        ("::", "[::]"),
        ("::1", "[0:0::1]"),
        ("0.0.0.0", "0"),
        ("/run/gchat/socket", "/run/./gchat/../gchat//socket"),
    ],
)
def test_an_address_has_one_name_however_it_is_written(one: str, other: str) -> None:
    assert server_name(one, 8888) == server_name(other, 8888)


def test_localhost_is_the_address_that_the_listener_takes() -> None:
    address = socket.getaddrinfo("localhost", 8888, type=socket.SOCK_STREAM)[0][4][0]

    assert server_name("localhost", 8888) == server_name(str(address), 8888)


def test_a_unix_socket_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for directory in ("a", "b"):
        (tmp_path / directory).mkdir()
        monkeypatch.chdir(tmp_path / directory)
        names.append(server_name("./chat.sock", 8888))
        assert names[-1] == server_name(str(tmp_path / directory / "chat.sock"), 0)
    (tmp_path / "link").symlink_to(tmp_path / "b")

    assert names[0] != names[1]
    assert server_name(str(tmp_path / "link" / "chat.sock"), 0) == names[1]


@pytest.mark.parametrize(
    ("directory", "found"),
    [
        ("/var/lib/gchat", "/var/lib/gchat/history.db"),
        ("/var/lib/gchat:/var/lib/gchat-backup", "/var/lib/gchat/history.db"),
        ("/var/lib/gchat/blue", "/var/lib/gchat/blue/history.db"),
        ("/var/lib/jenkins", "/state/gchat/history-127.0.0.1_8888.db"),  # of another service, in which a server runs
        ("gchat", "/state/gchat/history-127.0.0.1_8888.db"),
    ],
)
def test_the_files_of_a_service_are_in_its_directory(
    directory: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", directory)
    assert path_of("history.db", "127.0.0.1", 8888) == found


def test_an_export_without_options_is_of_the_users_own_server_and_else_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, own = tmp_path / "service", tmp_path / "gchat" / "history-127.0.0.1_8888.db"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(state_files, "SERVICE_DIRECTORY", str(service))
    assert found_history(Config()) == str(own)
    service.mkdir()
    assert found_history(Config()) == str(service / "history.db")
    for key, value in (("port", 9000), ("host", "::1")):
        config = Config()
        setattr(config.server, key, value)
        assert str(tmp_path / "gchat") in found_history(config)
    named = Config()
    named.history.path = "/some.db"
    assert found_history(named) == "/some.db"
    own.parent.mkdir()
    own.touch()
    assert found_history(Config()) == str(own)


def test_each_server_has_files_of_its_own_in_one_place() -> None:
    sockets = ["/a/b", "/a_b", "/a-b", "/a%2Fb", "/a%5Fb", "/a/b_", "/a b", "/ä", "/" + 60 * "ä/", "/" + 61 * "ä/"]
    hosts = ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::", "::1", "::2", "1::", "no.such.host.invalid", *sockets]
    places = [*((host, 8888) for host in hosts), ("127.0.0.1", 8889), ("::1", 88)]
    paths = {path_of("history.db", *place) for place in places}

    assert len(paths) == len(places)
    assert {str(Path(path).parent) for path in paths} == {"/state/gchat"}
    assert {Path(path).suffix for path in paths} == {".db"}
    assert max(len(os.fsencode(Path(path).name)) for path in paths) < 230
    assert not any(set(path) & set(": '\"\\") for path in paths)


@pytest.mark.parametrize("state", [None, "", "state", "./state"])
def test_without_an_absolute_state_directory_it_is_in_the_home_directory(
    monkeypatch: pytest.MonkeyPatch, state: str | None
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    if state is not None:
        monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", "/home/alice")

    assert path_of("history.db", "127.0.0.1", 8888).startswith("/home/alice/.local/state/gchat/")


@pytest.mark.parametrize("home", [None, "", "alice"])
def test_without_a_home_directory_it_is_the_one_of_the_user(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME")
    if home is not None:
        monkeypatch.setenv("HOME", home)

    directory = pwd.getpwuid(os.getuid()).pw_dir
    assert path_of("history.db", "127.0.0.1", 8888).startswith(f"{directory}/.local/state/gchat/")


def test_a_user_without_any_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 3_000_000_000)

    with pytest.raises(StartError, match="XDG_STATE_HOME"):
        path_of("history.db", "127.0.0.1", 8888)


def test_the_newest_history_of_another_address_is_found_if_there_is_none_of_this(tmp_path: Path) -> None:
    path = tmp_path / "history-127.0.0.1_8888.db"
    assert other_history(str(path)) == ""
    for age, name in enumerate(("history-::1_8888.db", "history-8888.db", "history-x.db-wal", "history-x.db.salvaged")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    assert other_history(str(path)) == str(tmp_path / "history-::1_8888.db")
    path.touch()
    assert other_history(str(path)) == ""
