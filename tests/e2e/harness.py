"""A real server in a process of its own, and users who talk to it, so that a test reads like a chat.

    with Server() as server, server.join() as alice, server.join() as bob:
        alice.says("hello")
        bob.sees(f"[{alice.name}] hello")

Nothing sleeps: everything waits for something that it names, up to DEADLINE_S. A server that wrote a traceback, or that
gevent's monitor saw blocking its loop, fails the test that used it, in __exit__.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e import clustered

#: For whatever a test waits for. Generous: these machines are noisy, and a test that passes never waits so long.
DEADLINE_S = 20.0

#: gevent's monitor reports who holds the hub for longer. Ours never do 10 ms; the rest is the noise of shared cores:
#: of nodes and their engine there are more, and they load more modules.
MAX_BLOCKING_S = 2.0 if clustered.MODE else 0.4

GREETING = re.compile(rb"> Connected to the chat server \((\d[\d,]*) users? online\)\n")
PROMPT = b"[You] "
HIDE = b"\xff\xfb\x01\r"


def wait_until(predicate: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return when `predicate()` is true, fail with `what` if it is not in time."""
    ends_at = time.monotonic() + deadline_s
    while not predicate():
        if time.monotonic() > ends_at:
            raise AssertionError(f"not in {deadline_s:g} s: {what}")
        time.sleep(0.01)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody has now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def free_ports() -> int:
    """Return a port of 127.0.0.1 that nobody has now, nor the one after it."""
    while True:
        with socket.socket() as sock, socket.socket() as after, suppress(OSError, OverflowError):
            sock.bind(("127.0.0.1", 0))
            port = int(sock.getsockname()[1])
            after.bind(("127.0.0.1", port + 1))
            return port


