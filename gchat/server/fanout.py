"""The fan-out: room logs, and sending what a turn appended to all their readers. What gchat costs is here.

Only the pump calls it. While it sends, others have turns in between, and what they bring about is the next turn's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping

from gchat.chat.log import Cursor, RoomLog
from gchat.fair import breathe
from gchat.protocol.dialect import Dialect
from gchat.protocol.events import Announced, Presence, Record, Skipped
from gchat.server.connection import Connection
from gchat.server.measures import Counts

#: Sends between two looks at the clock: about 1 ms.
SENDS_AT_ONCE = 128


class FanOut:
    """The logs of each room, one for each dialect that is read there, and their readers."""

    def __init__(self, connections: Mapping[int, Connection], room_log_bytes: int, counts: Counts) -> None:
        self._connections = connections  # by session
        self._room_log_bytes = room_log_bytes
        self._counts = counts
        self._logs: dict[str, dict[Dialect, RoomLog]] = {}
        self._changed: dict[str, None] = {}  # rooms, in this turn

    @property
    def log_bytes(self) -> int:
        """How many bytes all the logs hold, for readers that are behind."""
        return sum(log.end - log.start for logs in self._logs.values() for log in logs.values())

    def log(self, room: str, dialect: Dialect, seq: int) -> RoomLog:
        """Return the room's log in this dialect, made if nobody reads it yet: then `seq` is the next number in it."""
        logs = self._logs.setdefault(room, {})
        log = logs.get(dialect)
        if log is None:

            def skip(first: int, last: int) -> bytes:
                return dialect.encode(Skipped(first, last), room)

            log = logs[dialect] = RoomLog(seq, self._room_log_bytes, skip)
        return log

    def append(self, room: str, event: Record | Presence | Announced, count: int, speaker: Connection | None) -> None:
        """Append what happened in a room, and has `count` numbers, to each of its logs; `speaker` does not hear it."""
        cursor = speaker.cursor if speaker else None
        for dialect, log in self._logs.get(room, {}).items():
            log.append(dialect.encode(event, room), count, cursor)
        self._changed[room] = None

    def leave(self, connection: Connection, max_owed_bytes: int) -> None:
        """Let a connection read its room no more."""
        connection.cursor.leave(max_owed_bytes)
        self._changed[connection.room] = None

    def forget(self, room: str) -> None:
        """Drop the logs of a room that no longer exists."""
        self._logs.pop(room, None)

    def send(self, touched: Iterable[Connection], hold_s: float) -> None:
        """Send what this turn appended, and to those touched what they alone are owed; end the turn.

        The hub is held for `hold_s` at a time.
        """
        began = time.monotonic()
        changed, self._changed = self._changed, {}
        # The small rooms first: they wait for a large one's fan-out otherwise.
        for room in sorted(changed, key=self._readers) if len(changed) > 1 else changed:
            for log in self._logs.get(room, {}).values():
                self._fan_out(log, hold_s)
        self._flush(touched, hold_s)
        if changed:
            self._counts.fan_out_s.observe(time.monotonic() - began)
        for room in changed:
            self._clear_up(room)

    def _fan_out(self, log: RoomLog, hold_s: float) -> None:
        """Send what the turn appended to all readers of this log."""
        if not log.dirty:
            return
        seq = log.seq
        data = log.seal()
        size, write = len(data), os.write
        live = list(log.live)
        self._counts.deliveries += (log.seq - seq) * (len(live) + len(log.aside) + len(log.behind))
        self._counts.sent_bytes += size * len(live)
        until = time.monotonic() + hold_s
        for first in range(0, len(live), SENDS_AT_ONCE):
            if time.monotonic() > until:
                breathe()
                until = time.monotonic() + hold_s
            # The loop that decides what gchat costs: nothing here but the system call. By descriptor: a socket's own
            # send() would touch two objects more, which the last call has driven out of the cache (measured, a thousand
            # readers: 0.4 us of 9). All are open: a connection leaves its log before its socket is closed.
            for descriptor in live[first : first + SENDS_AT_ONCE]:
                try:
                    sent = write(descriptor, data)
                except BlockingIOError:
                    sent = 0
                except OSError:
                    sent = -1
                if sent != size:
                    self._falls_behind(log.live.get(descriptor), data, sent)
        aside = [self._connections[cursor.session] for cursor in log.aside if cursor.session in self._connections]
        self._flush(aside, hold_s)

    def _falls_behind(self, cursor: Cursor | None, data: bytes, sent: int) -> None:
        self._counts.sent_bytes -= len(data) - max(sent, 0)
        connection = self._connections.get(cursor.session) if cursor else None
        if connection is None:
            return
        if sent < 0:
            connection.end_writing()
        else:
            connection.cursor.fall_behind(data, sent)
            connection.watch()

    def _flush(self, connections: Iterable[Connection], hold_s: float) -> None:
        """Send each what it alone is owed; whose kernel buffer is full has a watcher for that."""
        until = time.monotonic() + hold_s
        for connection in connections:
            if not connection.behind:
                connection.flush()
            if time.monotonic() > until:
                breathe()
                until = time.monotonic() + hold_s

    def _clear_up(self, room: str) -> None:
        """After a turn: drop what no reader can need, and logs without readers."""
        logs = self._logs.get(room, {})
        for dialect, log in list(logs.items()):
            log.trim()
            if not (log.live or log.aside or log.behind or log.dirty):
                del logs[dialect]
        if not logs:
            self._logs.pop(room, None)

    def _readers(self, room: str) -> int:
        return sum(len(log.live) for log in self._logs.get(room, {}).values())
