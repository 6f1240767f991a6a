"""The server's password, without a network: what is compared, who waits, and that nothing of it is kept."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from gchat.chat import guesses
from gchat.dialects import plain, rich
from gchat.model.errors import Code, Refusal
from gchat.server import server_password
from gchat.server.listener import Peer, StartError
from gchat.server.opening import Opening
from gchat.server.server_password import MAX_HELD_EACH, MAX_PASSWORD_BYTES, ServerPassword, load
from gchat.server.transport import SocketTransport
from tests.server.stage import pair, wait_until

PASSWORD = "correct horse"


def written(path: Path, content: bytes = PASSWORD.encode(), mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.fixture
def password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServerPassword:
    monkeypatch.setattr(guesses, "FIRST_WAIT_S", 0.05)
    return ServerPassword(written(tmp_path / "password"))


class Somebody:
    """A peer at the door, which is asked for the password."""

    def __init__(
        self, password: ServerPassword, network: str, said: bytes = b"", stopping: Event | None = None
    ) -> None:
        ours, self.sock = pair()
        self.opening = Opening(said)
        self.heard = b""
        peer = Peer(f"{network}:1", network, 1)

        def prove() -> Any:
            with password.asked(network):
                return password.prove(SocketTransport(ours), peer, self.opening, stopping or Event())

        self.proving = gevent.spawn(prove)
        self.close = ours.close

    def says(self, data: bytes) -> None:
        self.sock.send(data)

    def hears(self, data: bytes) -> None:
        wait_until(lambda: data in self._listens(), f"{data!r}")

    def _listens(self) -> bytes:
        try:
            self.heard += self.sock.recv(65536)
        except BlockingIOError:
            pass
        return self.heard

    def is_refused(self) -> Refusal:
        with pytest.raises(Refusal) as refused:
            self.proving.get(timeout=20)
        return refused.value


@pytest.fixture
def somebody(password: ServerPassword) -> Iterator[Callable[..., Somebody]]:
    came = []

    def comes(network: str = "192.0.2.1", said: bytes = b"", stopping: Event | None = None) -> Somebody:
        came.append(Somebody(password, network, said, stopping))
        return came[-1]

    yield comes
    for each in came:
        each.proving.kill()
        each.close()
        each.sock.close()
    assert not password._asked
    assert not password._held


Comes = Callable[..., Somebody]


def test_without_one_nobody_is_asked() -> None:
    password = ServerPassword("")
    opening = Opening(b"hello\n")
    ours, theirs = pair()
    with ours, theirs:
        dialect = password.prove(SocketTransport(ours), Peer("192.0.2.1:1", "192.0.2.1", 1), opening, Event())
    assert (dialect, opening.heard, password.is_set) == (plain, b"hello\n", False)


@pytest.mark.parametrize("behind", [b"", b"hello\n", b"hel", b"hello\nand more"])
def test_what_comes_behind_the_password_is_left_to_the_dialect(somebody: Comes, behind: bytes) -> None:
    user = somebody(said=PASSWORD.encode() + b"\n" + behind)
    assert user.proving.get() is plain
    assert user.opening.heard == behind
    assert user._listens() == b""


def test_it_may_be_typed_in_pieces_and_the_end_of_the_stream_ends_it(somebody: Comes) -> None:
    user = somebody()
    user.hears(b"> This server has a password; type it, and press Enter\n")
    for piece in (b"corr", b"ect hor", b"se"):
        user.says(piece)
        gevent.sleep(0.001)
    user.sock.shutdown(socket.SHUT_WR)
    assert user.proving.get() is plain
    assert user.opening == Opening(b"", has_ended=True)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"GCHAT/1 {}\n", Code.PASSWORD_NEEDED),
        (b'GCHAT/1 {"password":"guess"}\n', Code.WRONG_PASSWORD),
        (b'GCHAT/1 {"password":"' + b"x" * 8000 + b'"}\n', Code.WRONG_PASSWORD),
        (b"GCHAT/1 {nonsense\n", Code.BAD_COMMAND),
    ],
)
def test_a_hello_without_it_is_refused(somebody: Comes, said: bytes, code: Code) -> None:
    assert somebody(said=said).is_refused().code is code


def test_a_hello_with_it_is_left_as_it_is(somebody: Comes) -> None:
    said = b'GCHAT/1 {"password":"correct horse"}\n{"type":"who"}\n'
    user = somebody(said=said)
    assert user.proving.get() is rich
    assert user.opening.heard == said


def test_a_hello_without_it_is_no_guess(password: ServerPassword, somebody: Comes) -> None:
    for _ in range(5):
        somebody(said=b"GCHAT/1 {}\n").is_refused()
    assert password.no_place("192.0.2.1") is None
    assert somebody(said=b"correct horse\n").proving.get() is plain


def test_the_tries_of_all_connections_of_a_network_count_together(somebody: Comes) -> None:
    first, second = somebody(said=b"a\n"), somebody(said=b"b\n")
    first.hears(b"try again")
    second.hears(b"try again")
    second.says(b"c\n")
    assert second.is_refused().retry_after_s > 0
    first.says(b"correct horse\n")
    first.hears(b"> Somebody at your address has guessed passwords; the next try is in 1 s\n")
    assert first.proving.get() is plain


def test_another_network_is_never_held_up(password: ServerPassword, somebody: Comes) -> None:
    somebody(said=b"a\nb\nc\n").is_refused()
    user = somebody("192.0.2.2", b"correct horse\n")
    gevent.sleep(0)
    assert user.proving.ready()
    assert password.no_place("192.0.2.2") is None


def test_of_a_network_that_waits_only_some_are_held_and_the_others_not_even_heard(
    password: ServerPassword, somebody: Comes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guesses, "FIRST_WAIT_S", 20.0)
    early = [somebody() for _ in range(MAX_HELD_EACH + 3)]
    for user in early:
        user.hears(b"type it")
    somebody(said=b"a\nb\nc\n").is_refused()
    for user in early:
        user.says(b"correct horse\n")
    wait_until(lambda: password._held == MAX_HELD_EACH, "some are held")
    refused = [user for user in early if user.proving.ready()]
    assert [user.is_refused().code for user in refused] == [Code.TOO_MANY_TRIES] * 3
    assert (refusal := password.no_place("192.0.2.1"))
    assert refusal.code is Code.TOO_MANY_TRIES


def test_a_peer_that_goes_away_while_it_is_held_is_let_go(somebody: Comes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "FIRST_WAIT_S", 20.0)
    somebody(said=b"a\nb\nc\n").is_refused()
    user = somebody()
    user.hears(b"> Somebody at your address")
    user.sock.close()
    with pytest.raises(OSError, match="gone"):
        user.proving.get(timeout=10)


def test_nobody_is_asked_for_ever(somebody: Comes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_password, "ANSWER_S", 0.05)
    user = somebody()
    user.says(b"corre")
    assert user.is_refused().code is Code.PASSWORD_NEEDED


def test_a_server_that_stops_waits_for_no_answer(somebody: Comes) -> None:
    stopping = Event()
    user = somebody(stopping=stopping)
    user.hears(b"type it")
    stopping.set()
    assert str(user.is_refused()) == "The server is shutting down"


def test_ctrl_c_in_telnet_leaves(somebody: Comes) -> None:
    user = somebody()
    user.says(b"\xff\xf4\xff\xfd\x06")
    with pytest.raises(OSError, match="telnet"):
        user.proving.get(timeout=10)


# --- The file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"%s", b"%s\n", b"\xef\xbb\xbf%s\r\n"])
def test_what_an_editor_puts_around_it_is_not_part_of_it(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "password", content % PASSWORD.encode())
    assert load(path) == load(written(tmp_path / "other"))
    assert PASSWORD.encode() not in load(path)


def test_letters_in_two_forms_are_the_same(tmp_path: Path) -> None:
    one, other = (written(tmp_path / name, text.encode()) for name, text in (("a", "é"), ("b", "e\u0301")))
    assert load(one) == load(other)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"a\0b", b"x" * (MAX_PASSWORD_BYTES + 1)])
def test_what_cannot_be_typed_is_no_password(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(StartError, match="password file"):
        load(written(tmp_path / "password", content))


def test_a_file_that_others_can_read_is_refused_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="type chmod 600") as refused:
        load(written(tmp_path / "password", mode=0o640))
    assert PASSWORD not in str(refused.value)


def test_a_reload_keeps_the_old_one_if_there_is_no_new_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path / "password")
    password = ServerPassword(path)
    password.reload(path)
    assert not caplog.records
    written(tmp_path / "password", b"")
    password.reload(path)
    assert password.is_set
    assert "the old one stays" in caplog.text
    password.reload("")
    assert not password.is_set
