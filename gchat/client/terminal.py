"""The chat as a person has it on a terminal: what is typed goes to the link, what the link tells goes on the screen."""

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

from gchat.client import plain_link
from gchat.client.conversation import Back, Delivered, Lost, Notice, Sent
from gchat.client.input import Action, Candidate, Show, complete, parse
from gchat.client.keeper import LinkClosed
from gchat.client.link import Link
from gchat.client.ownership import Unacknowledged
from gchat.client.plain_link import PlainLink, PlainNotice
from gchat.client.render import Line, Timeline, aside, is_for_me, lines, lost_text
from gchat.client.screen import Screen
from gchat.protocol import wire
from gchat.protocol.errors import LineTooLong
from gchat.protocol.text import printable

#: A connection that is back sooner was hardly missed: only the toolbar tells of it.
LOST_TOLD_S = 2.0

#: What one said is shown with a mark when it has waited so long for its place; most has it at once.
MARKED_S = 0.25

#: How long what was said last may take to have its place.
LAST_S = 1.0

#: Lines shown that wait for their place; the rest is counted.
MAX_WAITING_LINES = 5


def run(chat: Link | PlainLink, *, colour: bool, vi: bool) -> int:
    """Talk on the terminal until the person leaves; return the exit code."""
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
    except OSError:  # the terminal is gone, and the person with it
        _close(chat)
        return 0
    return int(failed)


def _close(chat: Link | PlainLink) -> None:
    with suppress(Unacknowledged):  # the farewell tells
        chat.close()


