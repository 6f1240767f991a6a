"""The door: what becomes of a peer by its first bytes, and that each is counted out once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import gevent
import msgspec
import pytest

from gchat.chat.effects import CloseReason
from gchat.chat.limits import Rates
from gchat.chat.networks import Network
from gchat.dialects import rich
from gchat.server import door as the_door
from gchat.server.door import Door
from gchat.server.listener import Peer
from gchat.server.opening import MAX_BYTES
from gchat.server.server_password import ServerPassword
from gchat.server.settings import Config
from gchat.server.tls import Tls
from tests.server.stage import Stage, pair, wait_until


class Entrance(Stage):
    """A stage with a door."""

    def __init__(self, **limits: Any) -> None:
        super().__init__(**limits)
        self.config = Config()
        self.password = ServerPassword("")
        self.config.server.greeting_delay_s = 30.0
        self.tls = Tls(self.config.tls)
        self.max_connections = 3
        self.door = Door(self)
        self.roster._release = self.counts_out
        self._comers: list[socket.socket] = []

    def counts_out(self, peer: Peer) -> None:
        self.released.append(peer)
        self.door.release(peer)

    def comes(self, said: bytes = b"", *, ends: bool = False) -> Comer:
        """Have a peer come that is admitted, and says this at once."""
        ours, theirs = pair()
        peer = Peer(f"127.0.0.1:{theirs.fileno()}", "192.0.2.1", len(self._comers) + 1)
        assert self.door.admit(peer) is None
        self._greenlets.append(gevent.spawn(self.door.serve, ours, peer))
        while said:
            try:
                said = said[theirs.send(said) :]
            except BlockingIOError:
                gevent.sleep(0)
        if ends:
            theirs.shutdown(socket.SHUT_WR)
        self._comers.append(theirs)
        return Comer(theirs, peer)

    @property
    def inside(self) -> int:
        """How many connections are counted."""
        return self.door.admission.total

    def shut(self) -> bool:
        for sock in self._comers:
            sock.close()
        return super().shut()


class Comer:
    """The other end of a peer's stream."""

    def __init__(self, sock: socket.socket, peer: Peer) -> None:
        self.sock = sock
        self.peer = peer
        self.heard = b""
        self.has_ended = False

    def says(self, data: bytes) -> None:
        self.sock.sendall(data)

    def hears(self, data: bytes) -> None:
        wait_until(lambda: data in self._listens(), f"{data!r}")

    def hears_end(self) -> bytes:
        wait_until(lambda: (self._listens(), self.has_ended)[1], "the end")
        return self.heard

    def _listens(self) -> bytes:
        try:
            data = self.sock.recv(65536)
            self.heard += data
            self.has_ended = not data
        except BlockingIOError:
            pass
        except ConnectionResetError:  # closed with something unread
            self.has_ended = True
        return self.heard


@pytest.fixture
def entrance() -> Iterator[Entrance]:
    with Entrance() as entrance:
        yield entrance
        wait_until(lambda: entrance.shut() and not entrance.inside, "everybody is counted out")
        assert len(entrance.released) == len(set(entrance.released))


def test_a_silent_peer_is_greeted_when_the_delay_is_over(entrance: Entrance) -> None:
    entrance.config.server.greeting_delay_s = 0.01
    peer = entrance.comes()
    peer.hears(b"> Connected to the chat server (1 user online)\n")
    assert (entrance.inside, len(entrance.roster.by_session)) == (1, 1)


@pytest.mark.parametrize("said", [b"hello\n", b"/who\n", b"\xff\xfb\x1fhello\n", b"GCHAT\n"])
def test_a_peer_that_speaks_plain_is_greeted_at_its_first_line(entrance: Entrance, said: bytes) -> None:
    entrance.comes(said).hears(b"> Connected to the chat server (1 user online)\n")


