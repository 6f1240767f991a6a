"""gchat-client by TLS as it is typed: its options, addresses and client.toml, and what it says of servers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gchat.server.settings import TlsSection
from tests.certificates import certificate
from tests.client.test_client_command import COMMAND, assert_refused, line_of, run, started, stdin_of, types
from tests.e2e.harness import Server, wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def good(folder: Path) -> TlsSection:
    return certificate(folder, "127.0.0.1")


@pytest.fixture(scope="module")
def server(good: TlsSection) -> Iterator[Server]:
    with Server(limits_messages_per_s=0, tls_cert=good.cert, tls_key=good.key) as server:
        yield server


def client(server: Server, *arguments: str, scheme: str = "gchats://") -> list[str]:
    return [*COMMAND, f"{scheme}127.0.0.1:{server.port}", *arguments]


def test_a_word_goes_by_tls_however_that_is_asked_for(server: Server, good: TlsSection) -> None:
    with server.join(room="ways") as reader:
        for command in (
            client(server, "--ca", good.cert),
            client(server, "--ca", good.cert, "--tls", scheme=""),
            [*COMMAND, "127.0.0.1", str(server.port), "--tls", "--ca", good.cert],
        ):
            done = run([*command, "--nick", "ci", "--room", "ways"], b"done\n")
            assert (done.returncode, done.stderr) == (0, b"")
            assert reader.sees("[ci]") == "[ci] done"


def test_client_toml_has_the_server_its_tls_and_whom_to_trust(server: Server, good: TlsSection, tmp_path: Path) -> None:
    (tmp_path / "gchat").mkdir()
    toml = tmp_path / "gchat" / "client.toml"
    (tmp_path / "gchat" / "ca.pem").write_text(Path(good.cert).read_text())
    with server.join(room="toml") as reader:
        for host in (f'"gchats://127.0.0.1:{server.port}"', f'"127.0.0.1:{server.port}"\ntls = true'):
            toml.write_text(f'host = {host}\nca = "ca.pem"\n')
            assert run([*COMMAND, "--room", "toml"], b"from toml\n", XDG_CONFIG_HOME=str(tmp_path)).returncode == 0
            reader.sees_bytes(b"from toml\n")
        plain = [*COMMAND, "127.0.0.1", str(server.port), "--room", "toml"]  # another server than that of the file
        assert run(plain, b"in plain\n", XDG_CONFIG_HOME=str(tmp_path)).returncode == 0
        reader.sees_bytes(b"in plain\n")


def test_events_come_as_json_by_tls_until_a_signal(server: Server, good: TlsSection) -> None:
    with started(client(server, "--ca", good.cert, "--json", "--listen", "--room", "json")) as listener:
        assert json.loads(line_of(listener))["type"] == "welcome"
        with server.join(room="json") as speaker:
            speaker.says("hello")
            while (event := json.loads(line_of(listener)))["type"] != "said":
                pass
            assert event["text"] == "hello"


def test_lines_of_plain_text_go_by_tls(server: Server, good: TlsSection) -> None:
    with server.join() as reader:
        done = run(client(server, "--ca", good.cert, "--plain"), b"hello in lines\n")
        assert done.returncode == 0
        assert b"Connected to the chat server" in done.stdout
        reader.sees_bytes(b"hello in lines\n")


def test_a_lost_connection_comes_back_by_tls(good: TlsSection, tmp_path: Path) -> None:
    settings = {"limits_messages_per_s": 0, "tls_cert": good.cert, "tls_key": good.key, "history_path": tmp_path / "h"}
    with Server(**settings) as server:  # type: ignore[arg-type]
        port = server.port
        command = client(server, "--ca", good.cert, "--nick", "ci")
        with started(command) as speaker:
            types(speaker, "one")
            wait_until(lambda: "one" in server.out_path.read_text(), "one is said")
            server.process.kill()
            server.process.wait()
            types(speaker, "two")
            with Server(port=port, **settings) as again:  # type: ignore[arg-type]
                wait_until(lambda: "two" in again.out_path.read_text(), "two is said")
                stdin_of(speaker).close()
                assert speaker.wait(20) == 0


@pytest.mark.parametrize("plain", [(), ("--plain",)], ids=["rich", "plain"])
def test_a_server_that_is_not_to_be_trusted_is_told_in_one_line(
    server: Server, folder: Path, plain: tuple[str, ...]
) -> None:
    assert_refused(run(client(server, *plain), b"x"), 1, "unknown issuer", "--ca FILE")
    other = certificate(folder, name="other")
    assert_refused(run(client(server, "--ca", other.cert, *plain), b"x"), 1, "unknown issuer")
    named = certificate(folder, "chat.example.org", name="named")
    with Server(tls_cert=named.cert, tls_key=named.key) as elsewhere:
        command = client(elsewhere, "--ca", named.cert, *plain)
        assert_refused(run(command, b"x"), 1, "not for 127.0.0.1")


def test_without_a_check_it_says_so_each_time(server: Server) -> None:
    for _ in range(2):
        done = run(client(server, "--insecure"), b"x")
        assert done.returncode == 0
        assert b"not checked (--insecure)" in done.stderr
        assert done.stderr.count(b"\n") == 1


def test_a_server_without_tls_is_told(good: TlsSection) -> None:
    with Server() as plain:
        assert_refused(run(client(plain, "--ca", good.cert), b"x"), 1, "may have no TLS")
        assert_refused(run(client(plain, "--ca", good.cert, "--plain"), b"x"), 1, "may have no TLS")


def test_a_server_that_requires_tls_is_told(good: TlsSection) -> None:
    with Server(tls_cert=good.cert, tls_key=good.key, tls_required="true") as strict:
        assert run(client(strict, "--ca", good.cert), b"x").returncode == 0
        assert_refused(run(client(strict, scheme=""), b"x"), 1, "speaks only TLS", "use --tls")


def test_a_script_logs_in_by_a_file(server: Server, good: TlsSection, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    with server.join("robot", "login") as owner:
        owner.says("/register correct-horse")
        owner.sees("> The nick robot is yours")
        owner.says("/logout")
        owner.sees("> You are not logged in as robot any more")
        command = client(server, "--ca", good.cert, "--nick", "robot", "--room", "login", "--secret-file", str(secret))
        assert_refused(run(command, b"x"), 1, "That is not the secret")
        assert_refused(run(client(server, "--ca", good.cert, "--nick", "robot"), b"x"), 1, "robot is registered")
        secret.write_text("correct-horse\n")
        assert run(command, b"done\n").returncode == 0
        owner.sees_bytes(b"[robot] done\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["127.0.0.1", "--ca", "x"], "--ca is about TLS"),
        (["127.0.0.1", "--insecure"], "--insecure is about TLS"),
        (["gchats://127.0.0.1", "--ca", "x", "--insecure"], "expected one of them"),
        (["gchat://127.0.0.1", "--tls"], "gchat:// is plain text"),
        (["gchats://"], "HOST is empty"),
        (["gchats:///run/chat.sock"], "a Unix socket, which needs no TLS"),
        (["/run/chat.sock", "--tls"], "a Unix socket, which needs no TLS"),
        (["https://127.0.0.1"], "looks like a URL"),
        (["127.0.0.1", "--secret-file", "x"], "--secret-file needs a nick"),
        (["127.0.0.1", "--plain", "--password-file", "x"], "do not work with --plain"),
    ],
)
def test_what_does_not_go_together_is_told(arguments: list[str], problem: str) -> None:
    assert_refused(run([*COMMAND, *arguments], b"x"), 2, problem)


def test_a_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    at = [*COMMAND, "gchats://127.0.0.1:1"]
    assert_refused(run([*at, "--ca", str(path)], b"x"), 1, "cannot read", "no such file")
    assert_refused(run([*at, "--password-file", str(path)], b"x"), 1, "cannot read", "no such file")
    path.write_text("hunter2\n")
    path.chmod(0o644)
    assert_refused(run([*at, "--ca", str(path)], b"x"), 1, "no certificate in it")
    assert_refused(run([*at, "--password-file", str(path)], b"x"), 1, "chmod 600", "password")
    assert_refused(run([*at, "--nick", "ci", "--secret-file", str(path)], b"x"), 1, "chmod 600", "secret")
    path.chmod(0o600)
    path.write_text("two\nlines\n")
    assert_refused(run([*at, "--password-file", str(path)], b"x"), 1, "expected one line of text")


def test_between_pipes_without_tls_no_openssl_is_loaded(server: Server) -> None:
    script = "import sys; sys.argv[1:] = sys.argv[1:]; from gchat.client import main; main._main(sys.argv[1:]); "
    script += "print('ssl' in sys.modules)"
    command = [COMMAND[0], "-c", script, "127.0.0.1", str(server.port)]
    done = subprocess.run(command, input=b"x", capture_output=True, check=True, env=dict(os.environ), timeout=60)
    assert done.stdout == b"False\n"
