"""What is measured by itself, beside nothing: starts, the operator's window, a long history on disk."""

from __future__ import annotations

import json
import select
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gchat.journal.sqlite.database import Changes, Database
from gchat.journal.sqlite.rows import rows_of
from gchat.model.messages import Record, Said
from tests.bench.attacks import HEAD, SLOW, connected
from tests.bench.peers import BARE, GCHAT, GCHAT_AS_IT_COMES, GCHAT_WINDOW, stored_in
from tests.bench.run import START_S, Ask, Failure, Figure, Generator, Kind, Server, p99
from tests.bench.user import User

OPENING = b"GCHAT/1 {}\n"

#: What is loaded after listening is loaded by then.
SETTLE_S = 1.0

HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST_PIECE = b"0\r\n\r\n"

#: What a history is made of, in steps: each message has three of the words, and one of a hundred that begin alike.
MESSAGES, STEP = 1_000_000, 10_000
WORDS = ("deploy", "tea", "window", "castle", "réseau", "голос", "ambition", "quarter", "morning", "kettle")

#: Connections that ask for /healthz without a pause.
ASKING = 4


def starts(*, quick: bool) -> Iterator[Figure]:
    """From the start of the process until somebody can connect, and until the first bytes of the greeting.

    Each beside the same of a bare server, started just before.
    """
    settle_s = 0.0 if quick else SETTLE_S
    for kind, name in ((GCHAT, "history in memory, no window"), (GCHAT_AS_IT_COMES, "as it comes")):
        rounds = [
            (_started(BARE), _started(kind, settle_s=settle_s), _started(kind, OPENING))
            for _ in range(2 if quick else 9)
        ]
        yield Figure(f"start, {name}: listens", "s", [plain.listens_s for _, plain, _ in rounds], 0.25)
        yield Figure(f"start, {name}: greets in plain", "s", [plain.greets_s for _, plain, _ in rounds], 0.40)
        yield Figure(f"start, {name}: greets in rich", "s", [rich.greets_s for _, _, rich in rounds], 0.25)
        listens = [plain.listens_s / bare.listens_s for bare, plain, _ in rounds]
        yield Figure(f"start, {name}: listens, beside a bare server", "x", listens, 1.5)
        greets = [plain.greets_s / bare.greets_s for bare, plain, _ in rounds]
        yield Figure(f"start, {name}: greets in plain, beside a bare server", "x", greets, 1.55)
        if kind is GCHAT:
            yield Figure(f"start, {name}: resident", "MiB", [plain.mib for _, plain, _ in rounds], 33)


def window(generator: Generator, members: int, *, quick: bool) -> Iterator[Figure]:
    """The operator's window: what it costs the chat, and what it stands."""
    with Server(GCHAT_WINDOW, members) as server, User(server) as user:
        path = _opened(server)
        # The chat is idle, but for this.
        yield Figure("/healthz on one core", "/s", _rates(path, 2 if quick else 9), 4000, more=True)
        with generator.started(server, Ask(members), idle=True) as phases:
            next(phases)
            for asks in (False, True):
                waits = _waits_ms(user, path if asks else "", 2 if quick else 20)
                what = f"/ping while /status tells of {members:,} users" if asks else f"/ping beside {members:,} users"
                yield Figure(f"{what}, p99", "ms", waits, 10, p99)
    waits, gone = [], []
    for _ in range(1 if quick else 5):
        with Server(GCHAT_WINDOW, 10) as server:
            more, last = _slow_heads(_opened(server))
            waits += more
            gone.append(last)
    yield Figure("/healthz while 1,000 heads come slowly, p99", "ms", waits, 100, p99)
    yield Figure("until all of those heads are gone", "s", gone, 6, max)


