"""Steps of operators, as processes tell each other of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gchat.chat.effects import Effect
from gchat.chat.limits import Limits
from gchat.chat.order_actions import Actor, Wish
from gchat.chat.order_steps import (
    AddAccount,
    AnnounceTo,
    AnyStep,
    BanTarget,
    GrantOperator,
    KillUser,
    LiftPenalty,
    OpenRoom,
    PenaliseUser,
    RemoveAccount,
    ResetModes,
    RevokeOperator,
)
from gchat.chat.registry import Registry
from gchat.chat.steps import Connect, Entrance, Step
from gchat.model.errors import Refusal

BOSS = Actor("boss", "http", 5.0)

_decode: Callable[[bytes], Step] = msgspec.msgpack.Decoder(AnyStep).decode


@pytest.fixture
def registry() -> Registry:
    registry = Registry(Limits(max_rooms=2))
    Connect(Entrance("192.0.2.7:1"), 1.0, id=1).take(registry)
    return registry


def hear(registry: Registry, step: Step) -> tuple[Any, list[Effect]]:
    """Take a step that another process has told."""
    heard = _decode(msgspec.msgpack.encode(step.told()))
    assert heard == step
    return heard.take(registry)


def test_bans_and_mutes_are_told_with_whom_until_when_and_why(registry: Registry) -> None:
    ban, _ = hear(registry, BanTarget(BOSS, ("address", "203.0.113.9"), Wish(60.0, "spam", force=True)))
    assert (ban.value, ban.until, ban.by) == ("203.0.113.9", 65.0, "boss")
    registry.rename(registry.sessions[1], "alice")
    mute, _ = hear(registry, PenaliseUser(BOSS, "mute", 1, Wish()))
    assert mute.targets == registry.order.mutes.all[mute.id].targets
    hear(registry, LiftPenalty(BOSS, "mute", mute.id))
    assert not registry.order.mutes
    hear(registry, PenaliseUser(BOSS, "ban", 1, Wish()))
    assert not registry.sessions


def test_accounts_operators_and_rooms(registry: Registry) -> None:
    account, _ = hear(registry, AddAccount(BOSS, "carol", "", "0" * 32))
    assert registry.accounts.get("carol") is account
    hear(registry, GrantOperator(BOSS, "carol"))
    hear(registry, RevokeOperator(BOSS, "carol"))
    hear(registry, RemoveAccount(BOSS, "carol"))
    assert registry.accounts.get("carol") is None
    told, _ = hear(registry, AnnounceTo(BOSS, "tea", "lobby"))
    assert told == 1
    hear(registry, OpenRoom("dev", is_stored=True))
    hear(registry, ResetModes(BOSS, "dev"))
    assert [*registry.rooms] == ["lobby", "dev"]
    hear(registry, OpenRoom("ops"))  # in the place of an empty one
    assert [*registry.rooms] == ["lobby", "ops"]
    hear(registry, KillUser(BOSS, 1, "enough"))
    assert not registry.sessions


@pytest.mark.parametrize(
    "step",
    [
        PenaliseUser(BOSS, "ban", 9, Wish()),
        LiftPenalty(BOSS, "ban", 9),
        KillUser(BOSS, 9, ""),
        AnnounceTo(BOSS, "tea", "nowhere"),
        RemoveAccount(BOSS, "nobody"),
        RevokeOperator(BOSS, "nobody"),
    ],
    ids=lambda step: type(step).__name__,
)
def test_what_is_about_nothing_is_refused(step: Step, registry: Registry) -> None:
    with pytest.raises(Refusal):
        hear(registry, step)


def test_a_stored_room_is_not_opened_where_all_are_in_use(registry: Registry) -> None:
    hear(registry, OpenRoom("dev", is_stored=True))
    with pytest.raises(Refusal, match="in use"):
        hear(registry, OpenRoom("ops", is_stored=True))
