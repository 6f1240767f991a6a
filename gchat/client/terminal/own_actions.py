"""What the commands of the screen do, and what a user has chosen with them."""

from __future__ import annotations

from gchat.client.attention import Attention
from gchat.client.conversation.conversation import Conversation
from gchat.client.files.settings_file import ClientSettings
from gchat.client.own_commands import (
    ClearScreen,
    OwnCommand,
    SetBell,
    SetNotify,
    SetPresence,
    ShowHelp,
    ShowMention,
    help_texts,
)
from gchat.client.render import aside
from gchat.client.room_view import RoomView
from gchat.client.terminal.outbox import Outbox
from gchat.client.terminal.screen import Screen
from gchat.dialects.rich_requests import HistoryRequest
from gchat.model.sentences import SAYS
from gchat.model.text import printable

#: Messages shown before and after the one that mentions the user.
AROUND = 3


class OwnActions:
    """Carries out the commands of the screen that concern no room; begins with the user's settings."""

    def __init__(self, settings: ClientSettings, outbox: Outbox, me: Conversation) -> None:
        self.attention = Attention(settings.bell, settings.notify)
        self.shows_presence = settings.presence  # whether it is shown who comes and goes
        self._outbox = outbox
        self._me = me

    def carry_out(self, command: OwnCommand, screen: Screen, view: RoomView) -> None:
        """Do what is asked; `view` is of the room on the screen."""
        match command:
            case ShowHelp(name):
                rows = help_texts(name, screen.width - len(SAYS))
                screen.show([("class:aside", SAYS + printable(row))] for row in rows)
            case ClearScreen():
                screen.clear()
            case ShowMention():
                self._show_mention(screen, view)
            case SetBell(at):
                self.attention.bell = at or self.attention.bell
                screen.show([aside(f"The bell rings: {self.attention.bell}")])
            case SetNotify(by):
                self.attention.notify = by or self.attention.notify
                screen.show([aside(f"Notifications: {self.attention.notify}")])
            case SetPresence(shown):
                self.shows_presence = self.shows_presence if shown is None else shown
                screen.show([aside(f"It is {'' if self.shows_presence else 'not '}shown who enters and leaves")])

    def _show_mention(self, screen: Screen, view: RoomView) -> None:
        if seq := view.last_mention:
            first = max(1, seq - AROUND)
            self._outbox.put(HistoryRequest(room=view.name, after=first - 1, limit=seq + AROUND + 1 - first))
        else:
            screen.show([aside(f"Nobody has mentioned you here since you came; try /search {self._me.nick}")])
