"""Texts that are made to fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gchat.hooks.fitting import first_line, fitting, listed
from gchat.model.text import MAX_LINES


def test_a_short_text_stays() -> None:
    assert fitting("a\r\nb\n", 100) == "a\nb"


def test_a_long_text_is_cut_with_a_mark() -> None:
    assert fitting("x" * 200, 100) == "x" * 90 + " … (cut)"
    assert len(fitting("é" * 200, 101).encode()) <= 101


def test_many_lines_are_counted() -> None:
    lines = fitting("\n".join(map(str, range(250))), 10_000).split("\n")
    assert len(lines) == MAX_LINES
    assert lines[-1] == "… (151 more lines)"


@given(st.text(), st.integers(20, 100))
def test_it_always_fits(text: str, most: int) -> None:
    found = fitting(text, most)
    assert len(found.encode()) <= most
    assert found.count("\n") < MAX_LINES


def test_a_list_is_cut_with_a_count() -> None:
    assert listed(["a", "b"], 2) == ["a", "b"]
    assert listed(["a", "b", "c"], 2) == ["a", "b", "and 1 more"]
    assert listed(["a"], 2, more=1_000) == ["a", "and 1,000 more"]


def test_the_first_line_is_one() -> None:
    assert first_line("\n a \nb") == "a"
    assert first_line("x" * 300) == "x" * 199 + "…"
    assert first_line("") == ""
