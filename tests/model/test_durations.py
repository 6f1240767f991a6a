"""Durations as operators type them."""

from __future__ import annotations

import pytest

from gchat.model.durations import seconds


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("3d", 259200),
        ("1w", 604800),
        ("1h30m", 5400),
        ("10M", 600),
        ("spam", None),
        ("m10", None),
        ("٣m", None),
        ("", None),
    ],
)
def test_a_duration_has_its_seconds_and_any_other_word_is_none(text: str, found: int | None) -> None:
    assert seconds(text) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10", "10 of what?"),
        ("0m", "is 0"),
        ("999999999w", "too long"),
        ("1" * 50, "of what?"),
        ("10min", '"10min" is no duration; expected one such as 10m, 2h or 3d, or another word first'),
        ("3rd", "is no duration"),
    ],
)
def test_what_is_hardly_meant_is_refused_with_what_was_expected(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        seconds(text)
