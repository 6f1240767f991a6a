"""A stream in TLS, as the fan-out and the readers use it."""

from __future__ import annotations

import random
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from gchat.server.tls_transport import RECORD_BYTES, TlsTransport
from tests.server.stage import wait_until
from tests.server.tls_ends import ends


def tcp() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours = listener.accept()[0]
    for end in (ours, theirs):
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    return ours, theirs


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[TlsTransport, ssl.SSLSocket]]:
    ours, theirs = ends(tmp_path, tcp)
    yield ours, theirs
    ours.close()
    theirs.close()


def taken(peer: ssl.SSLSocket, most: int = 1 << 30) -> bytes:
    """Return what the peer can receive now."""
    received = b""
    try:
        while len(received) < most and (data := peer.recv(min(65536, most - len(received)))):
            received += data
    except ssl.SSLWantReadError:
        pass
    return received


def heard(ours: TlsTransport) -> bytes:
    """Return what comes next."""
    found = []

    def receives() -> bool:
        try:
            found.append(ours.receive(100))
        except BlockingIOError:
            return False
        return True

    wait_until(receives, "something")
    return found[0]


def test_bytes_go_both_ways_and_the_version_is_known(both: tuple[TlsTransport, ssl.SSLSocket]) -> None:
    ours, theirs = both
    assert ours.tls_version == "TLSv1.3"
    assert ours.descriptor is None
    assert ours.send(b"hello") == 5
    wait_until(lambda: taken(theirs) == b"hello", "hello")
    with pytest.raises(BlockingIOError):
        ours.receive(100)
    theirs.send(b"hi")
    assert heard(ours) == b"hi"


# In https://github.com/eggheads/eggdrop/pull/1501 all above 511 bytes of a record waited for the next.
def test_a_record_is_received_as_a_whole_because_the_loop_does_not_see_its_rest(
    both: tuple[TlsTransport, ssl.SSLSocket],
) -> None:
    ours, theirs = both
    theirs.send(b"x" * 5000)
    assert heard(ours) == b"x" * 5000


# https://github.com/openssl/openssl/issues/21002: what was half written has to be written again, or OpenSSL refuses.
@pytest.mark.parametrize("seed", range(5))
def test_a_peer_that_pauses_gets_many_mib_without_a_hole_or_a_repeat(
    both: tuple[TlsTransport, ssl.SSLSocket], seed: int
) -> None:
    ours, theirs = both
    chosen = random.Random(seed)
    stream = chosen.randbytes(1 << 21)
    at, received, blocked = 0, b"", 0
    while at < len(stream):
        # Another slice each time: what is next may have changed, but for the byte that it begins with.
        size = chosen.choice((1, 2, 100, RECORD_BYTES, RECORD_BYTES + 1, 65536))
        sent = ours.send(stream[at : at + size])
        at += sent
        if sent < min(size, len(stream) - at + sent):
            blocked += 1
            received += taken(theirs, chosen.choice((1, 5000, 100_000)))
    while len(received) < len(stream):
        received += taken(theirs)
    assert received == stream
    assert blocked > 20


def test_what_comes_after_a_record_that_is_half_sent_may_be_something_else(
    both: tuple[TlsTransport, ssl.SSLSocket],
) -> None:
    ours, theirs = both
    sent = 0
    while taken_now := ours.send(b"x" * 1000):
        sent += taken_now
        if taken_now < 1000:
            break
    # The reader has fallen off the ring: the line that it has begun is finished, and then it is told what it missed.
    rest = b"x" * (-sent % 1000) + b"> skipped"
    received = taken(theirs)
    while rest:
        rest = rest[ours.send(rest) :]
        received += taken(theirs)
    received += taken(theirs)
    assert received.count(b"> skipped") == 1
    assert received.rstrip(b"> skipped") == b"x" * (received.index(b">"))
    assert received.index(b">") % 1000 == 0


# In https://github.com/mitmproxy/mitmproxy/pull/7781 it was not, and strict clients complained.
def test_the_end_is_told_to_the_peer_and_what_it_still_sends_is_thrown_away(
    both: tuple[TlsTransport, ssl.SSLSocket],
) -> None:
    ours, theirs = both
    ours.send(b"bye")
    ours.shutdown()
    assert theirs.recv(100) == b"bye"
    assert theirs.recv(100) == b""  # a close_notify: without it this would be an error
    theirs.send(b"still talking")
    wait_until(lambda: ours.receive(100), "the rest")
    theirs.close()
    wait_until(ours.has_ended, "the end")
    while ours.receive(100):
        pass


def test_the_loop_is_told_of_an_end_that_tls_alone_tells_of(both: tuple[TlsTransport, ssl.SSLSocket]) -> None:
    ours, theirs = both
    theirs.send(b"bye")
    with pytest.raises(ssl.SSLWantReadError):
        theirs.unwrap()
    assert heard(ours) == b"bye"
    wait_until(ours.has_ended, "the end")
    assert heard(ours) == b""
    assert ours.send(b"what you asked for") == 18


@pytest.mark.parametrize("says_so", [True, False])
def test_the_end_of_the_peer_is_an_end_also_without_a_word(
    both: tuple[TlsTransport, ssl.SSLSocket], *, says_so: bool
) -> None:
    ours, theirs = both
    theirs.send(b"bye")
    if says_so:
        with pytest.raises(ssl.SSLWantReadError):
            theirs.unwrap()
    socket.socket.shutdown(theirs, socket.SHUT_WR)
    assert heard(ours) == b"bye"
    assert heard(ours) == b""
    assert ours.send(b"what you asked for") == 18
    if not says_so:
        assert theirs.recv(100) == b"what you asked for"


def test_a_broken_connection_is_an_error_in_both_directions(both: tuple[TlsTransport, ssl.SSLSocket]) -> None:
    ours, theirs = both
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    theirs.close()
    with pytest.raises(OSError, match=r".+"):
        heard(ours)
    with pytest.raises(OSError, match=r".+"):
        ours.send(b"hello")


def test_bytes_that_are_no_tls_are_an_error(both: tuple[TlsTransport, ssl.SSLSocket]) -> None:
    ours, theirs = both
    socket.socket.send(theirs, b"\x17\x03\x03\x00\x20" + b"not enciphered with our key at all\n")
    with pytest.raises(ssl.SSLError):
        heard(ours)
