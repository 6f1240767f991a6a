"""Ignored users: a person is not shown what they say, nor that they come and go. Pure.

The server does the same for users of the plain dialect. To a client it tells everything, because numbers that were
missing would be a gap.
"""

from __future__ import annotations

from msgspec import structs

from gchat.client.conversation.notices import Notice
from gchat.dialects.rich_events import (
    ActedEvent,
    AwayEvent,
    EnteredEvent,
    InvitedEvent,
    LeftEvent,
    PageEvent,
    RenamedEvent,
    SaidEvent,
    ToldEvent,
    TopicSetEvent,
)
from gchat.model import commands, sentences
from gchat.model.errors import Refusal
from gchat.model.ignored_names import IgnoredNames


class Ignored:
    """The users that one person ignores."""

    def __init__(self) -> None:
        self._names = IgnoredNames()

    def carry_out(self, command: commands.Ignore | commands.Unignore, own: str) -> str:
        """Do what the person who is called `own` asks; return the answer, or why it cannot be done."""
        name = command.name
        try:
            match command:
                case commands.Unignore() if not self._names.has(name):
                    return sentences.not_ignored(name)
                case commands.Unignore():
                    self._names.discard(name)
                    return sentences.unignored(name)
                case commands.Ignore(""):
                    return sentences.you_ignore(list(self._names))
                case commands.Ignore() if name == own:
                    return sentences.IGNORING_ONESELF
            self._names.add(name)
        except Refusal as refusal:
            return refusal.message
        return sentences.ignored(name)

    def heard(self, notice: Notice) -> Notice | None:
        """Return what is shown of a notice, None if nothing is."""
        if not self._names:
            return notice
        match notice:
            case SaidEvent() | ActedEvent() | TopicSetEvent() | ToldEvent():
                return None if self._names.has(notice.from_) else notice
            case RenamedEvent() if notice.who and self._names.has(notice.who):
                self._names.follow(notice.who, notice.nick)
                return None
            case RenamedEvent() if self._names.has(notice.nick):  # each common room tells it
                return None
            case InvitedEvent():
                return None if self._names.has(notice.by) else notice
            case EnteredEvent() | LeftEvent() | RenamedEvent() | AwayEvent():
                return None if notice.who and self._names.has(notice.who) else notice
            case PageEvent():
                unheard = self._names.among(event.from_ for event in notice.events)
                return structs.replace(notice, events=tuple(e for e in notice.events if e.from_ not in unheard))
        return notice
