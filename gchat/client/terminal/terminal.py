"""A chat on a terminal: what the user types goes to the link, what the link hears goes on the screen."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

import gevent
from gevent.queue import Queue

from gchat.client.action import Show
from gchat.client.completion import Candidate, complete
from gchat.client.conversation.notices import Back, Delivered, Lost, Notice, Sent
from gchat.client.link.errors import LinkClosed, Unacknowledged
from gchat.client.link.link import Link
from gchat.client.link.plain_link import PlainLine, PlainLink, PlainNotice
from gchat.client.paste import actions, expanded, question
from gchat.client.render import Line, Timeline, aside, is_for_me, lines, lost_text, shown_text
from gchat.client.terminal.screen import Screen
from gchat.dialects.rich_events import (
    ActedEvent,
    JoinedEvent,
    LiveEvent,
    PongEvent,
    RoomListEvent,
    SaidEvent,
    ToldEvent,
    UsersEvent,
    WelcomeEvent,
)
from gchat.dialects.rich_requests import (
    ActRequest,
    AnyRequest,
    PingRequest,
    QuitRequest,
    RoomsRequest,
    SayRequest,
    TellRequest,
    WhoRequest,
)
from gchat.model.errors import LineTooLong
from gchat.model.text import printable

#: A connection that is restored sooner is hardly missed: only the toolbar mentions it.
LOST_TOLD_S = 2.0

#: A message of the user's own is shown as pending when its ack takes longer; most come at once.
MARKED_S = 0.25

#: How long the client waits for the acks of the last messages when it ends.
LAST_S = 1.0

#: Pending messages that are shown; the rest are counted.
MAX_WAITING_LINES = 5


def run(chat: Link | PlainLink, *, colour: bool, vi: bool) -> int:
    """Chat on the terminal until the user leaves; return the exit code."""
    talk = _RichTalk(chat) if isinstance(chat, Link) else _PlainTalk(chat)
    screen = Screen(talk, colour=colour, vi=vi)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        gevent.signal_handler(number, screen.leave)
    talk.begin(screen)
    try:
        screen.run()
        failed = talk.ended
        talk.leave()
        _close(chat)
        screen.finish([aside(talk.farewell())] if not failed else [])
    except OSError:  # the terminal is gone, and the user with it
        _close(chat)
        return 0
    return int(failed)


def _close(chat: Link | PlainLink) -> None:
    with suppress(Unacknowledged):  # the farewell tells
        chat.close()


class _Connection:
    """The state of the connection: shown in the toolbar at once, and in a line of its own if it stays lost."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._lost: Lost | None = None
        self._retry_at = 0.0
        self._told = False
        self._telling: gevent.Greenlet[[Lost], None] | None = None

    def lost(self, notice: Lost) -> None:
        """Note that it is lost, or that another attempt has failed."""
        if self._lost is None:
            self._told = False
            self._telling = gevent.spawn_later(LOST_TOLD_S, self._tell, notice)
        self._lost = notice
        self._retry_at = time.monotonic() + notice.retry_in_s
        self._screen.refresh()

    def back(self) -> bool:
        """Note that it is restored; return whether a line has said that it was lost."""
        self._lost = None
        if self._telling:
            self._telling.kill()
        return self._told

    def bar(self) -> Line:
        """Return the toolbar while it is lost, else []."""
        if self._lost is None:
            return []
        wait_s = max(0, round(self._retry_at - time.monotonic()))
        when = f"next attempt in {wait_s} s" if wait_s else "connecting…"
        return [("class:toolbar", " "), ("class:toolbar class:lost", printable(f"{self._lost.reason}; {when} "))]

    def _tell(self, first: Lost) -> None:
        self._told = True
        stamp = ("class:time", f"{_now():%H:%M} ")
        self._screen.show([[stamp, *aside(lost_text(first), "class:lost")]])


class _Talk:
    """A link on a screen: what both dialects have in common."""

    def __init__(self, chat: Link | PlainLink) -> None:
        self._link = chat
        self.ended = False  # whether the link has ended by itself: the server refuses the client for good

    def begin(self, screen: Screen) -> None:
        """Start to show events on `screen`."""
        self._screen = screen
        self._connection = _Connection(screen)
        gevent.spawn(self._listen)
        gevent.spawn(self._send)

    def leave(self) -> None:
        """Wait a moment for what is under way, so that it is shown."""

    def farewell(self) -> str:
        """Return the last line on the screen, after the link is closed."""
        return "Goodbye"

    def _listen(self) -> None:
        for notice in self._link:
            self._hear(notice)
        self.ended = True
        self._screen.leave()

    def _hear(self, notice: Any) -> None:
        raise NotImplementedError

    def _send(self) -> None:
        raise NotImplementedError


