"""Attacks on a server while others are measured: `python attacks.py NAME PORT DIRECTORY PID SECONDS SHARE`.

Each prepares itself, prints "ready", and goes on until SECONDS after its start. A share below 1 is a smaller attack.
They have a low priority, because they share their core with those who measure.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import select
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

HEAD = b"GET /status HTTP/1.1\r\nHost: localhost\r\n"

#: Connections to the operator's window that an attack keeps open at a time.
SLOW, STREAMS, ASKING = 1000, 100, 4

#: Connections of an attack to the chat, at most, and those from one address: a network's cap is above.
MOST_CONNECTIONS, FROM_ONE_ADDRESS = 20_000, 190

#: What is said before an attack that asks for it: so many lines, by so many users, of so many bytes.
LINES, SPEAKERS, LINE_BYTES = 1000, 40, 8000

#: Connections that guess a secret: each may try once a second.
GUESSERS = 1000

#: A user of the default limits has a burst of 40 lines: what comes in so long a stop is more.
STOP_S = 15.0

#: Users whose lines waited for the stop to end are not late any more when that is so long ago.
AFTER_STOP_S = 0.5


@dataclass(frozen=True, slots=True)
class Target:
    """The server, how long it is attacked, and with which share of the full force."""

    port: int
    directory: Path  # the server's state, and the socket of its window
    pid: int
    ends_at: float
    share: float

    @property
    def window(self) -> str:
        """The path of the window's socket."""
        return str(self.directory / "admin")

    def token(self) -> str:
        """The admin token."""
        (path,) = self.directory.glob("gchat/admin-token-*")
        return path.read_text().strip()

    def of(self, count: int) -> int:
        """Return the share of so many things."""
        return max(2, round(count * self.share))


def ready() -> None:
    """Say that the attack begins."""
    print("ready", flush=True)


def _yield_to_others() -> None:
    """Have a low priority, also as the group that the scheduler makes of a session; this one is ours alone.

    In the bench's own session, if that has a high priority, the kernel's threads that end a write to the disk would
    come after us: then a commit takes seconds (measured), and the server stands for what is not its doing.
    """
    os.nice(19)
    with contextlib.suppress(OSError):  # there are no such groups
        if theirs := Path(f"/proc/{os.getppid()}/autogroup").read_text().split():  # else the groups are switched off
            Path("/proc/self/autogroup").write_text(str(min(19, int(theirs[-1]) + 19)))


# --- On the chat -----------------------------------------------------------------------------------------------------

#: Makes what one connection sends, piece by piece.
Stream = Callable[[], Iterable[bytes]]


@dataclass(slots=True)
class _Member:
    stream: Stream
    source: str
    sock: socket.socket
    pieces: Iterator[bytes]
    rest: bytes = b""
    heard: bytes = b""  # the end of it
    has_met: bool = False  # the mark that is waited for


