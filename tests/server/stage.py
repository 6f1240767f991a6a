"""The parts of a server in this process, without a listener: a registry, a pump, and users on socketpairs.

    with Stage() as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        alice.says("hello")
        bob.sees("[alice] hello")

Users and the server take turns on one event loop: whatever a user waits for, the server has its turns meanwhile.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import gevent

from gchat.chat.effects import CloseReason, Publish
from gchat.chat.limits import Allowance, Limits
from gchat.chat.networks import Network
from gchat.chat.registry import LOBBY, Registry
from gchat.chat.session import Session
from gchat.chat.steps import Connect, Entrance
from gchat.dialects import plain, rich
from gchat.journal.journal import Journal
from gchat.journal.memory import MemoryJournal
from gchat.journal.parts import parts_of
from gchat.model.events import Event as RoomEvent
from gchat.model.hello import Hello
from gchat.server.audit import Audit
from gchat.server.connection import Connection
from gchat.server.counters import CLOSED, CRASHES
from gchat.server.listener import Peer
from gchat.server.pump import Pump
from gchat.server.roster import Roster
from gchat.server.secret_checks import SecretChecks
from gchat.server.stopping import Stopping
from gchat.server.taking import OwnSteps
from gchat.server.transport import SocketTransport, Transport

#: For whatever a user waits for. A test that passes never waits so long.
DEADLINE_S = 20.0

#: Small, so that a user who reads nothing is soon behind.
SEND_BUFFER_BYTES = 8192


def wait_until(holds: Any, what: str) -> None:
    """Return when `holds()` is true; the server goes on meanwhile."""
    until = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < until, f"not in time: {what}"
        gevent.sleep(0.001)


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two ends of a stream that never block and hold little, the server's first."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return ends


#: What Ciphered does to each byte, there and back.
CIPHER = bytes(byte ^ 0x55 for byte in range(256))


class Ciphered:
    """A transport without a descriptor: what is written past it cannot be read."""

    descriptor = None
    tls_version = ""

    def __init__(self, sock: socket.socket) -> None:
        self._plain = SocketTransport(sock)
        self.readable, self.writable = self._plain.readable, self._plain.writable
        self.has_ended, self.in_kernel = self._plain.has_ended, self._plain.in_kernel
        self.shutdown, self.close = self._plain.shutdown, self._plain.close
        self.offer = self._offer

    def receive(self, size: int, /) -> bytes:
        return self._plain.receive(size).translate(CIPHER)

    def send(self, data: bytes) -> int:
        return self._plain.send(data.translate(CIPHER))

    def _offer(self, _data: bytes) -> int:
        raise BlockingIOError


class User:
    """The other end of a connection."""

    def __init__(self, connection: Connection, sock: socket.socket, cipher: bytes | None) -> None:
        self.connection = connection
        self.received = b""
        self.has_ended = False
        self._sock = sock
        self._cipher = cipher

    def says(self, *lines: str) -> None:
        """Send lines."""
        data = "".join(f"{line}\n" for line in lines).encode()
        self._sock.sendall(data.translate(self._cipher) if self._cipher else data)

    def reads(self) -> bytes:
        """Take what has come; return everything that was not forgotten."""
        try:
            while data := self._sock.recv(65536):
                self.received += data.translate(self._cipher) if self._cipher else data
            self.has_ended = True
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.has_ended = True
        return self.received

    def sees(self, text: str) -> None:
        """Wait for a line, and forget everything before its end."""
        line = f"{text}\n".encode()

        try:
            wait_until(lambda: line in self.reads(), text)
        except AssertionError as error:
            raise AssertionError(f"{error}; received: {self.received[-2000:]!r}") from None
        self.received = self.received.partition(line)[2]

    def sees_end(self) -> None:
        """Wait for the end of the stream."""

        wait_until(lambda: self.reads() is not None and self.has_ended, "the end")

    def transcript(self) -> list[str]:
        """Return all lines up to the answer to a ping that is sent now, and forget them."""
        self.says("/ping fence")
        wait_until(lambda: b"> pong fence\n" in self.reads(), "pong")
        shown, _, self.received = self.received.partition(b"> pong fence\n")
        return [line.decode() for line in shown.splitlines() if line]

    def hears(self) -> list[str]:
        """Return what users have said among these lines; others come when they come."""
        return [line for line in self.transcript() if line[0] in "[*"]

    def closes(self) -> None:
        """Send the end of the stream, and go on reading."""
        self._sock.shutdown(socket.SHUT_WR)

    def leaves(self) -> None:
        """Close both ways."""
        self._sock.close()


class Stage:
    """Stands for App, as its parts see it."""

    def __init__(self, journal: Journal | None = None, room_log_bytes: int = 1 << 20, **limits: Any) -> None:
        self.limits = Limits(prompt="", **limits)
        self.registry = Registry(self.limits)
        self._crashes, self._closed = CRASHES.value, dict(CLOSED.values)
        self.stopping = Stopping()
        self.released: list[Peer] = []
        self.told: list[tuple[str, RoomEvent]] = []
        self.roster = Roster(self, self.released.append)
        self.journal: Journal = journal or MemoryJournal(1 << 20, "epoch", lambda function: function())
        parts = parts_of(self.journal)
        self.audit = Audit(parts.notes)
        self.pump = self.effects = Pump(self, parts, room_log_bytes)
        self.secret_checks = SecretChecks(self.registry, lambda function: function())
        self.pump = self.effects = Pump(self, parts_of(self.journal), room_log_bytes)
        self.steps = OwnSteps(self.registry, self.pump.submit)
        self.rooms, self.catch_ups = self.pump.fan_out, self.pump.replay
        self._greenlets: list[Any] = []
        self._users: list[User] = []

    def __enter__(self) -> Self:
        self._greenlets.append(gevent.spawn(self.pump.run))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for connection in [*self.roster.by_session.values(), *self.roster.ending]:
            connection.disconnect(CloseReason.QUIT)
        for user in self._users:
            user.leaves()
        try:
            wait_until(self.shut, "all have left")
        finally:
            gevent.killall(self._greenlets)
        if kind is None:
            assert self.crashes == 0

    @property
    def crashes(self) -> int:
        """How many faults there were since the beginning, or since they were forgiven."""
        return CRASHES.value - self._crashes

    def forgives(self) -> None:
        """Begin to count faults anew, because these were asked for."""
        self._crashes = CRASHES.value

    @property
    def closed(self) -> dict[CloseReason, int]:
        """How many connections have ended since the beginning, by reason."""
        counts = {reason: CLOSED.values[reason] - self._closed[reason] for reason in CloseReason}
        return {reason: count for reason, count in counts.items() if count}

    def shut(self) -> bool:
        """Close what has had its time, as the watch does; return whether nothing is left."""
        for connection in list(self.roster.ending):
            connection.shut()
        return not self.roster.by_session

    def join(self, nick: str = "", *, transport: Callable[[socket.socket], Transport] = SocketTransport) -> User:
        """Have a user enter the lobby, who speaks plain; it sees nothing of its own greeting."""
        user = self.connects(transport=transport)
        user.sees(f"> Connected to the chat server ({self.online})")
        if nick:
            user.says(f"/nick {nick}")
            user.sees(f"> You are now {nick}")
        return user

    @property
    def online(self) -> str:
        """How many users are online, as they read it."""
        count = len(self.registry.sessions)
        return "1 user online" if count == 1 else f"{count} users online"

    def connects(
        self, hello: Hello | None = None, *, transport: Callable[[socket.socket], Transport] = SocketTransport
    ) -> User:
        """Have a user connect, who speaks rich with a hello, and wait for nothing."""
        ours, theirs = pair()
        peer = Peer(f"127.0.0.1:{theirs.fileno()}", "", len(self._users))
        connections: list[Connection] = []

        def met(session: Session) -> None:
            connections.append(Connection(self, transport(ours), peer, session, rich if hello else plain))
            self.roster.by_session[session.id] = connections[0]

        self.steps.take(Connect(Entrance(peer.address, is_private=True), 0.0, hello, "token" if hello else ""), met)
        connection = connections[0]
        self._greenlets.append(gevent.spawn(connection.reader.run, b"", has_ended=False))
        user = User(connection, theirs, CIPHER if isinstance(connection.transport, Ciphered) else None)
        self._users.append(user)
        return user

    # --- What parts ask of the server ---------------------------------------------------------------------------------

    def awake(self) -> float:
        return time.monotonic()

    def network_allowance(self, network: Network) -> Allowance | None:  # noqa: ARG002
        return None

    def shown(self, room: str, event: RoomEvent, asked: Publish | None = None) -> None:  # noqa: ARG002
        self.told.append((room, event))

    def room_opened(self, room: str) -> None:
        pass

    def came(self, session: Session) -> None:
        pass

    def went(self, session: Session, reason: CloseReason) -> None:
        pass


__all__ = ["LOBBY", "Ciphered", "Stage", "User", "pair", "wait_until"]
