"""Signals to a running server: how it is stopped, reloaded and asked how it is, and what its terminal does to it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.e2e.harness import DEADLINE_S, PROMPT, Server, wait_until
from tests.e2e.tools import Screen

pytestmark = pytest.mark.usefixtures("all_speak_plain")

FAREWELL = "> The server is shutting down"


# --- Stopping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pause_s", [0.0, 0.05])
def test_two_signals_within_a_moment_are_one_and_everybody_gets_the_farewell(pause_s: float) -> None:
    with Server() as server, server.connect(receive_buffer=2048) as slow, server.join() as alice:
        slow.sees_bytes(PROMPT)
        slow.says(*["/help"] * 40)  # so much that the drain has to wait for it
        alice.says("/ping heard")
        alice.sees("> pong heard")
        server.process.send_signal(signal.SIGINT)
        time.sleep(pause_s)
        server.process.send_signal(signal.SIGTERM)
        alice.sees(FAREWELL)
        slow.sees(FAREWELL)
        assert server.process.wait(DEADLINE_S) == 0


def test_a_second_signal_after_more_than_a_second_ends_the_server_at_once() -> None:
    with Server(limits_messages_per_s=0) as server, server.connect(receive_buffer=2048) as silent:
        silent.sees_bytes(PROMPT)
        silent.says(*["/help"] * 400)  # so much that the drain waits for it as long as it may
        with server.join() as alice:
            alice.does_not_see(b"refused")
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in server.log, "the drain begins")
        time.sleep(1.2)
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(DEADLINE_S)
        assert code == 130 if "stopped:" not in server.log else code == 0


# --- What it tells ---------------------------------------------------------------------------------------------------


def test_sigusr1_logs_statistics_whatever_the_level_is_and_the_server_goes_on() -> None:
    with Server(log_format="json") as server, server.join("alice") as alice, server.join() as bob:
        alice.says("hello")
        bob.sees("[alice] hello")
        server.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: '"statistics: ' in server.log, "there are statistics")
        (line,) = [line for line in server.log.splitlines() if '"statistics: ' in line]
        told = json.loads(line)
        assert (told["online"], told["rooms"], told["connections"], told["messages"]) == (2, 1, 2, 1)
        assert told["resident_mib"] > 10
        assert told["descriptors"] > 3
        assert told["message"].startswith("statistics: online=2 rooms=1 connections=2 slow_readers=0 ")
        bob.does_not_see(FAREWELL.encode())


def test_sigusr1_is_answered_at_level_error_too(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    server = Server(str(path), log_level="error")
    with server.log_path.open("wb") as log:
        server.process = subprocess.Popen(server.command, stdout=log, stderr=log, env=server.environment)
    wait_until(path.exists, "the socket is there")
    with server.join():
        server.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: " INFO statistics: online=1 " in server.log, "there are statistics")
    server.process.terminate()
    assert "listening" not in server.log
    assert ended(server) == 0


def test_sigquit_dumps_the_stacks_of_all_greenlets_and_the_server_goes_on() -> None:
    with Server() as server, server.join("alice") as alice, server.join() as bob:
        time.sleep(0.5)  # so that what was made at the start is frozen
        server.process.send_signal(signal.SIGQUIT)
        greenlets = ("Pump.run", "Watch.run", "tidy", "supervise")
        wait_until(lambda: all(greenlet in server.log for greenlet in greenlets), "their stacks are there")
        for place in ("reader.py", "pump.py", "stdout.py"):
            assert place in server.log
        alice.says("hello")
        bob.sees("[alice] hello")
        server.may_complain = True  # a dump may look like anything
        assert server.stop() == 0


# --- Its terminal ----------------------------------------------------------------------------------------------------


def on_terminal(server: Server, *, ignoring_hangup: bool = False) -> tuple[subprocess.Popen[bytes], int]:
    """Start it on a terminal of its own; return the process and the terminal's other end, which closes it."""
    ours, theirs = os.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
        if ignoring_hangup:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = subprocess.Popen(
        server.command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=server.environment,
        preexec_fn=take_terminal,  # noqa: PLW1509  # no threads here
    )
    os.close(theirs)
    return process, ours


def start_on_terminal(path: Path, *arguments: str, ignoring_hangup: bool = False) -> tuple[Server, int]:
    server = Server(str(path), *arguments)
    server.process, terminal = on_terminal(server, ignoring_hangup=ignoring_hangup)
    wait_until(path.exists, "the socket is there")
    return server, terminal


def ended(server: Server) -> int:
    try:
        return server.process.wait(DEADLINE_S)
    finally:
        server.process.kill()
        server.process.wait()
        server._directory.cleanup()


def test_a_server_whose_terminal_is_closed_says_goodbye_and_ends(tmp_path: Path) -> None:
    server, terminal = start_on_terminal(tmp_path / "sock")
    with server.join() as alice:
        os.close(terminal)
        alice.sees(FAREWELL)
        alice.sees_end()
    assert ended(server) == 0
    assert not (tmp_path / "sock").exists()


def test_a_window_of_tmux_that_is_closed_ends_the_server_in_it(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    server = Server(str(path))
    with Screen(tmp_path, *server.command, environment=server.environment) as screen:
        wait_until(path.exists, "the socket is there")
        with server.join() as alice:
            screen.do("kill-session")
            alice.sees(FAREWELL)
            alice.sees_end()
    wait_until(lambda: not path.exists(), "the socket is gone")
    server._directory.cleanup()


def test_a_server_with_a_configuration_file_reloads_it_when_its_terminal_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "gchat.toml"
    file.write_text('[server]\nmotd = "first"\n')
    server, terminal = start_on_terminal(tmp_path / "sock", "--config", str(file))
    with server.join():
        file.write_text('[server]\nmotd = "second"\n')
        os.close(terminal)

        def welcome() -> bytes:
            with server.join() as bob:
                return bob.received

        wait_until(lambda: b"> second\n" in welcome(), "the configuration is reloaded")
    server.process.terminate()
    assert ended(server) == 0


def test_nohup_keeps_a_server_whose_terminal_is_closed(tmp_path: Path) -> None:
    server, terminal = start_on_terminal(tmp_path / "sock", ignoring_hangup=True)
    with server.join("alice") as alice:
        os.close(terminal)
        alice.says(*(f"line {number}" for number in range(20)))  # to a conversation that nobody sees
        alice.does_not_see(FAREWELL.encode())
    server.process.terminate()
    assert ended(server) == 0


def test_a_server_without_a_terminal_stays_when_it_gets_sighup() -> None:
    with Server() as server, server.join() as alice:
        server.process.send_signal(signal.SIGHUP)
        server.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: "statistics: " in server.log, "the signals are heard")
        alice.does_not_see(FAREWELL.encode())


def test_the_files_of_both_sockets_are_removed_even_if_the_server_ends_at_once(tmp_path: Path) -> None:
    chat, admin = tmp_path / "chat", tmp_path / "admin"
    with Server(str(chat), admin_enabled="true", admin_host=admin, limits_messages_per_s=0) as server:
        with server.connect() as silent:
            silent.sees_bytes(PROMPT)
            silent.says(*["/help"] * 2000)  # so much that the drain waits for it as long as it may
            with server.join() as alice:
                alice.does_not_see(b"refused")
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "stopping" in server.log, "the drain begins")
            time.sleep(1.2)
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(DEADLINE_S) in (0, 130)
        assert not chat.exists()
        assert not admin.exists()
