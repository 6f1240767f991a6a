"""Penalties: whom a ban or a mute is of, by nick and what looks like it, account, token, address and network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchat.chat import penalties
from gchat.chat.networks import network_named
from gchat.chat.penalties import MAX_PENALTIES, Penalties, Penalty, Target, concerned, made, size_of_huge, target_named
from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import name_keys

NOW = 1000.0


@pytest.fixture
def bans() -> Penalties:
    return Penalties()


def penalise(table: Penalties, kind: str, value: str, for_s: float = 0, also: tuple[Target, ...] = ()) -> int:
    kind_of, checked = made(kind, value)
    until = NOW + for_s if for_s else 0.0
    penalty = Penalty(table.next_id(), kind_of, checked, "rude", NOW, until, "alice", also)
    table.add(penalty)
    return penalty.id


def user(name: str = "", account: str = "", lineage: str = "", host: str = "192.0.2.1") -> Any:
    address = f"[{host}]:5" if ":" in host else f"{host}:5"
    keys = name_keys(name) if name else frozenset((address,))
    return SimpleNamespace(keys=keys, account=account, lineage=lineage, address=address, name=name)


@pytest.mark.parametrize("name", ["mallory", "MALLORY", "ｍallory", "maIlory"])
def test_a_nick_and_what_looks_like_it_are_banned(bans: Penalties, name: str) -> None:
    penalise(bans, "nick", "mallory")

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
def test_an_address_and_a_network_are_banned(bans: Penalties, kind: str, value: str, inside: str, outside: str) -> None:
    penalise(bans, kind, value)

    assert bans.of_address(inside)
    assert not bans.of_address(outside)
    assert not bans.of_address(""), "a Unix socket's peer has none"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("nick", "two words"),
        ("account", "two words"),
        ("address", "192.0.2.0/24"),
        ("address", "nowhere"),
        ("network", "x/y"),
        ("mood", "bad"),
        ("lineage", "0" * 32),
    ],
)
def test_what_is_none_cannot_be_banned(kind: str, value: str) -> None:
    with pytest.raises(Refusal):
        made(kind, value)


@pytest.mark.parametrize(
    ("typed", "target"),
    [
        ("203.0.113.7", ("address", "203.0.113.7")),
        ("203.0.113.7/24", ("network", "203.0.113.0/24")),
        ("2001:db8::7", ("address", "2001:db8::7")),
        ("mallory", ("nick", "mallory")),
    ],
)
def test_what_an_operator_types_is_an_address_a_network_or_a_nick(typed: str, target: Target) -> None:
    assert target_named(typed) == target


def test_one_penalty_is_of_all_that_a_user_is_known_by_and_is_lifted_as_a_whole(bans: Penalties) -> None:
    also: tuple[Target, ...] = (("account", "Mallory"), ("lineage", "a" * 32), ("network", "2001:db8::/64"))
    number = penalise(bans, "nick", "mallory", also=also)
    evaders = [
        user("mallory2", account="mallory"),
        user("other", lineage="a" * 32),
        user(host="2001:db8::99"),
        user("Mallory"),
    ]

    assert [bans.of(each) is not None for each in evaders] == [True] * 4
    assert bans.of(user("mallory2", host="2001:db8:1::")) is None
    assert concerned(bans.all[number], [*evaders, user("alice")]) == evaders
    bans.remove(number)
    assert [bans.of(each) for each in evaders] == [None] * 4


def test_a_penalty_ends_and_the_longest_of_several_is_told(bans: Penalties) -> None:
    penalise(bans, "nick", "mallory", for_s=10)
    penalise(bans, "network", "192.0.2.0/24", for_s=20)
    mallory = user("mallory")

    assert bans.of(mallory) is bans.all[2]
    assert not bans.expire(NOW + 9)
    assert [ended.id for ended in bans.expire(NOW + 10)] == [1]
    assert bans.of(mallory) is bans.all[2]
    assert [ended.id for ended in bans.expire(NOW + 20)] == [2]
    assert bans.of(mallory) is None


def test_a_penalty_is_replaced_by_another_of_the_same_and_no_number_is_used_twice(bans: Penalties) -> None:
    first = penalise(bans, "nick", "mallory")
    second = penalise(bans, "nick", "Mallory", for_s=10)

    assert list(bans.all) == [second]
    assert bans.remove(first) is None
    assert bans.remove(second)
    assert penalise(bans, "nick", "bob") > second


def test_there_is_an_end_to_the_number_of_penalties(bans: Penalties, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(penalties, "MAX_PENALTIES", 3)
    for number in range(3):
        penalise(bans, "address", f"192.0.2.{number}")
    with pytest.raises(Refusal) as refused:
        penalise(bans, "address", "192.0.2.9")
    assert refused.value.code is Code.TOO_MUCH
    penalise(bans, "address", "192.0.2.1", for_s=5)  # in place of another
    assert MAX_PENALTIES >= 1000


@pytest.mark.parametrize(
    ("which", "found"),
    [("mallory", [1]), ("MALLORY", [1]), ("192.0.2.7", [1]), ("198.51.100.9/24", [2]), ("198.51.100.9", []), ("x", [])],
)
def test_penalties_are_found_by_what_they_are_of(bans: Penalties, which: str, found: list[int]) -> None:
    penalise(bans, "nick", "mallory", also=(("address", "192.0.2.7"),))
    penalise(bans, "network", "198.51.100.0/24")

    assert [penalty.id for penalty in bans.named(which)] == found


@pytest.mark.parametrize(
    ("network", "is_huge"),
    [("10.0.0.0/15", True), ("10.0.0.0/16", False), ("2001:db8::/31", True), ("2001:db8::/32", False)],
)
def test_a_network_that_is_hardly_meant_is_known(network: str, is_huge: bool) -> None:
    penalty = Penalty(1, "network", str(network_named(network, strict=False)), "", NOW)
    assert bool(size_of_huge(penalty)) is is_huge


def test_until_when_and_why_are_in_one_sentence() -> None:
    assert Penalty(1, "nick", "x", "spam", 0, 1_800_000_001.0).end == " until 2027-01-15 08:01 UTC: spam"
    assert Penalty(1, "nick", "x", "", 0).end == " permanently"


_HOSTS = st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.3.1", "2001:db8::1", "2001:db8::2", "2001:db9::1"])
_NAMES = st.sampled_from(["", "alice", "bob", "mallory", "maIlory"])
_TARGETS = st.one_of(
    st.tuples(st.sampled_from(["nick", "account"]), st.sampled_from(["alice", "mallory"])),
    st.tuples(st.just("lineage"), st.sampled_from(["a" * 32, "b" * 32])),
    st.tuples(st.just("address"), _HOSTS),
    st.tuples(st.just("network"), st.sampled_from(["192.0.2.0/24", "2001:db8::/64", "192.0.0.0/16"])),
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(_TARGETS, min_size=1, max_size=3), st.sampled_from([0, 5, 10])),
        st.tuples(st.just("remove"), st.integers(1, 8), st.none()),
        st.tuples(st.just("expire"), st.sampled_from([5, 10]), st.none()),
    ),
    max_size=12,
)
_USERS = st.builds(user, _NAMES, st.sampled_from(["", "Alice", "mallory"]), st.sampled_from(["", "a" * 32]), _HOSTS)


@given(_STEPS, st.lists(_USERS, min_size=1, max_size=4))
def test_the_index_says_the_same_as_looking_at_each_penalty(steps: list[Any], users: list[Any]) -> None:
    table = Penalties()
    for what, which, for_s in steps:
        if what == "add":
            (kind, value), *also = which
            until = NOW + for_s if for_s else 0.0
            table.add(Penalty(table.next_id(), kind, value, "", NOW, until, "", tuple(also)))
        elif what == "remove":
            table.remove(which)
        else:
            table.expire(NOW + which)
    for each in users:
        found = [penalty for penalty in table.all.values() if concerned(penalty, [each])]
        longest = max((penalty.until or float("inf") for penalty in found), default=None)
        of = table.of(each)
        assert (of is None) == (not found)
        assert of is None or (of.until or float("inf")) == longest
    for number in list(table.all):
        table.remove(number)
    assert not table._by_key, "the table would grow for ever"
    assert not table._prefixes


def test_of_penalties_that_end_together_the_first_is_told(bans: Penalties) -> None:
    first = penalise(bans, "nick", "il")
    penalise(bans, "nick", "ll")
    found = bans.of_nick(name_keys("I1"))  # it looks like both

    assert found is not None
    assert found.id == first


def test_what_is_restored_is_in_force_and_its_ids_are_not_given_again(bans: Penalties) -> None:
    kept = Penalties()
    penalise(kept, "network", "198.51.100.0/24")
    kept.remove(penalise(kept, "nick", "eve"))
    penalise(bans, "network", "192.0.2.0/24")

    bans.restore(kept.all.values(), kept.last_id)
    assert [bans.of_address(host) is not None for host in ("198.51.100.7", "192.0.2.7")] == [True, False]
    assert bans.next_id() == 3
