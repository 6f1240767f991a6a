"""Times before lines, and rules between what is old and what is new. Pure.

A rule begins at the left margin, where no line of a user does: nobody can forge one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from gchat.client.conversation.conversation import Conversation
from gchat.client.conversation.notices import Notice
from gchat.client.nick_colours import NickColours
from gchat.client.render import Line, is_further, lines, number_of, shown_text
from gchat.dialects.rich_events import FoundEvent, PageEvent
from gchat.model import sentences

#: The rule behind old messages.
NOW = "now"


def local_time(notice: Notice, now: datetime) -> datetime:
    """Return when it was said, in the time zone of the reader; `now` for what has no time."""
    try:
        return datetime.fromisoformat(getattr(notice, "time", "")).astimezone(now.tzinfo)
    except (ValueError, OverflowError):  # of year 1, with a zone
        return now


def faded(line: Line) -> Line:
    """Return a line in grey; what mentions the user still stands out."""
    return [(style if style in ("class:mention", "class:time") else "class:old", text) for style, text in line]


def rule(text: str) -> Line:
    """Return a line that parts what is above it from what is below it."""
    return [("class:rule", shown_text(f"── {text} ──"))]


def is_rule(line: Line) -> bool:
    """Return whether this is such a line."""
    return line[0][0] == "class:rule"


class Timeline:
    """Puts the time before each line, colours on nicks, and where the day changes in a room a rule that says so."""

    def __init__(self, now: datetime) -> None:
        self._begins = now.date()
        self._days: dict[str, date] = {}  # of the last line in each room
        self._colours = NickColours()

    def lines(
        self, notice: Notice, chat: Conversation, now: datetime, *, room: str = "", old: bool = False
    ) -> list[Line]:
        """Return how `notice` looks among the lines of a room, with its time. A page stands between rules."""
        if not isinstance(notice, PageEvent):
            return self.stamped(lines(notice, chat), local_time(notice, now), room=room, old=old)
        page = Timeline(now)  # old messages lie in days of their own
        shown: list[Line] = []
        for event in notice.events:
            number = number_of(event, notice)
            shown += page.stamped(lines(event, chat), local_time(event, now), number, old=True)
        below = self.stamped(lines(notice, chat), now, room=room)
        return [rule(_title(notice)), *shown, *below, rule(NOW)] if shown else below

    def stamped(
        self, shown: Iterable[Line], at: datetime, number: str = "", *, room: str = "", old: bool = False
    ) -> list[Line]:
        """Return `shown` with the time `at`, behind a message's number if it has to be seen; `old` lines are grey.

        The lines of one text are one line with LF in it, so that they stay together.
        """
        stamp = ("class:time", f"{number}{at:%H:%M} ")
        found: list[Line] = []
        for line in shown:
            words = faded(line) if old else self._coloured(line)
            if found and is_further(line):
                found[-1] += [("", "\n"), *words[1:]]
            else:
                found.append([stamp, *words])
        if found and at.date() != self._days.get(room, self._begins):
            self._days[room] = at.date()
            found.insert(0, rule(sentences.new_day(at.date())))
        return found

    def _coloured(self, line: Line) -> Line:
        return [(self._colours.style(text) if style == "class:nick" else style, text) for style, text in line]


def _title(page: PageEvent) -> str:
    count = f"{len(page.events):,} message{'' if len(page.events) == 1 else 's'}"
    return f"{count} found in {page.room}" if isinstance(page, FoundEvent) else f"{count} of {page.room}"
