"""Bans: who may not come in, by nick and what looks like it, by address, by network; and when they end."""

from __future__ import annotations

import pytest

from gchat.chat.bans import Bans
from gchat.chat.handlers import execute
from gchat.chat.limits import Limits
from gchat.chat.registry import Registry
from gchat.model import commands, events
from gchat.model.errors import Code, Refusal
from gchat.model.hello import Hello
from gchat.model.lookalikes import name_keys

NOW = 1000.0


@pytest.fixture
def bans() -> Bans:
    return Bans()


def banned(bans: Bans, kind: str, value: str, for_s: float = 0) -> int:
    ban = bans.make(kind, value, "rude", NOW, for_s)
    bans.add(ban)
    return ban.id


@pytest.mark.parametrize("name", ["mallory", "MALLORY", "ｍallory", "maIlory"])
def test_a_nick_and_what_looks_like_it_are_banned(bans: Bans, name: str) -> None:
    banned(bans, "nick", "mallory")

    assert bans.of_nick(name_keys(name))
    assert not bans.of_nick(name_keys("alice"))


@pytest.mark.parametrize(
    ("kind", "value", "inside", "outside"),
    [
        ("address", "192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("address", "2001:db8::7", "2001:db8:0::7", "2001:db8::8"),
        ("network", "192.0.2.7/24", "192.0.2.255", "192.0.3.0"),
        ("network", "2001:db8::/64", "2001:db8::ffff", "2001:db8:0:1::"),
        ("network", "0.0.0.0/0", "127.0.0.1", "::1"),
        ("address", "[::1]", "[::1]", "127.0.0.1"),
        ("address", "::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("network", "::ffff:192.0.2.7/120", "192.0.2.255", "192.0.3.0"),
    ],
)
def test_an_address_and_a_network_are_banned(bans: Bans, kind: str, value: str, inside: str, outside: str) -> None:
    banned(bans, kind, value)

    assert bans.of_address(inside)
    assert not bans.of_address(outside)
    assert not bans.of_address(""), "a Unix socket's peer has none"


@pytest.mark.parametrize(
    ("kind", "value"),
    [("nick", "two words"), ("address", "192.0.2.0/24"), ("address", "nowhere"), ("network", "x/y"), ("mood", "bad")],
)
def test_what_is_none_cannot_be_banned(bans: Bans, kind: str, value: str) -> None:
    with pytest.raises(Refusal):
        bans.make(kind, value, "", NOW, 0)


def test_a_ban_ends(bans: Bans) -> None:
    banned(bans, "address", "192.0.2.7", for_s=10)
    banned(bans, "address", "192.0.2.8")

    assert not bans.expire(NOW + 9)
    assert bans.expire(NOW + 10)
    assert not bans.of_address("192.0.2.7")
    assert bans.of_address("192.0.2.8")


def test_a_ban_is_replaced_by_another_of_the_same_and_removed_by_its_id(bans: Bans) -> None:
    first = banned(bans, "nick", "mallory")
    second = banned(bans, "nick", "mallory", for_s=10)

    assert list(bans.all) == [second]
    assert bans.remove(first) is None or first == second
    assert bans.remove(second)
    assert not bans.of_nick(name_keys("mallory"))


def test_a_banned_nick_is_refused_with_the_reason_to_whoever_wants_it() -> None:
    registry = Registry(Limits())
    registry.bans.add(registry.bans.make("nick", "mallory", "rude", NOW, 0))
    session, _ = registry.connect("127.0.0.1:1", Hello(nick="mallory"), "t" * 22)
    (effect,) = execute(registry, session, commands.Nick("Mallory"), NOW)

    assert session.name == "127.0.0.1:1"
    answer = getattr(effect, "answer", None)
    assert isinstance(answer, events.Refused)
    assert answer.code is Code.BANNED
    assert "rude" in answer.message