@dataclass(slots=True)
class Crowd:
    """Connections that send as fast as they are read, and throw away what they hear; a closed one comes again."""

    target: Target
    _members: dict[int, _Member] = field(default_factory=dict)
    _poll: select.poll = field(default_factory=select.poll)
    _opened: int = 0

    def add(self, count: int, stream: Stream) -> None:
        """Open so many more."""
        for _ in range(count):
            self.open(stream, f"127.0.0.{2 + self._opened // FROM_ONE_ADDRESS % 250}")

    def run(self, mark: bytes = b"") -> None:
        """Go on until the attack's time is over, or until each member has heard `mark`."""
        for member in self._members.values():
            member.has_met = False
        while time.monotonic() < self.target.ends_at:
            for descriptor, events in self._poll.poll(100):
                member = self._members[descriptor]
                try:
                    if events & select.POLLOUT:
                        self._send(member)
                    if events & ~select.POLLOUT:
                        self._hear(member, mark)
                except OSError:
                    self._come_again(descriptor)
            if mark and all(member.has_met for member in self._members.values()):
                return

    def open(self, stream: Stream, source: str) -> None:
        """Open one more from this address, if there have not been too many."""
        self._opened += 1
        if self._opened > MOST_CONNECTIONS:
            return
        sock = socket.create_connection(("127.0.0.1", self.target.port), 10, (source, 0))
        sock.setblocking(False)
        self._members[sock.fileno()] = _Member(stream, source, sock, iter(stream()))
        self._poll.register(sock, select.POLLIN | select.POLLOUT)

    def _send(self, member: _Member) -> None:
        with contextlib.suppress(BlockingIOError):
            while piece := member.rest or next(member.pieces, b""):
                member.rest = piece
                member.rest = piece[member.sock.send(piece) :]
            self._poll.modify(member.sock, select.POLLIN)

    def _hear(self, member: _Member, mark: bytes) -> None:
        data = member.sock.recv(1 << 18)
        if not data:
            raise OSError
        if mark:
            member.has_met = member.has_met or mark in member.heard + data
            member.heard = (member.heard + data)[-len(mark) :]

    def _come_again(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        member = self._members.pop(descriptor)
        member.sock.close()
        self.open(member.stream, member.source)


def _flood(count: int, stream: Stream) -> Callable[[Target], None]:
    """Return an attack: so many connections, each of which sends this."""

    def attack(target: Target) -> None:
        ready()
        crowd = Crowd(target)
        crowd.add(target.of(count), stream)
        crowd.run()

    return attack


def _filled(target: Target, line: Callable[[int], bytes]) -> Crowd:
    """Have users say in the lobby, as fast as they may, so many long lines; return them."""
    crowd = Crowd(target)
    count = target.of(LINES)
    for first in range(SPEAKERS):

        def lines(first: int = first) -> Iterator[bytes]:
            for number in range(first, count, SPEAKERS):
                yield line(number)
            yield b"/ping filled\n"

        crowd.add(1, lines)
    crowd.run(b"> pong filled\n")
    return crowd


def _words(number: int) -> bytes:
    """Return a line of words that are in no other line, all of which begin alike."""
    count = LINE_BYTES // len(b"aaa00000 ")
    return b" ".join(b"aaa%05x" % word for word in range(number * count, (number + 1) * count)) + b"\n"


def searches(target: Target) -> None:
    """Searches of many beginnings among many words, while others enter rooms that did not exist."""
    crowd = _filled(target, _words)
    ready()
    many = [b"/search " + b"aaa* " * 39, b"/search aaa* aaa1* aaa2*", b"/search aaa0* aaa3* aaa4*"]
    crowd.add(target.of(SPEAKERS), lambda: (line + b"\n" for line in itertools.cycle(many)))
    for user in range(target.of(SPEAKERS)):

        def moves(user: int = user) -> Iterator[bytes]:
            return (b"/join brandnew%d-%d\n" % (user, number) for number in itertools.count())

        crowd.add(1, moves)
    crowd.run()


def rooms(target: Target) -> None:
    """Lists of a hundred rooms, all of which have long topics."""
    crowd = Crowd(target)
    topic = "\N{GRINNING FACE}".encode() * 300
    for number in range(target.of(100)):
        opening = b"/join room%d\n/topic %s\n/ping filled\n" % (number, topic)
        crowd.add(1, lambda opening=opening: [opening])  # type: ignore[misc]
    crowd.run(b"> pong filled\n")
    ready()
    crowd.add(target.of(40), lambda: itertools.repeat(b"/rooms\n"))
    crowd.run()


def pages(target: Target) -> None:
    """The longest page of a room's messages over HTTP, again and again on kept connections."""
    with_token = f"Authorization: Bearer {target.token()}\r\n".encode()
    crowd = _filled(target, lambda number: b"%d " % number + b"x" * LINE_BYTES + b"\n")
    ready()
    _requests(target, b"GET /rooms/lobby/messages?after=0&limit=1000 HTTP/1.1\r\nHost: localhost\r\n" + with_token)
    del crowd  # its users have stayed until here


def stops(target: Target) -> None:
    """The process stands still for a while. What counts is how late users are afterwards."""
    os.kill(target.pid, signal.SIGSTOP)
    time.sleep(STOP_S * target.share)
    os.kill(target.pid, signal.SIGCONT)
    time.sleep(AFTER_STOP_S)
    ready()
    time.sleep(max(0.0, target.ends_at - time.monotonic()))


_TELL = b'{"type":"tell","to":"a%s%s","text":"psst","id":"1"}\n' % (
    "\N{COMBINING ACUTE ACCENT}".encode() * 12_000,
    "\N{COMBINING DOT BELOW}".encode() * 12_000,
)

#: As many bytes and as many lines as the default limits allow.
_LINE = b"x" * 3200 + b"\n"


def secrets(target: Target) -> None:
    """A thousand connections from six addresses, each of which guesses the secret of an account, as fast as it may."""
    with socket.create_connection(("127.0.0.1", target.port), 10) as owner:
        owner.sendall(b"/nick owner\n/register tea4two!\n")
        heard = b""
        while b"is yours" not in heard:
            heard += owner.recv(4096)
    _flood(GUESSERS, lambda: itertools.repeat(b"/login owner coffee4two!\n"))(target)


CHAT: dict[str, Callable[[Target], None]] = {
    "secrets": secrets,
    "searches": searches,
    "tells": _flood(SPEAKERS, lambda: itertools.chain([b"GCHAT/1 {}\n"], itertools.repeat(_TELL))),
    "telnet": _flood(4, lambda: itertools.repeat(b"\xff\xf1" * 4096)),
    "short lines": _flood(1000, lambda: [b"ab\n" * 21_845]),
    "escapes": _flood(25, lambda: [(b"\x1b" * LINE_BYTES + b"\n") * 40]),
    "pushes": _flood(400, lambda: itertools.repeat(_LINE)),
    "rooms": rooms,
    "pages": pages,
    "stops": stops,
}

# --- At the door -----------------------------------------------------------------------------------------------------

#: The addresses of an attack that has many.
MANY = [f"127.0.3.{1 + number}" for number in range(250)]

#: How often in a second somebody tries to come in; or as often as the server takes them, a thousand at a time.
KNOCKS_PER_S, WITHOUT_A_PAUSE = 1000, 1_000_000

#: The address of a proxy that is trusted.
PROXY = "127.0.0.2"


def _configure(target: Target, settings: str) -> None:
    """Have the server take over these settings; the users who are in stay there."""
    (target.directory / "gchat.toml").write_text(settings)
    os.kill(target.pid, signal.SIGHUP)
    time.sleep(0.5)


def _knocks(
    configure: Callable[[Target], None],
    sources: Iterable[str],
    said: bytes,
    per_s: int = KNOCKS_PER_S,
    holds: bytes = b"guessed passwords",
) -> Callable[[Target], None]:
    """Return an attack: so many connections a second, from these addresses in turn, which say this and then wait.

    What is answered ends a connection, unless it has the words in it by which a server `holds` it: a thousand at most.
    """

    def attack(target: Target) -> None:
        configure(target)
        ready()
        poll, source = select.poll(), itertools.cycle(sources)
        waiting: dict[int, socket.socket] = {}
        knocks, began = 0, time.monotonic()
        while (now := time.monotonic()) < target.ends_at:
            while knocks < (now - began) * target.of(per_s) and len(waiting) < SLOW:
                sock = socket.socket()
                sock.bind((next(source), 0))
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", target.port))
                waiting[sock.fileno()] = sock
                poll.register(sock, select.POLLOUT)
                knocks += 1
            for descriptor, events in poll.poll(2):
                sock = waiting[descriptor]
                goes_on = False
                with contextlib.suppress(OSError):
                    if events == select.POLLOUT:
                        sock.send(said)
                        poll.modify(sock, select.POLLIN)
                        goes_on = True
                    else:
                        goes_on = holds in sock.recv(4096)
                if not goes_on:
                    poll.unregister(descriptor)
                    waiting.pop(descriptor).close()

    return attack


def _ask_for_a_password(target: Target) -> None:
    path = target.directory / "password"
    path.touch(0o600)
    path.write_text("nobody guesses this\n")
    _configure(target, f'[auth]\npassword_file = "{path}"\n')


def _trust_a_proxy(target: Target) -> None:
    _configure(target, f'[server]\ntrusted_proxies = "{PROXY}"\n')


def _hello_of_tls() -> bytes:
    """Return the first that a client of TLS sends, after which the server has its dearest work, and waits."""
    sent = ssl.MemoryBIO()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def _ban_it(target: Target) -> None:
    """Ban the one address."""
    body = b'{"kind":"address","value":"%s","reason":"enough","for_s":3600}' % MANY[0].encode()
    head = f"Authorization: Bearer {target.token()}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    with socket.socket(socket.AF_UNIX) as window:
        window.settimeout(10)
        window.connect(target.window)
        window.sendall(b"POST /bans HTTP/1.1\r\nHost: localhost\r\n" + head.encode() + b"\r\n\r\n" + body)
        answer = window.recv(4096)
        assert answer.startswith(b"HTTP/1.1 2"), answer


def lines_from_everywhere(target: Target) -> None:
    """Lines from many addresses, as fast as each is read, each in a room of its own."""
    ready()
    crowd = Crowd(target)
    for number, source in enumerate(MANY[: target.of(len(MANY))]):
        join = b"/join flood%d\n" % number
        crowd.open(lambda join=join: itertools.chain([join], itertools.repeat(_LINE)), source)  # type: ignore[misc]
    crowd.run()


DOOR: dict[str, Callable[[Target], None]] = {
    "guesses": _knocks(_ask_for_a_password, ["127.0.3.1"], b"guess\n"),
    "guesses from 250 addresses": _knocks(_ask_for_a_password, MANY, b"guess\n"),
    "lines from 250 addresses": lines_from_everywhere,
    "a banned address": _knocks(_ban_it, MANY[:1], b"GCHAT/1 {}\n"),
    "a banned address without a pause": _knocks(_ban_it, MANY[:1], b"GCHAT/1 {}\n", WITHOUT_A_PAUSE),
    "silent proxies": _knocks(_trust_a_proxy, [PROXY], b""),
    "handshakes that stop half-way": _knocks(lambda _target: None, MANY, _hello_of_tls(), holds=b"\x16\x03\x03"),
}

# --- On the operator's window ----------------------------------------------------------------------------------------


def connected(path: str) -> socket.socket | None:
    """Return a connection; None if there is no place for it just now."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(1)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        return None
    return sock


def slow_heads(target: Target) -> None:
    """A thousand heads that come at a byte a second, for ever: whoever is thrown out comes again."""
    ready()
    crowd: list[socket.socket] = []
    while time.monotonic() < target.ends_at:
        began = time.monotonic()
        while len(crowd) < SLOW and (sock := connected(target.window)):
            crowd.append(sock)
        for sock in list(crowd):
            try:
                sock.send(b"G")
            except OSError:
                sock.close()
                crowd.remove(sock)
        time.sleep(max(0.0, began + 1 - time.monotonic()))


def requests(target: Target) -> None:
    """The dearest request, again and again on kept connections."""
    ready()
    _requests(target, HEAD)


def _requests(target: Target, head: bytes) -> None:
    poll = select.poll()
    crowd: dict[int, socket.socket] = {}
    while time.monotonic() < target.ends_at:
        while len(crowd) < ASKING and (sock := connected(target.window)):
            crowd[sock.fileno()] = sock
            poll.register(sock, select.POLLIN)
            sock.send(head + b"\r\n")
        for descriptor, _ in poll.poll(100):
            sock = crowd[descriptor]
            try:
                data = sock.recv(1 << 20)
                if data.endswith(b"0\r\n\r\n"):
                    sock.send(head + b"\r\n")
            except OSError:
                data = b""
            if not data:  # after so many requests, or a refusal
                poll.unregister(descriptor)
                crowd.pop(descriptor).close()


def malformed(target: Target) -> None:
    """What is no HTTP, on a new connection each time."""
    ready()
    while time.monotonic() < target.ends_at:
        if sock := connected(target.window):
            with sock, contextlib.suppress(OSError):
                sock.sendall(b"\x00\xffGET /status\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" * 50)
                sock.recv(4096)


def huge(target: Target) -> None:
    """Heads and bodies that are as long as it takes."""
    ready()
    body = (
        b"POST /announce HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
    )
    while time.monotonic() < target.ends_at:
        for data in (HEAD + b"X: " + b"x" * (1 << 20), body + b"x" * 60000):
            if sock := connected(target.window):
                with sock, contextlib.suppress(OSError):
                    sock.sendall(data)
                    sock.recv(4096)


def streams(target: Target) -> None:
    """Event streams that nobody reads, more than there may be."""
    ready()
    crowd: list[socket.socket] = []
    while time.monotonic() < target.ends_at:
        while len(crowd) < STREAMS and (sock := connected(target.window)):
            with contextlib.suppress(OSError):
                sock.send(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            crowd.append(sock)
        time.sleep(0.5)


WINDOW: dict[str, Callable[[Target], None]] = {
    "slow heads": slow_heads,
    "requests": requests,
    "malformed": malformed,
    "huge": huge,
    "streams": streams,
}

if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    _yield_to_others()
    name, port, directory, pid, seconds, share = sys.argv[1:]
    ends_at = time.monotonic() + float(seconds)
    (CHAT | DOOR | WINDOW)[name](Target(int(port), Path(directory), int(pid), ends_at, float(share)))