class _RichTalk(_Talk):
    """A conversation on a screen."""

    def __init__(self, chat: Link) -> None:
        super().__init__(chat)
        self._chat = chat
        self._me = chat.conversation
        self._timeline = Timeline(_now())
        self._outbox: Queue[AnyRequest] = Queue()
        self._asked_at: dict[str, float] = {}
        self._hidden: Counter[type] = Counter()  # answers to come that the user did not ask for
        self._greeted = False
        self._old = False  # whether events are replayed, not live
        self._reply_to = ""
        self._rooms: set[str] = set()
        self._speakers: set[str] = set()

    def leave(self) -> None:
        """Wait for the acks of the last messages."""
        gevent.sleep(0)  # what was typed last goes out now
        if self._chat.connected:
            self._chat.wait_acked(LAST_S)

    def farewell(self) -> str:
        """Return which messages may be lost; usually none are."""
        unanswered = [*self._me.pending.values(), *self._outbox.queue]
        unsent = [text for request in unanswered if (text := _words(request))]
        if not unsent:
            return super().farewell()
        what = "Your last message" if len(unsent) == 1 else f"Your last {len(unsent):,} messages"
        return f"{what} may not have been sent: {unsent[0]}" + (" …" if len(unsent) > 1 else "")

    # --- Input: on the loop, where nothing may block -----------------------------------------------------------------

    def typed(self, texts: list[str]) -> None:
        """Carry out what was typed."""
        for action in actions(texts, self._reply_to):
            match action:
                case Show():
                    self._screen.show(aside(text) for text in action.lines)
                case QuitRequest():
                    self._screen.leave()
                case None:
                    pass
                case _:
                    self._outbox.put(action)

    def question(self, texts: list[str], *, unread: bool) -> str:
        """Return the question before these lines are sent, "" if none is needed."""
        return question(texts, unread=unread)

    def _send(self) -> None:
        """Send requests; this greenlet may wait."""
        try:
            while True:
                request = self._outbox.peek()
                self._ask(request)
                self._outbox.get()
        except LinkClosed:
            pass

    def _ask(self, request: AnyRequest) -> None:
        try:
            request_id = self._chat.ask(request)
        except LineTooLong as refusal:
            self._screen.show([aside(refusal.message, "class:refused")])
            return
        if isinstance(request, SayRequest | ActRequest | TellRequest | PingRequest):
            self._asked_at[request_id] = time.monotonic()
            gevent.spawn_later(MARKED_S, self._screen.refresh)

    # --- Events ------------------------------------------------------------------------------------------------------

    def _hear(self, notice: Notice) -> None:
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
                self._live()
                return
            case PongEvent():
                self._ponged(notice)
                return
            case UsersEvent() | RoomListEvent() if self._hidden[type(notice)]:
                self._hidden[type(notice)] -= 1
                if isinstance(notice, RoomListEvent):
                    self._rooms |= {room.name for room in notice.rooms}
                self._screen.refresh()
                return
            case Sent() | Delivered():
                self._asked_at.pop(notice.id, None)
            case JoinedEvent():
                self._old = True
                self._rooms.add(notice.room)
            case ToldEvent():
                self._reply_to = notice.from_
            case SaidEvent() | ActedEvent():
                self._speakers.add(notice.from_)
        shown = self._timeline.lines(notice, self._me, _now())
        self._screen.show(shown, bell=not self._old and is_for_me(notice, self._me))

    def _welcome(self, notice: WelcomeEvent) -> None:
        self._rooms.add(notice.room)
        if self._greeted:
            return
        self._greeted = self._old = True
        shown = lines(notice, self._me)
        shown.append(aside(f"You are {notice.nick} in {notice.room}; type /help for the commands"))
        self._screen.show(self._timeline.stamped(shown, _now()))

    def _live(self) -> None:
        """Ask for what the toolbar and the completion need."""
        self._old = False
        self._hidden.update((UsersEvent, RoomListEvent))
        self._outbox.put(WhoRequest())
        self._outbox.put(RoomsRequest())
        self._screen.refresh()

    def _ponged(self, notice: PongEvent) -> None:
        if asked_at := self._asked_at.pop(notice.id, None):
            self._screen.show([aside(f"Round trip: {_milliseconds(time.monotonic() - asked_at)}")])

    # --- The rest of the screen --------------------------------------------------------------------------------------

    def prompt(self) -> Line:
        """Return the user's name, as it is shown before the user's messages."""
        return [("", "["), ("class:own", printable(self._me.nick)), ("", "] ")]

    def waiting(self) -> list[Line]:
        """Return the messages that are not acked yet."""
        before = time.monotonic() - MARKED_S
        requests = [
            request for request in self._me.pending.values() if self._asked_at.get(request.id, before) <= before
        ]
        if requests:  # or the outbox has only what is about to be asked
            requests += self._outbox.queue
        texts = [printable(text) for request in requests if (text := _words(request))]
        shown = [[("class:pending", f"⋯ {text}")] for text in texts[-MAX_WAITING_LINES:]]
        if len(texts) > MAX_WAITING_LINES:
            shown.insert(0, [("class:pending", f"⋯ {len(texts) - MAX_WAITING_LINES:,} more")])
        return shown

    def toolbar(self) -> Line:
        """Return the room, the number of users, and the connection."""
        if lost := self._connection.bar():
            return lost
        if not self._chat.connected:
            return [("class:toolbar", " connecting… ")]
        lag_s = self._chat.lag_s
        parts = [self._me.room, f"{self._me.online:,} online", self._me.nick, self._chat.address]
        parts += [f"lag {_milliseconds(lag_s)}"] if lag_s is not None else []
        return [("class:toolbar", printable(f" {' │ '.join(parts)} "))]

    def candidates(self, before: str) -> Iterable[Candidate]:
        """Return how the text before the cursor could go on."""
        nicks = (self._me.members | self._speakers) - {self._me.nick}
        return complete(before, map(printable, nicks), map(printable, self._rooms))


