"""How a user is called to the screen: by the bell, and by a notification of the desktop. Pure."""

from __future__ import annotations

from enum import StrEnum

from gchat.client.conversation.conversation import Conversation
from gchat.client.conversation.notices import Notice
from gchat.client.render import is_for_me, lines, text_of
from gchat.dialects.rich_events import ActedEvent, SaidEvent, ToldEvent


class BellAt(StrEnum):
    """What rings the bell."""

    OFF = "off"
    MENTION = "mention"  # private messages too
    ALL = "all"  # that others say


class NotifyBy(StrEnum):
    """The control sequence by which a terminal shows a notification; each knows another one, or none."""

    OFF = "off"
    OSC9 = "osc9"
    OSC777 = "osc777"


class Attention:
    """What calls the user now."""

    def __init__(self, bell: BellAt = BellAt.MENTION, notify: NotifyBy = NotifyBy.OFF) -> None:
        self.bell = bell
        self.notify = notify

    def rings(self, notice: Notice, chat: Conversation) -> bool:
        """Return whether `notice` rings the bell."""
        if self.bell is BellAt.ALL:
            return isinstance(notice, SaidEvent | ActedEvent | ToldEvent) and notice.from_ != chat.nick
        return self.bell is BellAt.MENTION and is_for_me(notice, chat)

    def note(self, notice: Notice, chat: Conversation) -> str:
        """Return the text of the notification about `notice`, "" if there is none."""
        if self.notify is NotifyBy.OFF or not is_for_me(notice, chat):
            return ""
        return text_of(lines(notice, chat)[0])
