"""The exchange of one conversation over a series of connections: the greeting, hearing, sending without waiting."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import gevent
from gevent import socket
from gevent.event import Event

from gchat.client.conversation.conversation import Conversation
from gchat.client.conversation.notices import Notice
from gchat.client.conversation.progress import Progress
from gchat.client.files.place_file import PlaceFile
from gchat.client.files.token_file import TokenFile
from gchat.client.link.dial import CLOSED_BY_SERVER, cut, send_now
from gchat.client.link.errors import ConnectFailed, NotGranted
from gchat.client.link.foreign_server import REQUIRES_TLS, is_tls_alert, may_be_line_chat, shown
from gchat.client.link.reconnect import READ_BYTES, ReconnectingLink
from gchat.dialects import rich_json
from gchat.dialects.lines import LineDecoder
from gchat.dialects.rich_events import (
    ActedEvent,
    AnyEvent,
    AwayEvent,
    ClosingEvent,
    EnteredEvent,
    GapEvent,
    LeftEvent,
    PongEvent,
    RefusedEvent,
    RenamedEvent,
    SaidEvent,
    TopicSetEvent,
    WelcomeEvent,
)
from gchat.dialects.rich_requests import ActRequest, PingRequest, QuitRequest, SayRequest, TellRequest, TopicRequest
from gchat.model.errors import Code, LineEndless, LineTooLong

if TYPE_CHECKING:
    from gchat.client.link.tls import Trust

#: A line of the server: its longest is a page of history, 100 messages of 8 KiB, and what JSON makes of them.
MAX_LINE_BYTES = 8 * 1024 * 1024

#: The code of a Closing when another connection has come with this link's token; and how long it is remembered. The
#: newest connection wins, so this link connects once more; but two links must not replace each other for ever.
REPLACED = "replaced"
REPLACED_AGAIN_S = 60.0

#: Codes of a Closing after which no other connection is tried: the user has left, or the operator wants it so.
FOR_GOOD = ("quit", "kicked", "banned")

#: The code of a Closing of a server that is about to stop, and sends its users elsewhere.
MOVING = "moving"

#: Lines kept of what a server says in plain; above, and the last one.
MAX_PLAIN = 50

#: What others would have seen.
SPOKEN = (SayRequest, ActRequest, TellRequest, TopicRequest)

#: Lines heard at once.
LINES_AT_ONCE = 512


class Exchange(ReconnectingLink[Notice]):
    """A conversation kept over connections. What is asked of `conversation` goes out with _push()."""

    #: A ping goes out so often, while no other is under way; the answer is the lag.
    ping_s = 15.0

    #: Nothing received for so long after a ping was due: the connection is lost.
    answer_s = 15.0

    def __init__(
        self,
        host: str,
        port: int,
        conversation: Conversation,
        *,
        listen: bool = True,
        token_file: TokenFile | None = None,
        place_file: PlaceFile | None = None,
        timeout_s: float | None = None,
        tls: Trust | None = None,
    ) -> None:
        super().__init__(host, port, listen=listen, timeout_s=timeout_s, tls=tls)
        self.conversation = conversation
        self.lag_s: float | None = None  # how long the last ping took
        self.refused: RefusedEvent | None = None  # the last refusal
        self._untold: dict[str, str] = {}  # refusals of what was said, by id, until the iteration tells them
        self._token_file = token_file
        self._place_file = place_file
        self._progress = Progress(conversation.position) if listen else None
        self._decoder = LineDecoder(MAX_LINE_BYTES)
        self._first: list[Notice] = []  # from the line that answers the hello
        self._early: list[AnyEvent] = []  # what came before it, of other rooms than the one that it is about
        self._plain: list[bytes] = []  # what the server said before that
        self._why = ""  # the server's reason for closing
        self._code = ""  # its code
        self._replaced_at = -math.inf
        self._login_at = math.inf  # when to log in again, after too many wrong secrets
        self._ping_id = ""  # while one is under way
        self._pinged_at = 0.0
        self._owed = bytearray()  # what the kernel has not taken yet
        self._is_pushing = False
        self._to_write = Event()
        self._answered = Event()  # something was, or never will be

    @property
    def connected(self) -> bool:
        """Whether the link is live: everything missed has been told, and requests go out."""
        return self.conversation.connected

    # --- The greeting ----------------------------------------------------------------------------------------------

    def _greet(self, sock: socket.socket) -> None:
        self._decoder = LineDecoder(MAX_LINE_BYTES)
        self._plain = []
        self._early = []
        self._why = self._code = ""
        hello = rich_json.hello_line(self.conversation.hello())
        with suppress(OSError):  # it may have said why, and closed, without hearing us
            sock.sendall(hello)
        while (event := self._next_answer()) is None:
            try:
                data = sock.recv(READ_BYTES)
            except OSError as error:
                if not self._plain:
                    raise ConnectFailed(self.address, self._reason(error), is_mute=self.tls is None) from None
                data = b""
            if is_tls_alert(data):
                raise ConnectFailed(self.address, REQUIRES_TLS)
            if not data:
                why = self._farewell()
                raise ConnectFailed(self.address, why or CLOSED_BY_SERVER, is_mute=not (why or self.tls))
            self._decoder.feed(data)
        if isinstance(event, RefusedEvent) and event.code == Code.TLS_NEEDED:
            raise ConnectFailed(self.address, REQUIRES_TLS, final=True, code=event.code)
        if isinstance(event, RefusedEvent):
            is_final = event.code != Code.NOT_KEPT  # a node whose engine is silent lets nobody in until it answers
            raise ConnectFailed(self.address, shown(event.message.encode()), final=is_final, code=event.code)
        if isinstance(event, ClosingEvent):
            raise ConnectFailed(self.address, shown(event.reason.encode()), final=self._is_for_good(event))
        early, self._early = self._early, []
        self._first = [notice for each in (event, *early) for notice in self.conversation.hears(each)]
        if self._token_file:
            self._token_file.store(self.conversation.token)

    def _next_answer(self) -> WelcomeEvent | RefusedEvent | ClosingEvent | None:
        """Return the answer to the hello, if it has come.

        A server that greets before it has heard the hello does so in plain, up to a prompt; lines of others may
        follow. None of them begins with a brace. A room that is there already may be entered before the first one.
        """
        while lines := self._take(1):
            event = _understood(lines[0]) if lines[0].startswith(b"{") else None
            if isinstance(event, WelcomeEvent | RefusedEvent | ClosingEvent):
                return event
            if event is not None:
                self._early.append(event)
                continue
            if lines[0].strip():
                self._plain[MAX_PLAIN:] = []
                self._plain.append(lines[0])
        return None

    def _farewell(self) -> str:
        """Return why a server has closed, in its own words: what gchat says last, what any other server says first."""
        if not self._plain:
            return ""
        return shown(self._plain[-1] if self._plain[-1].startswith(b"> ") else self._plain[0])

    def _unanswered(self) -> ConnectFailed:
        plain = self._plain or ([bytes(self._decoder.rest)] if self._sock and self._decoder.rest else [])
        if not plain:
            return super()._unanswered()
        return ConnectFailed(
            self.address,
            f'the server does not speak the rich dialect; it said "{shown(plain[0])}"',
            final=not self.conversation.token,
            is_plain=all(map(may_be_line_chat, plain)),
        )

    def _settle(self) -> None:
        """Wait until requests go out, unless the first attempt fails, or the iteration has to go on first."""
        ends_at = time.monotonic() + self.connect_s
        while not (self.connected or self.over or self._losses or self._is_stopped or self._inbox.is_full):
            self._answered.clear()
            if not self._answered.wait(ends_at - time.monotonic()):
                return

    def _converse(self, sock: socket.socket) -> str:
        self._writer = gevent.spawn(self._write, sock)
        for notice in self._first:
            self._inbox.put(notice)
        self._hear()
        silence_s = self.ping_s + self.answer_s
        while data := self._receive(sock, silence_s):
            self._decoder.feed(data)
            self._hear()
            gevent.sleep(0)  # there may be more, and recv would let nobody else have a turn
        if data is None:
            return f"nothing was heard for {silence_s:g} s"
        return self._why or CLOSED_BY_SERVER

    def _receive(self, sock: socket.socket, silence_s: float) -> bytes | None:
        """Return what the server sends, b"" for the end, None after so long a silence.

        If the caller's own code has held the event loop for so long, what has come, or the answer to a ping, is there
        soon.
        """
        for patience_s in (silence_s, min(1.0, silence_s)):
            data: bytes | None = gevent.with_timeout(patience_s, sock.recv, READ_BYTES, timeout_value=None)
            if data is not None:
                return data
        return None

    def _let_go(self) -> None:
        if self._writer:
            self._writer.kill()
            self._writer = None
        self.conversation.lost()
        self._owed.clear()
        self._ping_id = ""
        self._answered.set()
        self._to_write.clear()

    def _is_moved(self) -> bool:
        return self._code == MOVING

    def _refused(self, reason: str) -> None:
        self._answered.set()
        self._inbox.put(ClosingEvent(reason=reason))

    def unacknowledged(self) -> list[str]:
        """See ReconnectingLink."""
        return [request.text or "" for request in self.conversation.pending.values() if isinstance(request, SPOKEN)]

    def untold(self) -> list[str]:
        """See ReconnectingLink."""
        return list(self._untold.values())

    def _taken(self, notice: Notice) -> None:
        if self._progress:
            self._progress.take(notice)
        if isinstance(notice, RefusedEvent):
            self._untold.pop(notice.id, None)

    def _dealt_with(self) -> None:
        if self._progress and self._place_file:
            self._place_file.store(self._progress.after)

    def _stalled(self) -> None:
        self._answered.set()

    def _squeeze(self, last: Notice, notice: Notice) -> list[Notice]:
        """Skip, as the server does: numbered events become a Gap, presence nothing; answers stay."""
        match notice:
            case EnteredEvent() | LeftEvent() | RenamedEvent() | AwayEvent():
                return [last]
            case GapEvent(room=room, range_from=first, range_to=end):
                pass
            case SaidEvent(room=room, seq=end) | ActedEvent(room=room, seq=end) | TopicSetEvent(room=room, seq=end):
                first = end
            case _:
                return [last, notice]
        if isinstance(last, GapEvent) and (last.room, last.range_to) == (room, first - 1):
            return [GapEvent(room=room, range_from=last.range_from, range_to=end)]
        return [last, GapEvent(room=room, range_from=first, range_to=end)]

    # --- Reading and writing ---------------------------------------------------------------------------------------

    def _hear(self) -> None:
        """Take in the lines that were fed."""
        while lines := self._take(LINES_AT_ONCE):
            for line in lines:
                event = _understood(line)
                if event is None or (isinstance(event, PongEvent) and self._ponged(event)):
                    continue
                if isinstance(event, RefusedEvent):
                    self._note_refusal(event)
                elif isinstance(event, ClosingEvent):
                    self._why, self._code = event.reason, event.code
                    if event.code == REPLACED or event.code in FOR_GOOD:
                        raise ConnectFailed(self.address, shown(event.reason.encode()), final=self._is_for_good(event))
                for notice in self.conversation.hears(event):
                    self._inbox.put(notice)
            self._push()  # the link may be live now
            self._answered.set()
            if denied := self.conversation.denied:
                self._say_goodbye()
                raise NotGranted(self.address, shown(denied.encode()), final=not self.conversation.was_granted)

    def _note_refusal(self, event: RefusedEvent) -> None:
        self.refused = event
        if isinstance(self.conversation.pending.get(event.id), SPOKEN):
            self._untold[event.id] = event.message
        if event.retry_after_s and self.conversation.login.owed:
            self._login_at = time.monotonic() + event.retry_after_s
            self._to_write.set()

    def _is_for_good(self, closing: ClosingEvent) -> bool:
        """Return whether there is no sense in another connection after `closing`."""
        if closing.code != REPLACED:
            return closing.code in FOR_GOOD
        before, self._replaced_at = self._replaced_at, time.monotonic()
        return self._replaced_at - before < REPLACED_AGAIN_S

    def _say_goodbye(self) -> None:
        """Ask to quit at once, where nothing else was ever sent."""
        if self._sock:
            with suppress(OSError):
                self._sock.sendall(rich_json.lines([QuitRequest()]))

    def _take(self, limit: int) -> list[bytes]:
        while True:
            try:
                return self._decoder.take(limit)
            except LineTooLong:
                continue  # if it had a number, a Gap will say so
            except LineEndless as error:
                raise ConnectFailed(self.address, f"the server sent {error}") from None

    def _ponged(self, pong: PongEvent) -> bool:
        if pong.id != self._ping_id:
            return False
        self.lag_s = time.monotonic() - self._pinged_at
        self._ping_id = ""
        return True

    def _push(self) -> None:
        """Send what the kernel takes now, without waiting; the writer sends the rest."""
        if self._is_pushing:  # a signal handler interrupts this very function
            self._to_write.set()
            return
        self._is_pushing = True
        try:
            self._owed += rich_json.lines(list(self.conversation.outgoing()))
            if self._owed and self._sock:
                del self._owed[: send_now(self._sock, self._owed)]
        except OSError:
            if self._sock:
                cut(self._sock)  # the reader finds the end, and the reason
            self._owed.clear()  # what has an id is pending, and is sent on the next connection
        finally:
            self._is_pushing = False
        if self._owed:
            self._to_write.set()

    def _write(self, sock: socket.socket) -> None:
        """Send what could not be sent at once, pings and reminders, as long as the connection lasts."""
        next_ping_at = time.monotonic()
        while True:
            self._to_write.clear()
            self._push()
            now = time.monotonic()
            if self._owed:
                socket.wait_write(sock.fileno())
            elif now >= self._login_at and self.connected:
                self._login_at = math.inf
                if login := self.conversation.login.owed:
                    self.conversation.ask(login)
            elif now >= next_ping_at and self.connected and not self._ping_id:
                next_ping_at = now + self.ping_s
                self.conversation.remind()
                self._pinged_at = now
                self._ping_id = self.conversation.ask(PingRequest())
            else:
                due_s = [at - now for at in (next_ping_at, self._login_at) if at > now]
                self._to_write.wait(min([self.ping_s, *due_s]))


def _understood(line: bytes) -> AnyEvent | None:
    """Return what a line tells, None if it is not known here: whatever had a number will be missing."""
    try:
        return rich_json.event(line)
    except ValueError:
        return None
