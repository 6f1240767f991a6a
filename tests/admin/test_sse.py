"""Server-sent events: what each scope gets, and that no reader, slow or fast, is in anybody's way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Self

import pytest
from gevent import socket

from gchat.admin import sse
from gchat.admin.access import Scope
from gchat.admin.responses import Problem
from gchat.admin.sse import MAX_OF_NETWORK, MAX_STREAMS, Streams
from tests.admin.endpoint import Connection, Endpoint, wait_until
from tests.admin.fake_backend import READ_TOKEN, TOKEN, FakeBackend


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


class Events:
    """One stream, as a browser reads it."""

    def __init__(self, endpoint: Endpoint, *, token: str = "") -> None:
        self.connection: Connection = endpoint.connect()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.connection.sends(endpoint.head("GET", "/events", Accept="text/event-stream", **headers))
        self.head = self.connection.sees(b"\r\n\r\n").decode()
        self.access = self.next("access")  # is always first

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.sock.close()

    def next(self, kind: str = "") -> dict[str, Any]:
        """Return the next event, or the next of a kind."""
        while True:
            block = self.connection.sees(b"\n\n").decode()
            lines = dict(line.split(": ", 1) for line in block.splitlines() if line.startswith(("event: ", "data: ")))
            if lines and kind in ("", lines["event"]):
                value: dict[str, Any] = json.loads(lines["data"])
                assert value["type"] == lines["event"]
                return value


def test_the_first_event_says_what_the_stream_leaves_out(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        connection.sends(endpoint.head("GET", "/events"))
        assert connection.sees(b"\n\n").endswith(b"retry: 2000\n\n")
        assert connection.sees(b"\n").endswith(b"event: access\n")
    for token, scope in (("", "none"), (READ_TOKEN, "read"), (TOKEN, "all")):
        with Events(endpoint, token=token) as events:
            assert events.access["scope"] == scope
            assert ("Without a token, messages" in events.access["note"]) is (scope == "none")


def test_the_counters_come_at_once_and_every_second(endpoint: Endpoint) -> None:
    with Events(endpoint) as events:
        first = events.next()
        assert (first["type"], first["online"], first["messages"]) == ("counters", 3, 0)
        endpoint.backend.joins("dave")
        assert events.next("counters")["online"] == 4
    assert "content-type: text/event-stream\r\n" in events.head
    assert "x-accel-buffering: no\r\n" in events.head


def test_who_comes_and_goes_is_told_as_it_happens(endpoint: Endpoint) -> None:
    with Events(endpoint) as events:
        events.next()
        user = endpoint.backend.joins("dave", room="dev")
        assert events.next("joined") | {"address": ""} == {
            "type": "joined",
            "user": user,
            "nick": "dave",
            "address": "",
            "room": "dev",
            "node": "",
        }
        endpoint.backend.leaves(user, "reset")
        assert events.next("left") == {"type": "left", "user": user, "nick": "dave", "reason": "reset"}


@pytest.mark.parametrize("token", [READ_TOKEN, TOKEN])
def test_messages_are_told_with_a_token_and_not_without(endpoint: Endpoint, token: str) -> None:
    with Events(endpoint, token=token) as trusted, Events(endpoint) as other:
        trusted.next()
        other.next()
        endpoint.backend.says("alice", "a secret\nof mine \x1b[2J")
        endpoint.backend.joins("dave")
        said = trusted.next("message")
        assert (said["room"], said["seq"], said["from"]) == ("lobby", 1, "alice")
        assert said["text"] == "a secret\nof mine \\x1b[2J"
        assert other.next()["type"] == "joined"


def test_addresses_of_users_with_a_nick_are_told_with_a_token_and_not_without(endpoint: Endpoint) -> None:
    with Events(endpoint, token=READ_TOKEN) as trusted, Events(endpoint) as other:
        dave = endpoint.backend.joins("dave")
        address = endpoint.backend.users_online[dave].address
        assert trusted.next("joined")["address"] == address
        assert other.next("joined")["address"] == ""
        endpoint.backend.joins("127.0.0.1:1029")
        assert other.next("joined")["address"] == "127.0.0.1:1029"


def test_a_stream_needs_the_right_token_or_none(endpoint: Endpoint) -> None:
    assert endpoint.ask("GET", "/events", Authorization="Bearer x").status == 401


def test_a_silent_server_is_still_heard(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.01)
    with Events(endpoint) as events:
        events.connection.sees(b": still here\n\n")
        events.connection.sees(b": still here\n\n")


def test_a_client_that_is_gone_is_noticed_at_once(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 1000)
    monkeypatch.setattr(sse, "COUNTERS_S", 1000)
    with Events(endpoint) as events:
        events.next()
        assert len(endpoint.backend.tells) == 1
    wait_until(lambda: not endpoint.backend.tells and not endpoint.server.open, "nothing is left of it")


def test_there_are_only_so_many_streams_and_healthz_answers_beside_them(endpoint: Endpoint) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(Events(endpoint)) for _ in range(MAX_STREAMS)]
        answer = endpoint.ask("GET", "/events")
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
        endpoint.ask_get("/healthz")
        assert len(endpoint.backend.tells) == 1, "one subscription for all"
        streams[0].connection.sock.close()
        wait_until(lambda: len(endpoint.server.open) == MAX_STREAMS - 1, "it is gone")
        with Events(endpoint) as another:
            another.next()
    wait_until(lambda: not endpoint.backend.tells, "all are gone")


def test_a_reader_that_stops_is_dropped_and_the_others_miss_nothing(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "MAX_WAITING", 500)
    with Events(endpoint, token=TOKEN) as stalled, Events(endpoint, token=TOKEN) as healthy:
        healthy.next()
        wanted = 0
        while len(endpoint.server.open) > 1:
            for _ in range(100):
                wanted = endpoint.backend.says("alice", "x" * 3000)
            while healthy.next("message")["seq"] < wanted:
                pass
            assert wanted < 100_000, "it is never dropped"
        stalled.connection.sees_end()


def test_an_answer_that_a_client_sends_ends_the_stream(endpoint: Endpoint) -> None:
    with Events(endpoint) as events:
        events.next()
        events.connection.sends(endpoint.head("GET", "/healthz"))
        assert b"200" not in events.connection.sees_end()


def test_a_thousand_streams_one_after_the_other_leave_nothing(endpoint: Endpoint) -> None:
    for _ in range(300):
        with Events(endpoint) as events:
            events.next()
    wait_until(lambda: not endpoint.server.open, "all are gone")
    assert endpoint.backend.tells == []


def test_counters_that_fail_once_come_again(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "COUNTERS_S", 0.01)
    with Events(endpoint) as events:
        events.next("counters")
        endpoint.backend.fault = RuntimeError("broken")
        wait_until(lambda: "broken" in caplog.text, "it is logged")
        endpoint.backend.fault = None
        endpoint.backend.joins()
        while events.next("counters")["online"] < 4:
            pass


def test_text_that_is_no_unicode_is_told_all_the_same(endpoint: Endpoint) -> None:
    with Events(endpoint, token=TOKEN) as events:
        events.next()
        endpoint.backend.says("alice", "a\ud800b")
        assert events.next("message")["text"] == "a\ufffdb"


def test_a_server_that_cannot_tell_how_it_is_does_not_leave_a_stream_behind(caplog: pytest.LogCaptureFixture) -> None:
    backend = FakeBackend()
    with Endpoint(backend) as endpoint:
        backend.fault = RuntimeError("broken")
        for _ in range(MAX_STREAMS + 1):
            assert endpoint.ask("GET", "/events").status == 500
        backend.fault = None
        with Events(endpoint) as events:
            events.next()
    assert "broken" in caplog.text


def test_one_network_cannot_take_all_streams_and_this_machine_can() -> None:
    streams = Streams(FakeBackend())
    with ExitStack() as open_streams:

        def opens(peer: str) -> None:
            sock, _ = pair = socket.socketpair()
            for end in pair:
                open_streams.callback(end.close)
            open_streams.callback(streams.open(sock, Scope.READ, peer).close)

        for number in range(MAX_OF_NETWORK):
            opens(f"2001:db8::{number}")  # one /64
        with pytest.raises(Problem, match="Your network has 4 event streams, which is the limit") as refused:
            opens("2001:db8::ffff")
        assert refused.value.status == 429
        opens("2001:db8:0:1::1")
        opens("192.0.2.1")
        for _ in range(MAX_STREAMS - MAX_OF_NETWORK - 2):
            opens("::ffff:127.0.0.1")
        with pytest.raises(Problem, match="All 16 event streams are in use") as refused:
            opens("")
        assert refused.value.status == 503
