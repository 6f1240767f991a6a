"""A conversation with a gchat server on a screen: what the user enters goes to the link, what it hears is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial

import gevent

from gchat.client.action import Action, Show
from gchat.client.completion import Candidate, complete
from gchat.client.conversation.notices import Back, Delivered, Lost, Notice, Sent
from gchat.client.files.seen_file import SeenFile
from gchat.client.files.settings_file import ClientSettings
from gchat.client.ignored import Ignored
from gchat.client.link.link import Link
from gchat.client.own_commands import (
    OwnCommand,
    entered,
)
from gchat.client.paste import Question, actions, as_one, question, visible_lines
from gchat.client.render import Line, aside, is_for_me, lines
from gchat.client.room_view import RoomView
from gchat.client.terminal.outbox import Outbox
from gchat.client.terminal.own_actions import OwnActions
from gchat.client.terminal.screen import Screen
from gchat.client.terminal.talk import LinkTalk, local_now
from gchat.client.terminal.toolbar import toolbar_text
from gchat.client.timeline import NOW, Timeline, rule
from gchat.dialects.rich_events import (
    ActedEvent,
    AwayEvent,
    EnteredEvent,
    GapEvent,
    JoinedEvent,
    KickedEvent,
    LeftEvent,
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
    QuitRequest,
    RoomsRequest,
    SayRequest,
    TellRequest,
    WhoRequest,
)
from gchat.model import commands
from gchat.model.text import printable

#: How long the client waits for the acks of the last messages when it ends.
LAST_S = 1.0

#: How often it is written down how far the user has seen each room: a client that is killed knows nothing later.
SEEN_KEPT_S = 10.0

NO_ACTIONS = "Not sent: an action is for the whole room, and you talk with one user; /query ends that"


class RichTalk(LinkTalk):
    """A conversation on a screen."""

    def __init__(self, chat: Link, settings: ClientSettings, seen_file: SeenFile | None, *, taken_nick: str) -> None:
        super().__init__(chat)
        self._taken_nick = taken_nick  # the nick of this user, if another window has it; "" if none has
        self._seen_file = seen_file
        places = seen_file.load() if seen_file else {}
        self._views = {room: RoomView(room, place) for room, place in places.items()}
        self._view = RoomView("")  # of the room that is on the screen
        self._chat = chat
        self._me = chat.conversation
        self._timeline = Timeline(local_now())
        self._outbox = Outbox(chat)
        self._own = OwnActions(settings, self._outbox, self._me)
        self._ignored = Ignored()
        self._hidden: Counter[type] = Counter()  # answers to come that the user did not ask for
        self._greeted = False
        self._reply_to = ""
        self._rooms = set(settings.rooms)  # names for Tab
        self._speakers: set[str] = set()

    def begin(self, screen: Screen) -> None:
        """See LinkTalk."""
        super().begin(screen)
        gevent.spawn(self._keep_seen_always)

    def leave(self) -> None:
        """Wait for the acks of the last messages."""
        gevent.sleep(0)  # what was typed last goes out now
        if self._chat.connected:
            self._chat.wait_acked(LAST_S)
        self._keep_seen()

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
        for action in self._asked(text, apart=apart):
            match action:
                case OwnCommand():
                    self._own.carry_out(action, self._screen, self._view)
                case SayRequest() if self._own.partner:
                    self._outbox.put(TellRequest(to=self._own.partner, text=action.text))
                case ActRequest() if self._own.partner:
                    self._screen.show([aside(NO_ACTIONS, "class:refused")])
                case Show():
                    self._screen.show(aside(text) for text in action.lines)
                case commands.Ignore() | commands.Unignore():
                    self._screen.show([aside(self._ignored.carry_out(action, self._me.nick))])
                case QuitRequest():
                    self._screen.leave()
                case None:
                    pass
                case _:
                    self._outbox.put(action)

    def _asked(self, text: str, *, apart: bool) -> list[Action | OwnCommand | None]:
        """Return what was typed as requests; several lines are one message, unless they are too long for one."""
        lines = visible_lines(text)
        if len(lines) == 1:
            return [entered(lines[0], self._reply_to)]
        whole = None if apart else as_one(text, self._reply_to, self._me.max_text_bytes)
        return [whole] if whole else [*actions(lines, self._reply_to)]

    def question(self, text: str, *, unread: bool) -> Question | None:
        """See Talk."""
        together = as_one(text, self._reply_to, self._me.max_text_bytes) is not None
        return question(visible_lines(text), unread=unread, together=together)

    def _send(self) -> None:
        self._outbox.send(self._screen)

    # --- Events ------------------------------------------------------------------------------------------------------

    def _hear(self, notice: Notice) -> None:
        heard = self._ignored.heard(notice)
        if heard is None:
            return
        notice = heard
        match notice:
            case Lost():
                self._connection.lost(notice)
                return
            case Back() if not self._connection.back() or not self._greeted:
                return
            case WelcomeEvent():
                self._welcome(notice)
                return
            case LiveEvent():
                self._view.sees(notice.seq)
                self._live()
                return
            case PongEvent():
                self._ponged(notice)
                return
            case UsersEvent() | RoomListEvent() if self._hidden[type(notice)]:
                self._hidden[type(notice)] -= 1
                self._follow(notice)
                self._screen.refresh()
                return
            case NamedEvent() if self._taken_nick:
                told = aside(f"Another window is {self._taken_nick}; in this one you are {notice.nick}")
                self._screen.show(self._timeline.stamped([told], local_now()))
                self._taken_nick = ""
                return
        self._follow(notice)
        if self._own.shows_presence or not isinstance(notice, EnteredEvent | LeftEvent | RenamedEvent | AwayEvent):
            self._tell(notice)

    def _follow(self, notice: Notice) -> None:
        """Take in what is about to be shown."""
        match notice:
            case Sent() | Delivered():
                self._outbox.answered(notice.id)
            case JoinedEvent():
                self._enter(notice.room, notice.epoch)
            case PartedEvent() if notice.room == self._view.name:
                self._turn_to(RoomView(""))
            case KickedEvent() if notice.room == self._view.name and notice.who == self._me.nick:
                self._turn_to(RoomView(""))
            case RenamedEvent() if notice.who and notice.who == self._own.partner:
                self._own.partner = notice.nick
            case ToldEvent():
                self._reply_to = notice.from_
            case SaidEvent() | ActedEvent():
                self._speakers.add(notice.from_)
            case TopicSetEvent():
                self._view.topic = notice.text
            case RoomListEvent():
                self._rooms |= {room.name for room in notice.rooms}
                for room in notice.rooms:
                    if room.name == self._view.name:
                        self._view.topic = room.topic

    def _tell(self, notice: Notice) -> None:
        """Show what is told, with a rule above it where another part of a replay begins."""
        view = self._view
        title = ""
        match notice:
            case SaidEvent() | ActedEvent() | TopicSetEvent() | Sent() if notice.seq and notice.room == view.name:
                title = "" if view.is_live else view.replays(notice.seq)
                view.sees(notice.seq)
                if is_for_me(notice, self._me):
                    view.last_mention = notice.seq
            case GapEvent() if notice.room == view.name:
                view.sees(notice.range_to)
        shown = self._timeline.lines(notice, self._me, local_now(), old=view.is_old)
        self._screen.show([rule(title), *shown] if title else shown)
        if view.is_live:
            self._call(notice)

    def _call(self, notice: Notice) -> None:
        """Call the user to what is said now."""
        if isinstance(notice, SaidEvent | ActedEvent | ToldEvent) and notice.from_ != self._me.nick:
            self._view.hears(mentions=is_for_me(notice, self._me))
            self._screen.title(self._title)
        if self._own.attention.rings(notice, self._me):
            self._screen.ring()
        if note := self._own.attention.note(notice, self._me):
            self._screen.notify(self._own.attention.notify, note)

    def _welcome(self, notice: WelcomeEvent) -> None:
        if self._greeted and notice.room == self._view.name:
            self._view.goes_on(notice.epoch)
            return
        if self._greeted:
            self._enter(notice.room, notice.epoch)
            return
        self._greeted = True
        if notice.nick == self._taken_nick:
            self._taken_nick = ""
        shown = lines(notice, self._me)
        where = notice.room or "no room"
        shown.append(aside(f"You are {notice.nick} in {where}; type /help for the commands"))
        self._screen.show(self._timeline.stamped(shown, local_now()))
        self._enter(notice.room, notice.epoch)

    def _enter(self, room: str, epoch: str) -> None:
        if not room:
            self._turn_to(RoomView(""))
            return
        self._rooms.add(room)
        self._turn_to(self._views.setdefault(room, RoomView(room)))
        self._view.enter(epoch)

    def _turn_to(self, view: RoomView) -> None:
        """Have another room on the screen, with what is half typed there; or none, which has no name."""
        before, self._view = self._view, view
        if before.name and before is not view:
            self._screen.change_draft(partial(before.swap_draft, view))
            self._keep_seen()
        self._screen.title(self._title)

    def _live(self) -> None:
        """Ask for what the toolbar and the completion need."""
        if self._view.goes_live():
            self._screen.show([rule(NOW)])
        if self._view.name:
            self._hidden[UsersEvent] += 1
            self._outbox.put(WhoRequest())
        self._hidden[RoomListEvent] += 1
        self._outbox.put(RoomsRequest())
        self._screen.refresh()

    def _keep_seen(self) -> None:
        if self._seen_file:
            self._seen_file.store({view.name: view.place for view in self._views.values() if view.place})

    def _keep_seen_always(self) -> None:
        while True:
            gevent.sleep(SEEN_KEPT_S)
            self._keep_seen()

    def _ponged(self, notice: PongEvent) -> None:
        if (took_s := self._outbox.answered(notice.id)) is not None:
            self._screen.show([aside(f"Round trip: {_milliseconds(took_s)}")])

    # --- The rest of the screen --------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """See LinkTalk."""
        return self._me.nick

    @property
    def _title(self) -> str:
        return f"{self._view.title} - gchat" if self._view.name else "gchat"

    def attend(self) -> None:
        """See LinkTalk."""
        if self._view.unread:
            self._view.mark_read()
            self._screen.title(self._title)

    def prompt(self) -> Line:
        """See LinkTalk."""
        if not self._own.partner:
            return super().prompt()
        to = ("class:private", printable(self._own.partner))
        return [("", "["), ("class:own", printable(self.name)), ("", " -> "), to, ("", "] ")]

    def waiting(self) -> list[Line]:
        """Return the messages that are not acked yet."""
        return self._outbox.waiting()

    def toolbar(self, width: int) -> Line:
        """Return the room, the number of users, the connection, the topic, as far as they fit."""
        if lost := self._connection.bar(width):
            return lost
        if not self._chat.connected:
            return [("class:toolbar", " connecting… ")]
        lag_s = self._chat.lag_s
        others = (self._me.nick, self._chat.address, *([f"lag {_milliseconds(lag_s)}"] if lag_s is not None else []))
        return [("class:toolbar", toolbar_text(width, self._me.room, self._me.online, self._view.topic, others))]

    def candidates(self, before: str) -> Iterable[Candidate]:
        """Return how the text before the cursor could go on."""
        nicks = (self._me.members | self._speakers) - {self._me.nick}
        return complete(before, map(printable, nicks), map(printable, self._rooms))


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.{0 if seconds >= 0.01 else 1}f} ms"
