"""The server under torture: a process that is killed and started again, on the same port and with the same file."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import gevent
from gevent import subprocess

from tests.e2e.harness import free_port
from tests.torture.history import read_history
from tests.torture.oracle import Texts

#: A server listens within this, and ends within this: it gives itself 5 s.
START_S, STOP_S = 30.0, 10.0

#: A reader that lags further behind is told so; the usual megabyte would take the slow readers minutes.
ROOM_LOG_BYTES = 131072


class Broken(Exception):
    """The server does not do what a run needs; says what."""


class Server:
    """gchat-server with its history in `database`, and everything else that it writes in `directory`."""

    def __init__(self, directory: Path, database: Path, sync: str) -> None:
        self.database = database
        self._options = ["--db", str(database)]
        self.port = free_port()
        self.slowest_start_s = 0.0
        self._log_path = directory / "log"
        self._log_path.touch()
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GCHAT_")},
            "GCHAT_HISTORY_SYNC": sync,
            "GCHAT_LIMITS_MESSAGES_PER_S": "0",
            "GCHAT_LIMITS_ROOM_LOG_BYTES": str(ROOM_LOG_BYTES),
            "XDG_STATE_HOME": str(directory),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ports(self) -> list[int]:
        """Where users come to."""
        return [self.port]

    def history(self, rooms: Sequence[str]) -> dict[str, Texts]:  # noqa: ARG002  # there are no others
        """Return what is stored of rooms in the end."""
        return read_history(self.database)

    @property
    def log(self) -> str:
        """The log of all its lives."""
        return self._log_path.read_text(errors="replace")

    @property
    def complaints(self) -> list[str]:
        """Lines of the log that no server should write, whatever happens to it."""
        return [line for line in self.log.splitlines() if "Traceback" in line or "crashed" in line]

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Return when it listens. Raises Broken."""
        began, logged = time.monotonic(), len(self.log)
        self.launch()
        assert self._process is not None
        while "listening on" not in self.log[logged:]:
            if self._process.poll() is not None or time.monotonic() - began > START_S:
                raise Broken(f"the server did not start: {self.log[-2000:]}")
            gevent.sleep(0.01)
        self.slowest_start_s = max(self.slowest_start_s, time.monotonic() - began)

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        options = ["--no-admin", "--quiet", *self._options]
        command = [sys.executable, "-m", "gchat.server.main", "127.0.0.1", str(self.port), *options]
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def close(self) -> None:
        """There is nothing but the process."""

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it with SIGTERM. Raises Broken if it does not end well, and in time."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise Broken(f"the server did not stop {STOP_S:g} s after SIGTERM") from None
        if code != 0:
            raise Broken(f"the server ended with {code} after SIGTERM: {self.log[-2000:]}")
