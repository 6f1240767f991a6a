"""The sockets: deadlines, places, and what must not be felt by whoever asks /healthz meanwhile."""

from __future__ import annotations

import errno
import gc
import logging
import resource
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import gevent
import pytest
from gevent.server import StreamServer

from gchat.admin import http_server as server_module
from gchat.admin.documents import UserInfo
from gchat.admin.http_server import MAX_CONNECTIONS, MAX_WORKING, AdminServer, Handler
from tests.admin.endpoint import Connection, Endpoint, wait_until
from tests.admin.fake_backend import FakeBackend
from tests.garbage import kept


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every deadline pass in a moment."""
    monkeypatch.setattr(server_module, "HEAD_S", 0.3)
    monkeypatch.setattr(server_module, "IDLE_S", 0.4)
    monkeypatch.setattr(server_module, "SEND_S", 0.3)
    monkeypatch.setattr(server_module, "LINGER_S", 0.1)
    monkeypatch.setattr("gchat.admin.routes.BODY_S", 0.3)


def say(endpoint: Endpoint) -> str:
    """Return a request that takes as long as the backend has it take."""
    body = '{"from":"ci","text":"x"}'
    fields = {"Content_Type": "application/json", "Content_Length": str(len(body))}
    return endpoint.head("POST", "/rooms/lobby/messages", Authorization=f"Bearer {endpoint.token}", **fields) + body


def drip(connection: Connection, pieces: Iterable[str], every_s: float = 0.02) -> None:
    """Send a piece at a time, a character of a string, until it is not wanted any more."""
    for piece in pieces:
        try:
            connection.sends(piece)
        except OSError:
            return
        gevent.sleep(every_s)


def test_many_requests_go_over_one_connection(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        for _ in range(200):
            connection.sends(endpoint.head("GET", "/healthz"))
            assert connection.answer().status == 200


def test_requests_that_are_sent_at_once_are_answered_in_order(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        connection.sends(endpoint.head("GET", "/healthz") + endpoint.head("GET", "/rooms") * 2)
        assert connection.answer().value == {"status": "ok"}
        assert connection.answer().value == connection.answer().value


def test_who_sends_thousands_of_requests_at_once_holds_up_nobody(endpoint: Endpoint) -> None:
    with endpoint.connect() as hog:
        hog.sends(endpoint.head("GET", "/healthz") * 3000)
        wait_until(lambda: endpoint.server.working or hog.receive(), "the first answer")
        endpoint.ask_get("/healthz")
        assert hog.received.count(b"HTTP/1.1 200") < 3000


def test_however_many_are_answered_there_is_one_piece_of_work_in_a_turn_of_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turn, made = count(), list[int]()
    with Endpoint(FakeBackend(users=2000)) as endpoint, ExitStack() as stack:
        watcher = gevent.get_hub().loop.check()
        stack.callback(watcher.close)
        users = endpoint.backend.users

        def noted() -> Iterator[list[UserInfo]]:
            for piece in users():
                made.append(now[0])
                yield piece

        now = [0]
        watcher.start(lambda: now.__setitem__(0, next(turn)))
        monkeypatch.setattr(endpoint.backend, "users", noted)
        crowd = [stack.enter_context(endpoint.connect()) for _ in range(8)]
        for connection in crowd:
            connection.sends(endpoint.head("GET", "/status"))
        assert [connection.answer().status for connection in crowd] == [200] * 8
    assert len(set(made)) == len(made) >= 16


def test_a_head_may_come_byte_for_byte(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        drip(connection, endpoint.head("GET", "/healthz"), 0)
        assert connection.answer().status == 200


def test_a_unix_socket_is_served_and_needs_no_token_to_read(tmp_path: Path) -> None:
    with Endpoint(host=str(tmp_path / "admin")) as endpoint:
        assert endpoint.ask_get("/status").value["online"] == 3
        assert endpoint.ask("POST", "/announce", {"text": "x"}).status == 401
        assert endpoint.ask("POST", "/announce", {"text": "x"}, trusted=True).status == 200
        assert endpoint.ask("GET", "/status", Host="evil.example").status == 421


def test_ipv6_is_served() -> None:
    with Endpoint(host="::1") as endpoint:
        endpoint.ask_get("/status")


def test_version_1_0_is_answered_without_pieces_and_closed(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        connection.sends(endpoint.head("GET", "/status", Connection="keep-alive").replace("HTTP/1.1", "HTTP/1.0"))
        answer = connection.answer()
        assert answer.headers["connection"] == "close"
        assert "transfer-encoding" not in answer.headers
        assert answer.value["online"] == 3


def test_a_peer_that_waits_for_100_continue_gets_it_and_who_may_not_send_does_not(endpoint: Endpoint) -> None:
    headers = {"Expect": "100-continue", "Content_Type": "application/json", "Content_Length": "12"}
    with endpoint.connect() as connection:
        connection.sends(endpoint.head("POST", "/announce", Authorization=f"Bearer {endpoint.token}", **headers))
        assert connection.sees(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sends('{"text":"x"}')
        assert connection.answer().status == 200
    with endpoint.connect() as connection:
        connection.sends(endpoint.head("POST", "/announce", **headers))
        assert connection.answer().status == 401


# --- Slow ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_a_head_that_comes_slowly_is_ended_with_408(endpoint: Endpoint) -> None:
    for beginning in ("", "GET /hea", "GET /healthz HTTP/1.1\r\nX: "):
        with endpoint.connect() as connection:
            sender = gevent.spawn(drip, connection, beginning + "a" * 1000)
            assert connection.answer().status == 408
            connection.sees_end()
            sender.join()


@pytest.mark.usefixtures("quick")
def test_the_deadline_of_a_second_request_is_of_its_own(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        connection.sends(endpoint.head("GET", "/healthz") + "GET /hea")
        assert connection.answer().status == 200
        assert connection.answer().status == 408


@pytest.mark.usefixtures("quick")
def test_an_idle_connection_is_closed_without_a_word(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        connection.sends(endpoint.head("GET", "/healthz"))
        connection.answer()
        assert connection.sees_end() == b""


@pytest.mark.usefixtures("quick")
def test_a_body_that_comes_slowly_is_ended_with_408(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        authorization = f"Bearer {endpoint.token}"
        json = "application/json"
        connection.sends(
            endpoint.head("POST", "/announce", Content_Type=json, Content_Length="5000", Authorization=authorization)
        )
        sender = gevent.spawn(drip, connection, "x" * 1000)
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        connection.sees_end()
        sender.join()


def test_a_body_that_is_cut_short_is_no_body(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        head = endpoint.head(
            "POST",
            "/announce",
            Content_Type="application/json",
            Content_Length="50",
            Authorization=f"Bearer {endpoint.token}",
        )
        connection.sends(head + '{"text":"x"}')
        connection.sock.shutdown(1)
        assert connection.answer().status == 400
    assert endpoint.backend.announced == []


@pytest.mark.usefixtures("quick")
def test_who_does_not_read_the_answer_is_cut_off() -> None:
    with Endpoint(FakeBackend(users=50_000)) as endpoint, endpoint.connect() as connection:
        connection.sends(endpoint.head("GET", "/status"))
        wait_until(lambda: endpoint.server.working, "the answer begins")
        wait_until(lambda: not endpoint.server.open, "it is given up")
        assert len(connection.sees_end()) < 10_000_000


# --- Many ------------------------------------------------------------------------------------------------------------


def test_a_thousand_slow_heads_do_not_keep_healthz_from_answering_and_are_gone_soon(endpoint: Endpoint) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    try:
        with ExitStack() as stack:
            for number in range(1000):
                slow = stack.enter_context(endpoint.connect())
                slow.sends("GET /healthz HTTP/1.1\r\nX: ")
                if not number % 50:
                    assert endpoint.ask("GET", "/healthz").status == 200
            assert len(endpoint.server.open) <= MAX_CONNECTIONS + AdminServer.max_accept
            wait_until(lambda: not endpoint.server.open, "all of them are gone")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_waits_longest_makes_room_and_is_told(endpoint: Endpoint) -> None:
    with ExitStack() as stack:
        waiting = []
        for number in range(MAX_CONNECTIONS):
            waiting.append(stack.enter_context(endpoint.connect()))
            wait_until(lambda number=number: len(endpoint.server.waiting) == number + 1, "it waits")  # type: ignore[misc]
        endpoint.ask_get("/healthz")
        answer = waiting[0].answer()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        waiting[1].sends(endpoint.head("GET", "/healthz"))
        assert waiting[1].answer().status == 200


def test_nothing_is_kept_of_who_had_to_make_room(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 2)
    with ExitStack() as stack:
        crowd = [stack.enter_context(endpoint.connect()) for _ in range(50)]
        for evicted in crowd[:-4]:
            assert b" 503 " in evicted.sees_end()
    wait_until(lambda: not endpoint.server.open, "all are gone")
    gc.collect()
    assert kept(Handler) < 10


# While users are there, only what is new is looked at for garbage.
@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("GET", "/healthz", {}, b""),
        ("GET", "/status", {}, b""),
        ("GET", "/nothing", {}, b""),
        ("GET", "/", {"Transfer_Encoding": "gzip"}, b""),
        ("POST", "/announce", {"Content_Length": "16"}, b'{"message":"hi"}'),
        ("POST", "/announce", {"Content_Length": "16", "Expect": "100-continue"}, b'{"message":"hi"}'),
        ("POST", "/announce", {"Transfer_Encoding": "chunked"}, b'10\r\n{"message":"hi"}\r\n0\r\n\r\n'),
        ("POST", "/announce", {"Transfer_Encoding": "chunked"}, b"x"),
    ],
)
def test_a_connection_that_has_ended_leaves_no_garbage(
    endpoint: Endpoint, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    headers = {"Authorization": f"Bearer {endpoint.token}", "Content_Type": "application/json", **headers}
    asked = endpoint.head(method, path, **headers).encode() + body
    gc.collect()
    gc.disable()
    before = kept(Handler)  # of other tests
    try:
        for _ in range(5):
            with endpoint.connect() as connection:
                connection.sends(asked)
                connection.answer()
        wait_until(lambda: not endpoint.server.open, "all are gone")
        assert kept(Handler) <= before + 1
    finally:
        gc.enable()


def test_an_idle_connection_makes_room_without_a_word(endpoint: Endpoint) -> None:
    with ExitStack() as stack:
        idle = stack.enter_context(endpoint.connect())
        idle.sends(endpoint.head("GET", "/healthz"))
        idle.answer()
        for _ in range(MAX_CONNECTIONS):
            stack.enter_context(endpoint.connect())
        assert idle.sees_end() == b""


def test_requests_that_take_long_leave_places_for_healthz(endpoint: Endpoint) -> None:
    endpoint.backend.say_waits_s = 30
    with ExitStack() as stack:
        for _ in range(MAX_WORKING):
            stack.enter_context(endpoint.connect()).sends(say(endpoint))
        wait_until(lambda: len(endpoint.server.working) == MAX_WORKING, "all work")
        assert endpoint.ask("GET", "/status").status == 503
        assert endpoint.ask("GET", "/healthz").status == 200
        assert endpoint.ask("GET", "/readyz").status == 200


def test_who_asks_for_healthz_and_does_not_read_makes_room(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 2)
    with ExitStack() as stack:
        for _ in range(2):
            stalled = stack.enter_context(endpoint.connect())
            flood = gevent.spawn(drip, stalled, [endpoint.head("GET", "/healthz") * 50] * 2000, 0)
            stack.callback(flood.kill)
        wait_until(lambda: len(endpoint.server.working) == 2 and not endpoint.server.waiting, "both do not read")
        endpoint.ask_get("/healthz")


def test_when_nobody_can_make_room_a_newcomer_is_told(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 2)
    with ExitStack() as stack:
        for _ in range(2):
            stream = stack.enter_context(endpoint.connect())
            stream.sends(endpoint.head("GET", "/events"))
            stream.sees(b"event: counters")
        newcomer = stack.enter_context(endpoint.connect())
        assert newcomer.answer().status == 503
        newcomer.sees_end()


# --- The end ---------------------------------------------------------------------------------------------------------


def test_stopping_ends_who_waits_at_once_and_lets_an_answer_finish() -> None:
    endpoint = Endpoint()
    with endpoint, ExitStack() as stack:
        silent, idle, stream, busy = (stack.enter_context(endpoint.connect()) for _ in range(4))
        idle.sends(endpoint.head("GET", "/healthz"))
        idle.answer()
        stream.sends(endpoint.head("GET", "/events"))
        stream.sees(b"event: counters")
        endpoint.backend.say_waits_s = 0.2
        busy.sends(say(endpoint))
        wait_until(lambda: len(endpoint.server.working) == 2, "both work")
        began = time.monotonic()
        endpoint.server.stop(10)
        assert time.monotonic() - began < 5
        assert silent.sees_end() == idle.sees_end() == b""
        assert stream.sees_end().endswith(b"0\r\n\r\n")
        answer = busy.answer()
        assert (answer.status, answer.headers["connection"]) == (201, "close")
        assert endpoint.backend.tells == []


def test_stopping_does_not_wait_longer_than_it_is_told() -> None:
    with Endpoint() as endpoint, endpoint.connect() as busy:
        endpoint.backend.say_waits_s = 60
        busy.sends(say(endpoint))
        wait_until(lambda: endpoint.server.working, "it works")
        began = time.monotonic()
        endpoint.server.stop(0.1)
        assert time.monotonic() - began < 5
        busy.sees_end()


def test_an_application_that_crashes_in_the_middle_of_an_answer_closes_this_connection_only(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = list(endpoint.backend.users_online.values()) * 300
    monkeypatch.setattr(endpoint.backend, "users", lambda: (users if part else [1 // 0] for part in (1, 0)))
    with endpoint.connect() as connection:
        connection.sends(endpoint.head("GET", "/status"))
        assert connection.sees_end().startswith(b"HTTP/1.1 200")
    assert "crashed" in caplog.text
    endpoint.ask_get("/healthz")


def test_out_of_descriptors_it_goes_on_when_there_are_some_again(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([OSError(errno.EMFILE, "")] * 3)
    accept = StreamServer.do_read

    def fail_first(server: StreamServer) -> object:
        if failure := next(failures, None):
            raise failure
        return accept(server)

    monkeypatch.setattr(StreamServer, "do_read", fail_first)
    endpoint.ask_get("/healthz")
    assert caplog.text.count("cannot accept connections") == 1


# --- The log ---------------------------------------------------------------------------------------------------------


def test_a_request_is_one_line_at_debug_without_its_query_and_token(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "gchat")
    endpoint.ask("GET", "/users?secret=1", trusted=True)
    endpoint.ask("G{T", "/")
    assert [record.getMessage() for record in caplog.records] == [
        "admin: 127.0.0.1 GET /users HTTP/1.1: 200",
        "admin: 127.0.0.1 (no request): 400",
    ]
    caplog.clear()
    caplog.set_level(logging.INFO, "gchat")
    endpoint.ask("GET", "/users")
    assert not caplog.records
