"""A link to a gchat server: a conversation kept over a gevent socket, which comes back by itself when it is lost.

One greenlet dials and reads, one writes for as long as a connection lasts: who says something never waits for a peer
that does not read, until MAX_PENDING requests are not answered.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress

import gevent
from gevent import socket
from gevent.event import Event

from gchat.client.conversation import Conversation, Notice
from gchat.client.keeper import READ_BYTES, ConnectFailed, Keeper, LinkClosed
from gchat.protocol import wire
from gchat.protocol.errors import LineEndless, LineTooLong
from gchat.protocol.framing import LineDecoder

#: A line of the server: its longest is a page of history, 100 messages of 8 KiB, and what JSON makes of them.
MAX_LINE_BYTES = 8 * 1024 * 1024

#: Requests that may wait for an answer; above, whoever makes another waits.
MAX_PENDING = 256

#: Codes of a Closing after which we do not come back by ourselves: somebody else has our token, and we would only take
#: it from each other in turn; or the operator does not want us.
FOR_GOOD = ("replaced", "kicked", "banned")

#: Lines heard at once.
LINES_AT_ONCE = 512

#: A server that turns us away says why and closes; one that speaks another dialect greets, and waits for us.
TURNED_AWAY_S = 0.3


class Link(Keeper):
    """A user's link to a gchat server: what is said goes out through methods, what is heard comes by iterating.

    1. Whatever is asked is kept until the server has answered it, over any number of connections: nothing is lost, and
       nothing is said twice.
    2. Iterating ends after close(); and when the server has refused for good, behind one Closing with the reason: it
       does not speak the rich dialect, refuses what we opened with, or closed for a reason that is FOR_GOOD. After
       everything else another connection is tried. A server that has let us in once is believed to speak it for ever.
    3. Whoever iterates too slowly makes the server skip, and is told by a Gap. While a request waits because of
       MAX_PENDING, skipping is done here.
    """

    #: A ping goes out so often, while no other is under way; the answer is the lag.
    ping_s = 15.0

    #: Nothing received for so long after a ping was due: the connection is lost.
    answer_s = 15.0

    #: How long close() waits without an answer to anything that was asked.
    ack_s = 2.0

    def __init__(self, host: str, port: int, conversation: Conversation, *, listen: bool = True) -> None:
        super().__init__(host, port, listen=listen)
        self.conversation = conversation
        self.lag_s: float | None = None  # how long the last ping took
        self.refused: wire.Refused | None = None  # the last refusal
        self._decoder = LineDecoder(MAX_LINE_BYTES)
        self._first: list[Notice] = []  # from the line that answers our opening
        self._why = ""  # the server's reason for closing
        self._ping_id = ""  # while one is under way
        self._pinged_at = 0.0
        self._to_write = Event()
        self._answered = Event()  # something was, or never will be
        self._writer: gevent.Greenlet[..., None] | None = None

    def __next__(self) -> Notice:
        notice: Notice = self._inbox.get()
        return notice

    @property
    def connected(self) -> bool:
        """Whether we are live: everything missed has been told, and requests go out."""
        return self.conversation.connected

    @property
    def token(self) -> str:
        """What brings us back as the same user: connect(token=…). Worth the nick, so keep it secret."""
        return self.conversation.token

    @property
    def position(self) -> wire.After | None:
        """The place in the room up to which everything was received: connect(after=…) goes on behind it."""
        return self.conversation.position

    # --- Asking ----------------------------------------------------------------------------------------------------

    def ask(self, request: wire.AnyRequest) -> str:
        """Send a request, now or when there is a connection. Returns its id, as all of these do.

        Waits while MAX_PENDING others are not answered. Raises LinkClosed, or LineTooLong for what would not be read.
        """
        conversation = self.conversation
        if len(conversation.pending) >= MAX_PENDING:
            self._wait_while(lambda: len(conversation.pending) >= MAX_PENDING and not self.over)
        if self.over:
            raise LinkClosed(f"the link to {self.address} is closed: connect again to say something")
        request_id = conversation.ask(request)
        self._to_write.set()
        return request_id

    def say(self, text: str) -> str:
        """Say something in the room."""
        return self.ask(wire.Say(text=text))

    def act(self, text: str) -> str:
        """Say what one does: /me."""
        return self.ask(wire.Act(text=text))

    def tell(self, to: str, text: str) -> str:
        """Say something to one user only."""
        return self.ask(wire.Tell(to=to, text=text))

    def nick(self, name: str) -> str:
        """Ask to be called `name`: Named follows, or Refused."""
        return self.ask(wire.Nick(nick=name))

    def join(self, room: str) -> str:
        """Go to another room. If one was there before, what was said since then is told first."""
        return self.ask(wire.Join(room=room))

    def topic(self, text: str | None = None) -> str:
        """Set the room's topic, or clear it with ""; without a text, ask for it."""
        return self.ask(wire.Topic(text=text))

    def who(self) -> str:
        """Ask who is in the room: Users follows."""
        return self.ask(wire.Who())

    def rooms(self) -> str:
        """Ask which rooms there are: RoomList follows."""
        return self.ask(wire.Rooms())

    def history(self, before: int | None = None, after: int | None = None, limit: int = 100) -> str:
        """Ask for a Page of old messages: the last ones, those before a number, or those after one."""
        return self.ask(wire.History(before=before, after=after, limit=limit))

    def search(self, text: str, limit: int = 20) -> str:
        """Ask for old messages that have all these words: Found follows."""
        return self.ask(wire.Search(text=text, limit=limit))

    def wait_acked(self, timeout_s: float | None = None) -> bool:
        """Wait until everything that was asked is answered; return whether it is. `refused` tells of a refusal."""
        pending = self.conversation.pending
        self._wait_while(lambda: pending, timeout_s)
        return not pending

    def _wait_while(self, is_unanswered: Callable[[], object], timeout_s: float | None = None) -> None:
        """Wait for what the server tells, until it is enough, or too late, or there will be no more."""
        with self._inbox.hurry(), gevent.Timeout(timeout_s, False):  # type: ignore[arg-type]  # False: silent
            while is_unanswered() and self._greenlet and not self._greenlet.dead:
                self._answered.clear()
                self._answered.wait()

    # --- What the keeper asks of a dialect -------------------------------------------------------------------------

    def _greet(self, sock: socket.socket) -> None:
        self._decoder = LineDecoder(MAX_LINE_BYTES)
        self._why = ""
        sock.sendall(wire.opening_line(self.conversation.opening()))
        lines: list[bytes] = []
        while not lines:
            data = sock.recv(READ_BYTES)
            if not data:
                raise ConnectFailed(self.address, "the server closed the connection")
            self._decoder.feed(data)
            lines = self._take(1)
        event = _understood(lines[0])
        if isinstance(event, wire.Welcome):
            self._first = self.conversation.hears(event)
            return
        if isinstance(event, wire.Refused):
            raise ConnectFailed(self.address, _shown(event.message), final=True)
        if isinstance(event, wire.Closing):
            raise ConnectFailed(self.address, _shown(event.reason))
        if _has_ended(sock):
            raise ConnectFailed(self.address, _shown(lines[0].decode(errors="replace").removeprefix("> ")))
        reason = "the server does not speak the rich dialect; try --plain"
        raise ConnectFailed(self.address, reason, final=not self.conversation.token)

    def _converse(self, sock: socket.socket) -> str:
        self._writer = gevent.spawn(self._write, sock)
        for notice in self._first:
            self._inbox.put(notice)
        self._hear()
        silence_s = self.ping_s + self.answer_s
        while data := gevent.with_timeout(silence_s, sock.recv, READ_BYTES, timeout_value=None):
            self._decoder.feed(data)
            self._hear()
            if len(data) == READ_BYTES:
                gevent.sleep(0)  # there is more, and recv would let nobody else have a turn
        if data is None:
            return f"nothing was heard for {silence_s:g} s"
        return self._why or "the server closed the connection"

    def _part(self) -> None:
        pending = self.conversation.pending
        before = len(pending) + 1
        while len(pending) < before:  # as long as answers come
            before = len(pending)
            self._wait_while(lambda: pending or (self._sock and not self.connected), self.ack_s)
        self.conversation.ask(wire.Quit())
        self._to_write.set()

    def _let_go(self) -> None:
        if self._writer:
            self._writer.kill()
            self._writer = None
        self.conversation.lost()
        self._ping_id = ""
        self._answered.set()

    def _refused(self, reason: str) -> None:
        self._answered.set()
        self._inbox.put(wire.Closing(reason=reason))

    def _squeeze(self, last: Notice, notice: Notice) -> list[Notice]:
        """Skip, as the server does: numbered events become a Gap, presence nothing; answers stay."""
        match notice:
            case wire.Entered() | wire.Left() | wire.Renamed():
                return [last]
            case wire.Gap(room=room, range_from=first, range_to=end):
                pass
            case wire.Said(room=room, seq=end) | wire.Acted(room=room, seq=end) | wire.TopicSet(room=room, seq=end):
                first = end
            case _:
                return [last, notice]
        if isinstance(last, wire.Gap) and (last.room, last.range_to) == (room, first - 1):
            return [wire.Gap(room=room, range_from=last.range_from, range_to=end)]
        return [last, wire.Gap(room=room, range_from=first, range_to=end)]

    # --- Reading and writing ---------------------------------------------------------------------------------------

    def _hear(self) -> None:
        """Take in the lines that were fed."""
        while lines := self._take(LINES_AT_ONCE):
            for line in lines:
                event = _understood(line)
                if event is None or (isinstance(event, wire.Pong) and self._ponged(event)):
                    continue
                if isinstance(event, wire.Refused):
                    self.refused = event
                elif isinstance(event, wire.Closing):
                    self._why = event.reason
                    if event.code in FOR_GOOD:
                        raise ConnectFailed(self.address, _shown(event.reason), final=True)
                for notice in self.conversation.hears(event):
                    self._inbox.put(notice)
            self._answered.set()
            self._to_write.set()  # we may be live now

    def _take(self, limit: int) -> list[bytes]:
        while True:
            try:
                return self._decoder.take(limit)
            except LineTooLong:
                continue  # if it had a number, a Gap will say so
            except LineEndless as error:
                raise ConnectFailed(self.address, f"the server sent {error}") from None

    def _ponged(self, pong: wire.Pong) -> bool:
        if pong.id != self._ping_id:
            return False
        self.lag_s = time.monotonic() - self._pinged_at
        self._ping_id = ""
        return True

    def _write(self, sock: socket.socket) -> None:
        """Send what there is to be sent, and pings, as long as the connection lasts."""
        next_ping_at = time.monotonic()
        try:
            while True:
                self._to_write.clear()
                while requests := self.conversation.outgoing():
                    sock.sendall(wire.lines(list(requests)))
                now = time.monotonic()
                if now >= next_ping_at and self.connected and not self._ping_id:
                    next_ping_at = now + self.ping_s
                    self._pinged_at = now
                    self._ping_id = self.conversation.ask(wire.Ping())
                else:
                    self._to_write.wait(max(next_ping_at - now, 0.0) or self.ping_s)
        except OSError:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # the reader finds the end, and the reason


