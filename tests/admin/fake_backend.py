"""A server without a chat: users who come, talk, lag and go, for the endpoint's tests and to work at the page.

    python -m tests.admin.fake_backend PORT [TOKEN]

serves it, with something happening all the time.
"""

from __future__ import annotations

import random
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address, ip_network
from itertools import count
from typing import Literal, cast

import gevent

from gchat.admin.access import Access
from gchat.admin.backend import BadText, Missing, NotPossible, Subscriber, TooOften, Unsubscribe
from gchat.admin.documents import (
    AccountInfo,
    AuditRow,
    DrainDocument,
    Histogram,
    HistoryInfo,
    HookInfo,
    Kind,
    MadeHookDocument,
    Measure,
    NewHook,
    NodeInfo,
    OperatorRow,
    PenaltyRow,
    RoomSummary,
    ServerInfo,
    StoredMessage,
    UserInfo,
)
from gchat.admin.happenings import Happened, RoomMessage, UserJoined, UserLeft
from gchat.admin.http_server import AdminServer
from gchat.admin.named_tokens import NamedTokens
from gchat.admin.routes import make_app
from gchat.admin.security import Security
from gchat.chat.order_actions import Wish
from gchat.hooks.book import Hook, HookBook, HookRefused
from gchat.hooks.message import HookMessage
from gchat.server.own_thread import OwnThread

TOKEN = "0123456789abcdefghijklmnopqrstuv"
READ_TOKEN = "vutsrqponmlkjihgfedcba9876543210"

NICKS = ["alice", "bob", "carol", "dave", "erin", "frank", "zoë", "Олег", "太郎", "mallory<script>"]
TEXTS = ["hello", "deploy done", "does anybody know why it is slow?", "<b>bold</b> & co", "\x1b[31mred", "日本語 👋"]