class _Connection:
    """What a person is told of the connection: in the toolbar at once, in a line of its own if it stays away."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._lost: Lost | None = None
        self._retry_at = 0.0
        self._told = False
        self._telling: gevent.Greenlet[[Lost], None] | None = None

    def lost(self, notice: Lost) -> None:
        """Know that it is lost, or that another attempt has failed."""
        if self._lost is None:
            self._told = False
            self._telling = gevent.spawn_later(LOST_TOLD_S, self._tell, notice)
        self._lost = notice
        self._retry_at = time.monotonic() + notice.retry_in_s
        self._screen.refresh()

    def back(self) -> bool:
        """Know that it is back; return whether the person was told that it was lost."""
        self._lost = None
        if self._telling:
            self._telling.kill()
        return self._told

    def bar(self) -> Line:
        """Return what the toolbar says of it while it is lost."""
        if self._lost is None:
            return []
        wait_s = max(0, round(self._retry_at - time.monotonic()))
        when = f"next attempt in {wait_s} s" if wait_s else "trying…"
        return [("class:toolbar", " "), ("class:toolbar class:lost", printable(f"{self._lost.reason}; {when} "))]

    def _tell(self, first: Lost) -> None:
        self._told = True
        stamp = ("class:time", f"{_now():%H:%M} ")
        self._screen.show([[stamp, *aside(lost_text(first), "class:lost")]])


class _Talk:
    """A link on a screen: what both dialects have in common."""

    def __init__(self, chat: Link | PlainLink) -> None:
        self._link = chat
        self.ended = False  # whether the link has ended by itself: the server has refused for good

    def begin(self, screen: Screen) -> None:
        """Show on `screen` from now on."""
        self._screen = screen
        self._connection = _Connection(screen)
        gevent.spawn(self._listen)
        gevent.spawn(self._send)

    def leave(self) -> None:
        """Wait a moment for what is under way, so that it is shown."""

    def farewell(self) -> str:
        """Return the last line that the person sees, when the link is closed."""
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
        self._outbox: Queue[wire.AnyRequest] = Queue()
        self._asked_at: dict[str, float] = {}
        self._hidden: Counter[type] = Counter()  # answers to come that the person did not ask for
        self._greeted = False
        self._old = False  # whether what is told now was said before one came
        self._reply_to = ""
        self._rooms: set[str] = set()
        self._speakers: set[str] = set()

    def leave(self) -> None:
        """Wait for the places of what was just said."""
        gevent.sleep(0)  # what was typed last goes out now
        if self._chat.connected:
            self._chat.wait_acked(LAST_S)

    def farewell(self) -> str:
        """Return what may not have been said; usually nothing."""
        unanswered = [*self._me.pending.values(), *self._outbox.queue]
        unsent = [text for request in unanswered if (text := _words(request))]
        if not unsent:
            return super().farewell()
        what = "a message was" if len(unsent) == 1 else f"{len(unsent):,} messages were"
        return f"It is not known whether {what} said: {unsent[0]}" + (" …" if len(unsent) > 1 else "")

    # --- What is typed: on the loop, where nothing may wait --------------------------------------------------------

    def typed(self, texts: list[str]) -> None:
        """Take one line, which may be a command; or many, which are words."""
        actions: list[Action | None] = [wire.Say(text=text) for text in texts]
        if len(texts) == 1:
            actions = [parse(texts[0], self._reply_to)]
        for action in actions:
            match action:
                case Show():
                    self._screen.show(aside(text) for text in action.lines)
                case wire.Quit():
                    self._screen.leave()
                case None:
                    pass
                case _:
                    self._outbox.put(action)

    def _send(self) -> None:
        """Ask what was typed; this greenlet may wait."""
        try:
            while True:
                request = self._outbox.peek()
                self._ask(request)
                self._outbox.get()
        except LinkClosed:
            pass

    def _ask(self, request: wire.AnyRequest) -> None:
        try:
            request_id = self._chat.ask(request)
        except LineTooLong as refusal:
            self._screen.show([aside(refusal.message, "class:refused")])
            return
        if isinstance(request, wire.Say | wire.Act | wire.Tell | wire.Ping):
            self._asked_at[request_id] = time.monotonic()
            gevent.spawn_later(MARKED_S, self._screen.refresh)

    # --- What is heard ---------------------------------------------------------------------------------------------

    def _hear(self, notice: Notice) -> None:
        match notice:
            case Lost():
                self._connection.lost(notice)
                return
            case Back() if not self._connection.back() or not self._greeted:
                return
            case wire.Welcome():
                self._welcome(notice)
                return
            case wire.Live():
                self._live()
                return
            case wire.Pong():
                self._ponged(notice)
                return
            case wire.Users() | wire.RoomList() if self._hidden[type(notice)]:
                self._hidden[type(notice)] -= 1
                if isinstance(notice, wire.RoomList):
                    self._rooms |= {room.name for room in notice.rooms}
                self._screen.refresh()
                return
            case Sent() | Delivered():
                self._asked_at.pop(notice.id, None)
            case wire.Joined():
                self._old = True
                self._rooms.add(notice.room)
            case wire.Told():
                self._reply_to = notice.from_
            case wire.Said() | wire.Acted():
                self._speakers.add(notice.from_)
        shown = self._timeline.lines(notice, self._me, _now())
        self._screen.show(shown, bell=not self._old and is_for_me(notice, self._me))

    def _welcome(self, notice: wire.Welcome) -> None:
        self._rooms.add(notice.room)
        if self._greeted:
            return
        self._greeted = self._old = True
        shown = lines(notice, self._me)
        shown.append(aside(f"You are {notice.nick}, in {notice.room}; /help shows what you can type"))
        self._screen.show(self._timeline.stamped(shown, _now()))

    def _live(self) -> None:
        """Ask what the toolbar and the completion need."""
        self._old = False
        self._hidden.update((wire.Users, wire.RoomList))
        self._outbox.put(wire.Who())
        self._outbox.put(wire.Rooms())
        self._screen.refresh()

    def _ponged(self, notice: wire.Pong) -> None:
        if asked_at := self._asked_at.pop(notice.id, None):
            self._screen.show([aside(f"An answer takes {_milliseconds(time.monotonic() - asked_at)}")])

    # --- What stands around ----------------------------------------------------------------------------------------

    def prompt(self) -> Line:
        """Return one's name, as it stands before what one said."""
        return [("", "["), ("class:own", printable(self._me.nick)), ("", "] ")]

    def waiting(self) -> list[Line]:
        """Return what was said and has no place yet."""
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
        """Return where one is, with how many, and how far away."""
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
    """A server of any kind on a screen: lines go as they are typed, and come as they are sent."""

    def __init__(self, chat: PlainLink) -> None:
        super().__init__(chat)
        self._chat = chat
        self._outbox: Queue[str] = Queue()

    def typed(self, texts: list[str]) -> None:
        """Send lines; the server's commands, too."""
        for text in texts:
            self._screen.show([[*self.prompt(), ("", printable(text))]])
            self._outbox.put(text)

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
            case plain_link.Line():
                self._screen.show([[("", printable(notice.text))]])

    def prompt(self) -> Line:
        """Return what stands before what is typed."""
        return [("", "["), ("class:own", "You"), ("", "] ")]

    def waiting(self) -> list[Line]:
        """Return nothing: such a server does not tell when a message has its place."""
        return []

    def toolbar(self) -> Line:
        """Return where one is."""
        return self._connection.bar() or [("class:toolbar", f" {printable(self._chat.address)} │ plain ")]

    def candidates(self, before: str) -> Iterable[Candidate]:  # noqa: ARG002
        """Return nothing: it is not known who is there."""
        return ()


def _now() -> datetime:
    return datetime.now().astimezone()


def _words(request: Any) -> str:
    """Return what a request says to people, as one would see it typed; "" if it says nothing to anybody."""
    match request:
        case wire.Say():
            return request.text
        case wire.Act():
            return f"/me {request.text}"
        case wire.Tell():
            return f"/msg {request.to} {request.text}"
    return ""


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.{0 if seconds >= 0.01 else 1}f} ms"
