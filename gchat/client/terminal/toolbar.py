"""The lowest row: the rooms, and of the rest what there is space for. Pure."""

from __future__ import annotations

from gchat.client.room_bar import RoomBar
from gchat.client.room_view import RoomView
from gchat.client.terminal.layout import fitted, width_of
from gchat.model.text import printable

#: Other things are left out before a topic has fewer columns than this; and the topic, if it would have still fewer.
TOPIC_COLUMNS, MIN_TOPIC = 20, 8

#: In fewer columns all of them are for the rooms, if need be.
NARROW = 60

#: So many rooms have a key of their own, and are shown with its number.
NUMBERED = 9

_BETWEEN = " │ "


def toolbar_text(width: int, bar: RoomBar, online: int, others: tuple[str, ...]) -> str:
    """Return the row, at most `width` columns; of the `others` the last ones are left out first.

    In a private conversation it is not of interest how many are online.
    """
    shown = bar.shown
    count = f"{online:,} online" if shown.name and not shown.partner else ""
    beside = ["", count] if count and width >= NARROW else [""]
    first = [rooms_text(bar, width - width_of(_row(beside)))]
    if count and (len(bar.listed) < 2 or width_of(_row([*first, count])) <= width):
        first.append(count)
    elif count:
        others = ()
    topic = printable(shown.topic)
    parts = _beginning(first, others, width - min(TOPIC_COLUMNS, width_of(topic)) - len(_BETWEEN))
    left = width - width_of(_row(parts)) - len(_BETWEEN)
    if topic and left >= min(MIN_TOPIC, width_of(topic)):
        return fitted(_row([*parts, fitted(topic, left)]), width)
    return fitted(_row(_beginning(first, others, width)), width)


def _beginning(first: list[str], others: tuple[str, ...], width: int) -> list[str]:
    """Return the parts, and of the `others` as many as fit."""
    shown = list(others)
    while shown and width_of(_row([*first, *shown])) > width:
        shown.pop()
    return [*first, *shown]


def rooms_text(bar: RoomBar, width: int) -> str:
    """Return the rooms in `width` columns, as far as they fit: first those without anything unread are left out.

    Each has its number, and how much of it is unread, with `!` if something of it is for the user.
    """
    rooms, shown = bar.listed, bar.shown
    if not rooms:
        return "in no room"
    if len(rooms) == 1 and shown in rooms:
        return shown.name
    labels = {view: _label(number, view, is_shown=view is shown) for number, view in enumerate(rooms, 1)}
    # The first are left out last: the one that is shown, those with a mention, those that are unread.
    urgent = sorted(rooms, key=lambda view: (view is not shown, -view.mentions, not view.unread))
    for count in range(len(rooms), 0, -1):
        text = "  ".join(labels[view] for view in rooms if view in urgent[:count])
        left_out = f"  +{len(rooms) - count}" if count < len(rooms) else ""
        if width_of(text + left_out) <= width:
            return text + left_out
        if urgent[count - 1].mentions and width_of(text) <= width:
            return text
    return labels[urgent[0]]


def _label(number: int, view: RoomView, *, is_shown: bool) -> str:
    name = f"{number}:{printable(view.name)}" if number <= NUMBERED else printable(view.name)
    if is_shown:
        return f"[{name}]"
    return f"{name} {view.unread:,}{'!' if view.mentions else ''}" if view.unread else name


def _row(parts: list[str]) -> str:
    return printable(f" {_BETWEEN.join(parts)} ")
