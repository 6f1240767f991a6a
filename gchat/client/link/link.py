"""A link to a gchat server: a conversation kept over a gevent socket, which comes back by itself when it is lost.

What is asked is sent at once, as far as the kernel takes it; a greenlet sends the rest for as long as a connection
lasts. So a call never waits for a peer that does not read, until MAX_PENDING requests are not answered.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gchat.client.conversation.conversation import Conversation
from gchat.client.files.place_file import PlaceFile
from gchat.client.files.safety import Safety
from gchat.client.files.token_file import TokenFile
from gchat.client.link.errors import LinkClosed, TimedOut
from gchat.client.link.exchange import Exchange
from gchat.client.link.reconnect import tls_of
from gchat.client.link.stop_signals import StopSignals
from gchat.dialects.rich_requests import (
    ActRequest,
    AnyRequest,
    HistoryRequest,
    InviteRequest,
    JoinRequest,
    KickRequest,
    ModeRequest,
    NickRequest,
    QuitRequest,
    RoomsRequest,
    SayRequest,
    SearchRequest,
    TellRequest,
    TopicRequest,
    WhoRequest,
)
from gchat.model.hello import ResumePoint

if TYPE_CHECKING:
    from gchat.client.link.tls import Trust

#: Requests that may wait for an answer; above, a call that makes another one waits.
MAX_PENDING = 256


class Link(Exchange):
    """A user's link to a gchat server: what is said goes out through methods, what is heard comes by iterating.

    1. Whatever is asked is kept until the server has answered it, over any number of connections: nothing is lost, and
       nothing is said twice.
    2. Iterating ends after close(); and when the server has refused for good, behind one Closing with the reason: it
       does not speak the rich dialect, refuses the hello, or closed for a reason that is FOR_GOOD. After everything
       else another connection is tried. A server that has sent a welcome once is believed to speak it for ever.
    3. An iteration that is too slow makes the server skip, and is told by a Gap. While a request waits because of
       MAX_PENDING, skipping is done here.
    """

    #: How long close() waits without an answer to anything that was asked.
    ack_s = 2.0

    _signals: StopSignals | None = None

    @property
    def nick(self) -> str:
        """What this user is called; an address if the server has not granted a nick."""
        return self.conversation.nick

    @property
    def room(self) -> str:
        """The room that this user is in, of several the one entered last."""
        return self.conversation.room

    @property
    def token(self) -> str:
        """What brings this user back: connect(token=…). Worth the nick, so keep it secret."""
        return self.conversation.token

    @property
    def position(self) -> ResumePoint | None:
        """The place in the room up to which everything was received."""
        return self.conversation.position

    @property
    def place(self) -> ResumePoint | None:
        """The place in the room up to which everything was iterated: connect(after=…) goes on behind it."""
        return self._progress.after if self._progress else self.position

    # --- Asking ----------------------------------------------------------------------------------------------------

    def ask(self, request: AnyRequest, timeout_s: float | None = None) -> str:
        """Send a request, now or when there is a connection. Returns its id, as all of these do.

        Waits while MAX_PENDING others are not answered: raises TimedOut if that takes longer than `timeout_s`. Raises
        LinkClosed, or LineTooLong for what the server would not read.
        """
        self.ownership.check()
        pending = self.conversation.pending
        if len(pending) >= MAX_PENDING:
            self._wait_while(lambda: len(pending) >= MAX_PENDING and not self.over, timeout_s)
        if self.over:
            raise LinkClosed(f"the link to {self.address} is closed: connect again to say something")
        if len(pending) >= MAX_PENDING:
            raise TimedOut(f"{len(pending)} requests are not answered: that one was not sent")
        request_id = self.conversation.ask(request)
        self._push()
        return request_id

    def say(self, text: str, timeout_s: float | None = None) -> str:
        """Say something in the room."""
        return self.ask(SayRequest(text=text), timeout_s)

    def act(self, text: str, timeout_s: float | None = None) -> str:
        """Say what you do: /me."""
        return self.ask(ActRequest(text=text), timeout_s)

    def tell(self, to: str, text: str, timeout_s: float | None = None) -> str:
        """Say something to one user only."""
        return self.ask(TellRequest(to=to, text=text), timeout_s)

    def take_nick(self, name: str, timeout_s: float | None = None) -> str:
        """Ask to be called `name`: Named follows, or Refused."""
        return self.ask(NickRequest(nick=name), timeout_s)

    def join(self, room: str, timeout_s: float | None = None) -> str:
        """Go to another room. After a visit before, what was said since then is told first."""
        return self.ask(JoinRequest(room=room, leave="current"), timeout_s)

    def topic(self, text: str | None = None, timeout_s: float | None = None) -> str:
        """Set the room's topic, or clear it with ""; without a text, ask for it."""
        return self.ask(TopicRequest(text=text), timeout_s)

    def kick(self, name: str, reason: str = "", timeout_s: float | None = None) -> str:
        """Put a user out of the room: Kicked follows, or Refused."""
        return self.ask(KickRequest(name=name, reason=reason), timeout_s)

    def invite(self, name: str, timeout_s: float | None = None) -> str:
        """Invite a user to the room, which lets them in."""
        return self.ask(InviteRequest(name=name), timeout_s)

    def mode(self, change: str = "", timeout_s: float | None = None) -> str:
        """Change the room's modes or ranks, as `+k KEY` or `+o NAME`: Mode follows. Without a change, Modes does."""
        return self.ask(ModeRequest(change=change), timeout_s)

    def who(self, timeout_s: float | None = None) -> str:
        """Ask who is in the room: Users follows."""
        return self.ask(WhoRequest(), timeout_s)

    def rooms(self, timeout_s: float | None = None) -> str:
        """Ask which rooms there are: RoomList follows."""
        return self.ask(RoomsRequest(), timeout_s)

    def history(
        self, before: int | None = None, after: int | None = None, limit: int = 100, timeout_s: float | None = None
    ) -> str:
        """Ask for a Page of old messages: the last ones, those before a number, or those after one."""
        return self.ask(HistoryRequest(before=before, after=after, limit=limit), timeout_s)

    def search(self, text: str, limit: int = 20, timeout_s: float | None = None) -> str:
        """Ask for old messages that have all these words: Found follows."""
        return self.ask(SearchRequest(text=text, limit=limit), timeout_s)

    def wait_acked(self, timeout_s: float | None = None) -> bool:
        """Wait until everything that was asked is answered; return whether it is. `refused` is the last refusal."""
        self.ownership.check()
        pending = self.conversation.pending
        self._wait_while(lambda: pending, timeout_s)
        return not pending

    def _wait_while(self, is_unanswered: Callable[[], object], timeout_s: float | None = None) -> None:
        """Wait for what the server tells, until it is enough, or too late, or there will be no more."""
        ends_at = math.inf if timeout_s is None else time.monotonic() + timeout_s
        with self._inbox.hurry():
            while is_unanswered() and self._greenlet and not self._greenlet.ready():
                left_s = ends_at - time.monotonic()
                if left_s <= 0:
                    return
                self.ownership.check_can_wait()
                self._answered.clear()
                self._answered.wait(None if left_s == math.inf else left_s)

    def start(self, *, wait: bool, stop_on_signals: bool = False) -> None:
        """See ReconnectingLink. With `stop_on_signals` the first SIGINT (Ctrl+C) or SIGTERM calls stop()."""
        try:
            if stop_on_signals:
                self._signals = StopSignals(self.stop)
            super().start(wait=wait)
        except BaseException:
            self._release()
            raise

    def close(self, timeout_s: float | None = None) -> None:
        """See ReconnectingLink."""
        try:
            super().close(timeout_s)
        finally:
            if self._closer is not None and self._closer.ready():
                self._release()

    def _release(self) -> None:
        """Give back the signals and the token file."""
        if self._signals:
            self._signals.restore()
        if self._token_file:
            self._token_file.release()

    def _part(self) -> None:
        pending = self.conversation.pending
        before = len(pending) + 1
        while len(pending) < before:  # as long as answers come
            before = len(pending)
            self._wait_while(lambda: pending or (self._sock and not self.connected), self.ack_s)
        self.conversation.ask(QuitRequest())
        self._push()