def test_a_hello_is_waited_for_beyond_the_delay_and_what_is_behind_it_is_heard(entrance: Entrance) -> None:
    entrance.config.server.greeting_delay_s = 0.01
    peer = entrance.comes(b"GCHAT/1 ")
    gevent.sleep(0.05)
    assert entrance.roster.by_session == {}
    peer.says(b'{"nick":"ann"}\n{"type":"ping","id":"p"}\n')
    peer.hears(b'"type":"pong"')
    assert peer.heard.startswith(b'{"type":"welcome"')
    assert b'"nick":"ann"' in peer.heard
    (connection,) = entrance.roster.by_session.values()
    assert connection.dialect is rich
    assert connection.peer == peer.peer


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GCHAT/1 [\n"])
def test_nobody_hears_of_a_peer_that_is_not_let_in_and_it_is_counted_out(entrance: Entrance, said: bytes) -> None:
    reason = {b"": CloseReason.PROBE, b"GCH": CloseReason.BAD_HELLO}.get(said[:3], CloseReason.FOREIGN)
    peer = entrance.comes(said, ends=not said)
    answer = peer.hears_end()
    peer.sock.close()
    wait_until(lambda: not entrance.inside, "it is counted out")
    assert entrance.closed == {reason: 1}
    assert (entrance.roster.by_session, entrance.registry.sessions, entrance.told) == ({}, {}, [])
    if said.startswith(b"GET"):
        assert answer.startswith(b"HTTP/1.1 ")
    if said.startswith(b"GCHAT"):
        assert b'"type":"refused","code":"bad_command","message":"Invalid hello; ' in answer
        assert answer.endswith(b'"code":"bad_hello"}\n')


def test_a_reset_before_the_first_byte_is_a_probe(entrance: Entrance) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    ours.setblocking(False)
    peer = Peer("127.0.0.1:1", "192.0.2.1", 1)
    entrance.door.admit(peer)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    theirs.close()
    entrance.door.serve(ours, peer)
    assert (entrance.closed, entrance.inside) == ({CloseReason.PROBE: 1}, 0)


def test_a_peer_that_is_heard_after_the_farewell_gets_one_too(entrance: Entrance) -> None:
    entrance.stopping.set()
    assert entrance.comes(b"hello\n").hears_end() == b"> The server is shutting down\n"
    wait_until(lambda: not entrance.inside, "it is counted out")
    assert entrance.registry.sessions == {}


def test_a_fault_ends_the_connection_that_met_it_alone(
    entrance: Entrance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def faulty(_start: bytes) -> Any:
        raise ValueError("a fault that was asked for")

    with monkeypatch.context() as patched:
        patched.setattr(the_door, "spoken", faulty)
        assert entrance.comes(b"hello\n").hears_end() == b""
        wait_until(lambda: not entrance.inside, "it is counted out")
    assert entrance.closed == {CloseReason.CRASHED: 1}
    assert "a new connection crashed; it alone is closed" in caplog.text
    entrance.forgives()
    entrance.comes(b"hello\n").hears(b"> Connected to the chat server")


def test_over_the_limits_a_peer_is_told_why_and_counted_as_turned_away(entrance: Entrance) -> None:
    entrance.limits.connections_per_network = 2
    peers = [Peer(f"192.0.2.1:{port}", "192.0.2.1", port) for port in range(1, 5)]
    assert [entrance.door.admit(peer) for peer in peers[:2]] == [None, None]
    refusal = b"> Too many connections from your address: the limit is 2 connections; close another one first\n"
    assert entrance.door.admit(peers[2]) == refusal
    assert entrance.door.admit(Peer("192.0.2.9:1", "192.0.2.9", 9)) is None
    assert entrance.door.admit(Peer("192.0.2.8:1", "192.0.2.8", 8)) == b"> The server is full; try again later\n"
    assert entrance.closed == {CloseReason.TOO_MANY: 1, CloseReason.FULL: 1}
    for peer in [*peers[:2], Peer("192.0.2.9:1", "192.0.2.9", 9)]:
        entrance.door.release(peer)
    assert entrance.inside == 0


def test_a_start_without_an_end_of_line_is_plain_when_it_is_too_long(entrance: Entrance) -> None:
    entrance.comes(b"x" * (MAX_BYTES + 1)).hears(b"> Connected to the chat server")


def test_a_hello_takes_as_much_of_a_turn_as_the_rooms_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    with Entrance() as entrance:
        taken: list[int] = []
        monkeypatch.setattr(type(entrance.pump.share), "wait", lambda _share, weight: taken.append(weight))
        entrance.comes(b'GCHAT/1 {"nick":"alice"}\n').hears(b'"welcome"')
        entrance.comes(b'GCHAT/1 {"nick":"bob","rooms":[{"room":"a"},{"room":"b"},{"room":"c"}]}\n').hears(b'"welcome"')

        assert taken[1] == 3 * taken[0]


# --- The price of a hello --------------------------------------------------------------------------------------------


def opening(**hello: Any) -> bytes:
    return b"GCHAT/1 " + msgspec.json.encode(hello) + b"\n"


def test_a_hello_that_names_many_rooms_does_not_hold_up_the_network(entrance: Entrance) -> None:
    entrance.limits.rates = Rates(5.0, 40.0)
    entrance.limits.network_rates = entrance.limits.rates.times(4)
    rooms = [{"room": f"room{number}"} for number in range(900)]
    entrance.comes(opening(nick="eve", rooms=rooms), ends=True).hears_end()
    allowance = entrance.door.network_allowance(Network("192.0.2.1", is_exempt=False))

    assert allowance is not None
    assert allowance.debt_s(entrance.limits.network_rates) == 0


def test_a_user_who_comes_back_pays_for_all_rooms(entrance: Entrance) -> None:
    entrance.limits.rates = Rates(0.001, 40.0)
    entrance.limits.network_rates = entrance.limits.rates.times(4)
    token = "0123456789abcdef"
    rooms = [{"room": f"room{number}"} for number in range(20)]
    entrance.comes(opening(nick="bob", token=token, rooms=rooms)).hears(b'"type":"live","room":"room19"')
    entrance.comes(opening(token=token)).hears(b'"type":"live","room":"room19"')
    (connection,) = (one for one in entrance.roster.by_session.values() if one.session.name == "bob")
    network = entrance.door.network_allowance(Network("192.0.2.1", is_exempt=False))

    assert connection.session.allowance is not None
    assert network is not None
    assert round(connection.session.allowance.lines) == 40 - 20 - 20
    assert round(network.lines) == 80 - 20 - 20
