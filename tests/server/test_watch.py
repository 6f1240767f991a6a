"""The watch: an error in one part of it ends nothing, and while nothing happens it comes once a second."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import Any, cast

import gevent
import pytest

from gchat.chat.effects import CloseReason
from gchat.chat.limits import Limits
from gchat.chat.order import Order
from gchat.chat.penalties import Penalty
from gchat.server import watch
from gchat.server.faults import Guard
from gchat.server.history import tidy
from gchat.server.reader import RECEIVED_BYTES
from gchat.server.watch import Watch
from tests.admin.endpoint import wait_until


class Server:
    """An App that has nothing to do, and counts how often it is asked."""

    def __init__(self, announce_after_s: float = 0.0) -> None:
        self.asked = 0
        self.aborted: list[CloseReason] = []
        self.shut: list[str] = []
        self.connections: dict[int, Any] = {}
        self.closing: dict[Any, None] = {}
        self.roster = SimpleNamespace(by_session=self.connections, ending=self.closing)
        self.tls = SimpleNamespace(look=lambda: None)
        self.awake = time.monotonic
        self.put: list[Any] = []
        self.wall_time = 0.0
        self.steps = SimpleNamespace(put=self.put.append, wall_time=lambda: self.wall_time)
        self.registry = SimpleNamespace(sessions={}, is_due=self.is_due, order=Order(Limits()))
        self.config = SimpleNamespace(
            server=SimpleNamespace(announce_after_s=announce_after_s), limits=SimpleNamespace(stall_timeout_s=60.0)
        )

    def is_due(self, _now: float) -> bool:
        self.asked += 1
        raise RuntimeError("a fault")

    def watch(self) -> Watch:
        return Watch(cast("Any", self))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "WATCH_S", 0.01)


@pytest.mark.usefixtures("quick")
def test_an_error_in_one_part_of_the_watch_is_logged_once_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def faulty() -> None:
        raise ValueError("a fault")

    server = Server()
    stalled = SimpleNamespace(stalled=lambda *_: True)
    first = SimpleNamespace(writer=stalled, abort=server.aborted.append, deadline=0.0, shut=faulty)
    faults = SimpleNamespace(
        writer=SimpleNamespace(stalled=lambda *_: faulty()), deadline=0.0, shut=lambda: server.shut.append("second")
    )
    server.connections.update({1: first, 2: faults})
    server.closing.update({Hashable(first): None, Hashable(faults): None})
    looking = gevent.spawn(server.watch().run)
    try:
        wait_until(lambda: server.asked >= 5, "it goes on")
    finally:
        looking.kill()
    assert server.aborted == [CloseReason.STALLED]
    assert server.shut[:2] == ["second", "second"]
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert [line.partition(" crashed")[0] for line in logged] == [
        "looking at a reader",
        "looking for what has become due",
        "ending a connection",
    ]


class Hashable:
    """What a connection is, as a key."""

    def __init__(self, fields: SimpleNamespace) -> None:
        self.__dict__.update(fields.__dict__)


@pytest.mark.parametrize(("announce_after_s", "pause_s"), [(0.0, 0.25), (0.5, 0.5), (1.0, 1.0), (60.0, 1.0)])
def test_the_watch_comes_once_a_second_unless_something_may_become_due(announce_after_s: float, pause_s: float) -> None:
    server = Server(announce_after_s)
    looking = server.watch()
    assert looking._pause_s() == pause_s
    RECEIVED_BYTES.value += 1
    assert looking._pause_s() == 0.25
    assert looking._pause_s() == pause_s
    server.closing[object()] = None
    assert looking._pause_s() == 0.25


@pytest.mark.usefixtures("quick")
def test_a_loop_that_is_held_up_is_late_at_once_and_for_a_second() -> None:
    server = Server()
    looking = server.watch()
    running = gevent.spawn(looking.run)
    try:
        wait_until(lambda: server.asked, "it has begun")
        before = looking.awake()
        time.sleep(0.3)  # the loop does not run
        assert looking.lag_s() >= 0.28
        wait_until(lambda: server.asked >= 3, "it goes on")
        assert looking.lag_s() >= 0.28
        assert looking.awake() - before >= 0.3
        wait_until(lambda: looking.lag_s() < 0.28, "it is forgotten")
    finally:
        running.kill()


def test_the_upkeep_of_the_history_goes_on_after_an_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def faulty(_now: float, steady: float) -> bool:
        asked.append(steady)
        raise KeyError("a fault")

    monkeypatch.setattr("gchat.server.history.IDLE_S", 0.01)
    parts = SimpleNamespace(
        maintenance=SimpleNamespace(tidy=faulty),
        condition=SimpleNamespace(trouble="", damage=[]),
        retention=SimpleNamespace(caution=""),
    )
    running = gevent.spawn(tidy, cast("Any", parts))
    try:
        wait_until(lambda: len(asked) >= 3, "it goes on")
    finally:
        running.kill()
    assert [record.getMessage().partition(" crashed")[0] for record in caplog.records] == ["maintenance of the history"]


def test_a_guard_returns_what_its_function_returns() -> None:
    guard = Guard()
    assert guard("a part", lambda: 7) == 7
    assert guard("a part", lambda: 1 // 0) is None


def test_a_ban_ends_by_the_clock_by_which_it_was_dated() -> None:
    server = Server()
    server.registry.is_due = lambda _now: False
    bans = server.registry.order.bans
    bans.add(Penalty(1, "nick", "eve", "", 1000.0, 1060.0, "ann"))
    for server.wall_time, asked in ((1059.0, 0), (1060.0, 1)):
        server.watch()._look_for_due()
        assert len(server.put) == asked
    assert server.put[0].wall_now == 1060.0
