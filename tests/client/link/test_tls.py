"""A link by TLS: whom it trusts, what it says of the others, and that it is a link like any other."""

from __future__ import annotations

import os
import ssl as openssl
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from gevent import socket, ssl

from gchat.client import Back, ConnectFailed, Link, Lost, PlainLink, Said, Sent, connect
from gchat.client.files.safety import Safety
from gchat.client.files.token_file import TokenFile, TokenWithheld
from gchat.client.link import tls as texts
from gchat.client.link.foreign_server import REQUIRES_TLS
from gchat.client.link.plain_link import PlainLine
from gchat.client.link.tls import TlsUnusable, Trust
from gchat.client.pipe import failure_text
from gchat.server.settings import TlsSection
from tests.certificates import certificate
from tests.client.fake_server import FakeServer
from tests.e2e.harness import DEADLINE_S


@pytest.fixture(autouse=True)
def _is_fast_and_bounded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Link, "retry_min_s", 0.002)
    monkeypatch.setattr(Link, "retry_max_s", 0.01)
    monkeypatch.setattr(PlainLink, "retry_min_s", 0.002)
    monkeypatch.setattr(PlainLink, "retry_max_s", 0.01)
    with gevent.Timeout(2 * DEADLINE_S):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def good(folder: Path) -> TlsSection:
    return certificate(folder, "127.0.0.1")


@pytest.fixture
def server(good: TlsSection) -> Iterator[FakeServer]:
    with FakeServer(tls=spoken(good)) as server:
        yield server


@pytest.fixture
def trusted(good: TlsSection) -> Trust:
    return Trust(ca=good.cert)


