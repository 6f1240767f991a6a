"""The server's life from start to stop: signals, configuration read again, faults of its own, and what it uses up."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.crowd import Crowd, descriptors, join_many, raise_descriptor_limit, readable, resident_mib
from tests.e2e.harness import DEADLINE_S, PROMPT, Server, User, wait_until

pytestmark = pytest.mark.usefixtures("all_speak_plain")

HERE = Path(__file__).parent

FAREWELL = b"> The server is shutting down\n"


@pytest.fixture(autouse=True, scope="module")
def _many_descriptors() -> None:
    raise_descriptor_limit()


# --- Stopping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_with_a_farewell_to_everybody(sign: signal.Signals) -> None:
    with Server() as server, server.join() as alice, server.join(room="dev") as bob, server.connect() as half:
        half.sees_bytes(PROMPT)
        half.sends(b"half a li")
        server.process.send_signal(sign)
        for user in (alice, bob, half):
            user.sees_end()
            assert user.received.endswith(FAREWELL)
        assert server.process.wait(DEADLINE_S) == 0
        assert "stopping: users online: 3" in server.log
        assert re.search(r"stopped: messages: 0; connections: 3 shutdown; crashes: 0\n$", server.log), server.log


def test_under_load_the_server_stops_in_time_and_its_port_is_free_at_once() -> None:
    """T31. A hundred readers who do not read, a hundred who do, and messages all the while."""
    with (
        Server(limits_messages_per_s=0) as server,
        join_many(server, 100) as readers,
        join_many(server, 100, receive_buffer=2048),
        server.join() as speaker,
    ):
        for _ in range(10):
            speaker.says(*("x" * 1000 for _ in range(100)))
            readers.read(0.01)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        readers.until(lambda: all(user.ended for user in readers.users), "all who read are told")
        assert server.process.wait(DEADLINE_S) == 0
        assert time.monotonic() - began < 15
        for user in readers.users:
            assert user.received.endswith(FAREWELL), user.received[-100:]
        assert re.search(r"stopped: messages: \d+; connections: 201 shutdown; crashes: 0\n$", server.log)

        # Although connections of the last one are not closed at the other end.
        with Server(port=server.port) as again, again.join():
            assert again.port == server.port


def test_what_was_said_before_the_signal_comes_before_the_farewell() -> None:
    with Server(limits_messages_per_s=0) as server, server.join() as alice, server.join() as bob:
        alice.sends(b"hello\n" * 1000 + b"/ping said\n")
        alice.sees("> pong said")
        server.process.send_signal(signal.SIGTERM)
        bob.sees_end()
        assert bob.received.endswith(f"[{alice.name}] hello\n".encode() * 1000 + FAREWELL)


@pytest.mark.parametrize("_", range(5))
def test_a_server_that_is_flooded_with_connections_says_goodbye_to_whoever_it_greeted(_: int) -> None:
    """T20, T31. Five times, for it is a matter of luck what the signal meets: accepted, greeted, or waiting."""
    with Server() as server, Crowd(()) as crowd, ThreadPoolExecutor(1) as pool:
        stopped = threading.Event()

        def flood() -> None:
            try:
                while not stopped.is_set():
                    crowd.users.append(User(socket.create_connection((server.host, server.port))))
            except OSError:
                pass  # nobody listens there any more

        flooding = pool.submit(flood)
        try:
            wait_until(lambda: "opened 10 " in server.log, "the flood is there")
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(DEADLINE_S) == 0
        finally:
            stopped.set()
            flooding.result()
        for user in crowd.users:
            # A peer still shaking hands when the listener went is told by nobody: the kernel answers what it sends.
            if not readable(user.sock):
                with contextlib.suppress(OSError):
                    user.sends(b"\n")
            user.sees_end()
            if b"> Connected" in user.received:
                assert user.received.endswith(FAREWELL), user.received
        assert crowd.users[0].received.endswith(FAREWELL)
        assert "crashes: 0" in server.log


def test_a_unix_socket_is_a_place_to_chat_and_its_file_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with Server(str(path)) as server, server.connect() as alice, server.connect() as bob:
        alice.sees_bytes(PROMPT)
        bob.sees_bytes(PROMPT)
        assert stat.S_ISSOCK(path.stat().st_mode)
        alice.says("/nick alice", "hello")
        bob.sees("[alice] hello")
        assert server.stop() == 0
        bob.sees("> The server is shutting down")
    assert not path.exists()


def test_a_unix_socket_whose_file_somebody_removed_does_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with Server(str(path)) as server, server.connect() as alice:
        alice.sees_bytes(PROMPT)
        path.unlink()
        assert server.stop() == 0
        alice.sees("> The server is shutting down")


def test_the_file_of_a_server_that_was_killed_does_not_keep_the_next_from_starting(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with Server(str(path)) as server:
        server.process.kill()
        server.process.wait()
    assert path.exists()
    with Server(str(path)) as server, server.connect() as alice:
        alice.sees_bytes(PROMPT)


# --- Reading the configuration again ---------------------------------------------------------------------------------


def test_sighup_takes_over_limits_and_the_welcome_and_names_what_cannot_change(tmp_path: Path) -> None:
    path = tmp_path / "gchat.toml"
    path.write_text('[server]\nmotd = "first"\n[limits]\nnick_max = 10\n')
    with Server("127.0.0.1", "--config", str(path)) as server, server.join() as alice:
        assert b"> first\n" in alice.received
        path.write_text(
            '[server]\nmotd = "second\\nline"\nlisten_backlog = 17\nprompt = "[Me] "\n'
            '[limits]\nnick_max = 5\nroom_log_bytes = 5000\n[log]\nlevel = "warning"\n'
        )
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "limits.nick_max is now 5" in server.log, "the configuration is read again")
        wait_until(lambda: "log.level is now warning" in server.log, "to the end")
        assert "server.listen_backlog changes only with a restart" in server.log
        assert "limits.room_log_bytes changes only with a restart" in server.log
        alice.says("/nick sixsix")
        alice.sees("> The nick is too long: 6 characters, the limit is 5")
        with server.connect() as bob:
            bob.sees("> second")
            bob.sees("> line")
            bob.sees_bytes(b"[Me] ")
            port = bob.sock.getsockname()[1]
            alice.sees("> New user")
        assert f":{port}" not in server.log, "the level is still the old one"


BROKEN = {
    "no TOML": b"[server\n",
    "an unknown key": b'[server]\nmotd = "second"\nno_such_key = 1\n',
    "a wrong type": b'[limits]\nburst = "many"\n',
    "an impossible value": b"[limits]\nburst = 0\n",
    "no section": b"limits = 5\n",
    "no text": b"\xff\xfe\0\0",
    "a wrong choice": b'[server]\nmotd = "a \\u001b[31m"\n[log]\nlevel = "loud"\n',
    "no file": None,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_sighup_with_a_broken_file_changes_nothing(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "gchat.toml"
    path.write_text('[server]\nmotd = "first"\n')
    with Server("127.0.0.1", "--config", str(path)) as server, server.join() as alice:
        path.unlink() if content is None else path.write_bytes(content)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "configuration not reloaded: " in server.log, "a complaint")
        alice.says("/ping still there")
        alice.sees("> pong still there")
        with server.join() as bob:
            assert b"> first\n" in bob.received


def test_a_storm_of_sighup_under_load_disturbs_nobody(tmp_path: Path) -> None:
    """T31."""
    path = tmp_path / "gchat.toml"
    path.write_text("[limits]\nmessages_per_s = 0\n")
    with Server("127.0.0.1", "--config", str(path)) as server, server.join() as alice, server.join() as bob:
        for number in range(200):
            server.process.send_signal(signal.SIGHUP)
            alice.says(f"message {number}")
        for number in range(200):
            bob.sees(f"[{alice.name}] message {number}")


# --- Its own faults --------------------------------------------------------------------------------------------------


def crashes_told(server: Server) -> int:
    assert server.stop() == 0
    found = re.search(r"stopped: .*; crashes: (\d+)\n", server.log)
    assert found, server.log
    return int(found[1])


def test_a_fault_in_a_command_closes_one_connection_and_nobody_else_notices() -> None:
    """T41."""
    with Server(script=HERE / "server_that_crashes.py") as server, server.join() as alice, server.join() as bob:
        server.may_complain = True
        bob.says("/nick bob", "/ping crash", "never said")
        bob.sees("> Internal error; please connect again")
        bob.sees_end()
        alice.sees("< The user bob left (1 user online)")
        with server.join(nick="bob") as bob:
            bob.says("here again")
            alice.sees("[bob] here again")
        assert b"never said" not in alice.received
        assert server.log.count("RuntimeError: a fault") == 1, server.log
        assert crashes_told(server) == 1


def test_a_fault_in_sending_closes_one_connection_and_nobody_else_notices() -> None:
    """T41. Alice's answer is due in the same turn of the pump, behind that of who is cursed."""
    with Server(script=HERE / "server_that_crashes.py") as server, server.join(nick="alice") as alice:
        server.may_complain = True
        with server.join(nick="bob") as bob:
            bob.says("/ping curse", "/msg alice do you hear me?")
            alice.sees_bytes(b"[bob -> you] do you hear me?\n")
            bob.sees_end()
        alice.sees("< The user bob left (1 user online)")
        assert crashes_told(server) == 1


