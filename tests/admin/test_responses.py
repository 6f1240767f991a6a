"""Documents that are made while they are sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, cast

import pytest
from msgspec import Struct

from gchat.admin.responses import PIECE_BYTES, streamed


class Row(Struct):
    text: str


class Document(Struct):
    name: str
    first: list[Row]
    second: list[Row]
    next: int = 0
    truncated: bool = False


def sent(most_bytes: int, first: Iterable[Row], second: Iterable[Row] = ()) -> Any:
    document = Document("x", cast("list[Row]", first), cast("list[Row]", second))
    return json.loads(b"".join(streamed(document, most_bytes)))


def test_a_field_is_a_line_and_a_row_of_a_list_too() -> None:
    document = Document("x", [Row("a"), Row("b")], [])
    assert b"".join(streamed(document, 1000)) == (
        b'{\n  "name": "x",\n  "first": [\n    {"text":"a"},\n    {"text":"b"}\n  ],\n  "second": []\n}\n'
    )


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_lists_are_cut_together_but_one_row_is_always_there(count: int) -> None:
    rows = [Row("abc")] * count  # each is 14 bytes
    found = sent(28, iter(rows), iter(rows))
    assert (len(found["first"]), len(found["second"])) == (min(count, 2), max(0, min(count, 2 - min(count, 2))))
    assert found.get("truncated", False) is (2 * count > 2)
    assert len(sent(1, [Row("abc")])["first"]) == 1


def test_a_list_may_set_what_comes_behind_it() -> None:
    document = Document("x", [], [])

    def rows() -> Iterator[Row]:
        yield Row("a")
        document.next = 7

    document.first = cast("list[Row]", rows())
    assert json.loads(b"".join(streamed(document, 100)))["next"] == 7


def test_a_long_list_is_sent_in_pieces() -> None:
    pieces = list(streamed(Document("x", [Row("y" * 1000)] * 100, []), 1 << 20))
    assert len(pieces) >= 100 * 1000 // PIECE_BYTES
    assert max(map(len, pieces)) < PIECE_BYTES + 2000
