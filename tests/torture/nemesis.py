"""The nemesis: kills the server, cuts connections, fills the disk, and lets the disk fail to sync."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial

import gevent
from gevent import subprocess

from tests.faults import SYNCS, Ballast, Tracer
from tests.torture.oracle import Kind
from tests.torture.peer import Peer, World
from tests.torture.server import Broken, Server

KINDS = ("kill", "term", "cut", "full", "fsync")

#: A killed server is away for so long, at most; and one kill in so many comes so soon after the one before, while all
#: come back.
DOWN_S, SOON_EVERY, SOON_S = 0.3, 5, 0.5

#: One server in so many is killed at birth, too: before it listens, for that takes about so long.
AT_BIRTH_EVERY, BIRTH_S = 3, 0.5

#: The longest that a fault lasts, once it is felt.
FAULT_S = 1.0

#: A fault is felt within this, and what is said is kept again within this when it is over.
FELT_S, HEALED_S = 30.0, 15.0

#: Bytes of a disk for each message, and beside: the table, the index of words, the write-ahead log.
MESSAGE_BYTES, DISK_BYTES = 1024, 64 << 20


class Nemesis:
    """Does its worst, evenly spread over the messages."""

    def __init__(self, world: World, server: Server, peers: Sequence[Peer]) -> None:
        self.kills = 0
        self.terms = 0
        self.faults = 0
        self.asked = (0, 0)  # kills and faults
        self._world = world
        self._server = server
        self._peers = peers
        self._timeline: list[tuple[float, Callable[[], None]]] = []

    def plan(self, kinds: Sequence[str], kills: int, cuts: int, faults: int) -> None:
        """Say what is to be done; kinds that are the same sort of thing take turns."""
        deadly = [act for kind, act in (("kill", self._kill), ("term", self._stop)) if kind in kinds]
        faults_at_hand = [fault for kind, fault in (("full", self._full), ("fsync", self._unsynced)) if kind in kinds]
        faulty = [
            partial(self._fault, fault, ends_in_death="kill" in kinds and second)
            for second in (False, True)
            for fault in faults_at_hand
        ]
        cutting = [self._cut] if "cut" in kinds else []
        for acts, count in ((deadly, kills), (faulty, faults), (cutting, cuts)):
            for turn in range(count if acts else 0):
                soon = acts is deadly and turn % SOON_EVERY == SOON_EVERY - 1
                mark = self._world.wanted * (turn + (not soon)) / (count + 1)
                if soon:
                    self._timeline.append((mark, partial(self._sleep, SOON_S)))
                self._timeline.append((mark, acts[turn % len(acts)]))
        self._timeline.sort(key=lambda entry: entry[0])
        self.asked = (kills if deadly else 0, faults if faulty else 0)

    @property
    def figures(self) -> dict[str, int]:
        """What was done."""
        return {"kills": self.kills, "of them SIGTERM": self.terms, "faults of the disk": self.faults}

    @property
    def happened(self) -> bool:
        """Whether all that was asked for was done."""
        kills, faults = self.asked
        return self.kills >= kills and self.faults == faults

    @property
    def progress(self) -> str:
        """What was done so far."""
        return f"{self.kills} kills, {self.faults} faults"

    def run(self) -> None:
        """Do all of it; the messages set the time. Raises Broken, NotHere."""
        for mark, act in self._timeline:
            while self._world.acked < mark:
                gevent.sleep(0.002)
            act()
        self._world.tormented = False

    def _sleep(self, most_s: float) -> None:
        gevent.sleep(self._world.random.random() * most_s)

    # --- Death -------------------------------------------------------------------------------------------------------

    def _kill(self) -> None:
        self._server.kill()
        self._start_again()

    def _stop(self) -> None:
        self.terms += 1
        self._server.stop()
        self._start_again()

    def _start_again(self) -> None:
        self.kills += 1
        self._sleep(DOWN_S)
        if self.kills % AT_BIRTH_EVERY == 0:
            self._server.launch()
            self._sleep(BIRTH_S)
            self._server.kill()
        self._server.start()

    def _cut(self) -> None:
        while not (connected := [peer for peer in self._peers if peer.connected]):
            gevent.sleep(0.002)
        self._world.random.choice(connected).cut()

    # --- Faults of the disk ------------------------------------------------------------------------------------------

    def _full(self) -> AbstractContextManager[None]:
        return Ballast(self._server.database.with_name("ballast"))

    def _unsynced(self) -> AbstractContextManager[None]:
        return Tracer(self._server.pid, SYNCS, processes=subprocess)

    def _fault(self, fault: Callable[[], AbstractContextManager[None]], *, ends_in_death: bool) -> None:
        """Have the disk fail until it is felt, and a little longer; then all must be well again."""
        refused = self._world.refused
        with fault():
            if not self._comes(lambda: self._world.refused > refused, FELT_S):
                self._world.findings.add(Kind.UNEXPECTED, f"nothing was refused in {FELT_S:g} s of a faulty disk")
            self._sleep(FAULT_S)
            if ends_in_death:
                self._server.kill()
        self.faults += 1
        if ends_in_death:
            self._start_again()
        acked = self._world.acked
        if not self._comes(lambda: self._world.acked > acked, HEALED_S):
            raise Broken(f"the disk is well, and for {HEALED_S:g} s nothing was kept: {self._server.log[-2000:]}")

    @staticmethod
    def _comes(predicate: Callable[[], bool], within_s: float) -> bool:
        with gevent.Timeout(within_s, False):  # type: ignore[arg-type]  # False: silent
            while not predicate():
                gevent.sleep(0.01)
            return True
        return False
