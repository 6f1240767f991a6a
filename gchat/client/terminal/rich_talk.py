"""A conversation with a gchat server on a screen: what the user enters goes to the link, what it hears is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import gevent
from msgspec import structs

from gchat.client.action import Action, Show
from gchat.client.completion import Candidate, complete
from gchat.client.conversation.notices import Back, Delivered, Lost, Notice, Sent
from gchat.client.files.seen_file import SeenFile
from gchat.client.files.settings_file import ClientSettings
from gchat.client.ignored import Ignored
from gchat.client.link.link import Link
from gchat.client.own_commands import Converse, OwnCommand, Prove, entered, without_secrets
from gchat.client.paste import Question, actions, as_one, question, visible_lines
from gchat.client.render import Line, aside, lines
from gchat.client.room_view import PRIVATE, RoomView
from gchat.client.terminal.board import Board
from gchat.client.terminal.logins import Keeping, Logins
from gchat.client.terminal.outbox import Outbox
from gchat.client.terminal.own_actions import OwnActions
from gchat.client.terminal.screen import Screen
from gchat.client.terminal.talk import LinkTalk
from gchat.client.terminal.toolbar import toolbar_text
from gchat.client.timeline import NOW
from gchat.dialects.rich_events import (
    ActedEvent,
    JoinedEvent,
    KickedEvent,
    LiveEvent,
    NamedEvent,
    PartedEvent,
    PongEvent,
    RenamedEvent,
    RoomListEvent,
    SaidEvent,
    ToldEvent,
    TopicSetEvent,
    UsersEvent,
    WelcomeEvent,
)
from gchat.dialects.rich_requests import (
    ActRequest,
    AnyRequest,
    HistoryRequest,
    JoinRequest,
    PartRequest,
    QuitRequest,
    RoomRequest,
    RoomsRequest,
    SayRequest,
    TellRequest,
    WhoRequest,
)
from gchat.model import commands
from gchat.model.text import printable

#: How long the client waits for the acks of the last messages when it ends.
LAST_S = 1.0

NO_ACTIONS = "Not sent: an action is for the whole room, and you talk with one user; /query shows the room"


class RichTalk(LinkTalk):
    """A conversation on a screen."""

    def __init__(
        self,
        chat: Link,
        settings: ClientSettings,
        seen_file: SeenFile | None,
        *,
        taken_nick: str,
        keeping: Keeping,
    ) -> None:
        super().__init__(chat)
        self._taken_nick = taken_nick  # the nick of this user, if another window has it; "" if none has
        self._chat = chat
        self._me = chat.conversation
        self._outbox = Outbox(chat)
        self._logins = Logins(chat, self._outbox, keeping)
        self._own = OwnActions(settings, self._outbox, self._me)
        self._board = Board(self._me, self._own, seen_file)
        self._ignored = Ignored()
        self._hidden: Counter[type] = Counter()  # answers to come that the user did not ask for
        self._asked_who: set[str] = set()  # the rooms of which the members were asked for on this connection
        self._greeted = False
        self._reply_to = ""
        self._rooms = set(settings.rooms)  # names for Tab
        self._speakers: set[str] = set()

    def begin(self, screen: Screen) -> None:
        """See LinkTalk."""
        super().begin(screen)
        self._board.begin(screen)
        self._logins.begin(screen)

    def leave(self) -> None:
        """Wait for the acks of the last messages."""
        gevent.sleep(0)  # what was typed last goes out now
        if self._chat.connected:
            self._chat.wait_acked(LAST_S)
        self._board.keep_seen()

    def farewell(self) -> str:
        """Return which messages may be lost; usually none are."""
        unsent = self._outbox.unsent()
        if not unsent:
            return super().farewell()
        what = "Your last message" if len(unsent) == 1 else f"Your last {len(unsent):,} messages"
        return f"{what} may not have been sent: {unsent[0]}" + (" …" if len(unsent) > 1 else "")

    # --- Input: on the loop, where nothing may block -----------------------------------------------------------------

    def take(self, text: str, *, apart: bool) -> None:
        """Carry out what was typed."""
        view = self._board.typed_in
        for action in self._asked(text, apart=apart):
            match action:
                case Prove():
                    self._logins.prove(action.command)
                case Converse():
                    self._converse(action)
                case OwnCommand():
                    self._own.carry_out(action, self._screen, view)
                case Show():
                    self._screen.show(aside(text) for text in action.lines)
                case commands.Ignore() | commands.Unignore():
                    self._screen.show([aside(self._ignored.carry_out(action, self._me.nick))])
                case QuitRequest():
                    self._screen.leave()
                case JoinRequest():
                    self._join(action)
                case RoomRequest() if not action.room and view.partner:
                    self._ask_in_private(action, view)
                case RoomRequest() if not action.room:
                    self._outbox.put(structs.replace(action, room=view.name))
                case PartRequest() if action.room.startswith(PRIVATE):
                    self._close(self._board.bar.private(action.room.removeprefix(PRIVATE)))
                case _ if action:
                    self._outbox.put(action)

    def _join(self, request: JoinRequest) -> None:
        """Turn to a room, and enter it if need be; the user stays in the others."""
        if view := self._board.bar.room(request.room):
            self._turn_to(view)
        else:
            self._outbox.put(structs.replace(request, leave=None))

    def _ask_in_private(self, request: AnyRequest, view: RoomView) -> None:
        """Carry out in a private conversation what elsewhere is about a room."""
        match request:
            case SayRequest():
                self._outbox.put(TellRequest(to=view.partner, text=request.text))
            case ActRequest():
                self._screen.show([aside(NO_ACTIONS, "class:refused")])
            case PartRequest():
                self._close(view)
            case HistoryRequest():
                self._screen.show(view.history())
            case _:
                self._outbox.put(structs.replace(request, room=self._me.room))

    def _converse(self, command: Converse) -> None:
        """Turn to the conversation with one user, or from it back to the room."""
        bar = self._board.bar
        if not command.to:
            if room := bar.room(self._me.room):
                self._turn_to(room)
            return
        view = bar.private(command.to)
        self._turn_to(view)
        if command.text:
            self._outbox.put(TellRequest(to=view.partner, text=command.text))

    def turn(self, number: int) -> None:
        """See Talk."""
        if view := self._board.bar.at(number):
            self._turn_to(view)

    def step(self, by: int) -> None:
        """See Talk."""
        if view := self._board.bar.beside(by):
            self._turn_to(view)

    def _turn_to(self, view: RoomView) -> None:
        self._board.turn_to(view)
        self._ask_who()

    def _close(self, view: RoomView) -> None:
        """Have a room no more; another one is shown if it was on the screen."""
        was_shown = view is self._board.shown
        self._board.bar.close(view)
        if was_shown:
            self._board.turned()
            self._ask_who()

    def _asked(self, text: str, *, apart: bool) -> list[Action | OwnCommand | None]:
        """Return what was typed as requests; several lines are one message, unless they are too long for one."""
        lines = visible_lines(text)
        if len(lines) == 1:
            return [entered(lines[0], self._reply_to)]
        whole = None if apart else as_one(text, self._reply_to, self._me.max_text_bytes)
        return [whole] if whole else [*actions(lines, self._reply_to)]

    def remembered(self, text: str) -> str:
        """See Talk."""
        return without_secrets(text)

    def question(self, text: str, *, unread: bool) -> Question | None:
        """See Talk."""
        together = as_one(text, self._reply_to, self._me.max_text_bytes) is not None
        return question(visible_lines(text), unread=unread, together=together)

    def _send(self) -> None:
        self._outbox.send(self._screen)

    # --- Events ------------------------------------------------------------------------------------------------------

    def _hear(self, notice: Notice) -> None:
        if (heard := self._ignored.heard(notice)) is None:
            return
        notice = heard
        if line := self._logins.instead_of(notice):
            self._board.print([line])
            return
        match notice:
            case Lost():
                self._connection.lost(notice)
                self._asked_who.clear()
                return
            case Back() if not self._connection.back() or not self._greeted:
                return
            case WelcomeEvent():
                self._welcome(notice)
                return
            case JoinedEvent() if not notice.id:
                self._arrive(notice.room, notice.epoch)
                return
            case LiveEvent():
                self._live(notice)
                return
            case PongEvent():
                self._ponged(notice)
                return
            case UsersEvent() | RoomListEvent() if self._hidden[type(notice)]:
                self._hidden[type(notice)] -= 1
                self._follow(notice)
                self._settle(notice)
                self._screen.refresh()
                return
            case NamedEvent() if self._taken_nick:
                told = aside(f"Another window is {self._taken_nick}; in this one you are {notice.nick}")
                self._board.print([told])
                self._taken_nick = ""
                return
        self._follow(notice)
        self._board.tell(notice)
        self._settle(notice)
        self._logins.follow(notice)

    def _follow(self, notice: Notice) -> None:
        """Take in what is about to be shown."""
        bar = self._board.bar
        match notice:
            case Sent() | Delivered():
                self._outbox.answered(notice.id)
            case JoinedEvent():
                self._rooms.add(notice.room)
                self._turn_to(bar.opened(notice.room))
                self._board.shown.enter(notice.epoch)
            case RenamedEvent() if notice.who:
                bar.renamed(notice.who, notice.nick)
            case ToldEvent():
                self._reply_to = notice.from_
            case SaidEvent() | ActedEvent():
                self._speakers.add(notice.from_)
            case TopicSetEvent() if view := bar.room(notice.room):
                view.topic = notice.text
            case RoomListEvent():
                self._rooms |= {room.name for room in notice.rooms}
                for room in notice.rooms:
                    if view := bar.room(room.name):
                        view.topic = room.topic

    def _settle(self, notice: Notice) -> None:
        """Have the rooms no more that the user is no longer in."""
        bar = self._board.bar
        match notice:
            case PartedEvent() if view := bar.room(notice.room):
                self._close(view)
            case KickedEvent() if notice.who == self._me.nick and (view := bar.room(notice.room)):
                self._close(view)
            case RoomListEvent():  # a room of the hello may have been refused
                for view in bar.others_than(room.name for room in notice.rooms if room.here):
                    self._close(view)

    def _welcome(self, notice: WelcomeEvent) -> None:
        if not self._greeted:
            self._greeted = True
            if notice.nick == self._taken_nick:
                self._taken_nick = ""
            shown = lines(notice, self._me)
            where = notice.room or "no room"
            self._board.print([*shown, aside(f"You are {notice.nick} in {where}; type /help for the commands")])
        if notice.room:
            self._arrive(notice.room, notice.epoch)

    def _arrive(self, room: str, epoch: str) -> None:
        """Be in a room on a new connection, as before or for the first time."""
        bar = self._board.bar
        if view := bar.room(room):
            view.goes_on(epoch)
            return
        self._rooms.add(room)
        bar.opened(room).enter(epoch)
        bar.arrange(self._me.rooms)  # the server lets the user in as each room is ready
        if not self._board.shown.name:
            self._board.turn_to(bar.opened(room))

    def _live(self, notice: LiveEvent) -> None:
        """End a replay, and ask for what the toolbar and the completion need."""
        if view := self._board.bar.room(notice.room):
            if view.goes_live(notice.seq):
                self._board.part(view, NOW)
            if view is self._board.shown:
                view.sees(notice.seq)
        self._ask_who()
        if not self._hidden[RoomListEvent]:
            self._hidden[RoomListEvent] += 1
            self._outbox.put(RoomsRequest())
        self._board.show_title()

    def _ask_who(self) -> None:
        """Ask once who is in the room that is shown."""
        room = self._board.shown.name
        if room in self._me.rooms and room not in self._asked_who:
            self._asked_who.add(room)
            self._hidden[UsersEvent] += 1
            self._outbox.put(WhoRequest(room=room))
        self._screen.refresh()

    def _ponged(self, notice: PongEvent) -> None:
        if (took_s := self._outbox.answered(notice.id)) is not None:
            self._screen.show([aside(f"Round trip: {_milliseconds(took_s)}")])

    # --- The rest of the screen --------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """See LinkTalk."""
        return self._me.nick

    def attend(self) -> None:
        """See LinkTalk."""
        if self._board.shown.unread:
            self._board.shown.mark_read()
            self._board.show_title()

    def prompt(self) -> Line:
        """See LinkTalk."""
        partner = self._board.shown.partner
        if not partner:
            return super().prompt()
        to = ("class:private", printable(partner))
        return [("", "["), ("class:own", printable(self.name)), ("", " -> "), to, ("", "] ")]

    def waiting(self) -> list[Line]:
        """Return the messages that are not acked yet."""
        return self._outbox.waiting()

    def toolbar(self, width: int) -> Line:
        """Return the rooms, the number of users, the connection, the topic, as far as they fit."""
        if lost := self._connection.bar(width):
            return lost
        if not self._chat.connected:
            return [("class:toolbar", " connecting… ")]
        lag_s = self._chat.lag_s
        others = (
            self._logins.shown,
            self._chat.address,
            *([f"lag {_milliseconds(lag_s)}"] if lag_s is not None else []),
        )
        bar = self._board.bar
        text = toolbar_text(width, bar, self._me.online, others)
        return [("class:toolbar", text)]

    def candidates(self, before: str) -> Iterable[Candidate]:
        """Return how the text before the cursor could go on."""
        partners = {view.partner for view in self._board.bar.listed if view.partner}
        nicks = (self._me.members | self._speakers | partners) - {self._me.nick}
        return complete(before, map(printable, nicks), map(printable, self._rooms))


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.{0 if seconds >= 0.01 else 1}f} ms"