class _PlainTalk(_Talk):
    """A server of any kind on a screen: lines are sent as typed, and shown as received."""

    def __init__(self, chat: PlainLink) -> None:
        super().__init__(chat)
        self._chat = chat
        self._outbox: Queue[str] = Queue()

    def typed(self, texts: list[str]) -> None:
        """Send lines, among them commands of the server."""
        for text in expanded(texts):
            self._screen.show([[*self.prompt(), ("", shown_text(text))]])
            self._outbox.put(text)

    def question(self, texts: list[str], *, unread: bool) -> str:
        """Return the question before these lines are sent, "" if none is needed."""
        return question(texts, unread=unread, runs=True)

    def _send(self) -> None:
        while not self._chat.over:
            try:
                self._chat.say(self._outbox.get())
            except LinkClosed as error:
                self._screen.show([aside(str(error), "class:refused")])

    def _hear(self, notice: PlainNotice) -> None:
        match notice:
            case Lost():
                self._connection.lost(notice)
            case Back():
                if self._connection.back():
                    self._screen.show([aside("Connected again")])
            case PlainLine():
                self._screen.show([[("", shown_text(notice.text))]])

    def prompt(self) -> Line:
        """Return what is shown before the draft."""
        return [("", "["), ("class:own", "You"), ("", "] ")]

    def waiting(self) -> list[Line]:
        """Return nothing: such a server sends no acks."""
        return []

    def toolbar(self) -> Line:
        """Return the address of the server."""
        return self._connection.bar() or [("class:toolbar", f" {printable(self._chat.address)} │ plain ")]

    def candidates(self, before: str) -> Iterable[Candidate]:  # noqa: ARG002
        """Return nothing: the members are not known."""
        return ()


def _now() -> datetime:
    return datetime.now().astimezone()


def _words(request: Any) -> str:
    """Return the text of a request as it would be typed, "" if it has none."""
    match request:
        case SayRequest():
            return request.text
        case ActRequest():
            return f"/me {request.text}"
        case TellRequest():
            return f"/msg {request.to} {request.text}"
    return ""


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.{0 if seconds >= 0.01 else 1}f} ms"