def test_a_fault_in_sending_to_who_is_behind_closes_one_connection_and_nobody_else_notices() -> None:
    """T41. It is the write watcher's callback that fails, in the hub."""
    with (
        Server(script=HERE / "server_that_crashes.py", limits_messages_per_s=0) as server,
        server.join(nick="alice") as alice,
        server.join(nick="carol") as carol,
        server.connect(receive_buffer=2048) as slow,
    ):
        server.may_complain = True
        slow.sees_bytes(PROMPT)
        slow.says("/nick slow", "/ping curse-later")
        slow.sees("> pong curse-later")
        alice.says(*("x" * 1000 for _ in range(600)), "the last")
        carol.sees("[alice] the last")  # so the slow reader is behind, which it may not be once it reads
        slow.sees_end()
        alice.sees("< The user slow left (2 users online)")
        carol.says("unharmed")
        alice.sees("[carol] unharmed")
        assert server.log.count("RuntimeError: a fault") == 1, server.log
        assert crashes_told(server) == 1


# --- Limits that are told --------------------------------------------------------------------------------------------


def test_over_max_connections_a_newcomer_is_told_and_let_in_when_somebody_left() -> None:
    with Server(server_max_connections=2) as server, server.join() as alice:
        with server.join():
            with server.connect() as carol:
                carol.sees("> The server is full; try again later")
                carol.sees_end()
            alice.sees("> New user")
        alice.sees("< The user")
        wait_until(lambda: "ended" in server.log or "reset" in server.log, "the place is free")
        with server.join():
            alice.sees("> New user")
        assert server.stop() == 0
        assert "1 full" in server.log


