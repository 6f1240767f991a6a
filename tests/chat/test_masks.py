"""Masks: whom they name, and that no mask is slow (T61 to T63)."""

from __future__ import annotations

import re
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from gchat.chat.masks import PATTERN, Cloaks, are_same, keeps_out, lets_in, matches, normal
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


@settings(deadline=None)
@given(_PIECES, st.text(st.sampled_from("abc"), max_size=12))
def test_a_pattern_matches_what_its_regular_expression_does(pattern: str, text: str) -> None:
    wanted = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in re.sub(r"\*+", "*", pattern))

    assert matches(pattern, text) == bool(re.fullmatch(wanted, text))


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
        matches("*a" * 48 + f"*b{count}", text)
    hostile = process_time() - began
    began = process_time()
    for count in range(1000):
        matches("a" * 98 + f"c{count}", text)

    assert hostile < 20 * (process_time() - began)
