"""Output to descriptors that are slow, full or closed: nothing waits, and every line that is missing is counted."""

from __future__ import annotations

import errno
import os
import re
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gchat.server import stdout
from gchat.server.stdout import MAX_WAITING_BYTES, Output
from tests.e2e.harness import DEADLINE_S, wait_until
from tests.e2e.test_failing_disk import possible_here
from tests.faults import Ballast, Disk

LOST = "… {count} missing\n"


@contextmanager
def pipe(*, blocking: bool) -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    os.set_blocking(write, blocking)
    yield read, write
    for descriptor in (read, write):
        try:
            os.close(descriptor)
        except OSError:
            pass


class Failing:
    """os.write, with errors that come before and after bytes: a number is how many bytes are taken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
        self.steps = list(steps)  # negative: an errno
        self.written = b""
        monkeypatch.setattr(stdout, "RETRY_S", 0.01)
        monkeypatch.setattr(os, "write", self.write)

    def write(self, _fd: int, data: bytes) -> int:
        step = self.steps.pop(0) if self.steps else len(data)
        if step < 0:
            raise OSError(-step, os.strerror(-step))
        self.written += data[:step]
        return min(step, len(data))


def lines(first: int, last: int) -> list[bytes]:
    return [b"line %d\n" % number for number in range(first, last + 1)]


def test_lines_that_come_one_after_the_other_are_written_together() -> None:
    with pipe(blocking=True) as (read, write):
        out = Output(write, LOST, gather_s=0.5)
        for line in lines(1, 3):
            out.write(line)
        assert os.read(read, 4096) == b"".join(lines(1, 3))
        out.write(b"the last\n")
        out.close(DEADLINE_S)
        assert os.read(read, 4096) == b"the last\n"


def test_a_full_pipe_that_does_not_block_is_waited_for() -> None:
    with pipe(blocking=False) as (read, write):
        out = Output(write, LOST)
        sent = b"".join(b"%09d\n" % number for number in range(20_000))  # three times what a pipe holds
        for number in range(0, len(sent), 1000):
            out.write(sent[number : number + 1000])
        wait_until(lambda: not select.select([], [write], [], 0)[1], "the pipe is full")
        received = b""
        while len(received) < len(sent):
            received += os.read(read, 65536)
        assert received == sent
        out.close(DEADLINE_S)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
def test_an_error_that_may_pass_drops_lines_and_says_how_many(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    failing = Failing(monkeypatch, 7, -error, -error, -error)
    out = Output(1, LOST)
    out.write(b"".join(lines(1, 5)))
    wait_until(lambda: len(failing.steps) <= 1, "it failed")
    out.write(b"".join(lines(6, 7)))
    wait_until(lambda: b"missing" in failing.written, "it is said, although nothing new comes")
    out.write(b"line 8\n")
    out.close(DEADLINE_S)
    found = re.fullmatch(rb"line 1\n\xe2\x80\xa6 (\d) missing\n(line 6\nline 7\n)?line 8\n", failing.written)
    assert found
    assert int(found[1]) == (4 if found[2] else 6)


def test_a_line_that_was_cut_is_ended_and_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Failing(monkeypatch, 10, -errno.ENOSPC)
    out = Output(1, LOST)
    out.write(b"".join(lines(1, 3)))
    wait_until(lambda: b"missing" in failing.written, "it is said")
    out.write(b"line 4\n")
    out.close(DEADLINE_S)
    assert failing.written.decode() == "line 1\nlin\n… 2 missing\nline 4\n"


def test_lines_that_do_not_fit_while_it_is_stuck_are_counted_and_no_piece_is() -> None:
    with pipe(blocking=True) as (read, write):
        out = Output(write, LOST)
        piece = b"x" * 9_999 + b"\n"
        for _ in range(MAX_WAITING_BYTES // len(piece) + 2):
            out.write(piece)
        for _ in range(10):
            out.write(b"three\nmore\nlines\n")
        received = bytearray()

        def take() -> None:
            while data := os.read(read, 65536):
                received.extend(data)

        reader = threading.Thread(target=take)
        reader.start()
        out.close(DEADLINE_S)
        os.close(write)
        reader.join(DEADLINE_S)
        last = bytes(received).splitlines()[-1].decode()
        found = re.fullmatch(r"… (\d+) missing", last)
        assert found
        assert int(found[1]) + received.count(b"x\n") == MAX_WAITING_BYTES // len(piece) + 2 + 30


@pytest.mark.parametrize("error", [errno.EPIPE, errno.EBADF])
def test_a_descriptor_that_nobody_will_ever_read_ends_it(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    failing = Failing(monkeypatch, -error)
    out = Output(1, LOST)
    out.write(b"line\n")
    wait_until(lambda: not out._thread.is_alive(), "the thread ends")
    out.write(b"line\n")
    out.close(DEADLINE_S)
    assert failing.written == b""


def test_a_file_on_a_full_disk_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with possible_here(), Disk(tmp_path / "disk", 1 << 20) as disk:
        descriptor = os.open(disk / "out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            out = Output(descriptor, LOST)
            out.write(b"before\n")
            wait_until(lambda: (disk / "out").read_bytes() == b"before\n", "it is written")
            with Ballast(disk / "ballast"):
                os.write(descriptor, b"x" * (4096 - 8) + b"\n")  # to the end of the page
                for line in lines(1, 500):
                    out.write(line)
                wait_until(lambda: out._missing == 500, "they are missing")
            out.write(b"after\n")
            out.close(DEADLINE_S)
            written = (disk / "out").read_text()
        finally:
            os.close(descriptor)
    assert written.splitlines()[0] == "before"
    assert written.splitlines()[2:] == ["… 500 missing", "after"]
