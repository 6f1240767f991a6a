"""Users who come through a proxy that says whose connection it is (docs/threats.md, T66)."""

from __future__ import annotations

import signal
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.admin_client import Operator, open_to_the_operator
from tests.e2e.harness import PROMPT, Server, User, wait_until

pytestmark = pytest.mark.usefixtures("all_speak_plain")

PROXY = "127.0.0.2"

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"

NEEDED = b"> Connections from this address need a PROXY header first"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(server_trusted_proxies=PROXY) as server:
        yield server


def line(host: str, port: int = 5555) -> bytes:
    family, ours = ("TCP6", "::1") if ":" in host else ("TCP4", "127.0.0.1")
    return f"PROXY {family} {host} {ours} {port} 8\r\n".encode()


def binary(*host: int, port: int = 5555) -> bytes:
    return SIGNATURE + b"\x21\x11\0\x0c" + bytes(host) + bytes([127, 0, 0, 1]) + struct.pack("!HH", port, 8)


def through(server: Server, said: bytes) -> User:
    """Return the connection of a proxy that has said this."""
    user = server.connect(source=PROXY)
    user.sends(said)
    return user


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (line("203.0.113.9"), "203.0.113.9:5555"),
        (line("2001:db8::9"), "[2001:db8::9]:5555"),
        (line("::ffff:203.0.113.9"), "203.0.113.9:5555"),
        (binary(203, 0, 113, 9), "203.0.113.9:5555"),
    ],
)
def test_a_user_behind_a_proxy_is_called_by_the_address_that_it_names(server: Server, header: bytes, name: str) -> None:
    with server.join() as alice, through(server, header) as bob:
        bob.sees_bytes(PROMPT)
        alice.sees(f"> New user {name} entered")
        bob.says("hello")
        alice.sees(f"[{name}] hello")
        alice.says("and hello to you")
        bob.sees(f"[{alice.name}] and hello to you")
    wait_until(lambda: f"closed {server.log.rpartition('opened ')[2].split()[0]} {name}" in server.log, "it is logged")


@pytest.mark.parametrize("header", [line("203.0.113.9"), binary(203, 0, 113, 9)])
def test_what_is_said_with_the_header_is_heard_and_so_is_a_header_in_pieces(server: Server, header: bytes) -> None:
    with server.join() as alice:
        with through(server, header + b"hello\n"):
            alice.sees("[203.0.113.9:5555] hello")
        with server.connect(source=PROXY) as bob:
            for byte in header:
                bob.sends(bytes([byte]))
                time.sleep(0.002)
            bob.says("slowly")
            alice.sees("[203.0.113.9:5555] slowly")


@pytest.mark.parametrize("said", [b"hello\n", b"GCHAT/1 {}\n", b"GET / HTTP/1.0\r\n\r\n", b"PROXY nonsense\r\n"])
def test_a_trusted_proxy_that_sends_no_header_is_turned_away_with_one_line_in_the_log(
    server: Server, said: bytes
) -> None:
    logged = len(server.log)
    with server.join() as alice, through(server, said) as proxy:
        proxy.sees_end()
        assert proxy.received.startswith(NEEDED)
        assert proxy.received.count(b"\n") == 1
        alice.does_not_see(b"New user")
    refused = f"refused {proxy.name}: "
    wait_until(lambda: refused in server.log[logged:], "it is logged")
    assert [text for text in server.log[logged:].splitlines() if proxy.name in text][1:] == []


@pytest.mark.parametrize("said", [LOCAL, b""])
def test_a_health_check_of_a_proxy_is_no_user_and_no_error(server: Server, said: bytes) -> None:
    logged = len(server.log)
    with server.join() as alice:
        for _ in range(3):
            with through(server, said) as proxy:
                proxy.closes()
                proxy.sees_end()
                assert proxy.received == b""
        alice.does_not_see(b"user")
        assert proxy.name not in server.log[logged:]
        assert "WARNING" not in server.log[logged:]


@pytest.mark.parametrize("header", [line("203.0.113.9"), binary(203, 0, 113, 9), LOCAL])
def test_from_anybody_else_a_header_is_another_protocol_as_ever(server: Server, header: bytes) -> None:
    with server.join() as alice, server.connect() as stranger:
        stranger.sends(header + b"hello\n")
        stranger.sees("> This is a gchat server")
        stranger.sees_end()
        alice.does_not_see(b"hello")


