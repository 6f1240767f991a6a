"""The plain link: any line chat server, its prompts, its way to say goodbye, and coming back."""

from __future__ import annotations

import re
import socket as blocking
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent import socket
from gevent.queue import Queue

from gchat.client import Back, ConnectFailed, LinkClosed, Lost
from gchat.client.link.plain_link import SKIPPED, TOO_LONG, PlainLine, PlainLink, PlainNotice
from tests.client.fake_server import FakeServer
from tests.e2e.harness import DEADLINE_S, Server


@pytest.fixture(autouse=True)
def _is_bounded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(PlainLink, "retry_min_s", 0.002)
    monkeypatch.setattr(PlainLink, "retry_max_s", 0.01)
    monkeypatch.setattr(PlainLink, "prompt_s", 0.02)
    with gevent.Timeout(2 * DEADLINE_S):
        yield


class OldServer:
    """Accepts one after the other; what it hears is `heard`, what it says are bytes."""

    def __init__(self) -> None:
        self.socks: Queue[socket.socket] = Queue()
        self.heard = b""
        self.has_heard_the_end = False

    def __call__(self, sock: socket.socket) -> None:
        self.socks.put(sock)
        while data := sock.recv(1000):
            self.heard += data
        self.has_heard_the_end = True


@pytest.fixture
def old() -> OldServer:
    return OldServer()


@pytest.fixture
def link(old: OldServer) -> Iterator[PlainLink]:
    with FakeServer(old) as server, PlainLink("127.0.0.1", server.port) as link:
        yield link


def hears(link: PlainLink, count: int) -> list[PlainNotice]:
    return [next(link) for _ in range(count)]


def wait_until(predicate: Callable[[], object]) -> None:
    while not predicate():  # bounded by _is_bounded
        gevent.sleep(0.002)


def test_lines_come_as_they_are_said_and_fit_to_be_shown(old: OldServer, link: PlainLink) -> None:
    old.socks.get().sendall("\r<('127.0.0.1', 5000)> hello\nciao, é\r\n\n\x1b[2J\xff\n".encode())

    assert hears(link, 3) == [PlainLine("<('127.0.0.1', 5000)> hello"), PlainLine("ciao, é"), PlainLine("\\x1b[2Jÿ")]


def test_bytes_that_are_no_utf8_and_telnet_are_no_harm(old: OldServer, link: PlainLink) -> None:
    old.socks.get().sendall(b"caf\xe9\n\xff\xfd\x06next\n")

    assert hears(link, 2) == [PlainLine("caf\ufffd"), PlainLine("next")]


def test_what_waits_unterminated_is_a_line(old: OldServer, link: PlainLink) -> None:
    sock = old.socks.get()
    sock.sendall(b"Your name? ")

    assert hears(link, 1) == [PlainLine("Your name? ")]
    sock.sendall(b"Welcome, bob\n")
    assert hears(link, 1) == [PlainLine("Welcome, bob")]


@pytest.mark.parametrize("prompt", [b"[You] ", b"[You]", b"> ", b"$ "])
def test_a_bare_prompt_is_nothing(old: OldServer, link: PlainLink, prompt: bytes) -> None:
    sock = old.socks.get()
    sock.sendall(b"hello\n" + prompt)
    hears(link, 1)
    wait_until(lambda: not link._decoder.rest)
    sock.sendall(b"[bob] hi\n")

    assert hears(link, 1) == [PlainLine("[bob] hi")]


def test_a_prompt_is_taken_off_the_line_that_follows_it(old: OldServer, link: PlainLink) -> None:
    old.socks.get().sendall(b"[You] [bob] hi\n[You] hi\n")

    assert hears(link, 2) == [PlainLine("[bob] hi"), PlainLine("[You] hi")]


def test_a_line_that_is_too_long_is_told_of(old: OldServer, link: PlainLink) -> None:
    old.socks.get().sendall(b"x" * 70_000 + b"\nhi\n")

    assert hears(link, 2) == [TOO_LONG, PlainLine("hi")]


