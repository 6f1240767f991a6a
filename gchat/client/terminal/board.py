"""The rooms of a user on one screen: what is told of the one that is shown is printed, what of the others is kept."""

from __future__ import annotations

from collections.abc import Iterable

import gevent

from gchat.client.conversation.conversation import Conversation
from gchat.client.conversation.notices import Delivered, NewLog, Notice, NumberedNotice, Sent
from gchat.client.files.seen_file import SeenFile
from gchat.client.render import Line, aside, is_for_me
from gchat.client.room_bar import RoomBar
from gchat.client.room_view import RoomView
from gchat.client.terminal.own_actions import OwnActions
from gchat.client.terminal.screen import Screen
from gchat.client.terminal.talk import local_now
from gchat.client.timeline import Timeline, rule
from gchat.dialects.rich_events import (
    ActedEvent,
    AnnouncedEvent,
    AwayEvent,
    EnteredEvent,
    GapEvent,
    KickedEvent,
    LeftEvent,
    ModeEvent,
    RenamedEvent,
    SaidEvent,
    ToldEvent,
    TopicSetEvent,
)

#: How often it is written down how far the user has seen each room: a client that is killed knows nothing later.
SEEN_KEPT_S = 10.0


class Board:
    """The rooms on the screen. Each has its draft: the field has that of the room that is shown."""

    def __init__(self, me: Conversation, own: OwnActions, seen_file: SeenFile | None) -> None:
        self.bar = RoomBar(seen_file.load() if seen_file else {})
        self.typed_in = self.bar.shown  # the room of the draft that is in the field
        self._me = me
        self._own = own
        self._seen_file = seen_file
        self._timeline = Timeline(local_now())

    def begin(self, screen: Screen) -> None:
        """Show it on `screen` from now on."""
        self._screen = screen
        gevent.spawn(self._keep_seen_always)

    @property
    def shown(self) -> RoomView:
        """The room that is on the screen."""
        return self.bar.shown

    # --- What is told ------------------------------------------------------------------------------------------------

    def print(self, lines: Iterable[Line]) -> None:
        """Show lines that are of no room, with the time."""
        self._screen.show(self._timeline.stamped(lines, local_now(), room=self.shown.name))

    def part(self, view: RoomView, title: str) -> None:
        """Begin another part of a room: what is new, or what is said now."""
        if view is self.shown:
            self._screen.show([rule(title)])
        else:
            view.keep([rule(title)], 0, on_screen=False)

    def tell(self, notice: Notice) -> None:
        """Show what is told, in the room that it belongs to."""
        bar, view = self.bar, self.shown
        match notice:
            case ToldEvent():
                self._tell_private(notice)
                return
            case Delivered():
                self._tell_delivered(notice)
                return
            case SaidEvent() | ActedEvent() | TopicSetEvent() | Sent() if notice.seq and (
                there := bar.room(notice.room)
            ):
                self._tell_numbered(there, notice)
                view = there
            case EnteredEvent() | LeftEvent() | RenamedEvent() | AwayEvent():
                if self._own.shows_presence and notice.room == view.name:
                    self._put(view, notice, is_kept=False)
            case GapEvent() | NewLog() | ModeEvent() if there := bar.room(notice.room):
                seq = notice.range_to if isinstance(notice, GapEvent) else 0
                self._put(there, notice, seq=seq)
            case KickedEvent() if notice.who != self._me.nick and (there := bar.room(notice.room)):
                self._put(there, notice)
            case AnnouncedEvent() if notice.room != self._me.room:
                return  # all rooms are told the same
            case _:
                self._answer(notice)
        if view.is_live:
            self._call(notice, view)

    def _tell_numbered(self, view: RoomView, notice: NumberedNotice) -> None:
        """Show a message, with a rule above it where another part of a replay begins."""
        title = "" if view.is_live else view.replays(notice.seq)
        if is_for_me(notice, self._me):
            view.last_mention = notice.seq
        if view.is_missed and view is not self.shown and not isinstance(notice, TopicSetEvent):
            view.hears(mentions=is_for_me(notice, self._me))
        self._put(view, notice, seq=notice.seq, title=title)

    def _tell_private(self, notice: ToldEvent) -> None:
        """Keep a private message in its conversation, and say so if that is not on the screen."""
        view = self.bar.private(notice.from_)
        is_first = not view.unread and view is not self.shown
        self._put(view, notice)
        self._call(notice, view)
        if is_first:
            self.print([aside(f"{notice.from_} writes to you alone; /query {notice.from_} shows it")])

    def _tell_delivered(self, notice: Delivered) -> None:
        """Keep a private message of the user's own in its conversation, and show it where it was written."""
        view = self.bar.private(notice.to)
        if view is not self.shown:
            self._answer(notice)
        self._put(view, notice, is_on_screen=True)

    def _call(self, notice: Notice, view: RoomView) -> None:
        """Call the user to what is said now."""
        if isinstance(notice, SaidEvent | ActedEvent | ToldEvent) and notice.from_ != self._me.nick:
            view.hears(mentions=is_for_me(notice, self._me))
            self.show_title()
        if self._own.attention.rings(notice, self._me):
            self._screen.ring()
        if note := self._own.attention.note(notice, self._me):
            self._screen.notify(self._own.attention.notify, note)

    def _answer(self, notice: Notice) -> None:
        """Show what is for the user, whatever room it is about."""
        self._screen.show(self._timeline.lines(notice, self._me, local_now(), room=self.shown.name))

    def _put(
        self,
        view: RoomView,
        notice: Notice,
        *,
        seq: int = 0,
        is_kept: bool = True,
        is_on_screen: bool = False,
        title: str = "",
    ) -> None:
        """Show what belongs to one room, if the room is on the screen; and keep it if it will be of interest.

        What `is_on_screen` already, in the midst of another room, is not new there.
        """
        lines = self._timeline.lines(notice, self._me, local_now(), room=view.name, old=view.is_old)
        if title:
            self.part(view, title)
        if is_kept and lines:
            view.keep(lines, seq, on_screen=is_on_screen or view is self.shown)
        if view is self.shown:
            self._screen.show(lines)

    # --- Turning to another room -------------------------------------------------------------------------------------

    def turn_to(self, view: RoomView) -> None:
        """Have another room on the screen, with what is new in it."""
        if view is not self.shown:
            self.bar.show(view)
            self.turned()

    def turned(self) -> None:
        """Show the room that is on the screen from now on."""
        view = self.shown
        self._me.attend(view.name)
        if view.name:
            shown = view.reveal()
            self._screen.show(shown if self.typed_in.name or len(shown) > 1 else [])  # the first room has no title
            view.mark_read()
        self._screen.change_draft(self._draft)
        self.show_title()
        self.keep_seen()

    def show_title(self) -> None:
        """Have the title say what is unread."""
        self._screen.title(self.bar.title)

    def _draft(self, text: str) -> str:
        """Keep `text`, half typed, and return what is half typed in the room that is shown."""
        before, self.typed_in = self.typed_in, self.shown
        if before.name:
            return before.swap_draft(self.typed_in, text)
        return text or self.typed_in.draft  # typed before there was a room

    # --- What was seen -----------------------------------------------------------------------------------------------

    def keep_seen(self) -> None:
        """Write down how far each room was on the screen."""
        if self._seen_file:
            self._seen_file.store(self.bar.places)

    def _keep_seen_always(self) -> None:
        while True:
            gevent.sleep(SEEN_KEPT_S)
            self.keep_seen()