def test_a_second_header_is_another_protocol(server: Server) -> None:
    with through(server, line("203.0.113.9") + line("203.0.113.10")) as user:
        user.sees("> This is a gchat server")
        user.sees_end()


def test_those_behind_one_proxy_are_counted_by_their_own_addresses() -> None:
    with (
        Server(server_trusted_proxies=PROXY, limits_connections_per_ip=2, limits_exempt="") as server,
        ExitStack() as end,
    ):
        first = end.enter_context(through(server, line("203.0.113.9")))
        for header in (line("203.0.113.9", 2), *(line(f"203.0.113.{host}") for host in range(10, 20))):
            end.enter_context(through(server, header)).sees_bytes(PROMPT)
        first.sees_bytes(PROMPT)
        with through(server, line("203.0.113.9", 3)) as third:
            third.sees("> Too many connections from your address: the limit is 2 connections")
            third.sees_end()
        first.sock.close()
        wait_until(lambda: _is_let_in(server, line("203.0.113.9", 4)), "there is a place again")


def _is_let_in(server: Server, header: bytes) -> bool:
    with through(server, header) as user:
        return user.sees("> ").startswith("> Connected")


def test_a_ban_of_an_address_holds_behind_a_proxy_and_does_not_touch_the_others_there() -> None:
    with open_to_the_operator(server_trusted_proxies=PROXY) as server:
        operator = Operator(server)
        operator.asks("POST", "/bans", kind="address", value="203.0.113.9", reason="spam")
        with through(server, line("203.0.113.9")) as banned:
            banned.sees("> You are banned from this server permanently: spam")
            banned.sees_end()
        with through(server, line("203.0.113.10")) as other:
            other.sees_bytes(PROMPT)
            (user,) = operator.asks("GET", "/users")["users"]
            assert user["address"] == "203.0.113.10:5555"


def test_silent_connections_of_a_proxy_keep_nobody_out(server: Server) -> None:
    """T20: what waits for its header is bounded, and the longest silent one makes room."""
    silent = [server.connect(source=PROXY) for _ in range(300)]
    with server.join() as alice, through(server, line("203.0.113.9")) as bob:
        bob.sees_bytes(PROMPT)
        bob.says("hello")
        alice.sees("[203.0.113.9:5555] hello")
        for user in silent[:40]:
            user.sees_end()
    for user in silent:
        user.sock.close()


def test_a_full_server_is_full_for_a_proxy_too() -> None:
    full = Server(server_trusted_proxies=PROXY, server_max_connections=2)
    with full as server, server.join(), through(server, line("203.0.113.9")) as bob:
        bob.sees_bytes(PROMPT)
        with through(server, line("203.0.113.10")) as third:
            third.sees("> The server is full")
            third.sees_end()


def test_trust_is_taken_over_at_a_reload(tmp_path: Path) -> None:
    config = tmp_path / "gchat.toml"
    config.write_text("")
    with Server("127.0.0.1", "--config", str(config)) as server:
        with through(server, line("203.0.113.9")) as stranger:
            stranger.sees("> This is a gchat server")
        config.write_text(f'[server]\ntrusted_proxies = "{PROXY}"\n')
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "server.trusted_proxies is now" in server.log, "it is reloaded")
        with through(server, line("203.0.113.9")) as user:
            user.sees_bytes(PROMPT)


def test_where_tls_is_required_a_user_may_have_it_as_far_as_the_proxy_or_to_the_server(tmp_path: Path) -> None:
    make = [sys.executable, "-m", "gchat.server.main", "--make-cert", str(tmp_path)]
    subprocess.run(make, check=True, capture_output=True)
    with Server(
        server_trusted_proxies=PROXY, tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem", tls_required=True
    ) as server:
        addresses = bytes([203, 0, 113, 9, 127, 0, 0, 1]) + struct.pack("!HH", 5555, 8)
        by_tls = SIGNATURE + b"\x21\x11\0\x14" + addresses + b"\x20\0\x05\x01\0\0\0\0"
        with through(server, by_tls) as alice, through(server, line("203.0.113.10")) as bob:
            alice.sees_bytes(PROMPT)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(tmp_path / "cert.pem")
            with context.wrap_socket(bob.sock, server_hostname="localhost") as sock:
                sock.sendall(b"hello from within\n")
                alice.sees("[203.0.113.10:5555] hello from within")
        with through(server, line("203.0.113.11")) as plain:
            plain.says("hello")
            plain.sees("> This server takes TLS only")
            plain.sees_end()
