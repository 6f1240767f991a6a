"""The door from outside: what is said before a close, who is announced, late hellos, one token used twice."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import PROMPT, Server, User, wait_until
from tests.e2e.rich_user import RichUser, joins
from tests.e2e.tools import need

TOKEN = "a-token-of-22-letters-"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server as it comes, but for the rate limit."""
    with Server(server_announce_after_s=1.0, limits_messages_per_s=0) as server:
        yield server


@pytest.fixture
def alice(server: Server) -> Iterator[User]:
    """A user who reads."""
    with server.join() as user:
        user.says("/ping here")
        user.sees("> pong here")
        yield user


def speaks_and_closes(server: Server, data: bytes, path: str = "", *, together: bool = False) -> str:
    """Connect, send all of it and close at once, as a script's last lines do; return from where.

    With `together` the end is in the same packet: the server never sees the one without the other.
    """
    with socket.socket(socket.AF_UNIX if path else socket.AF_INET) as sock:
        sock.connect(path or ("127.0.0.1", server.port))
        sock.sendall(data, socket.MSG_MORE if together else 0)
        return "" if path else "{}:{}".format(*sock.getsockname())


# --- What is said before a close -------------------------------------------------------------------------------------


def test_what_a_shell_writes_to_dev_tcp_is_said(server: Server, alice: User) -> None:
    for number in range(20):
        subprocess.run(
            [need("bash"), "-c", f"echo deployed {number} > /dev/tcp/127.0.0.1/{server.port}"], check=True, timeout=20
        )
        alice.sees_bytes(f"] deployed {number}\n".encode())


def test_a_line_and_a_close_are_heard_each_time_while_the_room_talks(server: Server, alice: User) -> None:
    over = threading.Event()

    def talk() -> None:
        with server.join() as talker:
            while not over.wait(0.1):
                talker.says("chatter")

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        for number in range(60):
            speaks_and_closes(server, f"bot {number}\n".encode())
        expected = {f"] bot {number}\n".encode() for number in range(60)}
        wait_until(lambda: alice.has_received(*expected), "all sixty are heard")
    finally:
        over.set()
        talking.join()


def test_a_greeted_bot_that_says_lines_and_closes_without_reading_is_heard(server: Server, alice: User) -> None:
    for number in range(20):
        bot = server.connect()
        bot.sees_bytes(PROMPT)
        alice.says(f"not read {number}")  # which makes the close a reset
        bot.says(*(f"{number} line {line}" for line in range(10)))
        bot.sock.close()
        alice.sees_bytes(f"] {number} line 9\n".encode())


def test_what_had_arrived_before_a_reset_is_said_but_not_the_line_that_it_cut(server: Server, alice: User) -> None:
    bot = server.join()
    bot.sends(b"".join(b"whole %d\n" % number for number in range(200)) + b"cut")
    wait_until(lambda: _unread_of(bot) == 0, "all of it has arrived")
    bot.resets()
    alice.sees_bytes(b"] whole 199\n")
    alice.sees(f"< The user {bot.name} left")
    assert b"] cut" not in alice.received


def _unread_of(user: User) -> int:
    import fcntl
    import struct
    import termios

    return int(struct.unpack("i", fcntl.ioctl(user.sock, termios.TIOCOUTQ, b"\0" * 4))[0])


@pytest.mark.parametrize("where", ["tcp", "unix"])
def test_a_rich_bot_that_opens_says_and_closes_in_one_go_is_heard_and_leaves_no_ghost(
    where: str, tmp_path: Path
) -> None:
    path = str(tmp_path / "chat.sock")
    host = path if where == "unix" else "127.0.0.1"
    with Server(host, limits_messages_per_s=0) as server, joins(server) as bob:
        for number in range(20):
            say = {"type": "say", "id": f"{number}", "text": f"built {number}"}
            speaks_and_closes(
                server,
                b'GCHAT/1 {"nick":"ci"}\n' + json.dumps(say).encode() + b"\n",
                path if where == "unix" else "",
            )
            assert bob.sees("said")["text"] == f"built {number}"
            assert bob.events[-1].get("from", "ci") == "ci" or bob.sees("left", who="ci")
            wait_until(lambda: _knows_nobody(server), "ci has left")


