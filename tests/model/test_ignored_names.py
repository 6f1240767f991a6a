"""Ignored names: with all that could be taken for them, and the names that their users take later."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gchat.model.errors import Code, Refusal
from gchat.model.ignored_names import MAX_FORMER, MAX_IGNORED, IgnoredNames


def ignoring(*names: str) -> IgnoredNames:
    ignored = IgnoredNames()
    for name in names:
        ignored.add(name)
    return ignored


def test_a_name_is_ignored_in_any_case_and_however_it_is_imitated() -> None:
    ignored = ignoring("Evan")

    assert all(map(ignored.has, ("evan", "EVAN", "ｅｖａｎ", "еvan", "evаn")))
    assert not any(map(ignored.has, ("ivan", "eva", "")))
    assert ignored.among(("evan", "ivan", "evan")) == {"evan"}


def test_a_user_is_followed_from_name_to_name_and_the_first_one_stays_ignored() -> None:
    ignored = ignoring("127.0.0.1:5000", "bob")
    ignored.follow("127.0.0.1:5000", "carol")
    ignored.follow("carol", "dora")

    assert list(ignored) == ["127.0.0.1:5000 (now dora)", "bob"]
    assert all(map(ignored.has, ("127.0.0.1:5000", "dora", "bob")))
    assert not ignored.has("carol"), "somebody else may have that now"
    assert ignored.among(("carol", "dora", "carola")) == {"carol", "dora"}, "of old messages"


def test_so_many_names_are_remembered_of_a_user_who_takes_one_after_the_other() -> None:
    ignored = ignoring("vex")
    names = ["vex", *(f"vex{number}" for number in range(MAX_FORMER + 5))]
    for old, new in pairwise(names):
        ignored.follow(old, new)

    assert ignored.among(names) == {"vex", *names[-MAX_FORMER - 1 :]}
    ignored.discard(names[-1])
    assert not ignored.among(names)


def test_nobody_who_takes_the_first_name_leads_away_from_the_ignored_user() -> None:
    ignored = ignoring("troll")
    ignored.follow("troll", "troll2")
    assert ignored.has("troll"), "an accomplice, who takes it now"
    ignored.follow("troll", "pal")

    assert list(ignored) == ["troll (now troll2)"]
    assert ignored.has("troll2")
    assert not ignored.has("pal")


@pytest.mark.parametrize("name", ["bob", "rob", "BOB"])
def test_a_name_is_given_up_by_any_of_its_names(name: str) -> None:
    ignored = ignoring("bob", "eve")
    ignored.follow("bob", "rob")
    ignored.discard(name)

    assert list(ignored) == ["eve"]
    assert not ignored.has("bob")
    assert not ignored.has("rob")
    assert ignored
    ignored.discard("eve")
    assert not ignored


def test_there_are_only_so_many() -> None:
    ignored = ignoring(*(f"user-{number}" for number in range(MAX_IGNORED)))
    ignored.add("USER-7")
    with pytest.raises(Refusal) as refused:
        ignored.add("one-more")

    assert refused.value.code is Code.TOO_MUCH
    assert not ignored.has("one-more")


def test_what_is_kept_makes_the_same_names_again() -> None:
    names = IgnoredNames()
    names.add("bob")
    names.follow("bob", "eve")
    names.follow("eve", "mallory")
    again = IgnoredNames(names.kept())

    assert (list(again), again.keys, again.kept()) == (["bob (now mallory)"], names.keys, names.kept())
    assert again.among(["bob", "eve", "mallory", "alice"]) == {"bob", "eve", "mallory"}
