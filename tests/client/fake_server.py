"""A small server of the rich dialect: its chat without a socket, for the conversation, and with one, for the link."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import gevent
from gevent import socket, ssl
from gevent.lock import BoundedSemaphore
from gevent.server import StreamServer

from gchat.client.link.dial import raw
from gchat.dialects import rich_json
from gchat.dialects.rich_events import (
    AccountEvent,
    AckEvent,
    ActedEvent,
    ClosingEvent,
    DoneEvent,
    FoundEvent,
    GapEvent,
    LeftEvent,
    LiveEvent,
    NamedEvent,
    PongEvent,
    RefusedEvent,
    RichEvent,
    SaidEvent,
    WelcomeEvent,
)
from gchat.dialects.rich_requests import (
    AnyRequest,
    JoinRequest,
    LoginRequest,
    LogoutRequest,
    NickRequest,
    PasswdRequest,
    PingRequest,
    QuitRequest,
    RegisterRequest,
    SayRequest,
    SearchRequest,
    TellRequest,
)
from gchat.model.hello import Hello

TIME = "2026-11-22T12:00:00.000Z"
TOKEN = "0123456789abcdef-{}"


@dataclass
class Lineage:
    """All the connections of one token."""

    token: str
    nick: str
    numbers: dict[str, int] = field(default_factory=dict)  # by the id of what was said
    told: list[str] = field(default_factory=list)


class Chat:
    """One room: its log, who is in it, what is remembered of whom."""

    def __init__(self) -> None:
        self.epoch = "epoch-0"
        self.log: list[SaidEvent | ActedEvent] = []
        self.forgotten = 0  # of the log's beginning: it cannot be replayed
        self.peers: list[Peer] = []
        self.lineages: dict[str, Lineage] = {}
        self.taken: set[str] = set()  # nicks of users who are not here otherwise
        self.bad_rooms: set[str] = set()
        self.password = ""  # of the server
        self.accounts: dict[str, str] = {}  # the secret of each nick
        self.is_unsafe = False  # whether no secrets are taken
        self.wait_s = 0.0  # how long to wait after too many tries

    def leaves(self, nick: str) -> None:
        """Have the holder of a taken nick leave."""
        self.taken.discard(nick)
        for peer in self.peers:
            peer.send(rich_json.lines([LeftEvent(room="lobby", who=nick, online=1)]))

    def new_log(self) -> None:
        """Have another log from now on, as a server that was started again."""
        self.epoch = f"epoch-{int(self.epoch.removeprefix('epoch-')) + 1}"
        self.log.clear()
        self.lineages.clear()
        self.forgotten = 0

    def speaks(self, text: str, nick: str = "somebody", id_: str = "", but: Peer | None = None) -> int:
        """Have a message said to everybody but `but`; return its number."""
        said = SaidEvent(room="lobby", seq=len(self.log) + 1, time=TIME, from_=nick, text=text, id=id_)
        self.log.append(said)
        for peer in self.peers:
            if peer is not but:
                peer.send(rich_json.lines([said]))
        return said.seq


class Peer:
    """A connection, as the server sees it; `send` takes bytes for the client."""

    def __init__(self, chat: Chat, send: Callable[[bytes], None]) -> None:
        self.chat = chat
        self.send = send
        self.lineage: Lineage | None = None
        self.ended = False
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take in bytes of the client."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if not self.ended:
                self._hear(line)

    def leave(self) -> None:
        """Be gone."""
        self.ended = True
        if self in self.chat.peers:
            self.chat.peers.remove(self)

    def _hear(self, line: bytes) -> None:
        if self.lineage is None:
            self._enter(rich_json.hello(line))
            return
        request, numbers = rich_json.request(line), self.lineage.numbers
        match request:
            case SayRequest():
                if request.id not in numbers:
                    numbers[request.id] = self.chat.speaks(request.text, self.lineage.nick, request.id, but=self)
                self._tell(AckEvent(id=request.id, room="lobby", seq=numbers[request.id]))
            case TellRequest(to="nobody"):
                self._tell(RefusedEvent(code="no_such_user", message="nobody is not here", id=request.id))
            case TellRequest():
                self.lineage.told.append(request.text)
                self._tell(AckEvent(id=request.id))
            case NickRequest() if request.nick in self.chat.taken:
                self._tell(_taken(request.nick, request.id))
            case NickRequest():
                self.lineage.nick = request.nick
                self._tell(NamedEvent(nick=request.nick, id=request.id))
            case JoinRequest():
                self._tell(RefusedEvent(code="bad_name", message="That is no room", id=request.id))
            case SearchRequest():
                has = tuple(said for said in self.chat.log if request.text in said.text)
                last = has[-request.limit :]
                self._tell(FoundEvent(room="lobby", events=last, end=last == has, id=request.id))
            case PingRequest():
                self._tell(PongEvent(id=request.id))
            case LoginRequest() | RegisterRequest() | PasswdRequest() | LogoutRequest():
                self._prove(request)
            case QuitRequest():
                self._tell(ClosingEvent(reason="Goodbye", code="quit"))
                self.leave()

    def _prove(self, request: AnyRequest) -> None:
        assert self.lineage
        match request:
            case LoginRequest(nick=nick, secret=secret, id=id_):
                if refusal := self._judged(nick, secret, id_):
                    self._tell(refusal)
                else:
                    self._log_in(nick, id_)
            case RegisterRequest(secret=secret, id=id_):
                nick = self.lineage.nick
                self.chat.accounts[nick] = secret
                self._log_in(nick, id_)
            case PasswdRequest(secret=secret, new=new, id=id_):
                if refusal := self._judged(self.lineage.nick, secret, id_):
                    self._tell(refusal)
                else:
                    self.chat.accounts[self.lineage.nick] = new
                    self._tell(DoneEvent(message="The secret is changed", id=id_))
            case LogoutRequest(id=id_):
                self._tell(DoneEvent(message="You are not logged in any more", id=id_))
                self._tell(AccountEvent(account=""))

    def _log_in(self, nick: str, id_: str) -> None:
        assert self.lineage
        self.lineage.nick = nick
        self._tell(NamedEvent(nick=nick))
        self._tell(DoneEvent(message=f"You are logged in as {nick}", id=id_))
        self._tell(AccountEvent(account=nick))

    def _judged(self, nick: str, secret: str, id_: str = "") -> RefusedEvent | None:
        """Return why a secret is not taken."""
        if self.chat.is_unsafe:
            return RefusedEvent(code="unsafe", message="Not taken: use TLS", id=id_)
        if wait_s := self.chat.wait_s:
            return RefusedEvent(code="too_many_tries", message="Too many tries", id=id_, retry_after_s=wait_s)
        if self.chat.accounts.get(nick) != secret:
            return RefusedEvent(code="wrong_secret", message="That is not the secret", id=id_)
        return None

    def _enter(self, opening: Hello) -> None:
        chat = self.chat
        if chat.password != opening.password:
            code = "wrong_password" if opening.password else "password_needed"
            self._tell(RefusedEvent(code=code, message="This server wants a password"))
            self._tell(ClosingEvent(reason="This server wants a password", code="password"))
            self.leave()
            return
        refusal = self._judged(opening.nick, opening.secret) if opening.secret else None
        token = opening.token or TOKEN.format(len(chat.lineages))
        nick = "127.0.0.1:5000" if opening.nick in chat.taken else opening.nick or "127.0.0.1:5000"
        self.lineage = chat.lineages.setdefault(token, Lineage(token, nick))
        last = len(chat.log)
        self._tell(
            WelcomeEvent(
                server="fake",
                session="1",
                token=token,
                nick=self.lineage.nick,
                room="lobby",
                epoch=chat.epoch,
                seq=last,
                online=1,
                limits={},
                account=opening.nick if opening.secret and not refusal else "",
            )
        )
        if refusal:
            self._tell(refusal)
        after = last - min(last, 10 if opening.replay is None else opening.replay)
        if opening.after and opening.after.epoch == chat.epoch:
            after = opening.after.seq
        if after < chat.forgotten:
            self._tell(GapEvent(room="lobby", range_from=after + 1, range_to=chat.forgotten))
            after = chat.forgotten
        for said in chat.log[after:]:
            self._tell(said)
        self._tell(LiveEvent(room="lobby", seq=last))
        if opening.nick in chat.taken:
            self._tell(_taken(opening.nick))
        if opening.room in chat.bad_rooms:
            self._tell(RefusedEvent(code="bad_name", message="That is no room"))
        chat.peers.append(self)

    def _tell(self, event: RichEvent) -> None:
        self.send(rich_json.lines([event]))


def _taken(nick: str, id_: str = "") -> RefusedEvent:
    return RefusedEvent(code="name_taken", message=f"The nick {nick} is taken", id=id_)


class FakeServer:
    """The chat on a free port of 127.0.0.1; `handler` takes its place for servers that are no good."""

    def __init__(
        self,
        handler: Callable[[socket.socket], object] | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.tls = tls
        self.chat = Chat()
        self.accepted = 0
        self.heard = b""
        self.is_deaf = False  # whether it reads nothing more
        self._handler: Callable[[socket.socket], object] = handler or self._serve
        self._socks: set[socket.socket] = set()
        self._server = StreamServer(("127.0.0.1", port), self._accept)

    @property
    def port(self) -> int:
        return self._server.server_port or 0

    @property
    def connections(self) -> int:
        return len(self._socks)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Accept nobody, and cut everybody."""
        self._server.stop()
        self.cut()

    def cut(self) -> None:
        """Break every connection."""
        for sock in self._socks:
            with suppress(OSError):  # it is gone already
                (raw(sock) if self.tls else sock).shutdown(socket.SHUT_RDWR)
        self._socks.clear()

    def _accept(self, sock: socket.socket, _address: object) -> None:
        self.accepted += 1
        try:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            self._socks.add(sock)
            self._handler(sock)
        except OSError:
            pass
        finally:
            self._socks.discard(sock)
            sock.close()

    def _serve(self, sock: socket.socket) -> None:
        sending = BoundedSemaphore()  # a line that waits for the client must not have another one inside

        def send(data: bytes) -> None:
            with sending:
                sock.sendall(data)

        peer = Peer(self.chat, send)
        try:
            while not peer.ended and (data := sock.recv(65536)):
                while self.is_deaf:
                    gevent.sleep(0.002)
                self.heard += data
                peer.feed(data)
        finally:
            peer.leave()
