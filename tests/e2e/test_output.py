"""The conversation and the log where their descriptors are slow or full for a while: nobody waits."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e import clustered
from tests.e2e.harness import DEADLINE_S, Server, wait_until
from tests.e2e.test_failing_disk import possible_here
from tests.e2e.tools import need
from tests.faults import Ballast, Disk

pytestmark = pytest.mark.usefixtures("all_speak_plain")


def started(path: Path, *, out: int, log: int) -> tuple[subprocess.Popen[bytes], Server]:
    """Start a server on a Unix socket with these descriptors as stdout and stderr."""
    server = Server(str(path), limits_messages_per_s=0)
    server._directory.cleanup()
    process = subprocess.Popen(server.command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, env=server.environment)
    wait_until(path.exists, "the socket is there")
    return process, server


def drain(descriptor: int, into: bytearray) -> None:
    while data := os.read(descriptor, 65536):
        into += data


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_non_blocking_pipe_that_is_full_for_a_while_gets_every_line(tmp_path: Path, stream: str) -> None:
    """node, ssh and docker attach make the pipe non-blocking: it is a flag that all who hold the pipe share."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    received = bytearray()
    with (tmp_path / "other").open("wb") as other:
        descriptors = (
            {"out": write, "log": other.fileno()} if stream == "stdout" else {"out": other.fileno(), "log": write}
        )
        process, server = started(tmp_path / "sock", **descriptors)
    try:
        if stream == "stdout":
            with server.join("alice") as alice:
                alice.says(*(f"{number} {'x' * 1000}" for number in range(300)))
                alice.does_not_see(b"refused")
        else:
            for _ in range(3):  # of each kind ten lines a second go to the log, so fill the pipe from here
                with suppress(BlockingIOError):
                    while True:
                        os.write(write, b"filler\n" * 500)
            with server.join("alice") as alice:
                alice.does_not_see(b"refused")
        os.close(write)
        reader = threading.Thread(target=drain, args=(read, received))
        reader.start()
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
        reader.join(DEADLINE_S)
    finally:
        process.kill()
        process.wait()
        os.close(read)
    if stream == "stdout":
        assert [int(number) for number in re.findall(rb"\[alice\] (\d+) x", received)] == list(range(300))
    else:
        assert "opened 1 unix:1" in clustered.as_alone(received.decode())
        assert b"stopped: " in received


def test_a_log_and_a_conversation_on_a_disk_that_is_full_for_a_while_go_on_and_say_what_is_missing(
    tmp_path: Path,
) -> None:
    need("mount")
    with possible_here(), Disk(tmp_path / "disk", 1 << 20) as disk:
        out_path, log_path = disk / "out", disk / "log"
        with out_path.open("ab") as out, log_path.open("ab") as log:
            process, server = started(tmp_path / "sock", out=out.fileno(), log=log.fileno())
            try:
                with server.join("alice") as alice:
                    alice.says("before")
                    wait_until(lambda: "before" in out_path.read_text(), "it is shown")
                    with Ballast(disk / "ballast"):
                        alice.says(*(f"missing {'x' * 2000}" for _ in range(20)))
                        alice.does_not_see(b"refused")
                        with server.connect() as other:
                            other.sees_bytes(b"[You] ")
                    wait_until(lambda: "missing here" in out_path.read_text(), "it is said what is missing")
                    alice.says("after")
                    wait_until(lambda: "[alice] after" in out_path.read_text(), "it is shown again")
                process.terminate()
                assert process.wait(DEADLINE_S) == 0
                shown, logged = out_path.read_text(), log_path.read_text()
            finally:
                process.kill()
                process.wait()
    assert shown.count("[alice] missing") + int(re.findall(r"… (\d+) lines of the conversation", shown)[0]) >= 20
    assert "stopped: " in logged


def test_what_was_said_just_before_the_server_is_stopped_is_on_stdout() -> None:
    """The conversation gathers for a moment before it is written."""
    with Server() as server, server.join("alice") as alice:
        alice.says("the last word", "/ping said")
        alice.sees("> pong said")
        server.process.terminate()
        assert server.process.wait(DEADLINE_S) == 0
        assert "[alice] the last word\n" in server.shown
