"""The spreader by itself: jobs in slices, and turns of a pump between them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import groupby
from types import SimpleNamespace

import gevent
import pytest

from gchat.breather import Breather
from gchat.server import spreader
from gchat.server.spreader import Spreader, work


class Pump:
    """What the spreader knows of it."""

    turn_is_due = False
    turn_is_under_way = False


def works(name: str, steps: int, done: list[str], step_s: float = 0.0) -> Iterator[None]:
    for _ in range(steps):
        time.sleep(step_s)  # it holds the hub
        done.append(name)
        yield


def wait_for(done: list[str], count: int) -> None:
    with gevent.Timeout(20):
        while len(done) < count:
            gevent.sleep(0.001)


def test_jobs_are_done_to_the_end_and_later_ones_too() -> None:
    done: list[str] = []
    spread = Spreader(Pump())
    spread.add(works("a", 3, done))
    spread.add(works("b", 2, done))
    wait_for(done, 5)
    spread.add(works("c", 1, done))
    wait_for(done, 6)

    assert sorted(done) == ["a", "a", "a", "b", "b", "c"]


def test_a_long_job_does_not_hold_up_a_short_one() -> None:
    done: list[str] = []
    spread = Spreader(Pump())
    spread.add(works("long", 100, done, spreader.SLICE_S / 2))
    spread.add(works("short", 1, done))
    wait_for(done, 101)

    assert done.index("short") < 10


def test_a_job_that_crashes_does_not_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def crashes() -> Iterator[None]:
        yield
        raise RuntimeError("a fault that was asked for")

    done: list[str] = []
    spread = Spreader(Pump())
    spread.add(crashes())
    spread.add(works("a", 3, done))
    wait_for(done, 3)

    assert "a job of the spreader crashed" in caplog.text


def test_a_turn_that_is_due_runs_before_the_next_slice() -> None:
    pump, done = Pump(), list[str]()

    def takes_a_turn() -> None:
        pump.turn_is_due = False
        done.append("turn")

    def becomes_due() -> None:
        # As when a message is read: the pump is woken, and runs in the next round of the loop.
        pump.turn_is_due = True
        gevent.spawn(takes_a_turn)

    def works_and_wakes() -> Iterator[None]:
        for number in range(4):
            if number == 1:
                gevent.get_hub().loop.run_callback(becomes_due)
            time.sleep(2 * spreader.SLICE_S)
            done.append("slice")
            yield

    Spreader(pump).add(works_and_wakes())
    wait_for(done, 5)

    assert done == ["slice", "slice", "turn", "slice", "slice"]


class Busy(Pump):
    """Notes when it is asked, between two slices."""

    turn_is_under_way = True

    def __init__(self, done: list[str]) -> None:
        self.done = done

    @property
    def turn_is_due(self) -> bool:  # type: ignore[override]
        self.done.append("pause")
        return False


@pytest.mark.parametrize(("under_way", "steps"), [(False, 4), (True, 1)])
def test_a_slice_is_short_while_a_turn_is_under_way(
    monkeypatch: pytest.MonkeyPatch, *, under_way: bool, steps: int
) -> None:
    now = 0.0

    def works_for_a_millisecond() -> Iterator[None]:
        nonlocal now
        for _ in range(12):
            now += 0.00101
            done.append("step")
            yield

    done: list[str] = []
    monkeypatch.setattr(spreader, "time", SimpleNamespace(monotonic=lambda: now))
    pump = Busy(done)
    pump.turn_is_under_way = under_way
    Spreader(pump).add(works_for_a_millisecond())
    with gevent.Timeout(20):
        while done.count("step") < 12 or done[-1] == "step":
            gevent.sleep(0.001)

    slices = [len(list(steps)) for what, steps in groupby(done) if what == "step"]
    assert slices == [steps] * (12 // steps)


def test_what_is_done_at_once_lets_others_in_and_ends_when_it_has_taken_too_long() -> None:
    done: list[str] = []
    gevent.spawn(done.append, "somebody else")
    assert work(works("a", 3, done, 0.002), 0.001, Breather())
    assert sorted(done) == ["a", "a", "a", "somebody else"]
    assert done[-1] == "a"

    job = works("b", 3, done, 0.002)
    assert not work(job, 1.0, Breather(), 0.001)
    assert done[4:] == ["b"]
    assert work(job, 1.0, Breather())
    assert done[4:] == ["b", "b", "b"]
