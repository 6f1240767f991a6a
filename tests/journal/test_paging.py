"""Pages: as many records as are read at once."""

from __future__ import annotations

from itertools import count

import pytest

from gchat.journal.paging import page
from gchat.model.messages import Acted, Record


def records(*sizes: int) -> list[Record]:
    return [Record(seq, 1.0, Acted("", "x" * size)) for seq, size in enumerate(sizes, 1)]


@pytest.mark.parametrize(
    ("sizes", "max_size", "found", "is_more"),
    [
        ([], 10, 0, False),
        ([5, 5], 10, 2, False),
        ([5, 6], 10, 1, True),
        ([5, 5, 1], 10, 2, True),
        ([11, 1], 10, 1, True),
        ([11], 10, 1, False),
    ],
)
def test_a_page_has_what_fits_and_one_record_at_least(
    sizes: list[int], max_size: int, found: int, is_more: bool
) -> None:
    base = Acted("", "").size
    assert base == 0
    assert page(records(*sizes), max_size) == (records(*sizes)[:found], is_more)


def test_no_more_is_read_than_the_page_and_the_record_that_does_not_fit() -> None:
    taken: list[int] = []

    def endless() -> Record:
        taken.append(1)
        return Record(len(taken), 1.0, Acted("", "xxxx"))

    found, is_more = page((endless() for _ in count()), 10)
    assert (len(found), is_more, len(taken)) == (2, True, 3)