def test_over_max_rooms_a_new_room_is_refused_until_one_is_empty() -> None:
    with Server(limits_max_rooms=2) as server, server.join() as alice, server.join(room="dev") as bob:
        alice.says("/join third")
        alice.sees("> Too many rooms: there are 2 already; /rooms lists them")
        alice.says("/who")
        alice.sees("> In lobby (1 user online)")
        bob.says("/join lobby")
        bob.sees("> You are now in lobby (2 users online)")
        alice.says("/join third")
        alice.sees("> You are now in third (1 user online)")


def test_a_nick_over_nick_max_is_refused() -> None:
    with Server(limits_nick_max=4) as server, server.join() as alice:
        alice.says("/nick fives")
        alice.sees("> The nick is too long: 5 characters, the limit is 4")
        alice.says("/nick fоur")  # with a Cyrillic o
        alice.sees("> ")
        alice.says("/nick four")
        alice.sees("> You are now four")


# --- Output ----------------------------------------------------------------------------------------------------------


def test_the_conversation_is_shown_on_stdout_as_the_room_sees_it() -> None:
    with Server() as server, server.join() as alice:
        address = alice.name
        alice.says("hello \x1b[31m", "/nick alice", "/me waves")
        alice.sees("> You are now alice")
        with server.join(nick="bob", room="dev") as bob:
            bob.says("in dev")
            bob.says("/msg alice secret")
            alice.sees("[bob -> you] secret")
        wait_until(lambda: "#dev [bob] in dev\n" in server.shown, "the conversation is shown")
        shown = server.shown
        for line in (f"[{address}] hello \\x1b[31m\n", f"> {address} is now alice\n", "* alice waves\n"):
            assert line in shown
        assert f"> New user {address} entered (1 user online)\n" in shown
        assert "secret" not in shown
        assert "secret" not in server.log


