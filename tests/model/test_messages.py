"""Messages: those of a record, each by itself."""

from __future__ import annotations

import pytest

from gchat.model.messages import Acted, Message, Record, Said


def test_each_text_is_a_record_with_its_number_and_its_id() -> None:
    record = Record(7, 2.5, Said("ann", ("a", "b", "c"), ("1", "", "3")))
    expected = [
        Record(7, 2.5, Said("ann", ("a",), ("1",))),
        Record(8, 2.5, Said("ann", ("b",))),
        Record(9, 2.5, Said("ann", ("c",), ("3",))),
    ]
    assert list(record.each()) == expected
    assert list(record.each(last_first=True)) == expected[::-1]


@pytest.mark.parametrize("message", [Acted("ann", "waves", "1"), Said("ann", ("a",), ("1",))])
def test_a_record_of_one_message_is_itself(message: Message) -> None:
    record = Record(7, 2.5, message)
    assert list(record.each()) == [record]
