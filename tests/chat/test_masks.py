"""Masks: whom they name, and that no mask is slow (T61 to T63)."""

from __future__ import annotations

import re
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from gchat.chat.masks import PATTERN, Cloaks, Patterns, are_same, is_compared, keeps_out, lets_in, normal
from gchat.model.errors import Refusal
from gchat.model.lookalikes import name_keys

CLOAKS = Cloaks(b"secret")


class Somebody(Struct):
    name: str

    @property
    def keys(self) -> frozenset[str]:
        return name_keys(self.name)


def cloak() -> str:
    return CLOAKS.of("192.0.2.7")


@pytest.mark.parametrize(
    ("typed", "whole"),
    [
        ("bob", "bob!*@*"),
        ("bob!*", "bob!*@*"),
        ("bob!*@*", "bob!*@*"),
        ("*@1a2b.cloak", "*!*@1a2b.cloak"),
        ("!@x", "*!*@x"),
        ("127.0.0.1:*", "127.0.0.1:*!*@*"),
    ],
)
def test_a_mask_has_all_of_its_parts(typed: str, whole: str) -> None:
    assert normal(typed) == whole


@pytest.mark.parametrize("typed", ["a!b!c", "a@b@c", "a b", "x" * 97])
def test_what_is_no_mask_is_refused(typed: str) -> None:
    with pytest.raises(Refusal, match=r"is no mask of at most 100 characters; expected NAME, NICK!USER@ADDRESS"):
        normal(typed)


def test_masks_are_the_same_in_any_case() -> None:
    assert are_same(normal("BOB"), normal("bob"))
    assert not are_same(normal("bob"), normal("bob2"))


@pytest.mark.parametrize("mask", ["mallory", "MALLORY", "mal*", "*", "?allory", "maIlory", "*!*@192.0.2.7"])
def test_a_user_is_kept_out_by_a_mask_of_the_nick_or_of_what_looks_like_it(mask: str) -> None:
    person = Somebody("Mallory")
    expected = "192" not in mask  # an address itself says nothing

    assert keeps_out((normal("bob"), normal(mask)), person, cloak) is expected


def test_a_user_is_kept_out_by_the_cloak_of_the_address() -> None:
    assert keeps_out((normal(f"*@{cloak()}"),), Somebody("mallory"), cloak)
    assert not keeps_out((normal(f"*@{cloak()}"),), Somebody("mallory"), lambda: CLOAKS.of("192.0.2.8"))
    assert not keeps_out((normal(f"bob!*@{cloak()}"),), Somebody("mallory"), cloak)


def test_an_impostor_is_not_let_in_by_the_name_of_another() -> None:
    assert lets_in((normal("alice"),), Somebody("Alice"), cloak)
    assert not lets_in((normal("alice"),), Somebody("aIice"), cloak)


def test_a_cloak_does_not_show_the_address_and_is_of_one_server() -> None:
    assert "192" not in cloak()
    assert Cloaks(b"other").of("192.0.2.7") != cloak()
    assert re.fullmatch(r"[0-9a-f]{12}\.cloak", cloak())


_PIECES = st.text(st.sampled_from("ab*?"), max_size=12)


def regular_expression(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in re.sub(r"\*+", "*", pattern))


@settings(deadline=None)
@given(st.lists(_PIECES, max_size=5), st.text(st.sampled_from("abc"), max_size=12))
def test_patterns_match_what_their_regular_expressions_do(patterns: list[str], text: str) -> None:
    expected = any(re.fullmatch(regular_expression(pattern), text) for pattern in patterns)

    assert Patterns(patterns).match(text) == expected


_PARTS = st.text(st.sampled_from("ab*?"), min_size=1, max_size=4)


@settings(deadline=None)
@given(st.lists(st.tuples(_PARTS, st.sampled_from(["*", "x", "?"]), _PARTS), max_size=5), st.text("ab", min_size=1))
def test_a_list_names_the_users_that_one_of_its_masks_names(parts: list[tuple[str, str, str]], name: str) -> None:
    """Some of the masks are looked up and some are compared: that makes no difference."""
    expected = any(
        user == "*" and re.fullmatch(regular_expression(nick), name) and re.fullmatch(regular_expression(cloak), "ab")
        for nick, user, cloak in parts
    )

    masks = tuple(f"{nick}!{user}@{cloak}" for nick, user, cloak in parts)
    assert keeps_out(masks, Somebody(name), lambda: "ab") == expected


@pytest.mark.parametrize(
    ("mask", "expected"),
    [("bob", False), ("*", False), ("*@1a2b.cloak", False), ("b*", True), ("b?b", True), ("*@1a*", True)],
)
def test_masks_are_compared_if_a_part_of_a_name_may_be_any(mask: str, expected: bool) -> None:
    assert is_compared(normal(mask)) is expected


@settings(deadline=None)
@given(st.text(max_size=110))
def test_a_text_is_a_mask_of_bounded_length_or_is_refused(typed: str) -> None:
    try:
        whole = normal(typed)
    except Refusal:
        return
    assert re.match(PATTERN, whole)
    assert len(whole) <= 100
    assert normal(whole) == whole


def test_no_mask_takes_more_time_than_another() -> None:
    """The classic attack: a backtracking matcher needs hours for this."""
    text = "a" * 100
    began = process_time()
    for count in range(1000):
        Patterns(("*a" * 48 + f"*b{count}",)).match(text)
    hostile = process_time() - began
    began = process_time()
    for count in range(1000):
        Patterns(("a" * 98 + f"c{count}",)).match(text)

    assert hostile < 20 * (process_time() - began)


def test_a_full_list_takes_hardly_more_time_than_one_mask() -> None:
    """A user with a new nick may be asked about in fifty rooms at once (T62)."""

    def once(masks: tuple[str, ...], nick: str) -> float:
        people = [Somebody(f"{nick}{number}") for number in range(300)]
        keeps_out(masks, people.pop(), cloak)
        began = process_time()
        assert not any(keeps_out(masks, person, cloak) for person in people)
        return process_time() - began

    def seconds(masks: tuple[str, ...], nick: str) -> float:
        return min(once(masks, f"{nick}{number}x") for number in range(5))  # in one of them garbage may be collected

    full = tuple(normal(f"user{number}") for number in range(60)) + tuple(normal("a?" * 40 + str(n)) for n in range(3))

    assert seconds(full, "ab") < 10 * seconds((normal("bob"),), "ba")
