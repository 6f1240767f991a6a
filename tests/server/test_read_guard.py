"""The guard of reads: one that holds the loop is ended, and no other."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from gchat.server.read_guard import HOLD_S, ReadGuard
from tests.server.stage import pair, wait_until


def works(seconds: float) -> None:
    """Take so much of the processor."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@pytest.fixture
def guard() -> Iterator[ReadGuard]:
    guard = ReadGuard()
    yield guard
    guard.descriptor = -1
    wait_until(lambda: not guard._is_awake, "it sleeps")


# https://github.com/openssl/openssl/pull/32501: until a release has it, a flood of key updates is read in one call.
def test_a_read_that_holds_the_loop_is_ended(guard: ReadGuard) -> None:
    ours, theirs = pair()
    with ours, theirs:
        guard.begin(ours.fileno())
        ours.setblocking(True)
        theirs.setblocking(True)
        theirs.sendall(b"what the read would go on with")
        works(5 * HOLD_S)

        def has_ended() -> bool:
            works(HOLD_S)
            ours.setblocking(False)
            try:
                return ours.recv(1, socket.MSG_PEEK) == b""
            except BlockingIOError:
                return False

        wait_until(has_ended, "the end")
        guard.descriptor = -1
        assert theirs.recv(1) == b""


def test_many_short_reads_and_long_work_between_them_are_no_matter(guard: ReadGuard) -> None:
    ours, theirs = pair()
    with ours, theirs:
        for _ in range(20):
            guard.begin(ours.fileno())
            works(HOLD_S / 10)
            guard.descriptor = -1
            works(HOLD_S)
        with pytest.raises(BlockingIOError):
            ours.recv(1)


def test_a_read_that_only_waits_for_the_processor_is_not_ended(guard: ReadGuard) -> None:
    ours, theirs = pair()
    with ours, theirs:
        guard.begin(ours.fileno())
        time.sleep(5 * HOLD_S)
        with pytest.raises(BlockingIOError):
            ours.recv(1)
