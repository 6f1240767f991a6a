"""Disconnected sessions: how long each is kept, and which goes when they are too many."""

from __future__ import annotations

import pytest

from gchat.chat import disconnected
from gchat.chat.disconnected import Disconnected
from gchat.chat.networks import Network
from gchat.chat.session import Session


def gone(number: int, network: str = "a", *, nick: bool = False, messages: int = 0, exempt: bool = False) -> Session:
    session = Session(number, f"127.0.0.1:{number}", network=Network(network, exempt))
    session.has_nick, session.messages = nick, messages
    return session


def kept(*sessions: Session, until: float = 30.0) -> Disconnected:
    found = Disconnected()
    for session in sessions:
        found.add(session, until)
    return found


def test_a_session_is_due_when_its_time_has_come_and_not_before() -> None:
    one, two = gone(1), gone(2)
    found = kept(one)
    found.add(two, 31.0)
    assert [found.due(now) for now in (29.9, 30.0, 31.0)] == [[], [one], [one, two]]
    found.discard(one)
    found.discard(one)
    assert (one in found, list(found), found.due(99.0)) == (False, [two], [two])


def test_of_a_network_with_too_many_the_oldest_without_nick_and_message_goes_first() -> None:
    named, spoken, idle, newest = gone(1, nick=True), gone(2, messages=1), gone(3), gone(4)
    found = kept(named, spoken, idle, newest)
    assert found.surplus(newest, 4) is None
    assert found.surplus(newest, 3) is idle
    for session in (idle, newest):
        found.discard(session)
    last = gone(5, nick=True)
    found.add(last, 30.0)
    assert found.surplus(last, 3) is None
    assert found.surplus(last, 2) is named


def test_another_network_and_an_exempt_one_pay_for_nothing() -> None:
    others = [gone(number, "b") for number in range(1, 4)]
    newest = gone(9, "a")
    assert kept(*others, newest).surplus(newest, 1) is None
    exempt = [gone(number, "c", exempt=True) for number in range(1, 4)]
    assert kept(*exempt).surplus(exempt[-1], 1) is None
    assert kept(*others).surplus(others[-1], None) is None


def test_when_all_are_too_many_the_network_with_most_loses_its_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disconnected, "MAX_DISCONNECTED", 3)
    one = gone(1, "a", nick=True)
    flood = [gone(number, "b", nick=True) for number in (2, 3)]
    newest = gone(4, "c", nick=True)
    found = kept(one, *flood)
    assert found.surplus(flood[-1], None) is None
    found.add(newest, 30.0)
    assert found.surplus(newest, None) is flood[0]
    idle = gone(5, "a")
    found.add(idle, 30.0)
    assert found.surplus(idle, None) is idle
    found.discard(idle)
    found.add(gone(6, "b", nick=True), 30.0)
    assert found.surplus(newest, None) is flood[0]


def test_nothing_is_left_of_what_is_kept_no_longer() -> None:
    sessions = [gone(1), gone(2, nick=True), gone(3, "b")]
    found = kept(*sessions)
    for session in sessions:
        found.discard(session)
    assert not any(vars(found).values())


def test_nothing_is_left_of_what_was_cleared() -> None:
    one = gone(1)
    found = kept(one)
    found.clear()
    assert (list(found), one in found, found.due(99.0)) == ([], False, [])
    found.add(one, 30.0)
    assert found.surplus(one, 1) is None


@pytest.mark.parametrize("older", ["a", "b"])
def test_of_networks_with_as_many_the_one_with_the_oldest_session_gives_one_up(
    monkeypatch: pytest.MonkeyPatch, older: str
) -> None:
    """Whichever of them was known first: a server that is restored from a checkpoint does not know that."""
    monkeypatch.setattr(disconnected, "MAX_DISCONNECTED", 4)
    first, oldest = gone(1, "a", nick=True), gone(2, older, nick=True)
    others = [gone(number, network, nick=True) for number, network in ((3, "a"), (4, "b"), (5, "a"), (6, "b"))]
    found = kept(first, oldest, *others)
    found.discard(first)
    found.discard(others[2 if older == "a" else 3])

    assert found.surplus(others[0], None) is None
    found.add(newest := gone(7, "c", nick=True), 30.0)
    assert found.surplus(newest, None) is oldest


def test_what_is_restored_is_what_there_was_in_its_order() -> None:
    found, again = kept(gone(1), gone(2, nick=True), gone(3, "b")), kept(gone(9))
    found.add(late := gone(4), 31.0)

    again.restore(found.until.items())
    assert list(again.until.items()) == list(found.until.items())
    assert list(again._idle) == list(found._idle)
    assert again.surplus(late, 1) is found.surplus(late, 1)