class Server:
    """gchat-server on a free port of 127.0.0.1, or on that one. `settings` are configuration keys: limits_burst=3.

    As GCHAT_TEST_CLUSTER asks (see clustered.py), it is a node of a cluster, perhaps with a `twin`, the other node:
    users come to both in turn, and it is started, stopped and killed with this one.
    """

    #: None: as it is. Where all speak plain, waiting for somebody who might not only takes time; see conftest.
    greeting_delay_s: float | None = None

    def __init__(
        self,
        host: str = "127.0.0.1",
        *arguments: str,
        port: int = 0,
        script: Path | None = None,
        before: Sequence[str] = (),
        inherits: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
        **settings: object,
    ) -> None:
        self.host = host
        self.twin: Server | None = None
        self._make_twin: Callable[[], Server] | None = None
        self._turns = itertools.count()
        if clustered.MODE and "cluster_url" not in settings:
            state = (environment or {}).get("XDG_STATE_HOME", "")
            left, namespace = clustered.in_cluster(arguments, settings, state)
            arguments = (*left,)
            settings = {key: value for key, value in settings.items() if not key.startswith("history_store")}
            settings |= {"cluster_url": clustered.engine().url, "cluster_namespace": namespace}
            if clustered.MODE == "2":
                alike: Any = {**settings, "admin_enabled": "false"}
                self._make_twin = partial(
                    Server,
                    f"{host}-2" if "/" in host else host,
                    *arguments,
                    script=script,
                    before=before,
                    inherits=inherits,
                    environment=environment,
                    **alike,
                )
        self._directory = tempfile.TemporaryDirectory()
        self.out_path = Path(self._directory.name) / "stdout"
        self.log_path = Path(self._directory.name) / "stderr"
        program = [str(script)] if script else ["-m", "gchat.server.main"]
        where = [host] if "/" in host else [host, str(port)]
        self.command = [*before, sys.executable, *program, *where, "--allow-root", *arguments]  # CI may be root
        self._inherits = inherits  # descriptors
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GCHAT_")},
            "GCHAT_ADMIN_ENABLED": "false",  # but for those who ask for it: two servers cannot have its usual port
            "GCHAT_SERVER_ANNOUNCE_AFTER_S": "0",  # but for tests of that: the rest would wait a second for each
            "XDG_STATE_HOME": self._directory.name,
            "GEVENT_MONITOR_THREAD_ENABLE": "true",
            "GEVENT_MAX_BLOCKING_TIME": str(MAX_BLOCKING_S),
            **({"GCHAT_SERVER_GREETING_DELAY_S": str(self.greeting_delay_s)} if self.greeting_delay_s else {}),
            **{f"GCHAT_{key.upper()}": str(value) for key, value in settings.items()},
            **(environment or {}),
        }
        self.may_complain = False  # set by tests that make the server crash
        self.port = 0

    def __enter__(self) -> Self:
        with self.out_path.open("wb") as out, self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=self.environment,
                pass_fds=self._inherits,
            )
        wait_until(lambda: "listening on" in self.log or self.process.poll() is not None, "the server listens")
        if self.process.poll() is not None:
            raise AssertionError(f"the server did not start: {self.log}")
        if "/" not in self.host:
            found = re.search(r"listening on \S*:(\d+)", self.log)
            assert found
            self.port = int(found[1])
        if self._make_twin is not None:
            try:
                self.twin = self._make_twin().__enter__()
            except BaseException:
                self.process.kill()
                self.process.wait()
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if self.process.poll() is None:
                self.stop()
            if kind is None and not self.may_complain:
                self.check_log()
        finally:
            self.process.kill()
            self.process.wait()
            self._directory.cleanup()
            if self.twin is not None:
                self.twin.may_complain |= self.may_complain
                self.twin.__exit__(kind, error, tb)

    def stop(self) -> int:
        """Send SIGTERM, return the exit code."""
        if self.twin is not None and self.twin.process.poll() is None:
            self.twin.stop()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def kill(self) -> None:
        """End it as a crash would."""
        if self.twin is not None:
            self.twin.kill()
        self.process.kill()
        self.process.wait()

    def check_log(self) -> None:
        """Fail if there is a traceback in the log, or a report that the hub was blocked."""
        for sign in ("Traceback", "crashed"):
            assert sign not in self.log, self.log
        # Before it listens nobody waits for it: a node loads much then.
        assert "appears to be blocked" not in self.log.partition("listening on")[2], self.log

    @property
    def with_twin(self) -> list[Server]:
        """This server, and its twin if it has one."""
        return [self] if self.twin is None else [self, self.twin]

    @property
    def log(self) -> str:
        """The log so far, of both nodes if there are two."""
        paths = [node.log_path for node in self.with_twin]
        logs = [path.read_text(errors="replace") for path in paths if path.exists()]
        return "".join(clustered.as_alone(log, node) for node, log in enumerate(logs))

    @property
    def shown(self) -> str:
        """The conversation on stdout so far."""
        return self.out_path.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The process, for /proc."""
        return self.process.pid

    def connect(self, *, receive_buffer: int = 0, source: str = "", source_port: int = 0) -> User:
        """Connect and wait for nothing; `source` is the local address, as 127.0.0.7, and may have a port."""
        if self.twin is not None and next(self._turns) % 2:
            return self.twin.connect(receive_buffer=receive_buffer, source=source, source_port=source_port)
        host = {"::": "127.0.0.1", "[::1]": "::1", "[::]": "::1"}.get(self.host, self.host)
        is_path = "/" in host
        sock = socket.socket(socket.AF_UNIX if is_path else socket.AF_INET6 if ":" in host else socket.AF_INET)
        with ExitStack() as if_refused:
            if_refused.callback(sock.close)
            if receive_buffer and not is_path:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if source and not is_path:
                sock.bind((source, source_port))
            sock.connect(host if is_path else (host, self.port))
            if not is_path:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if_refused.pop_all()
        return User(sock)

    def join(self, nick: str = "", room: str = "") -> User:
        """Connect, wait for the prompt, and take this nick and go to this room if they are given."""
        with ExitStack() as if_refused:
            user = if_refused.enter_context(self.connect())
            user.sees_bytes(PROMPT)
            if nick:
                user.says(f"/nick {nick}")
                user.sees(f"> You are now {nick}")
                user.name = nick
            if room:
                user.says(f"/join {room}")
                user.sees(f"> You are now in {room}")
            if_refused.pop_all()
        return user


class User:
    """One connection: what it sends, and everything it received, in `received`; `unread` is what no sees() has met."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = b""
        self.ended = False
        self._read = 0
        name = sock.getsockname()
        self.name = (
            f"[{name[0]}]:{name[1]}" if sock.family == socket.AF_INET6 else f"{name[0]}:{name[1]}" if name else ""
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    @property
    def unread(self) -> bytes:
        """What was received since the last thing seen."""
        return self.received[self._read :]

    def says(self, *lines: str) -> None:
        """Send lines."""
        self.sends("".join(f"{line}\n" for line in lines).encode())

    def sends(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def sees(self, text: str, deadline_s: float = DEADLINE_S) -> str:
        """Wait until a line begins with `text`, after what was seen before; return the whole line."""
        # What is typed behind a prompt is not echoed; nor is a secret, and what asks telnet for that is not shown.
        begins = rb"(?:\A|(?<=\n)|(?<=" + re.escape(PROMPT) + rb")|(?<=" + re.escape(HIDE) + rb"))"
        found = self._find(re.compile(begins + re.escape(text.encode()) + rb".*\n"), repr(text), deadline_s)
        return found.decode().rstrip("\n")

    def sees_bytes(self, data: bytes, deadline_s: float = DEADLINE_S) -> None:
        """Wait until `data` comes, after what was seen before."""
        self._find(re.compile(re.escape(data)), repr(data), deadline_s)

    def sees_end(self, deadline_s: float = DEADLINE_S) -> None:
        """Wait until the server closes, by the end of the stream or a reset."""
        ends_at = time.monotonic() + deadline_s
        while not self.ended:
            self._receive(ends_at, "the end of the connection")

    def does_not_see(self, data: bytes) -> None:
        """Fail if `data` came, up to the answer to a ping that is sent now."""
        self.says("/ping fence")
        before = self._read
        self.sees_bytes(b"> pong fence\n")
        assert data not in self.received[before:], self.received[before:]

    def has_received(self, *lines: bytes) -> bool:
        """Take what has come, without waiting; return whether all this is in what was received."""
        self.sock.setblocking(False)
        try:
            self.received += self.sock.recv(1 << 20)
        except BlockingIOError:
            pass
        finally:
            self.sock.setblocking(True)
        return all(line in self.received for line in lines)

    def closes(self) -> None:
        """Send the end of the stream, and go on reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def resets(self) -> None:
        """Break the connection."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def _find(self, pattern: re.Pattern[bytes], what: str, deadline_s: float) -> bytes:
        ends_at = time.monotonic() + deadline_s
        while True:
            found = pattern.search(self.received, self._read)
            if found:
                self._read = found.end()
                return found[0]
            if self.ended:
                raise AssertionError(f"the connection ended before {what}; unread: {self.unread[-2000:]!r}")
            self._receive(ends_at, what)

    def _receive(self, ends_at: float, what: str) -> None:
        left = ends_at - time.monotonic()
        if left <= 0:
            raise AssertionError(f"not in time: {what}; unread: {self.unread[-2000:]!r}")
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(1 << 20)
        except TimeoutError:
            return
        except ConnectionResetError:
            data = b""
        finally:
            self.sock.settimeout(None)
        self.received += data
        self.ended = not data
