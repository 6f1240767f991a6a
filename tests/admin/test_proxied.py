"""Behind proxies: requests that say whose they are, and connections that do (docs/threats.md, T55)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from types import SimpleNamespace

import gevent
import pytest
from gevent import socket

from gchat.admin import proxied
from gchat.admin.access import MAX_WRONG
from tests.admin.endpoint import Connection, Endpoint

CLIENT = "203.0.113.9"
LINE = f"PROXY TCP4 {CLIENT} 127.0.0.1 5555 8\r\n".encode()
BINARY = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([203, 0, 113, 9, 127, 0, 0, 1]) + struct.pack("!HH", 5555, 8)
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(trusted="127.0.0.1") as endpoint:
        yield endpoint


def test_a_request_of_another_machine_needs_a_token_also_through_a_proxy_on_this_one(endpoint: Endpoint) -> None:
    assert endpoint.ask("GET", "/users", X_Forwarded_For=CLIENT).status == 401
    assert endpoint.ask("GET", "/users", X_Forwarded_For=CLIENT, trusted=True).status == 200
    assert endpoint.ask("GET", "/users", X_Forwarded_For="127.0.0.1").status == 200
    assert endpoint.ask("GET", "/users", X_Forwarded_For="127.0.0.9").status == 200
    assert endpoint.ask("GET", "/", X_Forwarded_For=CLIENT).status == 200


def test_what_a_peer_adds_to_the_header_itself_is_not_believed(endpoint: Endpoint) -> None:
    assert endpoint.ask("GET", "/users", X_Forwarded_For=f"127.0.0.1, {CLIENT}").status == 401


def test_a_proxy_that_does_not_say_whose_request_it_is_does_not_make_it_local(endpoint: Endpoint) -> None:
    answer = endpoint.ask("GET", "/users")
    assert answer.status == 401
    assert "a trusted proxy without X-Forwarded-For" in answer.detail


def test_from_anybody_else_the_header_is_nothing() -> None:
    with Endpoint() as endpoint:
        assert endpoint.ask("GET", "/users", X_Forwarded_For=CLIENT).status == 200


def test_wrong_tokens_count_against_the_peer_and_not_the_proxy(endpoint: Endpoint) -> None:
    def guessed(peer: str) -> int:
        return endpoint.ask("POST", "/announce", {"text": "x"}, token="wrong", X_Forwarded_For=peer).status

    assert [guessed(CLIENT) for _ in range(MAX_WRONG + 1)] == [401] * MAX_WRONG + [429]
    assert guessed("203.0.113.10") == 401


def test_the_host_and_the_scheme_are_those_of_the_proxy(endpoint: Endpoint) -> None:
    def status(origin: str, host: str, forwarded_host: str = "") -> int:
        named = {"X_Forwarded_Host": forwarded_host} if forwarded_host else {}
        fields = {"X_Forwarded_For": "127.0.0.1", "X_Forwarded_Proto": "https", "Host": host, "Origin": origin}
        with endpoint.connect() as connection:
            connection.sends(endpoint.head("GET", "/users", **fields, **named))
            return connection.answer().status

    assert status("https://localhost", "localhost") == 200
    assert status("http://localhost", "localhost") == 403
    assert status("https://localhost:8443", "backend", "localhost:8443") == 200
    assert status("https://evil.example", "backend", "evil.example") == 421


@pytest.mark.parametrize("header", [LINE, BINARY])
def test_a_connection_may_say_whose_it_is_and_a_request_on_it_no_more(endpoint: Endpoint, header: bytes) -> None:
    with endpoint.connect() as connection:
        for _ in range(2):
            connection.sends(header + endpoint.head("GET", "/users", X_Forwarded_For="127.0.0.1").encode())
            assert connection.answer().status == 401
            header = b""


@pytest.mark.parametrize("header", [LINE, BINARY])
def test_the_header_may_come_in_pieces(endpoint: Endpoint, header: bytes) -> None:
    with endpoint.connect() as connection:
        for byte in header:
            connection.sends(bytes([byte]))
            gevent.sleep(0.001)
        connection.sends(endpoint.head("GET", "/users"))
        assert connection.answer().status == 401


def test_the_loopback_address_of_a_proxy_on_another_machine_is_not_ours() -> None:
    ours, theirs = socket.socketpair()
    seats = SimpleNamespace(open=set(), waiting={})
    with ours, theirs:
        theirs.sendall(b"PROXY TCP4 127.0.0.1 127.0.0.1 5555 8\r\n")
        assert proxied.behind(ours, ("10.1.2.3", 1), "10.0.0.0/8", seats) == ("10.1.2.3", 5555)


def test_a_health_check_of_a_proxy_is_closed_without_a_word(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        connection.sends(LOCAL)
        assert connection.sees_end() == b""


@pytest.mark.parametrize("data", [b"P", b"PROP", LINE[:20], BINARY[:14]])
def test_half_a_header_holds_nobody_up(endpoint: Endpoint, data: bytes) -> None:
    connections: list[Connection] = []
    for _ in range(70):
        connections.append(endpoint.connect())
        connections[-1].sends(data)
    assert endpoint.ask("GET", "/users", X_Forwarded_For="127.0.0.1").status == 200
    for connection in connections:
        connection.sock.close()


def test_from_anybody_else_a_header_is_no_http() -> None:
    with Endpoint() as endpoint, endpoint.connect() as connection:
        connection.sends(LINE + endpoint.head("GET", "/users").encode())
        assert connection.answer().status == 400
