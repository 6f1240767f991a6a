"""The roster: who is counted, what is logged of each connection, and who hears of it."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from gchat.chat.effects import CloseReason
from gchat.server.counters import CLOSED
from gchat.server.listener import Peer
from gchat.server.roster import OPENED, Roster

PEER = Peer("127.0.0.1:5000", "127.0.0.1", 1)


class Onlooker:
    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []
        self.released: list[Peer] = []

    def came(self, session: Any) -> None:
        self.heard.append(("came", session.name))

    def went(self, session: Any, reason: CloseReason) -> None:
        self.heard.append(("went", session.name, reason.value))


def connection(*, is_announced: bool = True, nick: str = "alice", skipped: int = 0) -> Any:
    session = SimpleNamespace(
        id=7,
        name=nick or PEER.address,
        address=PEER.address,
        has_nick=bool(nick),
        messages=3,
        is_announced=is_announced,
    )
    return SimpleNamespace(
        session=session,
        peer=PEER,
        reason=CloseReason.QUIT,
        opened_at=time.monotonic() - 3600,
        log_reader=SimpleNamespace(skipped=skipped),
        reader=SimpleNamespace(has_lines=True),
    )


class Attended:
    """Something that is hashable by itself, as connections are."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update(vars(connection(**fields)))


@pytest.fixture
def onlooker() -> Onlooker:
    return Onlooker()


@pytest.fixture
def roster(onlooker: Onlooker) -> Roster:
    return Roster(onlooker, onlooker.released.append)


def test_a_user_that_comes_and_goes_is_counted_logged_and_told_of_once(
    roster: Roster, onlooker: Onlooker, caplog: pytest.LogCaptureFixture
) -> None:
    opened, closed = OPENED.value, CLOSED.values["quit"]
    alice: Any = Attended(skipped=5)
    with caplog.at_level(logging.DEBUG, "gchat"):
        roster.arrived(alice)
        roster.closing(alice)
        assert list(roster.ending) == [alice]
        roster.closed(alice)
    assert (OPENED.value, CLOSED.values["quit"]) == (opened + 1, closed + 1)
    assert onlooker.heard == [("came", "alice"), ("went", "alice", "quit")]
    assert (onlooker.released, list(roster.ending), roster.skipped) == ([PEER], [], 5)
    said = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert said[0] == (logging.INFO, "opened 7 127.0.0.1:5000")
    assert said[1][0] == logging.INFO
    text, _, seconds = said[1][1].rpartition(" ")
    assert text == "closed 7 127.0.0.1:5000 alice: quit; messages: 3, seconds:"
    assert float(seconds) == pytest.approx(3600, abs=60)
    assert len(said) == 2


def test_nobody_hears_of_a_user_that_was_not_announced(
    roster: Roster, onlooker: Onlooker, caplog: pytest.LogCaptureFixture
) -> None:
    scanner: Any = Attended(is_announced=False, nick="")
    with caplog.at_level(logging.DEBUG, "gchat"):
        roster.closed(scanner)
    assert (onlooker.heard, onlooker.released) == ([], [PEER])
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert " - : " not in record.getMessage()
    assert "127.0.0.1:5000 -: quit" in record.getMessage()


def test_a_peer_that_was_never_in_is_counted_and_not_released(
    roster: Roster, onlooker: Onlooker, caplog: pytest.LogCaptureFixture
) -> None:
    before = dict(CLOSED.values)
    with caplog.at_level(logging.DEBUG, "gchat"):
        roster.turned_away(PEER, CloseReason.FULL)
        roster.never_in(PEER, CloseReason.PROBE)
        roster.never_in(PEER, CloseReason.FOREIGN, "HTTP")
    grown = {reason: count - before[reason] for reason, count in CLOSED.values.items() if count != before[reason]}
    assert grown == {"full": 1, "probe": 1, "foreign": 1}
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.INFO, "turned away 127.0.0.1:5000: full"),
        (logging.DEBUG, "not admitted: 127.0.0.1:5000: probe"),
        (logging.DEBUG, "not admitted: 127.0.0.1:5000: HTTP"),
    ]
    assert (onlooker.released, onlooker.heard) == ([], [])


def test_the_summary_names_only_the_reasons_that_there_were(roster: Roster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CLOSED, "values", {"reset": 0, "quit": 1234, "full": 2})
    assert roster.summary() == "2 full, 1,234 quit"
    monkeypatch.setattr(CLOSED, "values", {"reset": 0})
    assert roster.summary() == "none"


def test_what_was_received_is_waited_for_until_it_is_carried_out_or_the_time_is_over(roster: Roster) -> None:
    alice: Any = Attended()
    roster.by_session[7] = alice
    waiting = gevent.spawn(roster.wait_heard, 60.0)
    gevent.sleep(0.03)
    assert not waiting.ready()
    alice.reader.has_lines = False
    waiting.get(timeout=20)
    alice.reader.has_lines = True
    roster.wait_heard(0.02)
