"""The commands of operators of the server: who may, what anybody else is told, and what stays of the room."""

from __future__ import annotations

from typing import Any

import pytest

from gchat.chat.effects import Announce, Audited
from gchat.chat.order_handlers import MAX_LISTED
from gchat.chat.penalties import Penalty
from gchat.model import commands, events
from tests.chat.town import NOW, Town, answers, audited, refusals


@pytest.fixture
def town() -> Town:
    town = Town("bob", "alice", "mallory")
    for name in town.sessions:
        town.asks(name, commands.Join("dev"))
    return town


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (commands.Ban("alice"), "/mode +b NAME"),
        (commands.Unban("1"), ""),
        (commands.Bans(), ""),
        (commands.Mute("alice"), "/mode +m"),
        (commands.Unmute("alice"), ""),
        (commands.Kill("alice"), "/kick"),
        (commands.AnnounceToAll("x"), ""),
    ],
)
def test_nobody_else_may_and_is_told_what_is_possible_in_a_room(town: Town, command: Any, hint: str) -> None:
    effects = town.asks("bob", command)
    (why,) = refusals(effects)
    assert why.startswith("Only operators of the server can do that")
    assert hint in why
    assert not [effect for effect in effects if isinstance(effect, Audited)]


def test_kick_is_of_the_room_for_its_operators_and_for_those_of_the_server_who_are_in_it(town: Town) -> None:
    assert refusals(town.asks("mallory", commands.Kick("alice"))) == ["Only operators of dev can do that"]
    effects = town.asks("alice", commands.Kick("mallory", "too loud"))
    assert not refusals(effects)
    assert audited(effects) == [("alice", "kick", "mallory (dev)", "too loud")]
    assert town.is_here("mallory"), "kick is of the room, kill of the server"
    assert "dev" not in town.sessions["mallory"].rooms
    town.asks("mallory", commands.Join("dev"))
    assert not audited(town.asks("bob", commands.Kick("mallory"))), "bob is an operator of that room alone"


def test_an_announcement_is_for_all_rooms(town: Town) -> None:
    effects = town.asks("alice", commands.AnnounceToAll("Back in five minutes"))
    announced = [(effect.room, effect.notice) for effect in effects if isinstance(effect, Announce)]
    assert announced == [(room, events.Announced("Back in five minutes")) for room in ("lobby", "dev")]
    assert audited(effects) == [("alice", "announce", "all rooms", "Back in five minutes")]
    assert refusals(town.asks("alice", commands.AnnounceToAll("x" * 9000)))


def test_bans_and_mutes_are_listed_with_their_numbers_the_newest_last(town: Town) -> None:
    (nothing,) = answers(town.asks("alice", commands.Bans(id="1")))
    assert nothing == events.BansAre((), (), 0, "1")
    town.asks("alice", commands.Ban("203.0.113.0/24", 60, "flood"))
    town.asks("alice", commands.Mute("mallory", 0, "spam"))
    (listed,) = answers(town.asks("alice", commands.Bans()))
    assert listed == events.BansAre(
        (events.PenaltyListed(1, ("203.0.113.0/24",), "flood", NOW + 60, "alice"),),
        (events.PenaltyListed(1, ("mallory", "192.0.2.3"), "spam", 0.0, "alice"),),
    )
    for number in range(2, 100):
        town.registry.order.bans.add(Penalty(number, "address", f"198.51.100.{number}", "", NOW))
    (many,) = answers(town.asks("alice", commands.Bans()))
    assert isinstance(many, events.BansAre)
    assert (len(many.bans), many.bans[-1].id, many.more) == (MAX_LISTED, 99, 49)


def test_unmute_is_of_the_user_also_under_another_nick(town: Town) -> None:
    town.registry.order.mutes.add(Penalty(1, "lineage", town.sessions["mallory"].lineage, "", NOW))
    assert not town.says("mallory")
    assert not refusals(town.asks("alice", commands.Unmute("mallory")))
    assert town.says("mallory")
