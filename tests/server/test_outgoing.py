"""Outgoing hooks: what is said is posted in order, tried again, bounded, and nobody waits for it (T75, T76)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import pywsgi, ssl
from gevent.pool import Pool

from gchat.admin.backend import Subscriber
from gchat.admin.happenings import RoomMessage, UserLeft
from gchat.hooks.message import HookMessage
from gchat.hooks.signature import is_signed
from gchat.server import outgoing
from gchat.server.hook_settings import OutgoingHook
from gchat.server.listener import StartError
from gchat.server.outgoing import POSTS, Postbox, start_posting
from tests.admin.endpoint import wait_until


class Receiver:
    """A program that is posted to; its answers can be set."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.statuses: list[str] = []  # of the next answers; then 200
        self.answer: tuple[str, bytes] = ("text/plain", b"ok")
        self.waits_s = 0.0
        self.server = pywsgi.WSGIServer(("127.0.0.1", 0), self._serve, log=None, spawn=Pool())
        self.server.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/in?x=y"

    def _serve(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read()
        gevent.sleep(self.waits_s)
        status = self.statuses.pop(0) if self.statuses else "200 OK"
        if status.startswith("2"):
            self.bodies.append(body)
            self.headers.append({name: value for name, value in environ.items() if isinstance(value, str)})
        start_response(status, [("Content-Type", self.answer[0]), ("Location", "http://127.0.0.1:1/")])
        return [self.answer[1]]

    def texts(self) -> list[str]:
        return [json.loads(body)["text"] for body in self.bodies]


class FakeServer:
    """A server whose users say something."""

    def __init__(self) -> None:
        self.tells: list[Subscriber] = []
        self.answers: list[tuple[str, str, HookMessage]] = []
        self.seq = 0

    def subscribe_said(self, subscriber: Subscriber) -> None:
        self.tells.append(subscriber)

    def say_answer(self, room: str, name: str, message: HookMessage) -> None:
        self.answers.append((room, name, message))
        self.says(message.text, name=f"{name} (http)")

    def says(self, *texts: str, name: str = "alice", room: str = "ops") -> None:
        for text in texts:
            self.seq += 1
            for tell in self.tells:
                tell(RoomMessage(room, self.seq, "said", name, text))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.stop()


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "pause_s", lambda _failures, _retry_after="": 0.001)


