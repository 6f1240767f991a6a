"""The people of a long evening: they talk, leave, lose their connections, come back, and read late at times."""

from __future__ import annotations

import random
import select
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from msgspec import json

ROOMS = 5

#: One of so many speaks the rich dialect.
RICH = 5

#: What all of them do together in a second, for each of them: 37 lines, 5 departures, 0.3 of them deaf for a while.
LINES, DEPARTURES, LAGS = 0.075, 0.01, 0.0006

#: How long they are away, and how long they read nothing.
AWAY_S, DEAF_S = (0.2, 2.0), (5.0, 30.0)

WORDS = ("deploy", "tea", "window", "castle", "réseau", "голос", "ambition", "quarter", "morning", "kettle", "茶")


@dataclass(slots=True)
class Person:
    """One of them. A rich one checks that its room's numbers come one after the other, also over a lost connection."""

    name: str
    room: str
    is_rich: bool
    sock: socket.socket | None = None
    back_at: float = 0.0  # when it connects
    hears_at: float = 0.0  # when it reads again
    is_here: bool = False  # whether it has been greeted
    rest: bytes = b""
    token: str = ""
    epoch: str = ""
    seq: int = 0


class Due:
    """Something that is done so often a second."""

    def __init__(self, per_s: float, act: Callable[[], None]) -> None:
        self._per_s = per_s
        self._act = act
        self._at = time.monotonic()

    def act(self, now: float) -> None:
        """Do it if it is time to; what could not be done for a while is not made up for."""
        self._at = max(self._at, now - 1.0)
        while self._at <= now:
            self._at += 1 / self._per_s
            self._act()


class People:
    """All of them, served by one loop. `counts` says what they did, and what should not have happened."""

    def __init__(self, port: int, users: int) -> None:
        self.counts: Counter[str] = Counter()
        self._port = port
        self._random = random.Random(1)
        self._ids = count(1)
        self._poll = select.poll()
        self._people = [
            Person(f"user{number}", f"room{number % ROOMS}", number // ROOMS % RICH == 0) for number in range(users)
        ]
        self._connected: dict[int, Person] = {}
        began = time.monotonic()
        for number, person in enumerate(self._people):
            person.back_at = began + number / 250
        self._talk = Due(LINES * users, self._say)
        self._all = (self._talk, Due(DEPARTURES * users, self._depart), Due(LAGS * users, self._lag))

    def live(self, seconds: float) -> None:
        """Do all that for so long."""
        ends_at = time.monotonic() + seconds
        while (now := time.monotonic()) < ends_at:
            for due in self._all:
                due.act(now)
            self._turn(now)

    def gather(self, most_s: float = 60.0) -> bool:
        """Only talk, until all are here and hear; return whether they are within `most_s`."""
        ends_at = time.monotonic() + most_s
        while (now := time.monotonic()) < ends_at:
            if all(person.is_here and not person.hears_at for person in self._people):
                return True
            for person in self._people:
                person.hears_at = min(person.hears_at, now)
            self._talk.act(now)
            self._turn(now)
        return False

    def leave(self) -> None:
        """Say goodbye."""
        for person in self._people:
            if person.sock is not None:
                self._quit(person)
            person.back_at = float("inf")

    # --- What they do ------------------------------------------------------------------------------------------------

    def _anybody(self) -> Person | None:
        person = self._random.choice(self._people)
        return person if person.is_here else None

    def _say(self) -> None:
        if person := self._anybody():
            text = " ".join(self._random.choices(WORDS, k=self._random.choice((2, 5, 10, 30))))
            self.counts["lines said"] += 1
            if person.is_rich:
                say = {"type": "say", "text": text, "id": f"{person.name}-{next(self._ids)}"}
                self._send(person, json.encode(say) + b"\n")
            else:
                self._send(person, f"{text}\n".encode())

    def _depart(self) -> None:
        if person := self._anybody():
            if self._random.random() < 0.2:
                self.counts["connections broken"] += 1
                assert person.sock is not None
                person.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self._close(person)
            else:
                self._quit(person)

    def _quit(self, person: Person) -> None:
        self._send(person, b'{"type":"quit"}\n' if person.is_rich else b"/quit\n")
        self._close(person)
        person.token = ""

    def _lag(self) -> None:
        if (person := self._anybody()) and not person.hears_at:
            self.counts["times deaf"] += 1
            person.hears_at = time.monotonic() + self._random.uniform(*DEAF_S)
            self._poll.unregister(person.sock or -1)

    # --- The loop ----------------------------------------------------------------------------------------------------

    def _turn(self, now: float) -> None:
        for person in self._people:
            if person.sock is None and now >= person.back_at:
                self._connect(person)
            elif person.hears_at and now >= person.hears_at and person.sock is not None:
                person.hears_at = 0.0
                self._poll.register(person.sock, select.POLLIN)
        for descriptor, _ in self._poll.poll(5):
            person = self._connected[descriptor]
            try:
                data = person.sock.recv(1 << 18) if person.sock else b""
            except OSError:
                data = b""
            if data:
                self._receive(person, data)
            else:
                self.counts["closed by the server"] += 1
                self._close(person)

    def _connect(self, person: Person) -> None:
        self.counts["connections"] += 1
        person.sock = socket.create_connection(("127.0.0.1", self._port), 10)
        person.sock.setblocking(False)
        person.rest, person.hears_at = b"", 0.0
        self._connected[person.sock.fileno()] = person
        self._poll.register(person.sock, select.POLLIN)
        if not person.is_rich:
            self._send(person, f"/nick {person.name}\n/join {person.room}\n/ping here\n".encode())
            return
        hello: dict[str, object] = {"room": person.room}
        if person.token:
            hello |= {"token": person.token, "after": {"epoch": person.epoch, "seq": person.seq}}
        else:
            hello |= {"nick": person.name, "replay": 0}
        self._send(person, b"GCHAT/1 " + json.encode(hello) + b"\n")

    def _close(self, person: Person) -> None:
        assert person.sock is not None
        if not person.hears_at:
            self._poll.unregister(person.sock)
        del self._connected[person.sock.fileno()]
        person.sock.close()
        person.sock, person.is_here, person.hears_at = None, False, 0.0
        person.back_at = time.monotonic() + self._random.uniform(*AWAY_S)

    def _send(self, person: Person, data: bytes) -> None:
        try:
            person.sock.send(data) if person.sock else 0
        except OSError:
            self.counts["not sent"] += 1

    def _receive(self, person: Person, data: bytes) -> None:
        *lines, person.rest = (person.rest + data).split(b"\n")
        if not person.is_rich:
            person.is_here = person.is_here or b"> pong here" in lines
            self.counts["lines heard"] += len(lines)
            return
        for line in lines:
            self._hear(person, line)

    def _hear(self, person: Person, line: bytes) -> None:
        match json.decode(line):
            case {"type": "welcome", "token": token, "epoch": epoch, "seq": seq}:
                if not person.token:
                    person.epoch, person.seq = epoch, seq
                elif person.epoch != epoch:
                    self.counts["other epochs"] += 1
                person.token = token
            case {"type": "live"}:
                person.is_here = True
            case {"type": "said" | "ack", "seq": seq}:
                self.counts["lines heard"] += 1
                self.counts["holes"] += seq > person.seq + 1
                self.counts["repetitions"] += seq <= person.seq
                person.seq = seq
            case {"type": "gap", "to": last}:
                self.counts["told of gaps"] += 1
                person.seq = last
            case {"type": "refused", "code": code}:
                self.counts[f"refused: {code}"] += 1
