"""A small room whose users talk at a steady pace while others attack the server: how late do they hear each other?"""

from __future__ import annotations

import itertools
import select
import statistics
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from tests.bench.attacks import CHAT, DOOR
from tests.bench.paced import paced
from tests.bench.peers import GCHAT_AS_IT_COMES, GCHAT_FOR_STRANGERS, GCHAT_WITH_A_FILE
from tests.bench.run import PREPARATION_S, Failure, Kind, Server, attacked, p99
from tests.bench.user import User

#: Each says 4 lines a second, which the default limits allow, and has an address of its own.
SPEAKERS, PACE_S = 20, 1 / 80

#: What an attack may add to the p99.
MORE_MS = 30.0

#: Every attack on a server as it comes, which counts no networks on this machine; floods also on one that does.
CASES: list[tuple[str, Kind]] = [
    *((attack, GCHAT_AS_IT_COMES) for attack in CHAT),
    *((attack, GCHAT_FOR_STRANGERS) for attack in ("telnet", "short lines", "pushes")),
]


#: Those at the door, and how many in the room only listen meanwhile.
DOOR_CASES: list[tuple[str, Kind]] = [(attack, GCHAT_WITH_A_FILE) for attack in DOOR]
LISTENERS = 80

#: How many times the p99 without it an attack at the door may make of it.
TIMES = 2.0


@dataclass(slots=True)
class Waits:
    """How long lines took, in milliseconds."""

    p50: float
    p99: float
    max: float


@dataclass(slots=True)
class Attacked:
    """How late the users of the small room heard each other before an attack, and during it."""

    server: str
    attack: str
    failure: str = ""
    calm: Waits | None = None
    under: Waits | None = None
    calm_mib: float = 0.0  # resident
    most_mib: float = 0.0

    @property
    def reached(self) -> bool:
        """Whether the p99 is at most so much above that without the attack."""
        return not self.failure and self.calm is not None and self.under is not None and self.more_ms <= MORE_MS

    @property
    def more_ms(self) -> float:
        """What the attack added to the p99."""
        return self.under.p99 - self.calm.p99 if self.calm and self.under else 0.0

    @property
    def times(self) -> float:
        """How many times as long as without the attack."""
        return self.under.p99 / self.calm.p99 if self.calm and self.under else 0.0


class Canary:
    """The users of the small room, and one more who only listens, or many."""

    def __init__(self, server: Server, listeners: int = 0) -> None:
        self._server = server
        self._numbers = itertools.count(1)
        with ExitStack() as stack:
            self._users = [stack.enter_context(User(server, f"127.0.1.{1 + number}")) for number in range(SPEAKERS + 1)]
            sources = [f"127.0.2.{1 + number}" for number in range(listeners)]
            self._listeners = [stack.enter_context(User(server, source)) for source in sources]
            for user in self._users + self._listeners:
                user.asks("/join canary")
            self._stack = stack.pop_all()
        self.most_mib = 0.0  # the server's, in the last measurement

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def waits(self, seconds: float, is_ready: Callable[[], bool]) -> Waits:
        """Talk; return how long the lines took that were said in so many seconds from when it is ready."""
        *speakers, hearer = self._users
        turns = itertools.cycle(speakers)
        ready_at = 0.0
        self.most_mib = 0.0

        def goes_on() -> bool:
            nonlocal ready_at
            for speaker in speakers:  # what the listeners are told in so short a time, the kernel holds for them
                speaker.drains()
            self.most_mib = max(self.most_mib, self._server.rss_kib() / 1024)
            if not ready_at and is_ready():
                ready_at = time.monotonic()
            return not ready_at or time.monotonic() < ready_at + seconds

        def asks(number: int) -> None:
            next(turns).sends(f"pong {number}\n")

        found = paced(hearer.sock, asks, self._numbers, PACE_S, goes_on)
        waits = sorted(wait_ms for said_at, wait_ms in found if said_at >= ready_at)
        return Waits(statistics.median(waits), p99(waits), waits[-1])


def measure(attack: str, kind: Kind, seconds: float, share: float, listeners: int = 0) -> Attacked:
    """Measure one attack on a new server, and the server without it just before."""
    found = Attacked(kind.name, attack)
    try:
        with Server(kind, 0) as server, Canary(server, listeners) as canary:
            found.calm = canary.waits(seconds, lambda: True)
            found.calm_mib = canary.most_mib
            with attacked(server, attack, seconds, share) as process:
                found.under = canary.waits(seconds, _readiness(process))
                found.most_mib = canary.most_mib
    except Failure as failure:
        found.failure = str(failure)
    return found


def _readiness(process: subprocess.Popen[str]) -> Callable[[], bool]:
    """Return what says whether the attack is under way. It raises Failure if the attack never will be."""
    assert process.stdout is not None
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    ends_at = time.monotonic() + PREPARATION_S

    def is_ready() -> bool:
        assert process.stdout is not None
        if time.monotonic() > ends_at:
            raise Failure(f"the attack was not ready in {PREPARATION_S:.0f} s")
        if not poll.poll(0):
            return False
        if process.stdout.readline() != "ready\n":
            raise Failure("the attack ended")
        return True

    return is_ready