def _has_ended(sock: socket.socket) -> bool:
    """Return whether the peer closes now, having said only one thing."""
    try:
        return gevent.with_timeout(TURNED_AWAY_S, sock.recv, READ_BYTES, timeout_value=None) == b""
    except OSError:  # it did not wait for what we say
        return True


def _understood(line: bytes) -> wire.AnyEvent | None:
    """Return what a line tells, None if it is not known here: whatever had a number will be missing."""
    try:
        return wire.event(line)
    except ValueError:
        return None


def _shown(text: str) -> str:
    """Return a peer's text fit for an error's message."""
    from gchat.protocol.text import printable  # noqa: PLC0415  # Unicode's tables: most links never need them

    return printable(text)


def connect(
    host: str = "127.0.0.1",
    port: int = 8888,
    *,
    nick: str = "",
    room: str = "",
    token: str = "",
    after: wire.After | None = None,
    replay: int | None = 0,
    wait: bool = False,
    listen: bool = True,
) -> Link:
    """Return a link to a server, to be used with `with`, or to be closed.

    `host` may be a Unix socket's path, with a slash in it. `token` and `after` are an earlier link's `token` and
    `position`: they bring back its nick, and what was missed. `replay` is how many old messages are told if there is no
    `after`: none for a bot, or it would answer them; None is as many as the server likes. Raises ConnectFailed if there
    is no connection at once, unless `wait`: then Lost tells of each attempt. With `listen=False` nothing is kept to be
    iterated, for who only speaks.
    """
    conversation = Conversation(secrets.token_hex(4), nick=nick, room=room, token=token, after=after, replay=replay)
    link = Link(host, port, conversation, listen=listen)
    link.start(wait=wait)
    return link
