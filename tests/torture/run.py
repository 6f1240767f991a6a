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
from tests.torture.cluster import Cluster
from tests.torture.cluster_nemesis import ClusterNemesis
from tests.torture.load import Plain, Rich, Sender
from tests.torture.nemesis import DISK_BYTES, MESSAGE_BYTES, Nemesis
from tests.torture.oracle import Kind, Texts
from tests.torture.peer import World
from tests.torture.server import Broken, Server

#: One reader in so many speaks no dialect, one is slow, and one goes from room to room.
PLAIN_EVERY, SLOW_EVERY, WANDERING_EVERY = 5, 7, 6

#: A room in which somebody is so many messages behind is not told more; how often that is looked at.
MOST_BEHIND, PACE_S = 2000, 0.02

#: Messages a second of all senders together, where there are nodes: their faults last for a time, not for messages.
NODES_RATE = 2000

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
        rooms = self._rooms = [f"torture-{number}" for number in range(1, options.rooms + 1)]
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
        world, began = self._world, time.monotonic()
        with tempfile.TemporaryDirectory(prefix="gchat-torture-") as name, ExitStack() as stack:
            directory = Path(name)
            server = self._server = self._prepared(directory, stack)
            world.ports = server.ports
            stack.callback(server.close)
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
                self._check(server.history(self._rooms))

    def _prepared(self, directory: Path, stack: ExitStack) -> Server | Cluster:
        """Return what users come to, and have a nemesis that knows what is to be done to it. Raises NotHere."""
        options, world, peers = self._options, self._world, [*self._senders, *self._readers, *self._plain]
        self._nemesis: Nemesis | ClusterNemesis
        if options.nodes:
            read_from = options.read_from if "failover" in options.nemesis else ""
            cluster = Cluster(directory, options.nodes, 10 * options.messages, read_from)
            self._nemesis = ClusterNemesis(world, cluster, peers, options.down, with_long=options.long)
            self._nemesis.reads_from_replica = read_from == "replica"
            self._nemesis.plan(options.nemesis, options.faults)
            return cluster
        disk = directory
        if "full" in options.nemesis:
            size = DISK_BYTES + MESSAGE_BYTES * options.messages
            disk = stack.enter_context(Disk(directory / "disk", size, subprocess))
        server = Server(directory, disk / "history.db", options.sync)
        self._nemesis = Nemesis(world, server, peers)
        self._nemesis.plan(options.nemesis, options.kills, options.cuts, options.faults)
        return server

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
            if not reader.slow and reader.view is not None and ends[reader.room] - self._last(reader) > MOST_BEHIND
        }
        if self._options.nodes:
            self._world.allowed = self._world.sent + NODES_RATE * PACE_S
        for sender in self._senders:
            sender.go_on()

    def _ends(self) -> dict[str, int]:
        """Return for each room the last number that anybody has come to."""
        ends: dict[str, int] = {}
        for reader in (*self._senders, *self._readers):
            ends[reader.room] = max(ends.get(reader.room, 0), self._last(reader))
        return ends

    def _last(self, reader: Rich) -> int:
        """Return the last number that a reader has come to in the newest epoch of its room, 0 in an older one."""
        view = reader.view
        return view.last if view is not None and view.epoch == self._world.epochs.last(reader.room) else 0

    def _all_is_read(self) -> bool:
        """Return whether every message is answered, and every rich reader has come to the end of its room."""
        if not self._world.enough or not all(sender.idle for sender in self._senders):
            return False
        ends, rich = self._ends(), (*self._senders, *self._readers)
        return all(reader.view is not None and self._last(reader) == ends[reader.room] for reader in rich)

    def _progress(self) -> str:
        world, nemesis = self._world, self._nemesis
        bad = sum(world.findings.counts.values())
        return (
            f"{world.acked:,} acked, {world.told:,} told, {world.refused:,} refused; {nemesis.progress}, "
            f"{world.cuts} cuts, {world.connections:,} connections; {bad} anomalies"
        )

    def _check(self, history: dict[str, Texts]) -> None:
        world, said = self._world, [sender.said for sender in self._senders]
        findings, epochs, shown = world.findings, world.epochs, world.shown
        where = oracle.places(history, findings)
        oracle.check_said(said, history, where, findings, epochs)
        oracle.check_order(said, history, findings)
        oracle.check_epochs(epochs, shown, history, said, findings)
        oracle.check_shown({room: shown.get((room, epochs.last(room)), {}) for room in history}, history, findings)
        for plain in self._plain:
            lines = oracle.lines(plain.room, epochs, shown, history.get(plain.room, {}))
            for sight in plain.sights():
                oracle.check_plain(plain.name, sight, lines, findings)
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
            **nemesis.figures,
            "cuts": world.cuts,
            "connections": world.connections,
            "slowest start, ms": round(1000 * self._server.slowest_start_s),
            "seconds": round(self._seconds),
        }
        happened = world.acked >= options.messages and nemesis.happened
        findings = world.findings
        return {
            "passed": happened and not findings.counts,
            "options": vars(options),
            "figures": figures,
            "anomalies": {kind.value: findings.counts[kind] for kind in Kind},
            "examples": {kind.value: examples for kind, examples in findings.examples.items()},
            "refusals": dict(world.refusals),
            "refused because": dict(world.why_refused),
            "closings": dict(world.closings),
        }
