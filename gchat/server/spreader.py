"""The spreader: a greenlet that does long jobs of sending in slices, so that turns of the pump run in between.

A job is an iterator that sends a little with each step. Jobs take turns, a slice each. A short job is done in the turn
itself, by work().
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from typing import Protocol

import gevent

from gchat.breather import Breather
from gchat.server.logs import logger

#: How long a slice holds the hub while nothing waits for it. A pause costs, see fanout.HOLD_S.
SLICE_S = 0.004

#: The same while a turn of the pump is under way: a message that has to be stored waits for up to three slices, until
#: it is read, until the commit is known to be done, and until it is sent.
SHORT_SLICE_S = 0.001

#: Between two slices, the pump may take this many steps: begin a turn, or go on with one.
STEPS_BETWEEN = 2


class Turns(Protocol):
    """What the spreader needs of the pump."""

    @property
    def turn_is_due(self) -> bool:
        """Whether there is something to do for a turn that has not begun."""

    @property
    def turn_is_under_way(self) -> bool:
        """Whether a turn has begun and not ended: it waits for the disk, or lets others in."""


class Spreader:
    """The jobs that run beside the pump."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.jobs: deque[Iterator[None]] = deque()  # but for that which is sending
        self._is_running = False

    def add(self, job: Iterator[None]) -> None:
        """Run one more job, beside those that are running."""
        self.jobs.append(job)
        if not self._is_running:
            self._is_running = True
            gevent.spawn(self._run)

    def _run(self) -> None:
        breather, turns = Breather(), self._turns
        try:
            while self.jobs:
                self._send_slice()
                # A message or a ping may have come meanwhile, or a commit ended: then the pump goes first.
                breather.breathe_behind()
                for _ in range(STEPS_BETWEEN):
                    if turns.turn_is_due or turns.turn_is_under_way:
                        breather.breathe_behind()
        finally:
            self._is_running = False

    def _send_slice(self) -> None:
        until = time.monotonic() + (SHORT_SLICE_S if self._turns.turn_is_under_way else SLICE_S)
        while self.jobs:
            job = self.jobs.popleft()
            try:
                for _ in job:
                    if time.monotonic() > until:
                        self.jobs.append(job)
                        return
            except Exception:
                logger.exception("a job of the spreader crashed")


def work(job: Iterator[None], hold_s: float, breather: Breather, most_s: float = math.inf) -> bool:
    """Do a job at once, but let others have a turn each time it has held the hub for so long; return if it is done.

    Else it has taken `most_s`, and the rest of it is somebody else's.
    """
    began = time.monotonic()
    until = began + hold_s
    for _ in job:
        now = time.monotonic()
        if now - began >= most_s:
            return False
        if now > until:
            breather.breathe()
            until = time.monotonic() + hold_s
    return True
