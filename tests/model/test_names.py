"""Names: which are allowed for users and rooms."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import folded, name_keys
from gchat.model.names import MAX_ROOM_NAME, is_machine, machine, nick, room
from gchat.model.text import (
    printable,
)

GOOD = [
    "a",
    "alice",
    "Alice",
    "x1",
    "1x",
    "42",
    "_x",
    "a-b.c_d",
    "Zoë",
    "Ольга",
    "Αθηνά",
    "李明",
    "ひろし",
    "علي",
    "नेहा",
]


@pytest.mark.parametrize("name", GOOD)
def test_a_name_of_letters_and_digits_is_a_nick_as_it_is(name: str) -> None:
    assert nick(name, 32) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "\u00a0",
        "a b",
        "a\u00a0",
        "a\tb",
        "a\0",
        "a\nb",
        "\x1b[31m",
        *(f"a{char}b" for char in "[]<>:/\\,;*\"'`@#|!?()&$%^~={}+"),
        "127.0.0.1:5000",
        "-1",
        "-a",
        ".a",
        "***",
        "\u200e",
        "\u2007",
        "\u2063",
        "\u3164",
        "a \u3164",
        "a\u200db",
        "a\u200bb",
        "a\ufe0f",
        "😀",
        "a\u202eb",
        "\u0301a",
        "\ud800",
        "еvan",  # Cyrillic е
        "аdmin",  # Cyrillic а
        "αlpha",
        "a\uff0fb",  # a fullwidth slash
        "x" * 33,
    ],
    ids=ascii,
)
def test_what_could_be_taken_for_something_else_is_no_nick(name: str) -> None:
    with pytest.raises(Refusal) as refused:
        nick(name, 32)
    assert refused.value.code is Code.BAD_NAME
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    "name",
    [
        "127.0.0.1",
        "l27.o.O.1",
        "10.0.0.256",
        "１２７.０.０.１",
        "१२७.०.०.१",
        "127.0.0.1\u02d051234",
        "\u02d0\u02d01",
        "unix\u02d03",
        "l27\u02d01",
    ],
    ids=ascii,
)
def test_what_looks_like_an_address_is_no_nick(name: str) -> None:
    with pytest.raises(Refusal) as refused:
        nick(name, 32)
    assert refused.value.code is Code.BAD_NAME


@pytest.mark.parametrize("name", ["1.2.3", "v1.2.3.4", "a.b.c.d", "1.2.3.4.5", "unix3", "Ka\u02bbiulani"])
def test_a_name_with_dots_or_an_apostrophe_is_a_nick(name: str) -> None:
    assert nick(name, 32) == name


@pytest.mark.parametrize("joiner", ["\u200d", "\u200c"], ids=ascii)
def test_a_nick_has_no_invisible_joiner_not_even_where_the_script_has_one(joiner: str) -> None:
    with pytest.raises(Refusal, match=r"nick cannot contain invisible characters"):
        nick(f"क्{joiner}ष", 32)


def test_a_letter_of_a_name_has_four_marks_at_most() -> None:
    assert nick("b" + "\u0316" * 4 + "c" + "\u0316" * 4, 32)
    with pytest.raises(Refusal, match="more than 4 marks"):
        nick("b" + "\u0316" * 5, 32)
    with pytest.raises(Refusal, match="more than 4 marks"):
        room("b" + "\u0316" * 5)


def test_what_is_too_long_to_be_a_name_is_not_normalized() -> None:
    hostile = "a" + "\u0301" * 120_000 + "\u0323" * 120_000  # normalizing it takes minutes

    assert folded(hostile) == hostile
    assert name_keys(hostile) == {hostile}
    with pytest.raises(Refusal, match="too long"):
        nick(hostile, 32)
    with pytest.raises(Refusal, match="too long"):
        room(hostile)


@pytest.mark.parametrize(("length", "limit"), [(1, 1), (32, 32), (5, 5)])
def test_a_nick_is_as_long_as_the_limit_at_most(length: int, limit: int) -> None:
    assert nick("x" * length, limit) == "x" * length
    with pytest.raises(Refusal, match="too long"):
        nick("x" * (limit + 1), limit)


def test_fullwidth_letters_become_ordinary_ones() -> None:
    assert nick("ａｌｉｃｅ", 32) == "alice"


@pytest.mark.parametrize(("name", "expected"), [("dev", "dev"), ("Dev", "dev"), ("#dev", "dev"), ("ＤＥＶ", "dev")])
def test_a_room_is_the_same_in_any_case_and_width(name: str, expected: str) -> None:
    assert room(name) == expected


@pytest.mark.parametrize("char", ["\u200c", "\u202e", "\x01", "\x02", "\u00ad", "\u3164"], ids=ascii)
def test_no_room_is_told_apart_from_another_by_what_nobody_sees(char: str) -> None:
    for name in (f"kill{char}", f"{char}kill", f"ki{char}ll"):
        with pytest.raises(Refusal) as refused:
            room(name)
        assert refused.value.code is Code.BAD_NAME


@pytest.mark.parametrize("name", ["", "#", "##dev", "a/b", "../../x", "a b", "a\0", "-x", "x" * (MAX_ROOM_NAME + 1)])
def test_what_no_file_could_be_called_is_no_room(name: str) -> None:
    with pytest.raises(Refusal) as refused:
        room(name)
    assert refused.value.code is Code.BAD_NAME


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(categories=("L", "N", "Mn"), include_characters="_-."), min_size=1, max_size=8))
def test_a_nick_is_a_nick_again_and_goes_out_as_it_is(name: str) -> None:
    try:
        taken = nick(name, 8)
    except Refusal:
        return
    assert nick(taken, 8) == taken
    assert printable(taken) == taken
    assert folded(taken) in name_keys(taken)
    assert name_keys(taken.casefold()) & name_keys(taken)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ci", "ci (http)"),
        ("Grafana Cloud", "Grafana Cloud (http)"),
        ("alice] hi [bob", "alice hi bob (http)"),
        ("> * <root>", "root (http)"),
        ("x (http)", "x http (http)"),
        ("［alice］", "alice (http)"),
        ("a\nb\x1b[31m\u202e\u200bc", "a b31mc (http)"),
        ("  संजय  ", "संजय (http)"),
        ("x" * 99, "x" * 32 + " (http)"),
    ],
)
def test_the_name_of_a_machine_is_none_that_a_user_can_have(name: str, shown: str) -> None:
    assert machine(name) == shown
    assert is_machine(shown)
    with pytest.raises(Refusal):
        nick(shown, 99)


@pytest.mark.parametrize("name", ["", " ", "[]", "-", "\u200b"])
def test_a_machine_has_a_name(name: str) -> None:
    with pytest.raises(Refusal, match="empty"):
        machine(name)
