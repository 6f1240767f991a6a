"""Trusted proxies: who is behind them, what they may do, and that they wait for nothing but a short time."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from gchat.dialects.proxy_header import SIGNATURE, MalformedHeader
from gchat.server import proxies as the_proxies
from gchat.server.listener import Peer
from gchat.server.proxies import MAX_WAITING, Proxies
from gchat.server.settings import Config
from tests.server.stage import pair, wait_until

NEAR, FAR = "127.0.0.2", "192.0.2.1"
LINE = b"PROXY TCP4 203.0.113.9 198.51.100.1 5555 8888\r\n"
FROM_LOOPBACK = b"PROXY TCP4 127.0.0.1 127.0.0.1 5555 8888\r\n"
ADDRESSES = bytes([203, 0, 113, 9, 198, 51, 100, 1]) + struct.pack("!HH", 5555, 8888)
BY_TLS = SIGNATURE + b"\x21\x11" + struct.pack("!H", 20) + ADDRESSES + b"\x20\0\x05\x01\0\0\0\0"
NOT_BY_TLS = BY_TLS[:-5] + bytes(5)
LOCAL = SIGNATURE + b"\x20\0\0\0"


class _Server:
    def __init__(self) -> None:
        self.config = Config()
        self.config.server.trusted_proxies = f"{NEAR} 192.0.2.0/24 2001:db8::/32"


@pytest.fixture
def proxies() -> Proxies:
    return Proxies(_Server())


def proxy(host: str = FAR, attempt: int = 1) -> Peer:
    return Peer(f"{host}:999", host, attempt, host == NEAR)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = pair()
    yield ours, theirs
    ours.close()
    theirs.close()


def origin(proxies: Proxies, ends: tuple[socket.socket, socket.socket], said: bytes, host: str = FAR) -> Any:
    assert proxies.expect(proxy(host))
    ends[1].send(said)
    return proxies.origin(ends[0], proxy(host))


@pytest.mark.parametrize(
    ("address", "network", "is_trusted"),
    [
        (f"{NEAR}:1", NEAR, True),
        ("192.0.2.77:1", "192.0.2.77", True),
        ("[2001:db8::1]:1", "2001:db8::/64", True),
        ("127.0.0.1:1", "127.0.0.1", False),
        ("203.0.113.9:1", "203.0.113.9", False),
        ("unix:1", "", False),
    ],
)
def test_only_peers_in_the_networks_that_are_configured_are_proxies(
    proxies: Proxies, address: str, network: str, *, is_trusted: bool
) -> None:
    peer = Peer(address, network, 1)

    assert proxies.expect(peer) is is_trusted
    assert proxies.has(peer) is is_trusted
    assert len(proxies) == is_trusted


def test_without_a_setting_nobody_is_one() -> None:
    server = _Server()
    server.config.server.trusted_proxies = ""

    assert not Proxies(server).expect(proxy())


@pytest.mark.parametrize(
    ("said", "host", "expected"),
    [
        (LINE, FAR, Peer("203.0.113.9:5555", "203.0.113.9", 1, is_private=False)),
        (LINE, NEAR, Peer("203.0.113.9:5555", "203.0.113.9", 1, is_private=False)),
        (BY_TLS, FAR, Peer("203.0.113.9:5555", "203.0.113.9", 1, is_private=True, has_tls=True)),
        (NOT_BY_TLS, NEAR, Peer("203.0.113.9:5555", "203.0.113.9", 1, is_private=False)),
        (FROM_LOOPBACK, NEAR, Peer("127.0.0.1:5555", "127.0.0.1", 1, is_private=True)),
        (FROM_LOOPBACK, FAR, Peer("127.0.0.1:5555", "127.0.0.1", 1, is_private=False)),
        (b"PROXY TCP6 2001:db8:1::9 ::1 5 8888\r\n", FAR, Peer("[2001:db8:1::9]:5", "2001:db8:1::/64", 1)),
        (b"PROXY UNKNOWN\r\n", FAR, Peer(f"{FAR}:999", FAR, 1)),
        (b"PROXY UNKNOWN\r\n", NEAR, Peer(f"{NEAR}:999", NEAR, 1, is_private=False)),
        (LOCAL, FAR, None),
    ],
)
def test_the_peer_is_whom_the_header_names(
    proxies: Proxies, ends: tuple[socket.socket, socket.socket], said: bytes, host: str, expected: Peer | None
) -> None:
    assert origin(proxies, ends, said, host) == expected
    assert len(proxies) == 0


@pytest.mark.parametrize("header", [LINE, BY_TLS])
@pytest.mark.parametrize("following", [b"", b"hello\n", b"\x16\x03\x01\x02\x00\x01"])
def test_nothing_behind_the_header_is_taken_however_it_comes(
    proxies: Proxies, ends: tuple[socket.socket, socket.socket], header: bytes, following: bytes
) -> None:
    ours, theirs = ends
    for cut in range(1, len(header) + len(following), 3):
        proxies.expect(proxy())
        finding = gevent.spawn(proxies.origin, ours, proxy())
        data = header + following
        theirs.send(data[:cut])
        gevent.sleep(0.001)
        theirs.send(data[cut:])
        is_tls = header == BY_TLS
        assert finding.get() == Peer("203.0.113.9:5555", "203.0.113.9", 1, is_private=is_tls, has_tls=is_tls)
        if following:
            wait_until(lambda: ours.recv(100, socket.MSG_PEEK) == following, "what follows is there")
            ours.recv(100)


@pytest.mark.parametrize("said", [b"hello\n", b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 x y 1 2\r\n", b"\x16\x03\x01\0"])
def test_a_stream_that_begins_otherwise_is_none(
    proxies: Proxies, ends: tuple[socket.socket, socket.socket], said: bytes
) -> None:
    with pytest.raises(MalformedHeader):
        origin(proxies, ends, said)
    assert len(proxies) == 0


@pytest.mark.parametrize("said", [b"", LINE[:20]])
def test_a_header_is_not_waited_for_long(
    proxies: Proxies, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(the_proxies, "HEADER_S", 0.05)

    with pytest.raises(MalformedHeader, match=r"within 0\.05 s"):
        origin(proxies, ends, said)


@pytest.mark.parametrize("said", [b"", LINE[:20]])
def test_a_proxy_that_goes_leaves_nothing_behind(
    proxies: Proxies, ends: tuple[socket.socket, socket.socket], said: bytes
) -> None:
    assert proxies.expect(proxy())
    ends[1].send(said)
    ends[1].close()

    with pytest.raises(OSError, match="gone"):
        proxies.origin(ends[0], proxy())
    assert len(proxies) == 0


def test_the_one_that_waits_longest_makes_room(
    proxies: Proxies, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies.expect(proxy())
    waiting = gevent.spawn(proxies.origin, ends[0], proxy())
    gevent.sleep(0)
    for attempt in range(2, MAX_WAITING + 2):
        assert proxies.expect(proxy(attempt=attempt))

    assert len(proxies) == MAX_WAITING
    with pytest.raises(OSError, match="gone"):
        waiting.get()
    assert len(proxies) == MAX_WAITING