class FakeBackend:
    """All in memory; time is counted from its making."""

    def __init__(self, users: int = 3) -> None:
        self.users_online: dict[int, UserInfo] = {}
        self.log: dict[str, list[StoredMessage]] = {"lobby": [], "dev": []}
        self.all_bans: dict[int, PenaltyRow] = {}
        self.all_mutes: dict[int, PenaltyRow] = {}
        self.granted: dict[str, None] = {}
        self.audited: list[AuditRow] = []
        self.all_accounts: dict[str, AccountInfo] = {}
        self.tells: list[Subscriber] = []
        self.announced: list[tuple[str, str]] = []
        self.kicked: list[tuple[int, str]] = []
        self.reason_not_ready = ""
        self.secret: set[str] = set()
        self.all_nodes: list[NodeInfo] = []
        self.resets: list[str] = []
        self.say_waits_s = 0.0
        self.book = HookBook()
        self._secrets = count(1)
        self.epoch = "e1"
        self.hook_waits_s = 0
        self.fault: Exception | None = None  # raised by server()
        self.closed = {"quit": 0, "reset": 0, "kicked": 0}
        self.opened = 0
        self.deliveries = 0
        self.skipped = 0
        self.hub_lag_ms = 0.4
        self._started = time.time()
        for _ in range(users):
            self.joins()

    # --- What happens ----------------------------------------------------------------------------------------------

    def joins(self, nick: str = "", room: str = "lobby", lag_bytes: int = 0) -> int:
        """Have somebody come."""
        self.opened += 1
        id_ = self.opened
        address = f"127.0.0.{1 + id_ // 60000}:{1024 + id_ % 60000}"
        nick = nick or (NICKS[id_ % len(NICKS)] if id_ % 3 else address)
        self.users_online[id_] = UserInfo(
            id=id_,
            nick=nick,
            address=address,
            room=room,
            rooms=(room,),
            dialect="rich" if id_ % 2 else "plain",
            connected_s=0.0,
            idle_s=0.0,
            messages=0,
            lag_bytes=lag_bytes,
            skipped=0,
        )
        self._tell(UserJoined(user=id_, nick=nick, address=address, room=room))
        return id_

    def leaves(self, user: int, reason: str = "quit") -> None:
        """Have somebody go."""
        gone = self.users_online.pop(user)
        self.closed[reason] = self.closed.get(reason, 0) + 1
        self._tell(UserLeft(user=user, nick=gone.nick, reason=reason))

    def says(self, nick: str, text: str, room: str = "lobby", kind: Kind = "said") -> int:
        """Have something said, done or set."""
        seq = self.log[room][-1].seq + 1 if self.log[room] else 1
        now = _rfc3339(time.time())
        self.log[room].append(StoredMessage(seq=seq, time=now, kind=kind, from_=nick, text=text))
        self.deliveries += len(self.users_online)
        self._tell(RoomMessage(room=room, seq=seq, kind=kind, from_=nick, text=text))
        return seq

    def changes(self, user: int, **fields: object) -> None:
        """Have something of a user be otherwise."""
        old = self.users_online[user]
        values = {name: getattr(old, name) for name in old.__struct_fields__}
        self.users_online[user] = UserInfo(**{**values, **fields})

    def _tell(self, happened: Happened) -> None:
        for tell in list(self.tells):
            tell(happened)

    # --- Operator --------------------------------------------------------------------------------------------------

    def server(self) -> ServerInfo:
        if self.fault:
            raise self.fault
        return ServerInfo(
            name="gchat",
            version="0.1.0",
            address="127.0.0.1:8888",
            started=_rfc3339(self._started),
            uptime_s=round(time.time() - self._started, 3),
            messages=sum(map(len, self.log.values())),
            deliveries=self.deliveries,
            sent_bytes=self.deliveries * 80,
            skipped=self.skipped,
            slow_readers=sum(bool(user.lag_bytes) for user in self.users_online.values()),
            hub_lag_ms=self.hub_lag_ms,
            connections=len(self.users_online),
            max_connections=20000,
        )

    def online(self) -> int:
        return len(self.users_online)

    def nodes(self) -> list[NodeInfo]:
        return self.all_nodes

    def users(self) -> Iterator[list[UserInfo]]:
        everybody = list(self.users_online.values())
        for start in range(0, len(everybody), 300):
            yield everybody[start : start + 300]

    def rooms(self) -> list[RoomSummary]:
        members = {name: sum(user.room == name for user in self.users_online.values()) for name in self.log}
        return [
            RoomSummary(name=name, members=count, seq=len(self.log[name]), topic=f"all about {name}")
            for name, count in sorted(members.items(), key=lambda item: -item[1])
            if count
        ]

    def is_secret(self, room: str) -> bool:
        return room in self.secret

    def reset_modes(self, room: str, by: str) -> None:
        if room not in self.log:
            raise Missing(f"There is no room {room}")
        self.secret.discard(room)
        self.resets.append(room)
        self.note_action("reset modes", room, by)

    def messages(self, room: str, after: int, limit: int) -> Iterator[Sequence[StoredMessage]]:
        if room not in self.log:
            raise Missing(f"There is no room {room}")
        found = [message for message in self.log[room] if message.seq > after][:limit]
        return (found[first : first + 50] for first in range(0, len(found), 50))

    def place(self, room: str) -> tuple[str, int]:
        if room not in self.log:
            raise Missing(f"There is no room {room}")
        return self.epoch, self.log[room][-1].seq if self.log[room] else 0

    def limits(self) -> dict[str, float]:
        return {"max_line_bytes": 8192, "messages_per_s": 5.0, "burst": 40, "room_log_bytes": 1048576}

    def history(self) -> HistoryInfo:
        return HistoryInfo(store="memory", state="ok")

    def not_ready(self) -> str:
        return self.reason_not_ready

    def measures(self) -> list[Measure]:
        histogram = Histogram(bounds=(0.0001, 0.001, 0.01, 0.1), counts=(10, 20, 3, 1, 0), sum=0.05)
        closed = cast("dict[str, float]", self.closed)
        return [
            Measure("gchat_connections_opened", "Connections accepted.", "counter", self.opened),
            Measure("gchat_connections_closed", "Connections closed, by reason.", "counter", closed, "reason"),
            Measure("gchat_messages", "Messages said in all rooms.", "counter", sum(map(len, self.log.values()))),
            Measure("gchat_users_online", "Users online now.", "gauge", self.online()),
            Measure("gchat_hub_lag_seconds", "Largest delay of the event loop.", "gauge", self.hub_lag_ms / 1000),
            Measure("gchat_fan_out_seconds", "Time to send.", "histogram", histogram),
        ]

    def subscribe(self, tell: Subscriber) -> Unsubscribe:
        self.tells.append(tell)
        return lambda: self.tells.remove(tell)

    def announce(self, text: str, room: str, by: str) -> int:
        _check(text)
        if room and room not in self.log:
            raise Missing(f"There is no room {room}")
        self.announced.append((text, room))
        self.note_action("announce", room or "all rooms", by)
        return sum(not room or user.room == room for user in self.users_online.values())

    def drain(self, over_s: float | None, by: str) -> DrainDocument:
        self.note_action("drain", "the server", by)
        return DrainDocument(5.0 if over_s is None else over_s, self.online())

    def kick(self, user: int, reason: str, by: str) -> None:
        self.note_action("kill", self._user(user).nick, by, reason)
        self.kicked.append((user, reason))
        self.leaves(user, "kicked")

    def say(self, room: str, name: str, text: str) -> int:
        _check(text)
        gevent.sleep(self.say_waits_s)
        if room not in self.log:
            raise Missing(f"There is no room {room}")
        return self.says(name, text, room)

    def bans(self) -> Sequence[PenaltyRow]:
        return list(self.all_bans.values())

    def mutes(self) -> Sequence[PenaltyRow]:
        return list(self.all_mutes.values())

    def ban(self, kind: str, value: str, wish: Wish, by: str) -> PenaltyRow:
        try:
            if kind not in ("nick", "account"):
                (ip_address if kind == "address" else ip_network)(value)
        except ValueError as error:
            raise NotPossible(f"That is no {kind}: {error}") from None
        if kind == "network" and not wish.force and ip_network(value).prefixlen < 8:
            raise NotPossible("That network is very large; it needs force")
        return self._penalise("ban", (kind, value), wish, by)

    def hooks(self) -> Sequence[HookInfo]:
        return [HookInfo(hook.id, hook.room, hook.name, _rfc3339(0), bool(hook.signing_secret)) for hook in self._hooks]

    def make_hook(self, asked: NewHook) -> MadeHookDocument:
        secret = f"secret-{next(self._secrets)}"
        try:
            hook = self.book.make(asked.room, asked.name, asked.signing_secret, secret, 0.0)
        except HookRefused as refused:
            raise NotPossible(str(refused)) from None
        return MadeHookDocument(hook.id, hook.room, hook.name, secret)

    def revoke_hook(self, hook: int) -> None:
        if self.book.all.pop(hook, None) is None:
            raise Missing(f"There is no hook {hook}")

    def hook(self, secret: str) -> Hook | None:
        return self.book.find(secret)

    def say_by_hook(self, hook: Hook, message: HookMessage) -> int:
        _check(message.text)
        if self.hook_waits_s:
            raise TooOften("Too much", self.hook_waits_s)
        self.log.setdefault(hook.room, [])
        return self.says(message.name or hook.name, message.text, hook.room)

    @property
    def _hooks(self) -> list[Hook]:
        return list(self.book.all.values())

    def ban_user(self, user: int, wish: Wish, by: str) -> PenaltyRow:
        made = self._penalise("ban", ("nick", self._user(user).nick), wish, by)
        self.leaves(user, "banned")
        return made

    def mute_user(self, user: int, wish: Wish, by: str) -> PenaltyRow:
        return self._penalise("mute", ("nick", self._user(user).nick), wish, by)

    def unmute_user(self, user: int, by: str) -> None:
        nick = self._user(user).nick
        of_user = [id_ for id_, mute in self.all_mutes.items() if mute.value == nick]
        if not of_user:
            raise Missing(f"{nick} is not muted")
        self.unmute(of_user[0], by)

    def unban(self, ban: int, by: str) -> None:
        if self.all_bans.pop(ban, None) is None:
            raise Missing(f"There is no ban {ban}")
        self.note_action("unban", str(ban), by)

    def unmute(self, mute: int, by: str) -> None:
        if self.all_mutes.pop(mute, None) is None:
            raise Missing(f"There is no mute {mute}")
        self.note_action("unmute", str(mute), by)

    def operators(self) -> Sequence[OperatorRow]:
        return [OperatorRow("root", True), *(OperatorRow(account, False) for account in self.granted)]

    def make_operator(self, account: str, by: str) -> OperatorRow:
        if len(account) > 32:
            raise NotPossible("A nick has at most 32 characters")
        self.granted[account] = None
        self.note_action("operator", account, by)
        return OperatorRow(account, False)

    def remove_operator(self, account: str, by: str) -> None:
        if account == "root":
            raise NotPossible("The configuration says so")
        if account not in self.granted:
            raise Missing(f"{account} is no operator")
        del self.granted[account]
        self.note_action("deoperator", account, by)

    def audit(self, before: int, limit: int) -> Sequence[AuditRow]:
        return [row for row in reversed(self.audited) if not before or row.id < before][:limit]

    def note_action(self, action: str, target: str, by: str, reason: str = "", until: str = "") -> None:
        now = _rfc3339(time.time())
        self.audited.append(AuditRow(len(self.audited) + 1, now, by, "http", action, target, reason, until))

    def _user(self, user: int) -> UserInfo:
        if user not in self.users_online:
            raise Missing(f"There is no user {user}")
        return self.users_online[user]

    def _penalise(self, action: str, target: tuple[str, str], wish: Wish, by: str) -> PenaltyRow:
        now, (kind, value) = time.time(), target
        table = self.all_bans if action == "ban" else self.all_mutes
        until = _rfc3339(now + min(wish.for_s, 1e9)) if wish.for_s else ""
        made = PenaltyRow(
            id=max(table, default=0) + 1,
            kind=cast("Literal['nick', 'account', 'address', 'network']", kind),
            value=value,
            reason=wish.reason,
            created=_rfc3339(now),
            until=until,
            by=by,
        )
        table[made.id] = made
        self.note_action(action, value, by, wish.reason, until)
        return made

    def accounts(self) -> Iterable[AccountInfo]:
        return self.all_accounts.values()

    def add_account(self, name: str, secret: str, by: str) -> AccountInfo:
        if len(secret) < 8 or name in self.all_accounts:
            raise NotPossible("The secret is too short, or there is such an account")
        self.note_action("account", name, by)
        account = self.all_accounts[name] = AccountInfo(name, _rfc3339(time.time()))
        return account

    def remove_account(self, name: str, by: str) -> None:
        if self.all_accounts.pop(name, None) is None:
            raise Missing(f"There is no account {name}")
        self.note_action("remove account", name, by)


