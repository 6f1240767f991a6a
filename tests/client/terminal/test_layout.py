"""Rows that fit the terminal, whatever it thinks of the width of a character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchat.client.render import Line, text_of
from gchat.client.terminal.layout import TEXT_COLUMN, boundary, clusters, columns, fitted, wrapped

FAMILY = "👨‍👩‍👧‍👦"


def rows(text: str, width: int) -> list[str]:
    return [text_of(row) for row in wrapped([("", text)], width)]


@pytest.mark.parametrize(
    ("text", "indent"),
    [
        ("12:03 [bob] ", 12),
        ("12:03 [bob -> you] ", 19),
        ("#7 12:03 * ", 11),
        ("12:03 #dev [bob] ", 17),
        ("12:03 > ", 8),
        ("[bob] ", 6),
        ("12:03 [世界] ", 13),
        ("", 2),
    ],
)
def test_rows_are_indented_under_the_words(text: str, indent: int) -> None:
    first, *rest = rows(text + "word " * 20, 40)
    assert first.startswith(text)
    assert rest
    assert all(row.startswith(" " * indent + "word") for row in rest)


def test_a_row_ends_at_a_space_if_there_is_one() -> None:
    assert rows("[bob] one two three", 13) == ["[bob] one two", "      three"]
    assert rows("[bob] one two  three", 14) == ["[bob] one two ", "      three"]
    assert rows("[bob] " + "x" * 20, 16) == ["[bob] " + "x" * 10, "      " + "x" * 10]


def test_the_lines_of_a_text_stand_under_its_first_words() -> None:
    assert rows("12:03 [bob] if x:\n  y = 1\n\ndone", 40) == [
        "12:03 [bob] if x:",
        "              y = 1",
        "            ",
        "            done",
    ]
    assert rows("[bob] a\n  one two three four", 16) == ["[bob] a", "        one two", "      three four"]


def test_a_line_that_fits_is_as_it_is() -> None:
    line: Line = [("a", "[bob] "), ("b", "hi")]
    assert wrapped(line, 8) == [line]
    assert wrapped([], 8) == [[]]


@pytest.mark.parametrize(
    ("text", "gap"),
    [("[bob] hello", 12), ("* bob waves", 16), ("> New user bob", 16), ("[bob -> you] psst", 5), ("[世界] hello", 11)],
)
def test_on_a_wide_terminal_all_texts_begin_in_one_column(text: str, gap: int) -> None:
    line: Line = [("class:time", "12:03 "), ("", text + " word" * 40)]
    first, *rest = [text_of(row) for row in wrapped(line, 100)]
    assert first.startswith(f"12:03 {' ' * gap}{text} word")
    assert {row.index("word") for row in rest} == {TEXT_COLUMN}
    assert text_of(wrapped(line, 99)[0]).startswith(f"12:03 {text} word")


def test_a_long_name_is_not_cut_on_a_wide_terminal() -> None:
    line: Line = [("class:time", "12:03 "), ("", f"[{'b' * 32}] hello")]
    assert wrapped(line, 100) == [line]


def test_a_line_without_a_time_is_not_moved() -> None:
    assert wrapped([("", "> You are here")], 120) == [[("", "> You are here")]]


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [("hello", 5, "hello"), ("hello", 4, "hel…"), ("世界", 3, "世…"), ("世界", 2, "…"), ("x", 0, ""), ("", 0, "")],
)
def test_a_text_is_cut_where_it_no_longer_fits(text: str, width: int, cut: str) -> None:
    assert fitted(text, width) == cut


def test_styles_survive() -> None:
    line: Line = [("time", "12:03 "), ("", "["), ("nick", "bob"), ("", "] one "), ("mention", "two"), ("", " three")]
    assert wrapped(line, 22) == [
        [("time", "12:03 "), ("", "["), ("nick", "bob"), ("", "] one "), ("mention", "two")],
        [("", " " * 11), ("", "three")],
    ]


@pytest.mark.parametrize(("cluster", "width"), [("a", 1), ("é", 1), ("世", 2), ("e\u0301", 1), ("❤️", 2), (FAMILY, 8)])
def test_a_width_is_the_widest_that_a_terminal_may_take(cluster: str, width: int) -> None:
    assert columns(cluster) == width


@given(st.text(st.sampled_from(["a", " ", "世", "\u0301", *FAMILY, "🇩", "🇪", "]", "[", "\u3000"])), st.integers(1, 40))
def test_nothing_is_too_wide_or_lost_and_nothing_but_the_first_row_begins_at_the_left(text: str, width: int) -> None:
    found = rows(f"[b] {text}", width)
    for row in found:
        assert sum(map(columns, clusters(row))) <= width or len(clusters(row.strip())) <= 1
    assert all(row.startswith(" ") for row in found[1:]) or width < 2
    assert "".join(found).replace(" ", "") == f"[b] {text}".replace(" ", "")


def test_a_place_in_the_middle_of_a_cluster_is_left() -> None:
    text = f"a\n{FAMILY}b"
    inside = range(3, 2 + len(FAMILY))
    assert {boundary(text, at, forward=False) for at in inside} == {2}
    assert {boundary(text, at, forward=True) for at in inside} == {2 + len(FAMILY)}
    for at in (0, 1, 2, 2 + len(FAMILY), len(text)):
        assert boundary(text, at, forward=True) == boundary(text, at, forward=False) == at
