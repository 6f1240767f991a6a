"""The lowest row: the room, and of the rest what there is space for. Pure."""

from __future__ import annotations

from gchat.client.terminal.layout import fitted, width_of
from gchat.model.text import printable

#: Other things are left out before a topic has fewer columns than this; and the topic, if it would have still fewer.
TOPIC_COLUMNS, MIN_TOPIC = 20, 8

_BETWEEN = " │ "


def toolbar_text(width: int, room: str, online: int, topic: str, others: tuple[str, ...]) -> str:
    """Return the row, at most `width` columns; of the `others` the last ones are left out first."""
    first = [room, f"{online:,} online"] if room else ["in no room"]
    topic = printable(topic)
    least = min(TOPIC_COLUMNS, width_of(topic)) + len(_BETWEEN) if topic else 0
    shown = list(others)
    while shown and width_of(_row([*first, *shown])) + least > width:
        shown.pop()
    left = width - width_of(_row([*first, *shown])) - len(_BETWEEN)
    if topic and left < min(MIN_TOPIC, width_of(topic)):
        return toolbar_text(width, room, online, "", others)
    return fitted(_row([*first, *shown, *([fitted(topic, left)] if topic else [])]), width)


def _row(parts: list[str]) -> str:
    return printable(f" {_BETWEEN.join(parts)} ")