def _check(text: str) -> None:
    if not text.strip():
        raise BadText("The text is blank")


def _rfc3339(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03}Z"


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Return a listening socket that does not block; a host with a slash is a Unix socket's path."""
    family = socket.AF_UNIX if "/" in host else socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(host if family == socket.AF_UNIX else (host, port))
    listener.listen(1024)
    listener.setblocking(False)
    return listener


def serve(
    backend: FakeBackend,
    listener: socket.socket,
    token: str = TOKEN,
    security: Security | None = None,
    trusted: str = "",
) -> AdminServer:
    """Return a server that serves `backend`, not started; `trusted` are the networks of proxies."""
    scheme, read_token, tokens = "https" if security else "http", READ_TOKEN if token else "", NamedTokens()
    access = Access(token, scheme=scheme, read_token=read_token, named=tokens)
    return AdminServer(listener, make_app(backend, access, tokens, OwnThread()), security, lambda: trusted)


def live(backend: FakeBackend) -> None:
    """Have things happen, for ever."""
    chance = random.Random(1)
    lags: dict[int, int] = {}
    while True:
        gevent.sleep(chance.expovariate(3))
        users = list(backend.users_online)
        if chance.random() < 0.1 and len(users) < 40:
            backend.joins(room=chance.choice(["lobby", "lobby", "dev"]))
        elif chance.random() < 0.05 and len(users) > 3:
            backend.leaves(chance.choice(users), chance.choice(["quit", "reset"]))
        elif users:
            speaker = backend.users_online[chance.choice(users)]
            backend.says(speaker.nick, chance.choice(TEXTS), speaker.room)
            backend.changes(speaker.id, messages=(speaker.messages or 0) + 1, idle_s=0.0)
        if users and chance.random() < 0.1:
            lags[chance.choice(users)] = chance.randrange(1, 2_000_000)
        backend.hub_lag_ms = round(chance.expovariate(1), 2)
        for id_, user in list(backend.users_online.items()):
            lag = lags.pop(id_, 0) if chance.random() < 0.2 else user.lag_bytes or 0
            skipped = (user.skipped or 0) + (30 if lag > 1_000_000 else 0)
            backend.changes(
                id_,
                connected_s=round((user.connected_s or 0.0) + 0.3, 1),
                idle_s=round((user.idle_s or 0.0) + 0.3, 1),
                lag_bytes=lag,
                skipped=skipped,
            )


if __name__ == "__main__":
    fake = FakeBackend(users=int(sys.argv[3]) if len(sys.argv) > 3 else 8)
    server = serve(fake, listen(port=int(sys.argv[1])), sys.argv[2] if len(sys.argv) > 2 else TOKEN)
    server.start()
    print(f"http://127.0.0.1:{server.address[1]}/ with the token {sys.argv[2] if len(sys.argv) > 2 else TOKEN}")
    sys.stdout.flush()
    live(fake)
