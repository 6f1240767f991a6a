"""Making by command: through the running server, else into its files, and never beside a second writer (T77)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from gchat.admin.action_resources import Announcement
from gchat.admin.documents import ToldDocument
from gchat.journal.notes import NoteKind, Notes
from gchat.journal.parts import parts_of
from gchat.server import making
from gchat.server.config import load
from gchat.server.history import open_journal, wait_and_open_journal
from gchat.server.listener import StartError
from gchat.server.making import Making, make, url_of
from gchat.server.settings import Config
from tests.e2e.harness import Server, free_port, wait_until

KIND = NoteKind("tried", str)


def stores(notes: Notes) -> ToldDocument:
    KIND.put(notes, "a", "b")
    return ToldDocument(-1)


TRIED = Making("/announce", Announcement("made by command"), ToldDocument, stores)


def config_of(server: Server, **arguments: str) -> Config:
    """Return the configuration of a server, as the command finds it."""
    given = {("server", "host"): server.host, ("server", "port"): str(server.port)}
    given |= {(name.partition("_")[0], name.partition("_")[2]): value for name, value in arguments.items()}
    return load(None, {}, given)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with an endpoint whose port is known."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    port, admin = free_port(), free_port()
    settings: dict[str, Any] = getattr(request, "param", {})
    with Server(port=port, environment=environment, admin_enabled="true", admin_port=admin, **settings) as server:
        wait_until(lambda: "admin page" in server.log, "the endpoint is there")
        yield server


def admin_port(server: Server) -> str:
    return server.environment["GCHAT_ADMIN_PORT"]


def token_of(path: Path) -> str:
    path.write_text("x" * 40)
    path.chmod(0o600)
    return str(path)


def test_a_running_server_does_it(server: Server) -> None:
    with server.join() as alice:
        assert make(config_of(server, admin_port=admin_port(server)), TRIED) == ToldDocument(1)
        alice.sees("> Announcement: made by command")


def test_it_is_done_on_a_unix_socket_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    at = str(tmp_path / "admin.sock")
    with Server(str(tmp_path / "chat.sock"), environment=environment, admin_enabled="true", admin_host=at) as server:
        assert make(load(None, {}, {("server", "host"): server.host, ("admin", "host"): at}), TRIED) == ToldDocument(0)


def test_it_is_done_in_tls_with_the_certificate_that_is_configured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    certificates = [make_certificate(tmp_path / name) for name in ("right", "wrong")]
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    settings = {"admin_enabled": "true", "admin_port": free_port(), "tls_cert": certificates[0]}
    with Server(port=free_port(), environment=environment, **settings) as server:  # type: ignore[arg-type]
        wait_until(lambda: "admin page: https://" in server.log, "the endpoint is there")
        right = config_of(server, admin_port=admin_port(server), tls_cert=certificates[0])
        assert make(right, TRIED) == ToldDocument(0)
        assert url_of(right, "/hooks/x") == f"https://127.0.0.1:{admin_port(server)}/hooks/x"
        with pytest.raises(StartError, match=r"cannot be asked: .*CERTIFICATE_VERIFY_FAILED"):
            make(config_of(server, admin_port=admin_port(server), tls_cert=certificates[1]), TRIED)


def make_certificate(path: Path) -> str:
    """Make a certificate, with its key in the same file."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=chat.example.org",
    ]
    done = subprocess.run([*command, "-keyout", "-"], check=True, capture_output=True)
    path.write_bytes(done.stdout)
    path.chmod(0o600)
    return str(path)


def test_without_a_server_it_is_put_into_the_history(tmp_path: Path) -> None:
    config = load(None, {}, {("history", "path"): str(tmp_path / "h.db")})
    assert make(config, TRIED) == ToldDocument(-1)
    journal = open_journal(config, config.history.path)
    assert KIND.load(parts_of(journal).notes) == {"a": "b"}
    journal.close()


def test_a_server_that_starts_meanwhile_waits_for_it(tmp_path: Path) -> None:
    path = str(tmp_path / "h.db")
    config = load(None, {}, {("history", "path"): path})
    held = open_journal(config, path)
    gevent.spawn_later(0.1, held.close)
    wait_and_open_journal(config, path).close()


def test_a_server_that_is_just_ending_is_waited_for(tmp_path: Path) -> None:
    path = str(tmp_path / "h.db")
    token = token_of(tmp_path / "token")
    given = {("history", "path"): path, ("admin", "port"): str(free_port()), ("admin", "token_file"): token}
    config = load(None, {}, given)
    held = open_journal(config, path)
    gevent.spawn_later(0.3, held.close)
    assert make(config, TRIED) == ToldDocument(-1)


def test_in_memory_there_must_be_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    token = token_of(tmp_path / "token")
    given = {("history", "store"): "memory", ("admin", "port"): str(free_port()), ("admin", "token_file"): token}
    config = load(None, {}, given)
    with pytest.raises(
        StartError, match=r"no server answers at 127\.0\.0\.1:[0-9]+, and its history would be in memory"
    ):
        make(config, TRIED)


@pytest.mark.parametrize("server", [{"history_store": "memory"}], indirect=True)
def test_a_server_with_its_history_in_memory_is_asked(server: Server) -> None:
    config = config_of(server, history_store="memory", admin_port=admin_port(server))
    assert make(config, TRIED) == ToldDocument(0)


def test_what_cannot_be_is_one_line(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setattr(making, "BETWEEN_S", 0.0)
    right = {"admin_port": admin_port(server)}
    for change, said in (
        ({"admin_enabled": "false"}, "its admin endpoint is turned off, so it cannot be told"),
        ({"admin_port": "0"}, "its admin endpoint is on a port that is not known"),
        ({"admin_port": str(free_port())}, "nothing listens at 127.0.0.1:[0-9]+; type --admin"),
        ({"admin_token_file": "/dev/null"}, "/dev/null is not a token file"),
        ({"admin_token_file": "/nonexistent"}, "there is no token file /nonexistent"),
    ):
        with pytest.raises(StartError, match=said) as raised:
            make(config_of(server, **{**right, **change}), TRIED)
        assert "\n" not in str(raised.value)


def test_what_the_server_refuses_is_said_in_its_words(server: Server) -> None:
    nowhere = Making("/announce", Announcement("x", "nowhere"), ToldDocument, stores)
    with pytest.raises(StartError, match="refuses: No such room: nowhere"):
        make(config_of(server, admin_port=admin_port(server)), nowhere)


def test_a_failure_of_the_store_leaves_nothing(tmp_path: Path) -> None:
    config = load(None, {}, {("history", "path"): str(tmp_path / "h.db")})

    def fails(_notes: Notes) -> ToldDocument:
        raise StartError("no")

    with pytest.raises(StartError, match="no"):
        make(config, Making("/", Announcement("x"), ToldDocument, fails))
    assert make(config, TRIED) == ToldDocument(-1)  # the lock is free again


def test_a_port_of_0_names_no_server() -> None:
    with pytest.raises(StartError, match="the port is 0"):
        make(load(None, {}, {("server", "port"): "0"}), TRIED)