def test_quiet_shows_nothing() -> None:
    with Server("127.0.0.1", "--quiet") as server, server.join() as alice, server.join() as bob:
        alice.says("hello")
        bob.sees(f"[{alice.name}] hello")
        assert server.stop() == 0
        assert server.shown == ""


def test_a_stdout_that_nobody_reads_costs_little_memory_and_delays_nobody(tmp_path: Path) -> None:
    """Ctrl+S in the operator's terminal, while 64 MB are said."""
    path = tmp_path / "stdout"
    os.mkfifo(path)
    keeps_it_open = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    to_path = ["sh", "-c", f'exec "$@" >{path}', "sh"]
    with Server(before=to_path, limits_messages_per_s=0) as server, server.join() as alice, server.join() as bob:
        server.may_complain = True  # the last look at stdout, when all is over, may take half a second
        resident = resident_mib(server)
        alice.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        crowd = Crowd([bob])
        for _ in range(128):
            alice.sends((b"x" * 5000 + b"\n") * 100)
            crowd.read(0)
            bob.received = bob.received[-10000:]
        alice.says("/ping said")
        alice.sees("> pong said")
        assert resident_mib(server) - resident < 32
        assert server.stop() == 0
    os.close(keeps_it_open)


def test_a_stdout_that_is_closed_disturbs_nobody() -> None:
    with (
        Server(before=["sh", "-c", 'exec "$@" >&-', "sh"]) as server,
        server.join() as alice,
        server.join() as bob,
    ):
        alice.says("hello")
        bob.sees(f"[{alice.name}] hello")
        assert server.stop() == 0


# --- What it uses up -------------------------------------------------------------------------------------------------


def cycle(server: Server, count: int) -> None:
    for first in range(0, count, 25):
        users: list[User] = [server.connect() for _ in range(25)]
        for number, user in enumerate(users):
            user.sees_bytes(PROMPT)
            user.says(f"/nick n{first + number}", f"/join room{number % 5}", "hello", "/topic something")
            user.sees("> You are now in room")
            (user.resets, user.closes, lambda user=user: user.says("/quit"))[number % 3]()
        for number, user in enumerate(users):
            if number % 3:
                user.sees_end()
            user.sock.close()


def test_five_hundred_who_come_and_go_leave_nothing_behind() -> None:
    """Descriptors, memory and greenlets; the number of rooms does not grow, for they are the same five."""
    with Server("127.0.0.1", "--quiet") as server, server.join() as alice:
        alice.says("/nick alice")
        cycle(server, 250)
        wait_until(lambda: descriptors(server) <= 20, "descriptors come back")
        before, resident = descriptors(server), resident_mib(server)
        cycle(server, 500)
        wait_until(lambda: descriptors(server) <= before, "descriptors come back")
        alice.says("/who")
        alice.sees("> In lobby (1 user online)")
        assert resident_mib(server) - resident < 4
        assert server.stop() == 0
        assert "crashes: 0" in server.log
