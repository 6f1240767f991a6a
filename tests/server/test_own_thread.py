"""A native thread of one's own: one thing after the other, and the loop goes on."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import threading
import weakref
from functools import partial

import gevent
import pytest

from gchat.journal.native_thread import Urgency
from gchat.server import own_thread
from gchat.server.linux import wake_promptly
from gchat.server.own_thread import OwnThread, prompt_loop


def test_a_native_thread_does_one_thing_after_the_other_and_the_loop_goes_on() -> None:
    thread, here = OwnThread(), threading.get_ident()
    running = threading.Event()
    order: list[str] = []

    def first() -> None:
        running.wait(20)
        order.append("first")

    jobs = [gevent.spawn(thread, first), gevent.spawn(thread, lambda: order.append("second"))]
    gevent.sleep(0.02)
    assert order == []
    running.set()
    gevent.joinall(jobs, timeout=20)
    assert order == ["first", "second"]
    there = {thread(threading.get_ident) for _ in range(3)}
    assert len(there) == 1
    assert here not in there


def test_an_error_comes_out_where_it_was_asked_for_and_the_thread_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    thread = OwnThread()

    def fails() -> None:
        raise ValueError("a fault that was asked for")

    with pytest.raises(ValueError, match="asked for"):
        thread(fails)
    assert thread(lambda: 3) == 3
    assert capfd.readouterr().err == ""


def test_nothing_ends_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what it begins with, nor an exception that usually ends a thread."""

    def is_forbidden() -> None:
        raise PermissionError("sched_setattr")

    monkeypatch.setitem(own_thread._BEGIN, Urgency.URGENT, is_forbidden)
    thread = OwnThread(Urgency.URGENT)
    with gevent.Timeout(20):
        with pytest.raises(SystemExit):
            thread(sys.exit)
        assert thread(lambda: 3) == 3


def test_a_greenlet_that_no_longer_waits_holds_nobody_up_and_is_not_answered() -> None:
    thread, goes_on = OwnThread(), threading.Event()
    job = gevent.spawn(thread, lambda: goes_on.wait(20))
    gevent.sleep(0.02)
    job.kill()
    goes_on.set()
    assert thread(lambda: 3) == 3
    gevent.sleep(0.02)
    assert isinstance(job.value, gevent.GreenletExit)


def test_a_thread_ends_with_its_owner_and_keeps_nothing_that_was_done_on_it() -> None:
    class Kept:
        pass

    before = set(threading.enumerate())
    thread, kept = OwnThread(), Kept()
    gone = weakref.ref(kept)
    assert thread(partial(isinstance, kept, Kept))
    (native,) = set(threading.enumerate()) - before
    del kept
    assert thread(gone) is None
    del thread
    native.join(20)
    assert not native.is_alive()


def asked(thread: int = 0) -> tuple[int, int, int]:
    """The policy of a thread, its nice value, and the turn on its core that it asks for."""
    number = {"x86_64": 315, "aarch64": 275, "riscv64": 275}.get(os.uname().machine)
    if number is None:
        pytest.skip("what threads ask for is not known on this machine")
    attributes = ctypes.create_string_buffer(48)
    assert ctypes.CDLL(None).syscall(number, thread, attributes, 48, 0) == 0
    _, policy, _, nice, _, turn_ns = struct.unpack_from("=IIQiIQ", attributes)
    return policy, nice, turn_ns


def test_an_urgent_thread_asks_for_short_turns_on_its_core_and_a_patient_one_steps_back() -> None:
    policy, nice, turn_ns = asked()
    urgent, usual, patient = (OwnThread(urgency)(asked) for urgency in Urgency)
    assert usual == (policy, nice, turn_ns)
    assert patient == (policy, min(19, nice + 5), turn_ns)
    assert urgent[:2] == (policy, nice)
    if turn_ns:  # Linux 6.12
        assert 0 < urgent[2] < turn_ns


def test_the_loop_asks_for_longer_ones_and_other_threads_for_none() -> None:
    policy, nice, turn_ns = asked()
    loader, urgent = OwnThread(), OwnThread(Urgency.URGENT)
    try:
        prompt_loop(loader)
        gevent.sleep(0)
        assert loader(asked) == (policy, nice, turn_ns)
        if turn_ns:  # Linux 6.12
            assert urgent(asked)[2] < asked()[2] < turn_ns
    finally:
        wake_promptly(turn_ns)


def test_where_threads_may_not_even_ask_the_loop_goes_on_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Some sandboxes do not allow the system call."""

    def refused(_thread: int) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "sched_getscheduler", refused)
    before = asked()
    loader = OwnThread()
    prompt_loop(loader)
    gevent.sleep(0)
    assert loader(int) == 0
    assert asked() == before
    assert capsys.readouterr().err == ""
