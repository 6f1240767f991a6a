"""What operators do: whom a ban or mute is of, what is refused, and what is told, logged and stored (T81, T82)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.chat import order_actions, penalties
from gchat.chat.effects import CloseReason, SaveOperators, SavePenalties
from gchat.chat.order_actions import MAX_GRANTED, SHARED_BY, Actor
from gchat.model import commands
from gchat.model.errors import Code, Refusal
from tests.chat.town import NOW, Town, audited, closed, refusals, told

HTTP = Actor("ci", "http", NOW)


def shown(town: Town, kind: str = "bans") -> list[tuple[str, ...]]:
    table = getattr(town.registry.order, kind)
    return [tuple(value for _, value in penalty.shown) for penalty in table.all.values()]


def test_a_ban_of_a_user_is_of_the_nick_the_account_and_the_address_and_closes_the_connection_with_the_reason() -> None:
    town = Town("alice")
    town.comes("mallory", account="mal")
    effects = town.asks("alice", commands.Ban("mallory", 600, "spam"))

    why = "You are banned from this server until 2027-01-15 08:10 UTC: spam"
    assert shown(town) == [("mallory", "mal", "192.0.2.2")]
    assert told(effects, town.sessions["mallory"]) == [why]
    assert closed(effects) == {town.sessions["mallory"].id: CloseReason.BANNED}
    assert audited(effects) == [("alice", "ban", "mallory, mal, 192.0.2.2", "spam")]
    assert any(isinstance(effect, SavePenalties) and effect.kind == "bans" for effect in effects)
    assert told(effects, town.sessions["alice"]) == [
        "Banned until 2027-01-15 08:10 UTC: mallory, mal, 192.0.2.2 (number 1)"
    ]


def test_of_an_ipv6_user_the_whole_network_is_banned_because_one_owner_has_it() -> None:
    town = Town("alice")
    town.comes("mallory", host="2001:db8::7")
    town.comes("mallory2", host="2001:db8::8")
    effects = town.asks("alice", commands.Ban("mallory"))
    assert shown(town) == [("mallory", "2001:db8::/64")]
    assert len(closed(effects)) == 2


@pytest.mark.parametrize("verb", [commands.Ban, commands.Mute])
def test_an_address_that_many_share_is_left_out(verb: Any) -> None:
    office = "198.51.100.1"
    town = Town("alice")
    town.comes("mallory", host=office)
    for number in range(SHARED_BY):
        town.comes(f"user{number}", host=office)
    town.comes("eve", host="127.0.0.1")
    for whom in ("mallory", "eve"):
        town.asks("alice", verb(whom))
    assert shown(town, "bans" if verb is commands.Ban else "mutes") == [("mallory",), ("eve",)]
    assert all(town.is_here(f"user{number}") and town.says(f"user{number}") for number in range(SHARED_BY))


def test_an_operator_next_to_the_banned_user_stays() -> None:
    town = Town("alice")
    town.comes("mallory", host="192.0.2.1")
    town.asks("alice", commands.Ban("mallory"))
    assert town.is_here("alice")
    assert shown(town) == [("mallory",)]


@pytest.mark.parametrize("verb", [commands.Ban, commands.Mute])
def test_an_operator_cannot_be_banned_or_muted_by_name(verb: Any) -> None:
    town = Town("alice", "root", operators="alice root")
    for whom in ("root", "alice"):
        (why,) = refusals(town.asks("alice", verb(whom)))
        assert "is an operator of this server" in why
    assert town.is_here("root")
    assert town.says("root")


@pytest.mark.parametrize(
    ("whom", "why"),
    [
        ("198.51.0.0/15", "198.50.0.0/15 is very large"),
        ("2001:db8::/31", "2001:db8::/31 is very large"),
        ("192.0.2.1", "it is of alice, an operator"),
        ("192.0.2.0/24", "it is of alice, an operator; it closes 6 of 6 connections"),
        ("192.0.2.2/31", ""),
        ("203.0.113.0/24", ""),
    ],
)
def test_a_ban_that_may_be_a_mistake_needs_force(whom: str, why: str) -> None:
    town = Town("alice", "bob", "carol", "dave", "erin", "frank")
    (refused, *_) = refusals(town.asks("alice", commands.Ban(whom, 60, "x"))) or [""]
    assert refused == (f"Not banned: {why}. Put force behind it, before the reason, if you mean it" if why else "")
    assert not refusals(town.asks("alice", commands.Ban(whom, 60, "x", force=True)))
    assert len(town.registry.order.bans.all) == 1


def test_a_nick_that_nobody_has_is_banned_and_muted_with_the_account_of_that_name() -> None:
    town = Town("alice")
    town.asks("alice", commands.Ban("mallory", 0, "spam"))
    town.asks("alice", commands.Mute("eve", 60))
    assert shown(town) == [("mallory", "mallory")]
    assert refusals(town.comes("mallory")) == [
        "The nick mallory is banned from this server permanently: spam; choose another"
    ]
    town.comes("eve", host="203.0.113.9")
    assert not town.says("eve")
    (why,) = refusals(town.asks("alice", commands.Mute("two words")))
    assert why


def test_a_user_of_whom_nothing_is_known_but_a_shared_address_cannot_be_banned() -> None:
    town = Town("alice")
    session, _ = town.registry.connect("127.0.0.1:77")
    (why,) = refusals(town.asks("alice", commands.Ban(session.name)))
    assert "has no nick and no account, and an address that many share" in why


def test_a_muted_user_is_told_until_when_and_why_and_again_when_it_is_over() -> None:
    town = Town("alice", "mallory")
    mallory = town.sessions["mallory"]
    effects = town.asks("alice", commands.Mute("mallory", 600, "spam"))
    assert told(effects, mallory) == [
        "You are muted until 2027-01-15 08:10 UTC: you can read, and what you say is not sent. The reason: spam"
    ]
    assert audited(effects) == [("alice", "mute", "mallory, 192.0.2.2", "spam")]
    assert not order_actions.expire(town.registry, NOW + 599)
    assert told(order_actions.expire(town.registry, NOW + 600), mallory) == ["You may speak again"]
    assert town.says("mallory")


@pytest.mark.parametrize("which", ["mallory", "1", "192.0.2.2"])
def test_a_mute_is_lifted_by_name_number_or_address(which: str) -> None:
    town = Town("alice", "mallory")
    town.asks("alice", commands.Mute("mallory"))
    effects = town.asks("alice", commands.Unmute(which))
    assert told(effects, town.sessions["mallory"]) == ["You may speak again"]
    assert audited(effects) == [("alice", "unmute", "mallory, 192.0.2.2", "")]
    assert town.says("mallory")
    assert refusals(town.asks("alice", commands.Unmute(which)))


@pytest.mark.parametrize("which", ["mallory", "1", "192.0.2.2", "192.0.2.2/32"])
def test_a_ban_is_lifted_by_name_number_or_address_and_then_the_user_may_come(which: str) -> None:
    town = Town("alice", "mallory")
    town.asks("alice", commands.Ban("mallory"))
    assert audited(town.asks("alice", commands.Unban(which))) == [("alice", "unban", "mallory, 192.0.2.2", "")]
    assert not refusals(town.comes("mallory"))


def test_a_kill_closes_the_connection_and_the_user_may_come_back() -> None:
    town = Town("alice", "mallory")
    effects = town.asks("alice", commands.Kill("mallory", "wake up"))
    assert told(effects, town.sessions["mallory"]) == ["An operator has closed your connection: wake up"]
    assert audited(effects) == [("alice", "kill", "mallory", "wake up")]
    assert not refusals(town.comes("mallory"))


def test_operators_are_made_and_removed_but_not_those_of_the_configuration() -> None:
    town = Town("alice")
    town.comes("bob", account="Bob")
    effects = order_actions.grant(town.registry, HTTP, "bob")
    assert told(effects, town.sessions["bob"]) == [
        "You are an operator of this server now; /help lists what you can type"
    ]
    assert [effect.accounts for effect in effects if isinstance(effect, SaveOperators)] == [("bob",)]
    assert audited(effects) == [("ci", "operator", "bob", "")]
    assert not refusals(town.asks("bob", commands.Bans()))
    assert told(order_actions.revoke(town.registry, HTTP, "BOB"), town.sessions["bob"])
    assert refusals(town.asks("bob", commands.Bans()))
    for account, code in (("bob", Code.NO_SUCH_USER), ("alice", Code.BAD_COMMAND)):
        with pytest.raises(Refusal) as refused:
            order_actions.revoke(town.registry, HTTP, account)
        assert refused.value.code is code


def test_there_is_an_end_to_operators_and_to_a_reason() -> None:
    town = Town("alice", "mallory")
    for number in range(MAX_GRANTED):
        order_actions.grant(town.registry, HTTP, f"user{number}")
    with pytest.raises(Refusal):
        order_actions.grant(town.registry, HTTP, "one-more")
    order_actions.grant(town.registry, HTTP, "user1")
    assert refusals(town.asks("alice", commands.Ban("mallory", 0, "x" * 201)))
    assert town.is_here("mallory")


# --- A model: users with accounts, tokens and addresses, in any order of bans, mutes, comings and goings -------------

_NAMES = ("alice", "bob", "carol", "mallory")
_NAME = st.sampled_from(_NAMES)
_HOST = st.sampled_from(["192.0.2.1", "192.0.2.2", "198.51.100.1", "127.0.0.1"])
_WHOM = st.sampled_from([*_NAMES, "192.0.2.2", "198.51.100.0/24"])
_STEP = st.one_of(
    st.tuples(st.just("comes"), _NAME, _HOST),
    st.tuples(st.just("quits"), _NAME, st.none()),
    st.tuples(st.just("ban"), _WHOM, st.booleans()),
    st.tuples(st.just("mute"), _NAME, st.none()),
    st.tuples(st.just("unban"), _WHOM, st.none()),
    st.tuples(st.just("unmute"), _NAME, st.none()),
    st.tuples(st.just("nick"), _NAME, _NAME),
    st.tuples(st.just("says"), _NAME, st.none()),
)


@settings(max_examples=150)
@given(st.lists(_STEP, max_size=25))
def test_nobody_who_is_banned_is_here_and_nobody_who_is_muted_is_heard(steps: list[Any]) -> None:
    town = Town("alice")
    order = town.registry.order
    for what, name, more in steps:
        if what == "comes" and name != "alice":
            if order.bans.of_address(more):
                continue  # the door does that, before there is a session
            town.is_turned_away(name, host=more, account=name if more == "192.0.2.2" else "")
        elif name in town.sessions and what == "quits" and name != "alice":
            town.asks(name, commands.Quit())
        elif what == "ban":
            town.asks("alice", commands.Ban(name, 60, force=more))
        elif what == "mute":
            town.asks("alice", commands.Mute(name))
        elif what == "unban":
            town.asks("alice", commands.Unban(name))
        elif what == "unmute":
            town.asks("alice", commands.Unmute(name))
        elif name in town.sessions and what == "nick":
            town.asks(name, commands.Nick(more))
        elif name in town.sessions and town.is_here(name):
            assert town.says(name) is (order.mutes.of(town.sessions[name]) is None or name == "alice")
    assert town.is_here("alice"), "an operator is banned by nothing that is not meant"
    here = list(town.registry.sessions.values())
    for ban in order.bans.all.values():
        # The account of a user is known after the door only; part keys asks check_entry when a user logs in.
        assert [user for user in penalties.concerned(ban, here) if not user.account] == []
