"""Order on the server: operators, and who is muted or banned, however a user comes back."""

from __future__ import annotations

import pytest

from gchat.chat.limits import Limits
from gchat.chat.order import Order
from gchat.chat.penalties import Penalty
from gchat.chat.session import Session
from gchat.model import commands
from tests.chat.town import NOW, Town, refusals


def muted(town: Town, name: str, *words: commands.Command) -> list[list[str]]:
    return [refusals(town.asks(name, word)) for word in words]


@pytest.fixture
def town() -> Town:
    town = Town("alice", "mallory", "bob")
    assert not refusals(town.asks("alice", commands.Mute("mallory", 600, "spam")))
    return town


@pytest.mark.parametrize("account", ["alice", "ALICE", "ａlice"])
def test_an_operator_is_an_account_in_any_case_and_width(account: str) -> None:
    order = Order(Limits(operators="root Alice"))
    session = Session(1, "192.0.2.1:1")
    assert not order.is_operator(session), "of no account"
    session.account = account
    assert order.is_operator(session)
    session.account = "alice2"
    assert not order.is_operator(session)
    order.granted["alice2"] = "alice2"
    assert order.is_operator(session)


def test_the_configuration_can_be_reloaded() -> None:
    limits = Limits(operators="alice")
    order, session = Order(limits), Session(1, "192.0.2.1:1")
    session.account = "bob"
    assert not order.is_operator(session)
    limits.operators = "bob"
    assert order.is_operator(session)


def test_what_a_muted_user_says_is_refused_with_until_when_and_why_whatever_it_is(town: Town) -> None:
    said = muted(
        town,
        "mallory",
        commands.Say(("x",)),
        commands.Act("x"),
        commands.Tell("bob", "x"),
        commands.Topic(text="x"),
        commands.Topic(text=""),
        commands.BeAway("x"),
        commands.Invite("bob"),
        commands.Kick("bob", "x"),
        commands.Mode("+k x"),
    )
    assert said == [["Not sent: you are muted until 2027-01-15 08:10 UTC: spam"]] * len(said)
    (named,) = refusals(town.asks("mallory", commands.Nick("you_are_fools")))
    assert named == "You keep your name while you are muted until 2027-01-15 08:10 UTC: spam"
    (opened,) = refusals(town.asks("mallory", commands.Join("fools")))
    assert opened == "Room not opened: you are muted until 2027-01-15 08:10 UTC: spam"


def test_a_muted_user_reads_everything_and_may_go(town: Town) -> None:
    town.asks("bob", commands.Join("dev"))
    asked = muted(
        town,
        "mallory",
        commands.Who(),
        commands.Topic(),
        commands.Rooms(),
        commands.Mode(),
        commands.Mode("+b"),
        commands.History(commands.Last(5)),
        commands.Search("x"),
        commands.Join("dev"),
        commands.BeAway(),
        commands.Part(reason="you fools"),
    )
    assert asked == [[]] * len(asked)
    assert not any("fools" in str(effect) for effect in town.asks("mallory", commands.Part(reason="fools")))


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "198.51.100.9"},  # with the token, from elsewhere
        {"token": "another-token----------", "nick": "other", "host": "192.0.2.2"},
        {"token": "another-token----------", "nick": "mallory", "host": "198.51.100.9"},
    ],
)
def test_a_muted_user_who_comes_back_is_muted(town: Town, fields: dict[str, str]) -> None:
    town.asks("mallory", commands.Quit())
    town.comes("mallory", **fields)
    assert not town.says("mallory")


def test_a_muted_account_is_muted_wherever_it_logs_in() -> None:
    town = Town("alice")
    town.comes("mallory", account="mal")
    town.asks("alice", commands.Mute("mallory"))
    town.comes("other", host="198.51.100.9", account="MAL")
    assert not town.says("other")


def test_a_muted_user_who_comes_anew_has_the_muted_nick_or_none(town: Town) -> None:
    town.asks("mallory", commands.Quit())
    effects = town.comes("mallory", host="192.0.2.2", token="t" * 22, nick="you_are_fools")
    assert refusals(effects) == ["You keep your name while you are muted until 2027-01-15 08:10 UTC: spam"]
    assert not refusals(town.asks("mallory", commands.Nick("mallory")))


def test_an_operator_is_never_muted_by_a_mask(town: Town) -> None:
    town.registry.order.mutes.add(Penalty(9, "network", "192.0.2.0/24", "", NOW))
    assert town.says("alice")
    assert not town.says("bob")


def test_a_ban_of_a_token_or_an_account_turns_a_newcomer_away_with_the_reason() -> None:
    town = Town("alice", "mallory")
    town.asks("alice", commands.Ban("mallory", 600, "spam"))
    why = "You are banned from this server until 2027-01-15 08:10 UTC: spam"
    assert town.is_turned_away("mallory", host="198.51.100.9") == why
    assert not town.is_turned_away("mallory", host="198.51.100.9", token="t" * 22, nick="other")
    assert refusals(town.asks("mallory", commands.Nick("maIlory")))