def test_a_server_that_never_ends_a_line_is_lost(old: OldServer, link: PlainLink) -> None:
    gevent.spawn(old.socks.get().sendall, b"x" * 1_000_000)
    lost = next(notice for notice in link if notice != TOO_LONG)  # told of before, if it came slowly enough

    assert isinstance(lost, Lost)
    assert lost.reason == "the server sent more than 65,536 bytes without a newline"


def test_a_last_line_without_an_end_is_a_line_too_and_then_it_comes_back(old: OldServer, link: PlainLink) -> None:
    sock = old.socks.get()
    sock.sendall(b"bye")
    sock.shutdown(socket.SHUT_WR)
    told = hears(link, 3)

    assert [told[0], told[2]] == [PlainLine("bye"), Back()]
    assert isinstance(told[1], Lost)
    assert told[1].reason == "the server closed the connection"


def test_what_is_said_is_sent_as_it_is_and_nothing_else_ever(old: OldServer, link: PlainLink) -> None:
    link.say("/nick é")
    wait_until(lambda: old.heard)

    assert old.heard == "/nick é\n".encode()


def test_close_says_the_old_goodbye_and_leaves_nothing(old: OldServer, link: PlainLink) -> None:
    link.say("hi")
    link.close()
    wait_until(lambda: old.has_heard_the_end)

    assert old.heard == b"hi\n-1"
    assert link._sock is None
    assert link._greenlet is not None
    assert link._greenlet.dead
    with pytest.raises(LinkClosed):
        link.say("too late")
    assert list(link) == []


def test_close_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlainLink, "goodbye_s", 0.05)

    def never_ends(sock: socket.socket) -> None:
        while True:
            sock.sendall(b"more\n")
            gevent.sleep(0.001)

    with FakeServer(never_ends) as server:
        link = PlainLink("127.0.0.1", server.port)
        next(link)
        link.close()

        assert link._sock is None


def test_what_is_said_without_a_connection_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlainLink, "retry_min_s", 50.0)
    monkeypatch.setattr(PlainLink, "retry_max_s", 50.0)
    with FakeServer(lambda sock: sock.close()) as server, PlainLink("127.0.0.1", server.port, wait=True) as link:
        assert isinstance(next(link), Lost)
        assert not link.connected
        with pytest.raises(LinkClosed, match="was not sent"):
            link.say("hi")


def test_no_connection_is_one_line() -> None:
    with blocking.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        with pytest.raises(ConnectFailed, match=re.escape(f"cannot connect to 127.0.0.1:{port}: connection refused")):
            PlainLink("127.0.0.1", port)


def test_who_answers_everything_and_reads_too_slowly_is_told_that_lines_are_skipped(link: PlainLink) -> None:
    assert link._squeeze(PlainLine("a"), PlainLine("b")) == [PlainLine("a"), SKIPPED]
    assert link._squeeze(SKIPPED, PlainLine("c")) == [SKIPPED]
    assert link._squeeze(SKIPPED, Back()) == [SKIPPED, Back()]


def test_it_speaks_to_our_own_server_in_plain() -> None:
    with Server() as server:
        bob = server.join("bob")
        with PlainLink("127.0.0.1", server.port) as link:
            assert hears(link, 1) == [PlainLine("> Connected to the chat server (2 users online)")]
            link.say("/nick alice")
            bob.sees_bytes(b" is now alice\n")
            link.say("hello")
            bob.sees("[alice] hello")
            bob.says("hello, alice")
            assert PlainLine("[bob] hello, alice") in hears(link, 2)
        bob.sees("< The user alice left")
        bob.sock.close()


def test_a_server_that_accepts_nobody_takes_no_longer_than_the_timeout() -> None:
    with blocking.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [blocking.socket() for _ in range(3)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        with pytest.raises(ConnectFailed, match="timed out"):
            PlainLink("127.0.0.1", port, timeout_s=0.05)
        for sock in waiting:
            sock.close()