def connect(
    host: str = "127.0.0.1",
    port: int = 8888,
    *,
    nick: str = "",
    room: str = "",
    more_rooms: Sequence[str] = (),
    token: str = "",
    secret: str = "",
    password: str = "",
    after: ResumePoint | None = None,
    replay: int | None = 0,
    wait: bool = False,
    listen: bool = True,
    strict: bool = False,
    nick_suffix: bool = False,
    token_file: TokenFile | str | None = None,
    place_file: str = "",
    stop_on_signals: bool = False,
    timeout_s: float | None = None,
    tls: Trust | None = None,
) -> Link:
    """Return a link to a server, to be used with `with`, or to be closed.

    `host` may be HOST:PORT, gchats://HOST:PORT, or a Unix socket's path, with a slash in it; gchats://, or `tls`, means
    TLS. `replay` is how many old messages are told if there is no `after`: none for a bot, or it would answer them;
    None is as many as the server likes. With `listen=False` nothing is kept to be iterated, for a program that only
    speaks. With `more_rooms` than one, requests have to name theirs.

    Coming back: `token` and `after` are an earlier link's `token` and `place`: they bring back its nick, and what was
    missed. A `token_file` keeps the token, a `place_file` the place: a program that is started again, even after it was
    killed, gets every event that it has not dealt with, and only the last one of the others again.

    Proving: `secret` is that of the account that has the nick, `password` the server's, if it wants one.
    Without a server: ConnectFailed, an OSError, after `timeout_s` (connect_s) at most; with `wait` there is a link all
    the same, and Lost tells of each attempt. If the nick is taken, the room cannot be or the secret is wrong: Refused
    tells, and the link goes on under the address; with `nick_suffix` under nick-2, nick-3 and so on; with `strict`
    nothing is said, and it is a ConnectFailed. With `stop_on_signals` the first Ctrl+C or SIGTERM ends the iteration.
    """
    tls = tls or tls_of(host)
    tokens = TokenFile(token_file, tls.safety if tls else Safety.PLAIN) if isinstance(token_file, str) else token_file
    places = PlaceFile(place_file) if place_file else None
    conversation = Conversation(
        secrets.token_hex(4),
        nick=nick,
        room=room,
        more_rooms=more_rooms,
        secret=secret,
        password=password,
        token=token or (tokens.load() if tokens else ""),
        after=after or (places.load() if places else None),
        replay=replay,
        strict=strict,
        suffix=nick_suffix,
    )
    link = Link(
        host, port, conversation, listen=listen, token_file=tokens, place_file=places, timeout_s=timeout_s, tls=tls
    )
    link.start(wait=wait, stop_on_signals=stop_on_signals)
    return link
