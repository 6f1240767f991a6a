"""How an address is typed, for both commands, and what signals do while they are being loaded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gchat.cli import UsageError, address, split_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1", "127.0.0.1", None),
        ("127.0.0.1:9000", "127.0.0.1", "9000"),
        ("chat.example:9000", "chat.example", "9000"),
        ("localhost", "localhost", None),
        ("::1", "::1", None),
        ("::", "::", None),
        ("fe80::1%eth0", "fe80::1%eth0", None),
        ("::1:9000", "::1:9000", None),  # an address as it stands
        ("[::1]", "::1", None),
        ("[::1]:9000", "::1", "9000"),
        ("[fe80::1%eth0]:9000", "fe80::1%eth0", "9000"),
        ("[::]", "::", None),  # tarampampam/error-pages#191
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", None),  # owncast/owncast#3389
        ("[2001:db8::1:cee:c0de:b0b]:8080", "2001:db8::1:cee:c0de:b0b", "8080"),  # hashicorp/boundary#701
        ("[::1", "[::1", None),
        ("[::1]9000", "[::1]9000", None),
        ("./chat.sock", "./chat.sock", None),
        ("/run/a:b/chat.sock:9000", "/run/a:b/chat.sock:9000", None),
        ("127.0.0.1:http", "127.0.0.1", "http"),
        ("a:b:c", "a:b:c", None),
        (":9000", "", "9000"),
        ("host:", "host", ""),
        ("", "", None),
    ],
)
def test_an_address_is_split_into_host_and_port(text: str, host: str, port: str | None) -> None:
    assert split_address(text) == (host, port)


def test_a_port_is_given_once_in_either_way() -> None:
    assert address(None, None, "gchat-client") == (None, None)
    assert address("::1", "9000", "gchat-client") == ("::1", "9000")
    assert address("[::1]", "9000", "gchat-client") == ("::1", "9000")
    assert address("[::1]:9000", None, "gchat-client") == ("::1", "9000")


@pytest.mark.parametrize(
    ("host", "port", "parts"),
    [
        ("9000", None, ["looks like a port", "type: gchat-client 127.0.0.1 9000"]),
        ("127.0.0.1:9000", "9001", ["127.0.0.1:9000", "9001", "one port"]),
        ("[::1]:9000", "9000", ["[::1]:9000", "one port"]),
        ("./chat.sock", "9000", ["./chat.sock", "a Unix socket has no port"]),
        (":9000", None, ['":9000"', "expected HOST, HOST:PORT"]),
        ("host:", None, ['"host:"', "expected HOST, HOST:PORT"]),
        ("[]:9000", None, ['"[]:9000"', "expected HOST, HOST:PORT"]),
    ],
)
def test_what_is_no_address_is_refused_with_what_was_expected(host: str, port: str | None, parts: list[str]) -> None:
    with pytest.raises(UsageError) as refused:
        address(host, port, "gchat-client")
    for part in parts:
        assert part in str(refused.value)


def test_a_url_is_no_host() -> None:
    with pytest.raises(UsageError, match="looks like a URL; expected HOST, HOST:PORT or a path"):
        address("http://127.0.0.1:80", None, "gchat-server")


@pytest.mark.parametrize("command", ["gchat.server.main", "gchat.client.main"])
@pytest.mark.parametrize("option", ["--version", "--help"])
def test_help_and_version_arrive_in_a_pipe(command: str, option: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-m", command, option], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.startswith(("gchat-", "usage: gchat-"))
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["gchat.server.main", "gchat.client.main"])
@pytest.mark.parametrize("loaded", ["argparse", "gchat.cli", "gevent._config"])
def test_ctrl_c_while_a_command_is_being_loaded_leaves_no_traceback(command: str, loaded: str) -> None:
    with _loading(command, loaded, "127.0.0.1", "1") as process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGQUIT, signal.SIGHUP])
def test_a_server_that_is_asked_something_by_a_signal_while_it_is_being_loaded_goes_on(number: signal.Signals) -> None:
    with _loading("gchat.server.main", "gchat.model.errors", "--check-config", "--memory", "--no-admin") as process:
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"The configuration is valid\n")


@contextmanager
def _loading(command: str, loaded: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command, and wait until it has loaded this module: Python prints each at the end of its import."""
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", command, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stderr is not None
            assert any(line.split(b"|")[-1].strip() == loaded.encode() for line in process.stderr)
            yield process
        finally:
            process.kill()
