"""What of a room was seen: each number once, and nothing missing without a word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gchat.client.conversation.notices import Notice
from gchat.client.conversation.seen_numbers import SeenNumbers
from gchat.dialects.rich_events import GapEvent
from gchat.model.hello import ResumePoint
from tests.client.conversation.test_conversation import said


def numbers(notices: list[Notice]) -> list[int]:
    """Return the numbers that `notices` account for, in order."""
    told: list[int] = []
    for notice in notices:
        if isinstance(notice, GapEvent):
            told += range(notice.range_from, notice.range_to + 1)
        else:
            told.append(getattr(notice, "seq", 0))
    return told


seqs = st.integers(1, 30)
steps = st.lists(seqs | st.tuples(seqs, seqs))


@given(steps)
def test_every_number_from_the_first_on_is_told_once_in_order(steps: list[int | tuple[int, int]]) -> None:
    seen = SeenNumbers("lobby", None)
    told: list[int] = []
    for step in steps:
        told += numbers(seen.take(said(step)) if isinstance(step, int) else seen.skip(*step))
    assert told == list(range(told[0], told[-1] + 1)) if told else not seen.place


def test_a_room_goes_on_behind_what_was_seen() -> None:
    seen = SeenNumbers("lobby", None)
    assert not seen.enter("e", 4)
    assert numbers(seen.take(said(4))) == [4]
    assert not seen.enter("e", 7)
    assert numbers(seen.take(said(7))) == [5, 6, 7]
    assert seen.place == ResumePoint("e", 7)


def test_a_log_of_another_epoch_or_one_that_is_too_short_is_another_log() -> None:
    place = ResumePoint("e", 4)
    assert not SeenNumbers("lobby", place).enter("e", 4)
    assert SeenNumbers("lobby", place).enter("e", 3)
    assert SeenNumbers("lobby", place).enter("f", 4)


def test_a_room_that_was_never_seen_has_no_other_log_than_before() -> None:
    seen = SeenNumbers("lobby", None)
    assert not seen.enter("e", 7)
    assert seen.place is None
    assert seen.reach(7) == []
    assert seen.place == ResumePoint("e", 7)
