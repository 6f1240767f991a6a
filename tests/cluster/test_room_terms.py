"""Where two histories of a room are the same, found from their numbers and terms alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gchat.cluster.room_terms import RoomTerms


def of(*terms: int, first: int = 1) -> RoomTerms:
    """Return the terms of messages that were heard one by one."""
    found = RoomTerms(first)
    for last, term in enumerate(terms, first):
        found.note(last, term)
    return found


def test_nothing_was_heard() -> None:
    assert RoomTerms(1).common_end(lambda _seq: 0, 1) == 0
    assert RoomTerms(8).common_end(lambda _seq: 0, 1) == 7
    assert RoomTerms(8).term == 0


def test_what_is_heard_again_changes_nothing() -> None:
    heard = of(1, 1, 2)
    assert not heard.note(2, 7)
    assert not heard.note(3, 7)
    assert (heard.last, heard.term) == (3, 2)
    assert heard.note(4, 7)


def test_a_record_of_several_messages_is_there_or_not_as_a_whole() -> None:
    heard = RoomTerms(1)
    heard.note(10, 1)
    heard.note(15, 2)
    there = {**dict.fromkeys(range(1, 11), 1), **dict.fromkeys(range(11, 14), 3)}
    assert heard.common_end(lambda seq: there.get(seq, 0), 1) == 10


def test_what_is_not_kept_any_more_is_not_lost() -> None:
    assert of(1, 1, 1).common_end(lambda _seq: 0, 4) == 3
    assert of(1, 1, 1).common_end({3: 2}.get, 3) == 2  # type: ignore[arg-type]  # the last is asked for alone


def test_what_was_there_before_the_room_was_opened_counts_by_its_term() -> None:
    heard = of(3, 3, first=101)
    there = {**dict.fromkeys(range(1, 51), 2), **dict.fromkeys(range(51, 81), 3), **dict.fromkeys(range(81, 90), 4)}
    assert heard.common_end(lambda seq: there.get(seq, 0), 1) == 80


#: How many messages each term has had, and in which term the engine lost how many of the last ones.
RUNS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), min_size=1, max_size=8)


@given(RUNS, st.integers(0, 7), st.integers(1, 40), st.integers(1, 40))
def test_the_end_is_where_a_comparison_of_all_messages_would_find_it(
    runs: list[tuple[int, int]], heard_until: int, first: int, oldest: int
) -> None:
    engine: list[tuple[int, int]] = []  # term, which message
    heard: list[tuple[int, int]] = []
    for term, (said, lost) in enumerate(runs, 1):
        engine += [(term, count) for count in range(said)]
        if term <= heard_until:
            heard = engine.copy()
        if lost:
            del engine[max(0, len(engine) - lost) :]
    first, oldest = min(first, len(heard) + 1), min(oldest, len(engine) or 1)
    terms = of(*(term for term, _ in heard[first - 1 :]), first=first)
    same = next(
        (at for at, (a, b) in enumerate(zip(heard, engine, strict=False)) if a != b), min(len(heard), len(engine))
    )

    found = terms.common_end(lambda seq: engine[seq - 1][0] if oldest <= seq <= len(engine) else 0, oldest)
    if len(heard) >= first and oldest <= len(heard):
        assert found == max(same, oldest - 1)
    else:
        assert found == len(heard)
