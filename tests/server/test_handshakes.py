"""Handshakes: peers that stall, that are many, or that speak something else."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import gevent
import pytest

from gchat.breather import Breather
from gchat.server import handshakes
from gchat.server.certificate import Certificate
from gchat.server.handshakes import CUT_OFF, DONE, FAILED, GONE, HANDSHAKES, TIMED_OUT, Handshakes
from gchat.server.settings import TlsSection
from gchat.server.transport import HandshakeError
from tests.certificates import certificate
from tests.server.stage import pair, wait_until
from tests.server.tls_ends import wrapped


class Hall:
    """Handshakes, and the peers that have one with us."""

    def __init__(self, section: TlsSection) -> None:
        self.section = section
        self.context = Certificate(section).context
        self.handshakes = Handshakes()
        self._before = dict(HANDSHAKES.values)
        self.said: list[str] = []
        self.sockets: list[socket.socket] = []

    def comes(self) -> socket.socket:
        """Return the socket of a peer that we have begun a handshake with."""
        ours, theirs = pair()
        sock = self.context.wrap_socket(ours, server_side=True, do_handshake_on_connect=False)
        self.sockets += [sock, theirs]
        gevent.spawn(self._shake, sock)
        return theirs

    def _shake(self, sock: ssl.SSLSocket) -> None:
        try:
            self.handshakes.shake(sock)
        except HandshakeError as error:
            self.said.append(str(error))

    def does_it(self, theirs: socket.socket) -> None:
        """Have a peer do its part."""
        client = wrapped(theirs, self.section)
        self.sockets.append(client)

        def is_done() -> bool:
            with suppress(ssl.SSLWantReadError):
                client.do_handshake()
                return True
            return False

        wait_until(is_done, "the handshake")

    @property
    def results(self) -> dict[str, int]:
        """What came of those since the beginning."""
        counts = {result: count - self._before[result] for result, count in HANDSHAKES.values.items()}
        return {result: count for result, count in counts.items() if count}

    def comes_to(self, **results: int) -> None:
        wait_until(lambda: self.results == results, f"{results}")


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    hall = Hall(certificate(tmp_path))
    yield hall
    for sock in hall.sockets:
        sock.close()


def test_handshakes_come_to_their_end_and_are_counted(hall: Hall) -> None:
    for _ in range(20):
        hall.does_it(hall.comes())
    hall.comes_to(**{DONE: 20})
    assert hall.said == []


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"])
def test_a_peer_that_stalls_is_given_up(hall: Hall, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(handshakes, "HANDSHAKE_S", 0.05)
    hall.comes().send(said)
    hall.comes_to(**{TIMED_OUT: 1})
    assert hall.said == ["the TLS handshake took longer than 0.05 s"]


# In https://github.com/mtrudel/thousand_island/pull/211 such a peer held its place for ever.
def test_a_peer_that_drips_is_given_up_too(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "HANDSHAKE_S", 0.2)
    theirs = hall.comes()
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
    for byte in hello:
        if hall.results:
            break
        theirs.send(bytes([byte]))
        gevent.sleep(0.01)
    hall.comes_to(**{TIMED_OUT: 1})


def test_a_peer_that_goes_away_or_speaks_something_else_is_told_apart(hall: Hall) -> None:
    hall.comes().close()
    hall.comes_to(**{GONE: 1})
    hall.comes().send(b"GET / HTTP/1.1\r\n\r\n")
    hall.comes_to(**{GONE: 1, FAILED: 1})
    assert hall.said[1] == "the TLS handshake failed: HTTP_REQUEST"


def test_too_many_half_open_make_room_for_a_newcomer_the_longest_first(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshakes, "MAX_OPEN", 3)
    silent = [hall.comes() for _ in range(3)]
    wait_until(lambda: len(hall.handshakes._open) == 3, "three")
    hall.does_it(hall.comes())
    hall.comes_to(**{DONE: 1, CUT_OFF: 1})
    silent[0].setblocking(True)
    assert silent[0].recv(100) == b""
    with pytest.raises(BlockingIOError):
        silent[1].recv(100)


# https://github.com/h2o/h2o/pull/2872 bounds the handshakes of a round for the same reason.
@pytest.mark.parametrize("step_s", [0.00001, 2 * handshakes.ROUND_S])
def test_a_round_of_the_loop_has_little_time_for_steps_which_come_in_the_order_in_which_they_were_wanted(
    hall: Hall, step_s: float
) -> None:
    """With a large key of RSA one takes 4 ms (measured): of these a round has one, and of short ones a few."""
    order: list[int] = []
    in_a_round: list[float] = []

    ours, theirs = pair()
    hall.sockets += [ours, theirs]

    class Shaking:
        def __init__(self, number: int) -> None:
            self._number = number

        def fileno(self) -> int:
            return ours.fileno()

        def cipher(self) -> None:
            pass

        def do_handshake(self) -> None:
            until = time.thread_time() + step_s
            while time.thread_time() < until:
                pass
            order.append(self._number)

    shaking = [gevent.spawn(hall.handshakes._step, cast("ssl.SSLSocket", Shaking(number))) for number in range(50)]
    breather = Breather()
    while len(order) < 50:
        before = len(order)
        breather.breathe()
        in_a_round.append((len(order) - before) * step_s)
    gevent.joinall(shaking)

    assert order == list(range(50))
    assert max(in_a_round) <= 2 * (handshakes.ROUND_S + step_s)  # between two breaths there may be parts of two rounds
    wait_until(lambda: not hall.handshakes._goes_round, "rest")


def test_a_peer_that_leaves_while_it_waits_for_its_turn_is_forgotten(hall: Hall) -> None:
    ours, theirs = pair()
    hall.sockets += [ours, theirs]

    class Long:
        def fileno(self) -> int:
            return ours.fileno()

        def cipher(self) -> None:
            pass

        def do_handshake(self) -> None:
            until = time.thread_time() + handshakes.ROUND_S
            while time.thread_time() < until:
                pass

    waiting = [gevent.spawn(hall.handshakes._step, cast("ssl.SSLSocket", Long())) for _ in range(20)]
    gevent.sleep(0)
    waiting[-1].kill()
    gevent.joinall(waiting)
    assert not hall.handshakes._waiting


# https://github.com/openziti/ziti/issues/1904
def test_nothing_is_done_for_a_peer_that_has_left_while_it_waited_for_its_turn(hall: Hall) -> None:
    """Under a load of handshakes the server would be busy with those that nobody waits for any more."""
    hall.handshakes._used_s = handshakes.ROUND_S
    theirs = hall.comes()
    hello = ssl.MemoryBIO()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    theirs.send(hello.read())
    gevent.sleep(0)
    theirs.shutdown(socket.SHUT_WR)
    assert hall.handshakes._waiting
    gevent.spawn(hall.handshakes._go_round)
    hall.comes_to(**{GONE: 1})
    with pytest.raises(BlockingIOError):
        theirs.recv(100)


def test_what_a_peer_has_said_before_it_left_is_heard_also_if_its_handshake_waited_for_its_turn(hall: Hall) -> None:
    """In TLS 1.3 it may send a message, and close, with the end of its handshake: `printf hi | ncat --ssl HOST`."""
    theirs = hall.comes()
    client = wrapped(theirs, hall.section)

    def is_done() -> bool:
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
            return True
        return False

    while not is_done():
        gevent.sleep(0.001)
    hall.handshakes._used_s = handshakes.ROUND_S
    client.send(b"hi\n")
    client.close()
    wait_until(lambda: bool(hall.handshakes._waiting), "others have their turns first")
    gevent.spawn(hall.handshakes._go_round)
    hall.comes_to(**{DONE: 1})
    assert hall.sockets[0].recv(100) == b"hi\n"
