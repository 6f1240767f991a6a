"""Lookalikes: which names share a key, because people could take one for the other."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest
from confusable_homoglyphs import confusables

from gchat.model.errors import Refusal
from gchat.model.lookalikes import name_keys, owned_keys
from gchat.model.names import nick


def share_a_key(one: str, other: str) -> bool:
    return not name_keys(one).isdisjoint(name_keys(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice", "ALICE"),
        ("alice", "ａｌｉｃｅ"),
        ("evan", "еvan"),
        ("evan", "ЕVAN"),
        ("l", "I"),
        ("l", "1"),
        ("I", "1"),
        ("Ian", "lan"),
        ("Ian", "ian"),
        ("paypal", "paypaI"),
        ("O0O", "OOO"),
        ("modern", "modem"),
        ("admin", "adrnin"),
        ("straße", "STRASSE"),
        ("Zoë", "Zoe\u0308"),
        ("сор", "cop"),  # Cyrillic, Latin: each of one script
        ("ΑΒΕ", "ABE"),
    ],
)
def test_names_that_look_alike_share_a_key(one: str, other: str) -> None:
    assert share_a_key(one, other)
    assert share_a_key(other, one)


@pytest.mark.parametrize(("one", "other"), [("alice", "bob"), ("evan", "eva"), ("a1", "a2"), ("müller", "muller")])
def test_names_that_look_different_share_no_key(one: str, other: str) -> None:
    assert not share_a_key(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("BannZay", "BannZaỵ"),
        ("BannZay", "BannZay\u0323"),
        ("müller", "muller"),
        ("bjørn", "bjorn"),
        ("zoé", "zoë"),
        ("маркиз", "маркйз"),
    ],
)
def test_names_that_differ_only_in_marks_are_two_names_and_their_owners_are_kept_from_each_other(
    one: str, other: str
) -> None:
    assert not share_a_key(one, other)
    assert not owned_keys(one).isdisjoint(owned_keys(other))


@pytest.mark.parametrize(("one", "other"), [("かき", "がき"), ("कि", "कु"), ("กิ", "กุ"), ("alice", "alise")])
def test_letters_are_no_marks(one: str, other: str) -> None:
    assert owned_keys(one).isdisjoint(owned_keys(other))


def test_names_are_told_apart_without_what_the_library_takes_long_to_load() -> None:
    code = "import sys; from gchat.model.lookalikes import *; from gchat.model.names import *; "
    code += "name_keys(nick('a', 9)); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert not {"urllib.request", "http.client", "gevent"} & set(loaded.split())


def test_a_thousand_confusable_pairs_of_nicks_share_a_key() -> None:
    def valid(name: str) -> bool:
        try:
            return bool(nick(name, 32))
        except Refusal:
            return False

    def composed(name: str) -> bool:
        # Å and Ȧ are a pair, but a skeleton is made of what they are composed of (UTS 39, section 4), which are none.
        return unicodedata.normalize("NFD", name) != name

    pairs = 0
    for source, homoglyphs in confusables.confusables_data.items():
        for other in (str(homoglyph["c"]) for homoglyph in homoglyphs):
            if source < other and valid(source) and valid(other):
                shared = share_a_key(nick(source, 32), nick(other, 32))
                pairs += shared
                assert shared or composed(source) or composed(other), (source, other)
    assert pairs >= 1000