def test_what_is_said_in_the_room_is_posted_in_order_and_signed(
    receiver: Receiver, server: FakeServer, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    start_posting([OutgoingHook(receiver.url, "ops", secret_file=str(secret))], server)
    server.says("1", "2")
    server.says("elsewhere", room="dev")
    server.says("3")
    for tell in server.tells:
        tell(UserLeft(1, "alice", "quit"))
    wait_until(lambda: len(receiver.bodies) == 3, "all are posted")
    assert receiver.texts() == ["1", "2", "3"]
    head = receiver.headers[0]
    assert (head["REQUEST_METHOD"], head["PATH_INFO"], head["QUERY_STRING"]) == ("POST", "/in", "x=y")
    assert head["CONTENT_TYPE"] == "application/json"
    shown = head["HTTP_X_GCHAT_SIGNATURE_256"]
    assert is_signed(secret.read_text().strip(), receiver.bodies[0], shown)


def test_only_what_begins_with_the_prefix_is_posted(receiver: Receiver, server: FakeServer) -> None:
    start_posting([OutgoingHook(receiver.url, "ops", prefix="!")], server)
    server.says("no", "!yes", "x !no")
    wait_until(lambda: receiver.bodies, "it is posted")
    assert receiver.texts() == ["!yes"]
    assert "HTTP_X_GCHAT_SIGNATURE_256" not in receiver.headers[0]


def test_an_answer_is_said_and_not_posted_again(receiver: Receiver, server: FakeServer) -> None:
    receiver.answer = ("application/json", b'{"text":"deployed","username":"bot"}')
    start_posting([OutgoingHook(receiver.url, "ops", name="deployer")], server)
    server.says("deploy")
    wait_until(lambda: server.answers, "it is said")
    assert server.answers == [("ops", "deployer", HookMessage("deployed", "bot"))]
    server.says("last")
    wait_until(lambda: len(receiver.bodies) == 2, "the next is posted")
    assert receiver.texts() == ["deploy", "last"]


def test_a_failure_is_tried_again_and_nothing_is_lost_or_out_of_order(
    receiver: Receiver, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = ["503 Not Now", "429 Slow", "200 OK", "500 Oh"]
    start_posting([OutgoingHook(receiver.url, "ops")], server)
    server.says("1", "2", "3")
    wait_until(lambda: len(receiver.bodies) == 3, "all are posted")
    assert receiver.texts() == ["1", "2", "3"]
    assert caplog.text.count("it answers 503; trying again") == 1
    assert "/in" not in caplog.text  # the path may be a secret


def test_what_is_refused_for_good_is_dropped_and_told_once(
    receiver: Receiver, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    dropped = POSTS.values["dropped"]
    receiver.statuses = ["404 Gone", "302 Found", "410 Gone", "200 OK"]
    start_posting([OutgoingHook(receiver.url, "ops")], server)
    server.says("1", "2", "3", "4")
    wait_until(lambda: "again; 3 were lost" in caplog.text, "the last is posted, and that is told")
    assert receiver.texts() == ["4"]
    assert POSTS.values["dropped"] == dropped + 3
    assert caplog.text.count("are dropped: it answers 404") == 1


def test_a_url_where_nobody_is_is_given_up_after_some_tries(
    server: FakeServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "MAX_TRIES", 3)
    dropped = POSTS.values["dropped"]
    start_posting([OutgoingHook("http://127.0.0.1:1/", "ops")], server)
    server.says("1", "2")
    wait_until(lambda: POSTS.values["dropped"] == dropped + 2, "both are dropped")
    assert "nothing listens there" in caplog.text


def test_the_queue_is_bounded_and_the_newest_stay(
    receiver: Receiver, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "MAX_WAITING", 3)
    dropped = POSTS.values["dropped"]
    start_posting([OutgoingHook(receiver.url, "ops")], server)
    server.says(*map(str, range(10)))  # in one turn of the loop
    wait_until(lambda: len(receiver.bodies) == 3, "those that are left are posted")
    assert receiver.texts() == ["7", "8", "9"]
    assert POSTS.values["dropped"] == dropped + 7


def test_one_url_that_hangs_holds_up_nobody(
    receiver: Receiver, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "ANSWER_S", 0.05)
    hanging = Receiver()
    hanging.waits_s = 60.0
    start_posting([OutgoingHook(hanging.url, "ops"), OutgoingHook(receiver.url, "ops")], server)
    server.says("1", "2")
    wait_until(lambda: len(receiver.bodies) == 2, "the other has both")
    hanging.server.stop(0)


def test_a_certificate_is_verified(server: FakeServer, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    key, cert = tmp_path / "key", tmp_path / "cert"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*made, "-days", "1", "-subj", "/CN=localhost"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    secure = pywsgi.WSGIServer(("127.0.0.1", 0), Receiver()._serve, log=None, error_log=None, ssl_context=context)
    secure.start()
    postbox = Postbox(OutgoingHook(f"https://127.0.0.1:{secure.server_port}/", "ops"), server, "")
    postbox.take(RoomMessage("ops", 1, "said", "alice", "x"))
    running = gevent.spawn(postbox.run)
    wait_until(lambda: "cannot post to https://127.0.0.1" in caplog.text, "it is told")
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text
    running.kill()
    secure.stop(0)


def test_a_secret_file_that_cannot_be_used_stops_the_start(server: FakeServer) -> None:
    with pytest.raises(StartError, match="is not a token file"):
        start_posting([OutgoingHook("http://x/", "ops", secret_file="/dev/null")], server)