def spoken(section: TlsSection, newest: openssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return TLS as a server speaks it with this certificate."""
    context = ssl.SSLContext(openssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(section.cert, section.key)
    if newest:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = newest
    return context


def wait_until(predicate: Callable[[], object]) -> None:
    while not predicate():  # bounded by _is_fast_and_bounded
        gevent.sleep(0.002)


def why_not(server: FakeServer, tls: Trust | None, host: str = "127.0.0.1") -> str:
    """Return why there is no link, however it is asked for: it is always the same."""
    with pytest.raises(ConnectFailed) as rich:
        connect(host, server.port, tls=tls)
    with pytest.raises(ConnectFailed) as plain:
        PlainLink(host, server.port, tls=tls)
    assert rich.value.reason == plain.value.reason
    assert "\n" not in str(rich.value)
    return rich.value.reason


# --- A link like others ----------------------------------------------------------------------------------------------


def test_what_is_said_and_heard_goes_by_tls(server: FakeServer, trusted: Trust) -> None:
    with connect("127.0.0.1", server.port, nick="alice", tls=trusted) as chat:
        assert chat.address == f"gchats://127.0.0.1:{server.port}"
        chat.say("x" * 8000)
        server.chat.speaks("hello")
        heard = [notice for notice in (chat.next(1) for _ in range(5)) if isinstance(notice, Said | Sent)]
        assert {notice.text for notice in heard} == {"x" * 8000, "hello"}
    assert not server.chat.peers


def test_a_link_comes_back_by_tls(server: FakeServer, trusted: Trust) -> None:
    with connect("127.0.0.1", server.port, nick="alice", tls=trusted) as chat:
        for number in range(3):
            server.cut()
            chat.say(str(number))
            while not (isinstance(notice := next(chat), Sent) and notice.text == str(number)):
                pass
    assert [said.text for said in server.chat.log] == ["0", "1", "2"]
    assert server.accepted == 4


def test_more_than_a_server_takes_at_once_arrives_whole(server: FakeServer, trusted: Trust) -> None:
    said = [f"{number}{'x' * 8000}" for number in range(200)]
    with connect("127.0.0.1", server.port, tls=trusted, listen=False) as chat:
        server.is_deaf = True
        for text in said:
            chat.say(text)
        gevent.sleep(0.05)
        server.is_deaf = False
        assert chat.wait_acked()
    assert [each.text for each in server.chat.log] == said


def test_a_flood_of_small_records_leaves_others_their_turns(
    server: FakeServer, trusted: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0

    def ticks() -> None:
        nonlocal turns
        while True:
            gevent.sleep(0)
            turns += 1

    monkeypatch.setattr("gchat.client.link.reconnect.MAX_QUEUED", 10_000)
    with connect("127.0.0.1", server.port, tls=trusted) as chat:
        for number in range(1000):
            server.chat.speaks(str(number))  # a record each, all of them there before one is read
        ticking = gevent.spawn(ticks)
        while not (isinstance(notice := next(chat), Said) and notice.text == "999"):
            pass
        ticking.kill()
    assert turns > 500


def test_a_plain_link_goes_by_tls(good: TlsSection, trusted: Trust) -> None:
    heard: list[bytes] = []

    def chats(sock: socket.socket) -> None:
        sock.sendall(b"Welcome\n[You] ")
        while data := sock.recv(1000):
            heard.append(data)
            if data == b"-1":
                sock.sendall(b"half a line")
                sock.close()
                return
            sock.sendall(b"[bob] " + data)

    with FakeServer(chats, tls=spoken(good)) as server:
        with PlainLink("127.0.0.1", server.port, tls=trusted) as chat:
            chat.say("hello")
            assert [next(chat), next(chat)] == [PlainLine("Welcome"), PlainLine("[bob] hello")]
            server.cut()
            assert isinstance(next(chat), Lost)
            assert isinstance(next(chat), Back)
        assert b"".join(heard) == b"hello\n-1"


def test_the_end_of_a_link_is_said_in_tls(good: TlsSection, trusted: Trust) -> None:
    """Else a server cannot tell the end from a connection that somebody has cut."""
    ends: list[object] = []

    def listens(sock: socket.socket) -> None:
        sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        sock.sendall(b"Welcome\n")
        try:
            while sock.recv(1000):
                pass
            ends.append("told")
        except openssl.SSLError as error:
            ends.append(error)

    with FakeServer(listens, tls=spoken(good)) as server:
        with PlainLink("127.0.0.1", server.port, tls=trusted):
            pass
        wait_until(lambda: ends)
    assert ends == ["told"]


def test_an_address_alone_may_ask_for_tls(
    server: FakeServer, good: TlsSection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", good.cert)
    with connect(f"gchats://127.0.0.1:{server.port}/") as chat:
        assert chat.tls
    with connect(f"GCHATS://127.0.0.1:{server.port}") as chat:
        assert chat.address == f"gchats://127.0.0.1:{server.port}"


# --- Trust -----------------------------------------------------------------------------------------------------------


def test_an_unknown_issuer_is_not_trusted(server: FakeServer, folder: Path) -> None:
    assert why_not(server, Trust()) == texts.UNKNOWN_ISSUER
    other = certificate(folder, name="other")
    assert why_not(server, Trust(ca=other.cert)) == texts.UNKNOWN_ISSUER
    assert not server.heard


def test_a_certificate_for_another_name_is_not_taken(folder: Path) -> None:
    elsewhere = certificate(folder, "chat.example.org", "127.0.0.9", name="elsewhere")
    with FakeServer(tls=spoken(elsewhere)) as server:
        for host in ("127.0.0.1", "localhost"):
            assert f"is not for {host};" in why_not(server, Trust(ca=elsewhere.cert), host)


def test_an_expired_certificate_is_not_taken(folder: Path) -> None:
    old = certificate(folder, "127.0.0.1", days=-1, name="old")
    with FakeServer(tls=spoken(old)) as server:
        assert why_not(server, Trust(ca=old.cert)) == texts.EXPIRED


def test_without_a_check_every_certificate_is_taken(folder: Path) -> None:
    for name, days in (("fresh", 2), ("stale", -1)):
        made = certificate(folder, "elsewhere.test", days=days, name=name)
        tls = Trust(insecure=True)
        with FakeServer(tls=spoken(made)) as server, connect("127.0.0.1", server.port, tls=tls) as chat:
            assert tls.safety is Safety.UNCHECKED
            chat.say("hello")
            assert chat.wait_acked()


def test_a_certificate_that_changes_to_a_bad_one_is_told_and_tried_again(
    folder: Path, server: FakeServer, good: TlsSection, trusted: Trust
) -> None:
    with connect("127.0.0.1", server.port, tls=trusted) as chat:
        server.tls = spoken(certificate(folder, name="middle"))
        server.cut()
        while not (isinstance(notice := next(chat), Lost) and notice.reason == texts.UNKNOWN_ISSUER):
            pass
        chat.say("typed meanwhile")
        server.tls = spoken(good)
        while not isinstance(next(chat), Sent):
            pass
    assert [said.text for said in server.chat.log] == ["typed meanwhile"]


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "cannot read "), (b"", "no certificate"), (b"x", "no certificate")]
)
def test_a_file_without_certificates_is_told(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TlsUnusable, match=problem):
        Trust(ca=str(path))


# --- Servers that speak no TLS, or another one -----------------------------------------------------------------------


def test_what_a_server_says_in_plain_text_is_told(trusted: Trust) -> None:
    with FakeServer(lambda sock: sock.sendall(b"> The server is full\n")) as full:
        assert why_not(full, trusted) == f'{texts.NO_TLS}; it said "The server is full"'

    def answers(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")

    with FakeServer(answers) as web:
        assert 'it said "HTTP/1.1 400 Bad"' in why_not(web, trusted)


def test_a_server_that_closes_or_is_silent_may_speak_no_tls(trusted: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer(lambda sock: sock.recv(1000)) as server:
        assert why_not(server, trusted) == texts.ENDED
    with FakeServer(lambda _sock: None) as server:
        assert why_not(server, trusted) == texts.ENDED
    monkeypatch.setattr(Link, "connect_s", 0.1)
    monkeypatch.setattr(PlainLink, "connect_s", 0.1)
    with FakeServer(lambda _sock: gevent.sleep(DEADLINE_S)) as server:
        assert why_not(server, trusted) == Trust.no_answer


def test_a_server_of_old_tls_is_refused(good: TlsSection, trusted: Trust) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old = spoken(good, newest=openssl.TLSVersion.TLSv1_1)
    with FakeServer(tls=old) as server:
        assert why_not(server, trusted) == texts.TOO_OLD


def test_what_a_server_refuses_is_told(good: TlsSection, trusted: Trust) -> None:
    strict = spoken(good)
    strict.verify_mode = openssl.CERT_REQUIRED
    with FakeServer(tls=strict) as server, pytest.raises(ConnectFailed) as failed:
        connect("127.0.0.1", server.port, tls=trusted)
    assert failed.value.reason == texts.WANTS_CERTIFICATE
    odd = spoken(good, newest=openssl.TLSVersion.TLSv1_2)
    odd.set_ciphers("NULL-SHA256:@SECLEVEL=0")
    with FakeServer(tls=odd) as server:
        assert why_not(server, trusted) == texts.REFUSED


def test_a_plain_link_to_a_server_that_answers_in_tls_says_what_to_do() -> None:
    def warns(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(b"\x15\x03\x03\x00\x02\x02\x46")

    with FakeServer(warns) as server, pytest.raises(ConnectFailed) as failed:
        connect("127.0.0.1", server.port)
    assert failed.value.reason == REQUIRES_TLS
    with FakeServer(warns) as server, PlainLink("127.0.0.1", server.port) as chat:
        chat.say("hello there")
        lost = next(chat)
        assert isinstance(lost, Lost)
        assert lost.reason == REQUIRES_TLS


def test_a_server_that_closes_without_a_word_may_want_tls(server: FakeServer, trusted: Trust) -> None:
    """As OpenSSL does when it hears plain text."""
    with pytest.raises(ConnectFailed) as failed:
        connect("127.0.0.1", server.port)
    assert failed.value.is_mute
    assert failure_text(failed.value).endswith("; if it speaks only TLS, use --tls")
    server.stop()
    with pytest.raises(ConnectFailed) as failed:
        connect("127.0.0.1", server.port or 1)
    assert not failed.value.is_mute
    with FakeServer(lambda sock: sock.recv(1000), tls=server.tls) as closing, pytest.raises(ConnectFailed) as failed:
        connect("127.0.0.1", closing.port, tls=trusted)
    assert not failed.value.is_mute


# --- What was got by TLS ---------------------------------------------------------------------------------------------


def test_a_token_that_was_got_by_tls_never_goes_out_in_plain_text(
    tmp_path: Path, server: FakeServer, trusted: Trust
) -> None:
    path = str(tmp_path / "token")
    with connect("127.0.0.1", server.port, nick="alice", tls=trusted, token_file=path) as chat:
        token = chat.token
    content = Path(path).read_bytes()
    with FakeServer() as plain:
        for tls in (None, Trust(insecure=True)):
            with pytest.raises(TokenWithheld, match="only"):
                connect("127.0.0.1", plain.port, token_file=path, tls=tls)
        assert plain.accepted == 0
    assert Path(path).read_bytes() == content
    with connect("127.0.0.1", server.port, tls=trusted, token_file=path) as chat:
        assert chat.token == token


def test_a_token_that_was_got_in_plain_text_may_be_used_by_tls_and_only_there_from_then_on(tmp_path: Path) -> None:
    path = str(tmp_path / "token")
    for safety in (Safety.PLAIN, Safety.UNCHECKED, Safety.CHECKED):
        file = TokenFile(path, safety)
        assert file.load() in ("", "0123456789abcdef-XYZ")
        file.store("0123456789abcdef-XYZ")
        file.release()
    with pytest.raises(TokenWithheld):
        TokenFile(path, Safety.UNCHECKED).load()
    assert os.stat(path).st_mode & 0o777 == 0o600