def _knows_nobody(server: Server) -> bool:
    with RichUser(server) as user:
        user.asks({"type": "who", "id": "w"})
        names = list(user.sees("users")["users"])
        user.asks({"type": "quit"})
    return "ci" not in names


def test_a_sender_that_was_slowed_down_and_is_gone_has_all_its_lines_said() -> None:
    with Server(limits_messages_per_s=20, limits_burst=10) as server, server.join() as alice:
        speaks_and_closes(server, b"".join(b"owed %d\n" % number for number in range(40)))
        for number in range(40):
            alice.sees_bytes(f"] owed {number}\n".encode())
        alice.sees("< The user ")


# --- Who is announced ------------------------------------------------------------------------------------------------

STRANGERS = {
    "nothing": b"",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "PROXY": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "half a TLS hello": b"\x16\x03\x01",
}


@pytest.mark.parametrize("what", STRANGERS)
def test_a_stranger_is_never_seen_by_anybody(server: Server, alice: User, what: str) -> None:
    logged = len(server.log)  # another peer may have had the same port before
    names = [speaks_and_closes(server, STRANGERS[what]) for _ in range(5)]
    with server.connect() as stranger:
        names.append(stranger.name)
        stranger.sends(STRANGERS[what])
        if STRANGERS[what]:
            stranger.sees_end()
    alice.does_not_see(b"entered")
    time.sleep(0.1)
    alice.does_not_see(b"left")
    assert not [name for name in names if name in server.log[logged:]]


def test_a_port_check_with_nc_is_not_seen(server: Server, alice: User) -> None:
    for _ in range(3):
        subprocess.run([need("nc"), "-z", "127.0.0.1", str(server.port)], check=True, timeout=20)
    alice.does_not_see(b"New user")


def test_a_silent_user_is_announced_after_a_while_and_leaves_as_one_who_was_there(server: Server, alice: User) -> None:
    with server.connect() as silent:
        silent.sees_bytes(PROMPT)
        alice.does_not_see(b"New user")
        alice.sees(f"> New user {silent.name} entered (2 users online)")
    alice.sees(f"< The user {silent.name} left (1 user online)")


def test_a_user_is_announced_at_the_first_line(server: Server, alice: User) -> None:
    with server.connect() as bob:
        bob.sees_bytes(PROMPT)
        bob.says("hello")
        alice.sees(f"> New user {bob.name} entered")
        alice.sees(f"[{bob.name}] hello")


def test_a_greeted_user_who_is_gone_before_a_line_was_never_there(server: Server, alice: User) -> None:
    with server.connect() as bob:
        bob.sees("> Connected to the chat server (2 users online)")
        alice.says("heard by somebody")
        bob.sees_bytes(b"heard by somebody")
    alice.does_not_see(b"left")
    assert bob.name.encode() not in alice.received


# --- Hellos ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay_s", [0.4, 1.6])
def test_an_opening_is_taken_whenever_it_comes_as_the_first_line(server: Server, alice: User, delay_s: float) -> None:
    with server.connect() as late:
        late.sees_bytes(PROMPT)
        time.sleep(delay_s)
        nick = f"late-{delay_s}"
        late.sends(b'GCHAT/1 {"nick":"%s","replay":0}\n' % nick.encode())
        late.sends(b'{"type":"say","id":"1","text":"at last"}\n')
        late.sees('{"type":"welcome"')
        late.sees('{"type":"ack","id":"1"')
        alice.sees(f"[{nick}] at last")
        assert late.received.partition(PROMPT)[2].startswith(b"\n{"), "a line of its own begins behind the prompt"
        alice.says("and back")
        late.sees('{"type":"said"')
    assert b"GCHAT" not in alice.received


