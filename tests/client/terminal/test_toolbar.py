"""The lowest row in all widths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchat.client.terminal.layout import clusters, columns
from gchat.client.terminal.toolbar import toolbar_text

OTHERS = ("alice", "127.0.0.1:8888", "lag 12 ms")


@pytest.mark.parametrize(
    ("width", "topic", "row"),
    [
        (120, "", " dev │ 3 online │ alice │ 127.0.0.1:8888 │ lag 12 ms "),
        (120, "Deploys", " dev │ 3 online │ alice │ 127.0.0.1:8888 │ lag 12 ms │ Deploys "),
        (70, "Deploys and their owners", " dev │ 3 online │ alice │ 127.0.0.1:8888 │ Deploys and their owners "),
        (60, "Deploys and their owners", " dev │ 3 online │ alice │ Deploys and their owners "),
        (41, "", " dev │ 3 online │ alice │ 127.0.0.1:8888 "),
        (40, "", " dev │ 3 online │ alice "),
        (40, "Deploys and their owners", " dev │ 3 online │ Deploys and their ow… "),
        (30, "Deploys and their owners", " dev │ 3 online │ Deploys an… "),
        (26, "Deploys and their owners", " dev │ 3 online │ alice "),
        (20, "Deploys and their owners", " dev │ 3 online "),
        (10, "Deploys", " dev │ 3 …"),
    ],
)
def test_a_row_has_what_there_is_space_for(width: int, topic: str, row: str) -> None:
    assert toolbar_text(width, "dev", 3, topic, OTHERS) == row


@given(st.text(), st.text(), st.integers(0, 60))
def test_a_row_is_never_too_wide_and_always_printable(room: str, topic: str, width: int) -> None:
    row = toolbar_text(width, room, 1234, topic, OTHERS)
    assert sum(map(columns, clusters(row))) <= width
    assert "\n" not in row
    assert "\x1b" not in row
