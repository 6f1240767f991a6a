"""The endpoint in TLS: whoever asks it there, in the clear, or not at all."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import gevent
import gevent.ssl
import pytest

from gchat.admin import security
from gchat.admin.http_server import MAX_CONNECTIONS
from gchat.server import handshakes
from gchat.server.settings import TlsSection
from gchat.server.tls import Tls
from tests.admin.endpoint import Connection, Endpoint, wait_until
from tests.certificates import certificate


class SecureEndpoint(Endpoint):
    """An endpoint in TLS, and clients that are too."""

    def __init__(self, section: TlsSection) -> None:
        super().__init__(security=Tls(section))
        self._context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.load_verify_locations(section.cert)

    def connect(self) -> Connection:
        """Connect, with a handshake."""
        connection = self.connect_plainly()
        connection.sock = self._context.wrap_socket(connection.sock, server_hostname="localhost")
        return connection

    def connect_plainly(self) -> Connection:
        """Connect, without."""
        return super().connect()


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[SecureEndpoint]:
    with SecureEndpoint(certificate(tmp_path)) as endpoint:
        yield endpoint


def test_requests_are_answered_many_on_a_connection_too(endpoint: SecureEndpoint) -> None:
    assert endpoint.ask("GET", "/healthz").status == 200
    with endpoint.connect() as connection:
        for _ in range(5):
            connection.sends(endpoint.head("GET", "/users"))
            assert connection.answer().status == 200


def test_a_body_in_chunks_is_heard_in_tls_and_the_next_request_behind_it(endpoint: SecureEndpoint) -> None:
    head = endpoint.head(
        "POST",
        "/announce",
        Authorization=f"Bearer {endpoint.token}",
        Content_Type="application/json",
        Transfer_Encoding="chunked",
    )
    with endpoint.connect() as connection:
        for piece in (head, "7\r\n", '{"text"\r', '\n8\r\n:"hello"\r\n', "1\r\n}\r\n0\r\nX", ": y\r\n\r\n"):
            connection.sends(piece)
            gevent.sleep(0.01)
        connection.sends(endpoint.head("GET", "/healthz"))
        assert connection.answer().value == {"told": 3}
        assert connection.answer().value == {"status": "ok"}


def test_the_page_of_the_endpoint_itself_may_ask(endpoint: SecureEndpoint) -> None:
    assert endpoint.ask("GET", "/users", Origin=f"https://{endpoint.host}").status == 200
    assert endpoint.ask("GET", "/users", Origin=f"http://{endpoint.host}").status == 403


def test_plain_http_gets_one_readable_answer(endpoint: SecureEndpoint) -> None:
    with endpoint.connect_plainly() as connection:
        connection.sends(endpoint.head("GET", "/status"))
        answer = connection.answer()
        connection.sees_end()

    assert answer.status == 400
    assert answer.detail == "This is HTTPS, and the request came in plain HTTP; begin the URL with https://"


def test_what_is_wrong_with_a_request_is_told_in_tls(endpoint: SecureEndpoint) -> None:
    with endpoint.connect() as connection:
        connection.sends("GET  / HTTP/1.1\r\n\r\n")
        assert connection.answer().status == 400
        connection.sees_end()


def test_peers_that_stall_are_given_up(endpoint: SecureEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "FIRST_BYTE_S", 0.1)
    monkeypatch.setattr(handshakes, "HANDSHAKE_S", 0.1)
    for said in (b"", b"\x16\x03"):
        with endpoint.connect_plainly() as connection:
            connection.sends(said)
            connection.sees_end()
    wait_until(lambda: not endpoint.server.open, "nobody")


@pytest.mark.parametrize("said", [b"", b"\x16\x03"])
def test_peers_that_stall_make_room_for_those_who_ask(endpoint: SecureEndpoint, said: bytes) -> None:
    with ExitStack() as end:
        for _ in range(MAX_CONNECTIONS):
            end.enter_context(endpoint.connect_plainly()).sends(said)
        wait_until(lambda: len(endpoint.server.waiting) == MAX_CONNECTIONS, "all of them wait")
        gevent.sleep(0.05)
        for _ in range(10):
            assert endpoint.ask("GET", "/healthz").status == 200


def test_a_stream_of_events_ends_with_the_server_and_what_is_sent_last_is_in_tls(endpoint: SecureEndpoint) -> None:
    with endpoint.connect() as connection:
        connection.sends(endpoint.head("GET", "/events"))
        connection.sees(b"event: ")
        endpoint.server.stop(1)
        connection.sees_end()  # not an error, as plain text would be here