def test_an_opening_behind_a_first_line_is_no_opening(server: Server) -> None:
    with server.join() as alice:
        alice.says("hello", '/ping GCHAT/1 {"nick":"x"}')
        alice.sees("> pong GCHAT/1")


def test_a_late_opening_that_is_none_is_refused_and_not_said(server: Server, alice: User) -> None:
    with server.connect() as late:
        late.sees_bytes(PROMPT)
        late.sends(b'GCHAT/1 {"token":"secret\n')
        late.sees('{"type":"refused"')
        late.sees_end()
    alice.does_not_see(b"secret")


# --- One token, two connections --------------------------------------------------------------------------------------


def test_of_two_attempts_the_newest_wins_even_if_the_older_is_heard_later(server: Server) -> None:
    for number in range(4):
        token = f"{TOKEN}{number}"
        server.process.send_signal(signal.SIGSTOP)
        try:
            dead = RichUser(server, token=token, nick=f"n{number}")
            dead.user.sock.close()
            living = RichUser(server, token=token, nick=f"n{number}")
        finally:
            server.process.send_signal(signal.SIGCONT)
        with living:
            assert living.sees("welcome")["nick"] == f"n{number}"
            living.asks({"type": "ping", "id": "still-here"})
            living.sees("pong", id="still-here")


def test_a_dead_attempt_that_was_made_last_takes_nothing_from_the_living_one(server: Server) -> None:
    for number in range(4):
        token = f"{TOKEN}last{number}"
        with RichUser(server, token=token, nick=f"m{number}") as gone:
            gone.sees("live")
        server.process.send_signal(signal.SIGSTOP)
        try:
            living = RichUser(server, token=token)
            dead = RichUser(server, token=token)
            dead.user.sock.close()
        finally:
            server.process.send_signal(signal.SIGCONT)
        with living:
            assert living.sees("welcome")["nick"] == f"m{number}"
            living.asks({"type": "ping", "id": "still-here"})
            living.sees("pong", id="still-here")


def test_an_older_attempt_that_opens_later_is_told_that_it_was_replaced(server: Server) -> None:
    with server.connect() as older, RichUser(server, token=TOKEN, nick="twice") as newer:
        newer.sees("live")
        older.sends(b'GCHAT/1 {"token":"%s"}\n' % TOKEN.encode())
        older.sees_bytes(b'"code":"replaced"')
        older.sees_end()
        newer.asks({"type": "ping", "id": "still-here"})
        newer.sees("pong", id="still-here")


def test_a_peer_that_has_ended_takes_nothing_over_but_is_heard(server: Server, alice: User) -> None:
    with RichUser(server, token=TOKEN, nick="owner") as owner:
        owner.sees("live")
        say = b'{"type":"say","id":"7","text":"by a script"}\n'
        speaks_and_closes(server, b'GCHAT/1 {"token":"%s"}\n' % TOKEN.encode() + say, together=True)
        alice.sees_bytes(b"] by a script\n")
        owner.asks({"type": "ping", "id": "still-here"})
        owner.sees("pong", id="still-here")


# --- Goodbye ---------------------------------------------------------------------------------------------------------


def test_minus_one_that_is_typed_key_by_key_is_text(server: Server, alice: User) -> None:
    with server.join() as bob:
        for part in ("-", "1", " degrees\n"):
            bob.sends(part.encode())
            time.sleep(0.3)
        alice.sees(f"[{bob.name}] -1 degrees")


def test_minus_one_in_one_piece_behind_a_line_is_goodbye(server: Server, alice: User) -> None:
    with server.join() as bob:
        bob.sends(b"bye all\n-1")
        bob.sees_end()
        alice.sees(f"[{bob.name}] bye all")
        alice.sees(f"< The user {bob.name} left")
    assert f"[{bob.name}] -1".encode() not in alice.received
