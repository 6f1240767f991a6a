"""TLS at the door: by the first byte, with the certificate that is in the file."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
import pytest

from gchat.server import tls as the_tls
from gchat.server.listener import StartError
from gchat.server.settings import TlsSection
from gchat.server.tls import Tls
from gchat.server.transport import HandshakeError, SocketTransport, Transport
from tests.certificates import certificate
from tests.server.stage import pair, wait_until
from tests.server.tls_ends import wrapped

_opened: list[Any] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Close what a test has opened."""
    yield
    while _opened:
        _opened.pop().close()


def stream() -> tuple[SocketTransport, socket.socket]:
    """Return our end of a new stream, and the peer's."""
    ours, theirs = pair()
    transport = SocketTransport(ours)
    _opened.extend((transport, theirs))
    return transport, theirs


def entered(tls: Tls, said: bytes, delay_s: float = 30.0) -> Transport:
    """Return what becomes of the stream of a peer that says this."""
    transport, theirs = stream()
    theirs.send(said)
    return tls.enter(transport, delay_s)


def in_tls(tls: Tls, section: TlsSection) -> tuple[Transport, ssl.SSLSocket]:
    """Return both ends of the stream of a peer that has done a handshake."""
    transport, theirs = stream()
    entering = gevent.spawn(tls.enter, transport, 30.0)
    client = wrapped(theirs, section)
    _opened.append(client)

    def is_done() -> bool:
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
            return True
        return False

    wait_until(is_done, "the handshake")
    _opened.append(entering.get())
    return entering.get(), client


def test_where_it_is_off_nothing_is_waited_for() -> None:
    transport, _theirs = stream()
    tls = Tls(TlsSection())

    assert not tls.is_on
    assert tls.enter(transport, 30.0) is transport


@pytest.mark.parametrize("said", [b"h", b"\xff\xfb", b'GCHAT/1 {"nick":"a"}\n', b"\x15\x03"])
def test_what_does_not_begin_with_a_handshake_goes_on_as_it_is(tmp_path: Path, said: bytes) -> None:
    transport = entered(Tls(certificate(tmp_path)), said)

    assert transport.tls_version == ""
    assert transport.receive(100) == said


def test_a_peer_that_says_nothing_goes_on_after_the_delay(tmp_path: Path) -> None:
    transport, _theirs = stream()

    assert Tls(certificate(tmp_path)).enter(transport, 0.01) is transport


def test_a_handshake_makes_it_another_transport(tmp_path: Path) -> None:
    section = certificate(tmp_path)
    ours, theirs = in_tls(Tls(section), section)

    assert ours.tls_version == "TLSv1.3"
    ours.send(b"hello")
    assert theirs.recv(100) == b"hello"


def test_after_a_handshake_that_fails_the_socket_is_closed(tmp_path: Path) -> None:
    transport, theirs = stream()
    theirs.send(b"\x16\x03\x01\x00\x05hello")
    with pytest.raises(HandshakeError, match="the TLS handshake failed: "):
        Tls(certificate(tmp_path)).enter(transport, 30.0)
    with suppress(ConnectionResetError):
        while theirs.recv(100):  # an alert, and the end
            pass


def test_a_certificate_that_cannot_be_used_keeps_the_server_from_starting(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r'^cannot use TLS: tls.cert = ".*missing": no such file or directory$'):
        Tls(TlsSection(cert=str(tmp_path / "missing")))


@pytest.mark.parametrize("section", [TlsSection(key="key.pem"), TlsSection(required=True)])
def test_what_makes_no_sense_without_a_certificate_keeps_it_from_starting_too(section: TlsSection) -> None:
    with pytest.raises(StartError, match=r"^tls.(key|required) is set, and tls.cert is not; set it to the file of"):
        Tls(section)


def test_a_new_certificate_is_for_those_who_come_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gchat")
    section = certificate(tmp_path)
    tls = Tls(section)
    before, theirs = in_tls(tls, section)
    old = Path(section.cert).read_bytes()
    new = certificate(tmp_path)
    tls.reload(new)

    assert Path(section.cert).read_bytes() != old
    assert f"certificate reloaded: {section.cert}, valid until " in caplog.text
    in_tls(tls, new)
    before.send(b"still here")
    assert theirs.recv(100) == b"still here"


# As in https://github.com/quassel/quassel/pull/208; others stayed without one.
def test_a_bad_new_certificate_leaves_the_old_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    section = certificate(tmp_path)
    tls, kept = Tls(section), certificate(tmp_path, name="kept")
    tls.reload(kept)
    Path(section.cert).write_text("nonsense")
    tls.reload(section)

    why = f'tls.cert = "{section.cert}": there is no certificate in PEM in it'
    assert f"certificate not reloaded, the old one stays: {why}" in caplog.text
    in_tls(tls, kept)


def test_a_certificate_that_ends_soon_is_warned_of_once_a_day(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = Tls(certificate(tmp_path, days=3))
    for _ in range(3):
        tls.look()
    assert caplog.text.count("renew it") == 1
    monkeypatch.setattr(the_tls, "WARN_EVERY_S", 0.0)
    tls._warn_at = 0.0
    tls.look()
    tls.look()
    assert caplog.text.count("renew it") == 3


def test_a_stream_that_ends_before_its_first_byte_goes_on_to_its_end(tmp_path: Path) -> None:
    transport, theirs = stream()
    theirs.shutdown(socket.SHUT_WR)

    assert Tls(certificate(tmp_path)).enter(transport, 30.0) is transport
    assert transport.receive(100) == b""
