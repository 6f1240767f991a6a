"""What hooks do on a server: they say something in their rooms, at a pace, and under names that no user can have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from gchat.admin.backend import BadText, Missing, NotPossible, TooOften
from gchat.admin.documents import NewHook
from gchat.chat.limits import Rates
from gchat.hooks.book import Hook
from gchat.hooks.message import HookMessage
from gchat.journal.parts import parts_of
from gchat.server.hook_actions import HookActions
from tests.server.stage import Stage


class Actions(HookActions):
    """On a stage, whose journal has no notes."""

    def __init__(self, stage: Stage) -> None:
        stage.parts = parts_of(stage.journal)  # type: ignore[attr-defined]
        super().__init__(cast("Any", stage))

    def make(self, room: str = "ops", name: str = "ci") -> Hook:
        found = self.hook(self.make_hook(NewHook(room, name)).secret)
        assert found
        return found


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage(rates=Rates(1.0, 3.0)) as stage:
        yield stage


@pytest.fixture
def actions(stage: Stage) -> Actions:
    return Actions(stage)


def test_a_hook_says_something_in_its_room_which_is_made(stage: Stage, actions: Actions) -> None:
    hook = actions.make()
    assert "ops" not in stage.registry.rooms
    assert actions.say_by_hook(hook, HookMessage("hello")) == 1
    alice = stage.join("alice")
    alice.says("/join ops")
    alice.sees("> You are now in ops (1 user online)")
    assert actions.say_by_hook(hook, HookMessage("again", "Grafana [x]")) == 2
    alice.sees("[Grafana x (http)] again")
    assert actions.say_by_hook(hook, HookMessage("third", "[]")) == 3
    alice.sees("[ci (http)] third")


def test_each_hook_has_a_pace_of_its_own(actions: Actions) -> None:
    one, two = actions.make(), actions.make(name="other")
    for _ in range(3):
        actions.say_by_hook(one, HookMessage("x"))
    with pytest.raises(TooOften, match="wait 1 s") as raised:
        actions.say_by_hook(one, HookMessage("x"))
    assert raised.value.wait_s == 1
    actions.say_by_hook(two, HookMessage("x"))
    assert [hook.messages for hook in actions.hooks()] == [3, 1]


def test_without_a_limit_for_users_there_is_none_for_hooks(stage: Stage, actions: Actions) -> None:
    stage.limits.rates = Rates()
    hook = actions.make()
    for number in range(100):
        assert actions.say_by_hook(hook, HookMessage("x")) == number + 1


def test_a_blank_text_is_refused_and_costs_nothing(actions: Actions) -> None:
    hook = actions.make()
    for _ in range(5):
        with pytest.raises(BadText, match="blank"):
            actions.say_by_hook(hook, HookMessage("\u200b"))
    actions.say_by_hook(hook, HookMessage("x"))


def test_where_all_rooms_are_in_use_none_is_made(stage: Stage, actions: Actions) -> None:
    stage.limits.max_rooms = 1
    stage.join("alice").transcript()
    with pytest.raises(NotPossible, match="Too many rooms"):
        actions.say_by_hook(actions.make(), HookMessage("x"))


def test_hooks_are_made_and_revoked(actions: Actions) -> None:
    hook = actions.make()
    with pytest.raises(NotPossible, match="already"):
        actions.make()
    with pytest.raises(NotPossible, match="room name"):
        actions.make_hook(NewHook("o p s", "x"))
    actions.revoke_hook(hook.id)
    with pytest.raises(Missing, match="GET /hooks"):
        actions.revoke_hook(hook.id)
    assert actions.hooks() == []


def test_an_answer_of_a_url_is_said_under_the_name_it_has_or_chooses(stage: Stage, actions: Actions) -> None:
    alice = stage.join("alice")
    actions.say_answer("lobby", "Deployer", HookMessage("done"))
    alice.sees("[Deployer (http)] done")
    actions.say_answer("lobby", "Deployer", HookMessage("x" * 20_000, "bot"))
    assert any(line.startswith("[bot (http)] xxx") and line.endswith("(cut)") for line in alice.transcript())
    actions.say_answer("lobby", "Deployer", HookMessage(" "))
    assert alice.hears() == []
