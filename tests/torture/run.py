"""One run: a server, those who use it, the nemesis, and what the oracle says of it in the end."""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import gevent
from gevent import subprocess

from tests.faults import Disk, NotHere
from tests.torture import oracle
from tests.torture.history import read_history
from tests.torture.load import Plain, Rich, Sender
from tests.torture.nemesis import DISK_BYTES, MESSAGE_BYTES, Nemesis
from tests.torture.oracle import Kind, Texts
from tests.torture.peer import World
from tests.torture.server import Broken, Server

#: One reader in so many speaks no dialect, one is slow, and one goes from room to room.
PLAIN_EVERY, SLOW_EVERY, WANDERING_EVERY = 5, 7, 6

#: A room in which somebody is so many messages behind is not told more; how often that is looked at.
MOST_BEHIND, PACE_S = 2000, 0.02

#: Between two lines of progress.
PROGRESS_S = 5.0

#: A run in which nothing moves for so long is over.
STUCK_S = 60.0


class Torture:
    """A run with these options."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._world = World(options.messages, Random(options.seed))
        self._senders: list[Sender] = []
        self._readers: list[Rich] = []
        self._plain: list[Plain] = []
        rooms = [f"torture-{number}" for number in range(1, options.rooms + 1)]
        for at in range(options.senders):
            self._senders.append(Sender(self._world, at, rooms[at % len(rooms)]))
        for at in range(options.readers):
            name, room = f"r{at:02}", at // PLAIN_EVERY % len(rooms)
            if at % PLAIN_EVERY == PLAIN_EVERY - 1:
                self._plain.append(Plain(self._world, name, rooms[room]))
            else:
                wanders, slow = (at % every == every - 1 for every in (WANDERING_EVERY, SLOW_EVERY))
                here = [*rooms[room:], *rooms[:room]] if wanders else [rooms[room]]
                self._readers.append(Rich(self._world, name, here, slow=slow))
        self._seconds = 0.0

    def run(self) -> None:
        """Do it, and have everything checked. Raises NotHere."""
        options, world, began = self._options, self._world, time.monotonic()
        with tempfile.TemporaryDirectory(prefix="gchat-torture-") as name, ExitStack() as stack:
            directory = disk = Path(name)
            if "full" in options.nemesis:
                size = DISK_BYTES + MESSAGE_BYTES * options.messages
                disk = stack.enter_context(Disk(directory / "disk", size, subprocess))
            server = self._server = Server(directory, disk / "history.db", options.sync)
            world.port = server.port
            self._nemesis = Nemesis(world, server, [*self._senders, *self._readers, *self._plain])
            self._nemesis.plan(options.nemesis, options.kills, options.cuts, options.faults)
            try:
                server.start()
                self._torture()
                server.stop()
            except Broken as broken:
                world.findings.add(Kind.UNEXPECTED, str(broken))
            finally:
                server.kill()
            self._seconds = time.monotonic() - began
            for line in server.complaints:
                world.findings.add(Kind.UNEXPECTED, f"the server's log has: {line}")
            if world.acked:
                self._check(read_history(server.database))

    def _torture(self) -> None:
        """Return when all is said and read, and all the worst is done. Raises Broken, NotHere."""
        hub = gevent.get_hub()
        hub.NOT_ERROR = (*hub.NOT_ERROR, Broken, NotHere)  # the nemesis ends with them, and they are raised here
        greenlets: list[Any] = [gevent.spawn(self._nemesis.run)]
        greenlets += [gevent.spawn(peer.run) for peer in (*self._senders, *self._readers, *self._plain)]
        before, moved_at, told_at = (0, 0), time.monotonic(), time.monotonic()
        try:
            while not self._all_is_read():
                gevent.sleep(PACE_S)
                self._pace()
                for greenlet in greenlets:
                    if greenlet.ready():
                        greenlet.get()  # raises what it ended with; only the nemesis ends well
                now, state = time.monotonic(), (self._world.acked, self._world.told)
                if state != before:
                    before, moved_at = state, now
                elif now - moved_at > STUCK_S:
                    raise Broken(f"nothing has moved for {STUCK_S:g} s: {self._progress()}")
                if now - told_at > PROGRESS_S:
                    told_at = now
                    print(self._progress(), flush=True)
        finally:
            gevent.killall(greenlets)

    def _pace(self) -> None:
        """Have the senders of a room wait if some reader there is far behind: all are to see what is live, mostly."""
        ends = self._ends()
        self._world.far_behind = {
            reader.room
            for reader in (*self._senders, *self._readers)
            if not reader.slow and reader.view is not None and ends[reader.room] - reader.view.last > MOST_BEHIND
        }
        for sender in self._senders:
            sender.go_on()

    def _ends(self) -> dict[str, int]:
        """Return for each room the last number that anybody has come to."""
        ends: dict[str, int] = {}
        for reader in (*self._senders, *self._readers):
            ends[reader.room] = max(ends.get(reader.room, 0), reader.view.last if reader.view else 0)
        return ends

    def _all_is_read(self) -> bool:
        """Return whether every message is answered, and every rich reader has come to the end of its room."""
        if not self._world.enough or not all(sender.idle for sender in self._senders):
            return False
        ends, rich = self._ends(), (*self._senders, *self._readers)
        return all(reader.view is not None and reader.view.last == ends[reader.room] for reader in rich)

    def _progress(self) -> str:
        world, nemesis = self._world, self._nemesis
        bad = sum(world.findings.counts.values())
        return (
            f"{world.acked:,} acked, {world.told:,} told, {world.refused:,} refused; {nemesis.kills} kills, "
            f"{nemesis.faults} faults, {world.cuts} cuts, {world.connections:,} connections; {bad} anomalies"
        )

    def _check(self, history: dict[str, Texts]) -> None:
        findings, said = self._world.findings, [sender.said for sender in self._senders]
        where = oracle.places(history, findings)
        oracle.check_said(said, history, where, findings)
        oracle.check_order(said, history, findings)
        oracle.check_shown(self._world.shown, history, findings)
        for plain in self._plain:
            for sight in plain.sights():
                oracle.check_plain(plain.name, sight, where.get(plain.room, {}), findings)
        for reader in (*self._senders, *self._readers):
            if reader.view is not None:
                reader.view.ends(max(history.get(reader.room, {}), default=0))

    def report(self) -> dict[str, Any]:
        """Return the figures, the anomalies, examples of them, and whether the run has passed."""
        options, world, nemesis = self._options, self._world, self._nemesis
        views = [view for reader in (*self._senders, *self._readers) for view in reader.views.values()]
        figures = {
            "acked": world.acked,
            "sent": world.sent,
            "refused": world.refused,
            "unknown, and sent again": world.unknown,
            "told to rich readers": world.told,
            "told to plain readers": sum(plain.seen for plain in self._plain),
            "announced as skipped": sum(view.skipped for view in views),
            "kills": nemesis.kills,
            "of them SIGTERM": nemesis.terms,
            "faults of the disk": nemesis.faults,
            "cuts": world.cuts,
            "connections": world.connections,
            "slowest start, ms": round(1000 * self._server.slowest_start_s),
            "seconds": round(self._seconds),
        }
        kills, faults = nemesis.asked
        happened = world.acked >= options.messages and nemesis.kills >= kills and nemesis.faults == faults
        findings = world.findings
        return {
            "passed": happened and not findings.counts,
            "options": vars(options),
            "figures": figures,
            "anomalies": {kind.value: findings.counts[kind] for kind in Kind},
            "examples": {kind.value: examples for kind, examples in findings.examples.items()},
            "refusals": dict(world.refusals),
            "closings": dict(world.closings),
        }
