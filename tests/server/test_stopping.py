"""Users who have sent too much wait for as long as they owe; the stop of the server ends that for all of them."""

from __future__ import annotations

import time

import gevent

from gchat.server.stopping import Stopping
from tests.e2e.harness import DEADLINE_S


def test_a_pause_lasts_as_long_as_it_is_to() -> None:
    gevent.get_hub().loop.update_now()  # it did not run for a while
    began = time.monotonic()
    Stopping().pause(0.05)
    assert time.monotonic() - began > 0.04


def test_the_stop_ends_all_pauses_and_there_are_no_more() -> None:
    stopping = Stopping()
    paused = [gevent.spawn(stopping.pause, 10 * DEADLINE_S) for _ in range(3)]
    gevent.sleep(0.01)
    assert not any(greenlet.dead for greenlet in paused)
    stopping.set()
    gevent.joinall(paused, DEADLINE_S, raise_error=True)
    assert all(greenlet.successful() for greenlet in paused)
    stopping.pause(10 * DEADLINE_S)


def test_the_stop_does_not_disturb_a_user_whose_pause_has_ended_or_who_is_gone() -> None:
    stopping = Stopping()
    gone = gevent.spawn(stopping.pause, 10 * DEADLINE_S)
    stays: list[str] = []

    def stay() -> None:
        stopping.pause(0.01)
        gevent.sleep(0.1)
        stays.append("to the end")

    staying = gevent.spawn(stay)
    gevent.sleep(0.05)
    gone.kill()
    stopping.set()
    gevent.joinall([staying], DEADLINE_S, raise_error=True)
    assert stays == ["to the end"]


def test_what_waits_for_the_event_itself_is_told() -> None:
    stopping = Stopping()
    waiting = gevent.spawn(stopping.wait)
    gevent.sleep(0)
    stopping.set()
    assert waiting.get(timeout=DEADLINE_S)