def stored(*, quick: bool) -> Iterator[Figure]:
    """A server that has kept much."""
    count = MESSAGES // 100 if quick else MESSAGES
    with tempfile.TemporaryDirectory(prefix="gchat-bench-") as directory:
        path = Path(directory) / "history.db"
        _fill(path, count)
        kind = stored_in(path)
        starts = [_started(kind).greets_s for _ in range(3 if quick else 9)]
        yield Figure(f"start with {count:,} messages stored", "s", starts, 0.6)
        with Server(kind, 10) as server, User(server) as asker, User(server) as other:
            for what in ("castle", "word7", "deploy castle tea", "the*", "wor*", "castle nowhere"):
                waits = [_found_ms(asker, what) for _ in range(3 if quick else 20)]
                yield Figure(f"/search {what}, in {count:,} messages", "ms", waits, 100)
            asker.sends("/search wor*\n" * 20)
            waits = [other.waits_ms() for _ in range(100 if quick else 500)]
            yield Figure("/ping while somebody searches, p99", "ms", waits, 10, p99)
    clients = 50 if quick else 1000
    backs = [_back_s(clients) for _ in range(1 if quick else 5)]
    yield Figure(f"{clients:,} clients back after a kill, until all are live", "s", backs, 15, max)


# --- Starts ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """When a server listened and greeted, from the start of the process on, and what was resident in the end."""

    listens_s: float
    greets_s: float
    mib: float


def _started(kind: Kind, opening: bytes = b"", settle_s: float = 0.0) -> Started:
    """Start a server, and send the opening to it as soon as it listens."""
    server = Server(kind, 1)
    try:
        with server.connect() as sock:
            listens_s = time.monotonic() - server.started_at
            sock.sendall(opening)
            sock.recv(1)
            greets_s = time.monotonic() - server.started_at
            time.sleep(settle_s)
            return Started(listens_s, greets_s, server.rss_kib() / 1024)
    finally:
        server.__exit__()


# --- The window ------------------------------------------------------------------------------------------------------


def _opened(server: Server) -> str:
    """Return the path of the window's socket, when it answers."""
    path = str(server.directory / "admin")
    ends_at = time.monotonic() + START_S
    while time.monotonic() < ends_at:
        if sock := connected(path):
            with sock:
                sock.settimeout(START_S)
                sock.sendall(HEALTHZ)
                if sock.recv(4096).startswith(b"HTTP/1.1 200"):
                    return path
        time.sleep(0.01)
    raise Failure("the window did not open")


def _rates(path: str, count: int) -> list[float]:
    """Return how many requests were answered in a second, of so many thirds of one."""
    poll, crowd = select.poll(), {}
    for _ in range(ASKING):
        if (sock := connected(path)) is None:
            raise Failure("the window has no place")
        crowd[sock.fileno()] = sock
        poll.register(sock, select.POLLIN)
        sock.sendall(HEALTHZ)
    found = []
    for _ in range(count):
        began, answers = time.monotonic(), 0
        while (took := time.monotonic() - began) < 1 / 3:
            for descriptor, _ in poll.poll(1000):
                if not crowd[descriptor].recv(65536).startswith(b"HTTP/1.1 200"):
                    raise Failure("/healthz was refused")
                crowd[descriptor].sendall(HEALTHZ)
                answers += 1
        found.append(answers / took)
    for sock in crowd.values():
        sock.close()
    return found


def _waits_ms(user: User, path: str, count: int) -> list[float]:
    """Return how long each /ping took, one after the other, while so many /status were answered one after the other."""
    if not path:
        return [user.waits_ms() for _ in range(count * 20)]
    sock = connected(path)
    if sock is None:
        raise Failure("the window has no place")
    waits = []
    with sock:
        sock.setblocking(False)
        for _ in range(count):
            sock.send(HEAD + b"\r\n")
            end = b""
            while end != LAST_PIECE:
                waits.append(user.waits_ms())
                with suppress(BlockingIOError):
                    while end != LAST_PIECE:
                        data = sock.recv(1 << 20)
                        if not data:
                            raise Failure("the window closed")
                        end = (end + data)[-len(LAST_PIECE) :]
    return waits


def _slow_heads(path: str) -> tuple[list[float], float]:
    """Send a thousand heads a byte a second; return how long each /healthz took, in ms, and the last head, in s."""
    poll = select.poll()
    crowd: dict[int, socket.socket] = {}
    began = time.monotonic()
    for _ in range(SLOW):
        if sock := connected(path):
            crowd[sock.fileno()] = sock
            poll.register(sock, select.POLLIN)
    waits, rounds = [], 0
    while crowd and time.monotonic() - began < START_S:
        if time.monotonic() >= began + rounds:
            rounds += 1
            for sock in crowd.values():
                with suppress(OSError):
                    sock.send(b"G")
        asked_at = time.monotonic()
        if sock := connected(path):
            with sock, suppress(OSError):  # who is not answered in a second is counted with it
                sock.sendall(HEALTHZ)
                sock.recv(4096)
        waits.append((time.monotonic() - asked_at) * 1000)
        for descriptor, _ in poll.poll(10):
            gone = True
            with suppress(OSError):
                gone = not crowd[descriptor].recv(65536)
            if gone:
                poll.unregister(descriptor)
                crowd.pop(descriptor).close()
    return waits, time.monotonic() - began


