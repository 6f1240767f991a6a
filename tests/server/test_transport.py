"""Transports: a socket's, and one without a descriptor, to which nothing may be written past it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from gevent.hub import get_hub

from gchat.server.transport import SocketTransport
from tests.server.stage import Ciphered, Stage, pair, wait_until


@pytest.fixture(params=["tcp", "unix"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[SocketTransport, socket.socket]]:
    if request.param == "unix":
        ours, theirs = pair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            theirs = socket.create_connection(listener.getsockname())
            ours = listener.accept()[0]
        ours.setblocking(False)
    theirs.setblocking(True)
    with closing(ours), closing(theirs):
        yield SocketTransport(ours), theirs


def test_bytes_go_both_ways(ends: tuple[SocketTransport, socket.socket]) -> None:
    transport, peer = ends
    assert transport.send(b"hello") == 5
    assert peer.recv(100) == b"hello"
    with pytest.raises(BlockingIOError):
        transport.receive(100)
    peer.sendall(b"hi")
    wait_until(lambda: transport.receive(1) == b"h", "the first byte")
    assert transport.receive(100) == b"i"


def test_send_takes_what_the_kernel_takes_and_then_nothing(ends: tuple[SocketTransport, socket.socket]) -> None:
    transport, peer = ends
    sent = 0
    while taken := transport.send(b"x" * 100_000):
        sent += taken
    held, before = transport.in_kernel()
    assert held > 0
    left = sent
    while left:
        left -= len(peer.recv(65536))
    wait_until(lambda: transport.in_kernel()[0] == 0, "the peer has taken all")
    assert transport.in_kernel()[1] >= min(before, 0)


def test_the_end_of_the_peer_is_seen_before_what_it_said_is_read(ends: tuple[SocketTransport, socket.socket]) -> None:
    transport, peer = ends
    assert not transport.has_ended()
    peer.sendall(b"bye")
    peer.shutdown(socket.SHUT_WR)
    wait_until(transport.has_ended, "the end")
    assert transport.receive(100) == b"bye"
    assert transport.receive(100) == b""


def test_a_stream_that_is_shut_down_ends_behind_what_was_sent(ends: tuple[SocketTransport, socket.socket]) -> None:
    transport, peer = ends
    transport.send(b"bye")
    transport.shutdown()
    assert peer.recv(100) == b"bye"
    assert peer.recv(100) == b""


def test_a_reader_without_a_descriptor_follows_a_room_and_gets_everything_in_order() -> None:
    with Stage() as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        carol = stage.join("carol", transport=Ciphered)
        carol.transcript()
        bob.transcript()
        for number in range(50):
            alice.says(f"line {number}")
            if number % 10 == 5:
                carol.says(f"carol {number}")
                bob.sees(f"[carol] carol {number}")
        alice.says("last")
        bob.sees("[alice] last")

        expected = [f"[alice] line {number}" for number in range(50)]
        assert [line for line in carol.transcript() if line.startswith("[")] == [*expected, "[alice] last"]
        assert bob.connection.writer.log_reader.is_live
        assert carol.connection.writer.log_reader.is_live
        assert not carol.connection.writer.log_reader.is_behind


def test_a_reader_without_a_descriptor_that_is_slow_goes_on_where_it_stopped() -> None:
    with Stage() as stage:
        alice, carol = stage.join("alice"), stage.join("carol", transport=Ciphered)
        carol.transcript()
        lines = [f"{number:04} " + "x" * 500 for number in range(200)]
        for line in lines:
            alice.says(line)
            alice.transcript()
        assert carol.connection.writer.is_behind

        carol.sees(f"[alice] {lines[0]}")
        assert [line for line in carol.transcript() if line[0] == "["] == [f"[alice] {line}" for line in lines[1:]]
        assert not carol.connection.writer.is_behind


def test_a_reader_without_a_descriptor_that_falls_off_the_ring_is_told_what_it_missed() -> None:
    with Stage(room_log_bytes=4096) as stage:
        alice, carol = stage.join("alice"), stage.join("carol", transport=Ciphered)
        carol.transcript()
        for number in range(200):
            alice.says(f"{number:04} " + "x" * 500)
            alice.transcript()
        heard = [line for line in carol.transcript() if " entered " not in line]
        notices = [line for line in heard if "skipped" in line]
        seen = [int(line[8:12]) for line in heard if line.startswith("[alice]")]

        assert len(notices) == 1
        missed = int(notices[0].split()[2].replace(",", ""))
        assert missed + len(seen) == 200
        assert seen == sorted(seen)


class Hoarding(Ciphered):
    """A transport that takes everything from its socket, as TLS does, and gives it out in small pieces."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.held = b""
        self.readable = lambda: HoardWatcher(self)

    def receive(self, size: int, /) -> bytes:
        if not self.held:
            self.held = super().receive(1 << 20)
        given, self.held = self.held[: min(size, 7)], self.held[7:]
        return given


class HoardWatcher:
    """Calls back while the socket has something, or while what was taken from it is not given out."""

    def __init__(self, transport: Hoarding) -> None:
        self._socket = transport._plain.readable()
        self._held = get_hub().loop.timer(0.0005, 0.0005)
        self._transport = transport

    def start(self, callback: Callable[..., Any], /, *args: object) -> None:
        self._socket.start(callback, *args)
        self._held.start(lambda: callback(*args) if self._transport.held else None)

    def stop(self) -> None:
        self._socket.stop()
        self._held.stop()

    def close(self) -> None:
        self._socket.close()
        self._held.close()


# In https://github.com/curl/curl/issues/1156 and https://github.com/cesanta/mongoose/issues/47 the descriptor below TLS
# was waited for, while all that had come was in the library's buffer already.
def test_what_a_transport_has_taken_from_its_socket_is_heard_without_waiting_for_more() -> None:
    with Stage() as stage:
        alice, bob = stage.join("alice"), stage.join("bob", transport=Hoarding)
        bob.transcript()
        lines = [f"line {number} of many in one packet" for number in range(30)]
        bob.says(*lines)
        for line in lines:
            alice.sees(f"[bob] {line}")
        bob.says("/quit", "never heard")
        bob.sees_end()
        alice.sees("< The user bob left (1 user online)")
