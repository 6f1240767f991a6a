"""A server that has a password: how people and programs come in, and what guessing it costs (docs/threats.md, T67)."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import HIDE, PROMPT, Server, User, wait_until
from tests.e2e.rich_user import RichUser, joins
from tests.e2e.test_start import refused_twice
from tests.e2e.tools import Screen, need

PASSWORD = "correct horse, battery"
QUESTION = "> This server has a password; type it, and press Enter"


def written(path: Path, password: str = PASSWORD) -> Path:
    path.write_text(f"{password}\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def password_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("password") / "password")


@pytest.fixture(scope="module")
def server(password_file: Path) -> Iterator[Server]:
    with Server(auth_password_file=password_file) as server:
        yield server


def from_network(server: Server, host: int) -> User:
    """Return a connection of a network of its own: what one test guesses is nothing to the others."""
    return server.connect(source=f"127.0.9.{host}")


def comes_in(user: User) -> User:
    user.says(PASSWORD)
    user.sees_bytes(PROMPT)
    return user


def test_a_user_types_the_password_and_is_in(server: Server) -> None:
    with comes_in(server.connect()) as alice, server.connect() as bob:
        bob.sees_bytes(HIDE + QUESTION.encode() + b"\n")
        alice.does_not_see(b"New user")
        bob.says(PASSWORD)
        bob.sees("> Connected to the chat server (2 users online)")
        bob.sees_bytes(PROMPT)
        bob.says("hello")
        alice.sees(f"[{bob.name}] hello")
        assert b"horse" not in alice.received + bob.received


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\0"])
def test_the_password_and_what_follows_may_come_at_once(server: Server, end: bytes) -> None:
    with comes_in(server.connect()) as alice:
        with server.connect() as user:
            user.sends(PASSWORD.encode() + end + b"hello" + end + b"/ping x" + end)
            alice.sees_bytes(b"] hello\n")
            user.sees("> pong x")
            assert not user.received.startswith(HIDE), "nobody was asked"
        assert b"horse" not in alice.received


def test_a_pipe_into_nc_works(server: Server) -> None:
    with comes_in(server.connect()) as alice:
        command = f"printf '{PASSWORD}\\nhello from a script\\n' | {need('nc')} -N 127.0.0.1 {server.port}"
        said = subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=20).stdout
        alice.sees_bytes(b"] hello from a script\n")
        assert b"> Connected to the chat server" in said
        assert b"horse" not in said + alice.received


def test_telnet_shows_nothing_of_the_password_and_all_of_what_is_said(server: Server, tmp_path: Path) -> None:
    with (
        comes_in(server.connect()) as alice,
        Screen(tmp_path, need("telnet"), "127.0.0.1", str(server.port)) as screen,
    ):
        screen.shows(QUESTION)
        screen.says("wrong")
        screen.shows("> That is not the password; try again")
        screen.says(PASSWORD)
        screen.shows("[You]")
        screen.says("hello, everybody")
        alice.sees_bytes(b"] hello, everybody\n")
        screen.shows("hello, everybody")
        assert not any("wrong" in line or "horse" in line for line in screen.lines)


def test_a_terminal_with_nc_shows_the_question_and_nothing_odd(server: Server, tmp_path: Path) -> None:
    with Screen(tmp_path, need("nc"), "127.0.0.1", str(server.port)) as screen:
        screen.shows(QUESTION)
        assert QUESTION in screen.lines


def test_the_third_wrong_one_is_the_last_and_the_next_question_comes_after_two_seconds_then_four(
    server: Server,
) -> None:
    for wait_s in (2, 4):
        with from_network(server, 2) as guesser:
            for _ in range(2):
                guesser.says("guess")
                guesser.sees("> That is not the password; try again")
            began = time.monotonic()
            guesser.says("guess")
            guesser.sees(f"> That is not the password; the next try is in {wait_s} s")
            guesser.sees_end()
        with from_network(server, 2) as waiting, from_network(server, 3) as other:
            comes_in(other)
            waiting.sees(f"> Somebody at your address has guessed passwords; the next try is in {wait_s} s")
            waiting.sees(QUESTION)
            assert time.monotonic() - began > 0.9 * wait_s
            comes_in(waiting)


def test_those_of_a_network_that_waits_are_few_and_the_others_are_told(server: Server) -> None:
    with from_network(server, 4) as guesser:
        guesser.says("a", "b", "c")
        guesser.sees_end()
    waiting = [from_network(server, 4) for _ in range(4)]
    for user in waiting:
        user.sees("> Somebody at your address")
    with from_network(server, 4) as fifth:
        fifth.sees("> Too many wrong passwords from your address; the next try is in")
        fifth.sees_end()
    for user in waiting:
        comes_in(user)
        user.sock.close()


def test_programs_show_it_in_their_hello(server: Server) -> None:
    with joins(server, "ci", password=PASSWORD) as bot:
        bot.says("built", "1")
        bot.sees("ack")
        assert PASSWORD not in str(bot.events)
    for password, code in (("", "password_needed"), ("guess", "wrong_password")):
        with RichUser(server, nick="ci", password=password) as bot:
            assert bot.sees("refused")["code"] == code
            assert bot.sees("closing")["code"] == "password"
            bot.sees_end()


def test_a_program_that_guesses_is_told_how_long_to_wait(password_file: Path) -> None:
    with Server(auth_password_file=password_file) as server:
        for _ in range(3):
            with RichUser(server, password="guess") as bot:
                refused = bot.sees("refused", code="wrong_password")
        assert refused["retry_after_s"] == 2
        with RichUser(server, password=PASSWORD) as bot:
            refused = bot.sees("refused", code="too_many_tries")
            assert 0 < refused["retry_after_s"] <= 2
            bot.sees("closing", code="password")
        time.sleep(refused["retry_after_s"])
        with joins(server, password=PASSWORD):
            pass


def test_a_hello_that_comes_after_the_question_is_taken_all_the_same(server: Server) -> None:
    with server.connect() as late:
        late.sees(QUESTION)
        late.sends(b'GCHAT/1 {"nick":"late","password":"%s"}\n{"type":"ping","id":"x"}\n' % PASSWORD.encode())
        late.sees('{"type":"welcome"')
        late.sees('{"type":"pong"')
    with server.connect() as late:
        late.sees(QUESTION)
        late.sends(b'GCHAT/1 {"nick":"late"}\n')
        late.sees('{"type":"refused","code":"password_needed"')
        late.sees_end()


@pytest.mark.parametrize(
    "said",
    [b"", b"x" * 3000 + b"\n", b"\0\n", b"\xff\xf4\xff\xfd\x06", b"caf\xe9\n", "Привет\n".encode(), b"\n\n\n"],
)
def test_nothing_that_is_not_the_password_lets_in_or_is_seen(server: Server, said: bytes) -> None:
    logged = len(server.log)
    with comes_in(server.connect()) as alice:
        with from_network(server, 10 + len(said) % 200) as user:
            user.sends(said)
            user.closes()
            user.sees_end()
            assert b"Connected" not in user.received
        alice.does_not_see(user.name.encode())
    assert "horse" not in server.log
    assert user.name not in server.log[logged:]


def test_other_protocols_get_their_own_answer_as_ever(server: Server) -> None:
    with server.connect() as browser:
        browser.sends(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        browser.sees_bytes(b"HTTP/1.1 400 Bad Request\r\n")


def test_the_password_may_have_any_letters_and_be_typed_in_any_form(tmp_path: Path) -> None:
    path = written(tmp_path / "password", "Grüße, 日本")
    with Server(auth_password_file=path) as server:
        for typed in ("Grüße, 日本", "Gru\u0308ße, 日本"):
            with server.connect() as user:
                user.says(typed)
                user.sees_bytes(PROMPT)
        with joins(server, password="Grüße, 日本"):
            pass


def test_a_reload_takes_a_new_password_over_and_keeps_the_old_one_if_that_cannot_be(tmp_path: Path) -> None:
    path, config = written(tmp_path / "password"), tmp_path / "gchat.toml"
    config.write_text(f'[auth]\npassword_file = "{path}"\n')
    with Server("127.0.0.1", "--config", str(config)) as server, comes_in(server.connect()) as alice:
        written(path, "another")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "server password reloaded: it has changed" in server.log, "it is reloaded")
        with server.connect() as user:
            user.says(PASSWORD)
            user.sees("> That is not the password")
            user.says("another")
            user.sees_bytes(PROMPT)
        path.chmod(0o644)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "server password not reloaded, the old one stays" in server.log, "it is refused")
        with server.connect() as user:
            user.says("another")
            user.sees_bytes(PROMPT)
        alice.says("/ping still here")
        alice.sees("> pong still here")
        assert "another" not in server.log


def test_a_server_with_somebody_at_its_door_stops_at_once_and_says_so(password_file: Path) -> None:
    with Server(auth_password_file=password_file) as server, server.connect() as user:
        user.sees(QUESTION)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 2.0
        user.sees("> The server is shutting down")


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        ("", 0o600, "is empty"),
        (PASSWORD, 0o644, "other users can read or write the password file"),
        ("two\nlines", 0o600, "expected one line"),
        (None, 0, "no such file"),
    ],
)
def test_a_file_that_cannot_be_used_keeps_the_start(
    tmp_path: Path, content: str | None, mode: int, complaint: str
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    refused = refused_twice(tmp_path, "127.0.0.1", "0", "--no-admin", GCHAT_AUTH_PASSWORD_FILE=str(path))
    assert complaint in refused
    assert "horse" not in refused
