"""The lowest row in all widths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchat.client.room_bar import RoomBar
from gchat.client.terminal.layout import clusters, columns
from gchat.client.terminal.toolbar import toolbar_text

OTHERS = ("alice", "127.0.0.1:8888", "lag 12 ms")


def bar_of(*rooms: str, topic: str = "") -> RoomBar:
    """Return these rooms, of which the first is shown."""
    bar = RoomBar({})
    for room in rooms:
        bar.opened(room)
    bar.show(bar.at(1) or bar.shown)
    bar.shown.topic = topic
    return bar


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
    assert toolbar_text(width, bar_of("dev", topic=topic), 3, OTHERS) == row


def busy(*counts: int, shown: int = 0, for_me: int | None = None) -> RoomBar:
    """Return rooms with so many unread messages, one of which has a mention."""
    names = ("lobby", "dev", "ops", "design", "tea", "music", "books", "garden", "travel", "late")
    bar = bar_of(*names[: len(counts)])
    for number, (view, count) in enumerate(zip(bar.listed, counts, strict=True)):
        for _ in range(count):
            view.hears(mentions=number == for_me)
    bar.show(bar.listed[shown])
    return bar


@pytest.mark.parametrize(
    ("width", "bar", "row"),
    [
        (80, busy(0, 7, 2, for_me=2), " [1:lobby]  2:dev 7  3:ops 2! │ 3 online │ alice │ 127.0.0.1:8888 │ lag 12 ms "),
        (120, busy(1, 0, shown=1), " 1:lobby 1  [2:dev] │ 3 online │ alice │ 127.0.0.1:8888 │ lag 12 ms "),
        (40, busy(0, 7, 2, for_me=2), " [1:lobby]  2:dev 7  3:ops 2! "),
        (40, busy(0, 7), " [1:lobby]  2:dev 7 │ 3 online │ alice "),
        (40, busy(0, 7, 0, 0, 0, 9, for_me=5), " [1:lobby]  2:dev 7  6:music 9!  +3 "),
        (30, busy(0, 7, 0, 0, 0, 9, for_me=5), " [1:lobby]  6:music 9!  +4 "),
        (20, busy(0, 7, 0, 0, 0, 9, for_me=5), " [1:lobby]  +5 "),
        (80, busy(*[1] * 10, shown=9), " 1:lobby 1  2:dev 1  3:ops 1  4:design 1  5:tea 1  [late]  +4 │ 3 online "),
    ],
)
def test_of_several_rooms_the_unread_ones_are_left_out_last(width: int, bar: RoomBar, row: str) -> None:
    assert toolbar_text(width, bar, 3, OTHERS) == row


def test_in_a_private_conversation_nobody_is_online() -> None:
    bar = bar_of("lobby")
    bar.show(bar.private("bob"))
    assert toolbar_text(80, bar, 3, OTHERS) == " 1:lobby  [2:@bob] │ alice │ 127.0.0.1:8888 │ lag 12 ms "


@given(st.lists(st.text(min_size=1), unique=True), st.text(), st.integers(0, 60))
def test_a_row_is_never_too_wide_and_always_printable(rooms: list[str], topic: str, width: int) -> None:
    row = toolbar_text(width, bar_of(*rooms, topic=topic), 1234, OTHERS)
    assert sum(map(columns, clusters(row))) <= width
    assert "\n" not in row
    assert "\x1b" not in row
