"""Answers that are held until it is known what became of what was said before."""

from __future__ import annotations

from gchat.chat.effects import Deliver
from gchat.model.events import Pong
from gchat.server.held_answers import HeldAnswers


def pong(session: int, text: str) -> Deliver:
    return Deliver(session, Pong(text))


def test_a_user_who_waits_for_nothing_is_answered_at_once() -> None:
    held = HeldAnswers()
    held.asked(1)
    held.asked(None)  # what no user says

    assert not held.hold(pong(2, "a"))
    assert held.known(2, is_late=False) == held.known(None, is_late=False) == []


def test_an_answer_waits_for_all_that_was_said_before() -> None:
    held = HeldAnswers()
    held.asked(1)
    held.asked(1)

    assert held.hold(pong(1, "a"))
    assert held.hold(pong(1, "b"))
    assert held.known(1, is_late=False) == []
    assert held.known(1, is_late=False) == [pong(1, "a"), pong(1, "b")]
    assert not held.hold(pong(1, "c"))


def test_nobody_waits_for_what_is_late_and_its_outcome_is_none_of_what_is_said_later() -> None:
    held = HeldAnswers()
    held.asked(1)
    held.asked(1)
    held.hold(pong(1, "a"))

    assert held.known(1, is_late=True) == [pong(1, "a")]
    assert held.known(1, is_late=False) == []
