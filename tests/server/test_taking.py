"""Taking steps in one process: at once, and what is done with the value comes before the effects."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gchat.chat.effects import Effect
from gchat.chat.limits import Limits
from gchat.chat.order_actions import Actor
from gchat.chat.order_steps import KillUser
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.chat.steps import Connect, Entrance
from gchat.model import commands
from gchat.model.errors import Refusal
from gchat.server.taking import OwnSteps

NOBODY = KillUser(Actor("boss", "http", 1.0), 9, "")


def test_a_connection_is_made_before_its_effects_are_carried_out() -> None:
    happened: list[str] = []

    def submit(effects: Sequence[Effect]) -> None:
        happened.append(f"{len(effects) > 0} effects")

    def meet(session: Session) -> None:
        happened.append(session.name)

    registry = Registry(Limits())
    session = OwnSteps(registry, submit).take(Connect(Entrance("127.0.0.1:5"), 1.0), meet)
    assert registry.sessions == {session.id: session}
    assert happened == ["127.0.0.1:5", "True effects"]


def test_what_nobody_waits_for_may_be_refused() -> None:
    submitted: list[Effect] = []
    steps = OwnSteps(Registry(Limits()), submitted.extend)
    steps.put(NOBODY)
    with pytest.raises(Refusal, match="No user has the id 9"):
        steps.take(NOBODY)
    assert submitted == []


def test_a_command_is_carried_out_at_once() -> None:
    submitted: list[Effect] = []
    registry = Registry(Limits())
    steps = OwnSteps(registry, submitted.extend)
    session = steps.take(Connect(Entrance("127.0.0.1:5"), 1.0))
    submitted.clear()
    assert steps.execute(session, commands.Nick("bob"), 1.0) == submitted != []
    assert session.name == "bob"
