"""Asking at a fixed pace, whatever becomes of the answers: a closed loop asks nothing while the server stands still."""

from __future__ import annotations

import os
import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.bench.run import START_S, Failure

#: Seconds between two calls of what else is to be done meanwhile.
ACT_S = 0.1

#: A server that answers nothing for so long has failed.
SILENCE_S = 15.0

#: The end of what is heard: `> pong 17` after `/ping 17`, and `[alice] pong 17` after alice has said `pong 17`.
_ANSWER = re.compile(rb"pong (\d+)$")


@contextmanager
def _before_others() -> Iterator[None]:
    """Go before all others on this core, if that is allowed: an attack is on it too, and works all the time."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@_before_others()
def paced(
    hearer: socket.socket,
    asks: Callable[[int], None],
    numbers: Iterator[int],
    pace_s: float,
    goes_on: Callable[[], bool],
) -> list[tuple[float, float]]:
    """Ask one numbered question every `pace_s` until `goes_on`, called every ACT_S, says no.

    Returns for each question when it was asked, and how many milliseconds after that `hearer` got the answer. Nothing
    waits for an answer before it asks again, so the time in which the server stands still counts for each of them; that
    in which this process has no core counts for none. Raises Failure if an answer does not come.
    """
    asked: dict[int, float] = {}
    waits: list[tuple[float, float]] = []
    received = b""
    hearer.setblocking(False)
    poll = select.poll()
    poll.register(hearer, select.POLLIN)
    now = ask_at = act_at = time.monotonic()
    on, ended_at = True, 0.0
    while on or (asked and now < ended_at + SILENCE_S):
        if on and now >= act_at:
            on, act_at = goes_on(), act_at + ACT_S
            ended_at = now
        while on and ask_at <= now:
            number = next(numbers)
            asked[number] = time.monotonic()
            asks(number)
            ask_at += pace_s
        for _ in poll.poll(1):
            data = hearer.recv(1 << 20)
            if not data:
                raise Failure("the server closed the connection")
            *lines, received = (received + data).split(b"\n")
            now = time.monotonic()
            answered = [int(found[1]) for line in lines if (found := _ANSWER.search(line))]
            waits += [(asked[number], (now - asked.pop(number)) * 1000) for number in answered if number in asked]
        now = time.monotonic()
    hearer.settimeout(START_S)
    if asked:
        raise Failure(f"no answer to {len(asked)} of {len(asked) + len(waits)} questions in {SILENCE_S:.0f} s")
    return waits


def drain(sock: socket.socket) -> None:
    """Read what there is."""
    sock.setblocking(False)
    try:
        while sock.recv(1 << 20):
            pass
    except BlockingIOError:
        pass
    sock.settimeout(START_S)
