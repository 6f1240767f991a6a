"""A POST on gevent's sockets: what is sent, what comes back, and what a peer can do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import pytest
from gevent import socket

from gchat.server.http_post import MAX_ANSWER_BYTES, Answered, NotThere, PostFailed, Target, post


@contextmanager
def peer(answer: Callable[[socket.socket], None]) -> Iterator[Target]:
    """A peer that answers one request in this way."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve() -> None:
            with listener.accept()[0] as one:
                answer(one)

        serving = gevent.spawn(serve)
        yield Target(*listener.getsockname())
        serving.kill()


def asked(sock: socket.socket) -> bytes:
    """Return the request with its body of two bytes."""
    found = b""
    while not found.endswith(b"\r\n\r\nhi"):
        found += sock.recv(4096)
    return found


def test_it_is_sent_and_answered() -> None:
    seen = []

    def answer(sock: socket.socket) -> None:
        seen.append(asked(sock))
        sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Type: application/JSON; x=y\r\nContent-Length: 2\r\n\r\n{}more")

    with peer(answer) as target:
        assert post(target, "/a?b=c", b"hi", {"X-Y": "z"}, 5.0) == Answered(201, "application/json", "", b"{}")
    head = seen[0].decode()
    assert head.startswith("POST /a?b=c HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{target.port}\r\n" in head
    assert "X-Y: z\r\n" in head
    assert "Content-Length: 2\r\n" in head


def test_an_answer_is_bounded() -> None:
    def answer(sock: socket.socket) -> None:
        asked(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * MAX_ANSWER_BYTES * 2)

    with peer(answer) as target:
        assert len(post(target, "/", b"hi", {}, 5.0).body) == MAX_ANSWER_BYTES


def test_a_redirect_is_an_answer_like_others() -> None:
    def answer(sock: socket.socket) -> None:
        asked(sock)
        sock.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
        )

    with peer(answer) as target:
        assert post(target, "/", b"hi", {}, 5.0) == Answered(302, "", "7", b"")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"SSH-2.0-x\r\n", "not HTTP"),
        (b"", "closed|not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70000 + b"\r\n\r\n", "not HTTP"),
    ],
)
def test_what_is_no_answer_is_one_line(answer: bytes, why: str) -> None:
    def answers(sock: socket.socket) -> None:
        asked(sock)
        sock.sendall(answer)

    with peer(answers) as target, pytest.raises(PostFailed, match=why):
        post(target, "/", b"hi", {}, 5.0)


def test_a_drip_ends_at_the_deadline() -> None:
    def drips(sock: socket.socket) -> None:
        while True:
            sock.sendall(b"H")
            gevent.sleep(0.01)

    with peer(drips) as target, pytest.raises(PostFailed, match=r"no answer within 0\.1 s"):
        post(target, "/", b"hi", {}, 0.1)


def test_nothing_there_is_told_apart() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(NotThere):
            post(Target(*sock.getsockname()), "/", b"hi", {}, 5.0)
    with pytest.raises(NotThere):
        post(Target("/nonexistent/socket", 0), "/", b"hi", {}, 5.0)