# --- A long history --------------------------------------------------------------------------------------------------


def _fill(path: Path, count: int) -> None:
    """Have the file hold so many messages of one room, with their words in the index."""
    database = Database(str(path), "normal", "bench", "")
    database.commit(Changes([(1, "lobby")], (), (), ()))
    for first in range(1, count + 1, STEP):
        rows = []
        for seq in range(first, min(first + STEP, count + 1)):
            words = [WORDS[seq * step % len(WORDS)] for step in (1, 3, 7)]
            text = f"message number {seq} of the {' and the '.join(words)} for word{seq % 100} in here"
            rows += rows_of(1, Record(seq, 1.7e9 + seq, Said(f"user{seq % 40}", (text,))), "")
        database.commit(Changes((), rows, (), ()))
    while database.index(1, count, STEP) < count:
        pass
    database.close()


def _back_s(count: int) -> float:
    """Have a server killed that clients of the rich dialect are at, and return how long they take with the next.

    They have missed 300 messages, all come at once, and nobody may be told that anybody left.
    """
    with tempfile.TemporaryDirectory(prefix="gchat-bench-") as directory:
        kind = stored_in(Path(directory) / "history.db")
        named = [{"nick": f"user{number}"} for number in range(count)]
        with Server(kind, count) as server, _live(server, named) as (before, _), User(server) as user:
            user.asks("".join(f"line {number}\n" for number in range(300)))
            time.sleep(1)  # by then it is noted who was here
            server.process.kill()
            server.process.wait()
        openings = [
            {"token": told[0]["token"], "after": {"epoch": told[0]["epoch"], "seq": 0}} for told in before.values()
        ]
        with Server(kind, count) as server, _live(server, openings) as (after, took_s):
            pass
    for told in after.values():
        # Plain users have gone: he who spoke, and the one who found out that the server listens.
        kinds = Counter(event["type"] for event in told if event.get("who", "user").startswith("user"))
        if kinds["said"] != 300 or kinds["entered"] or kinds["left"] or kinds["gap"]:
            raise Failure(f"who came back was told {dict(kinds)}")
    return took_s


@contextmanager
def _live(server: Server, openings: list[dict[str, Any]]) -> Iterator[tuple[dict[int, list[dict[str, Any]]], float]]:
    """Open so many connections at once; yield what each was told until it was live, and how long all of them took."""
    began = time.monotonic()
    crowd = {}
    for opening in openings:
        sock = server.connect()
        sock.sendall(b"GCHAT/1 " + json.dumps(opening).encode() + b"\n")
        crowd[sock.fileno()] = sock
    received = dict.fromkeys(crowd, b"")
    poll = select.poll()
    for descriptor in crowd:
        poll.register(descriptor, select.POLLIN)
    waiting = set(crowd)
    while waiting:
        if time.monotonic() - began > 60:
            raise Failure(f"{len(waiting)} were not live in a minute")
        for descriptor, _ in poll.poll(1000):
            data = crowd[descriptor].recv(1 << 20)
            if not data:
                raise Failure("the server closed the connection")
            searched = max(0, len(received[descriptor]) - 20)
            received[descriptor] += data
            if b'"type":"live"' in received[descriptor][searched:]:
                waiting.discard(descriptor)
    took_s = time.monotonic() - began
    whole = ((descriptor, data[: data.rfind(b"\n")]) for descriptor, data in received.items())
    yield {descriptor: [json.loads(line) for line in data.split(b"\n")] for descriptor, data in whole}, took_s
    for sock in crowd.values():
        sock.close()


def _found_ms(user: User, what: str) -> float:
    began = time.monotonic()
    user.asks(f"/search {what}")
    return (time.monotonic() - began) * 1000
