"""A real `gchat-server --workers N`, with its nodes and its engine, as the kernel shows them."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from tests.cluster.engines import binary
from tests.e2e.harness import PROMPT, Server, User, wait_until


class Workers(Server):
    """A server of several nodes on one port."""

    def __init__(self, *arguments: str, host: str = "127.0.0.1", count: int = 2, **settings: Any) -> None:
        binary()  # or the test is skipped
        super().__init__(host, "--workers", str(count), *arguments, **settings)
        self.count = count
        # Processes that share two cores with other tests are held up by those.
        self.environment["GEVENT_MAX_BLOCKING_TIME"] = "2"

    def __enter__(self) -> Self:
        super().__enter__()
        wait_until(lambda: "nodes listen on" in self.log or self.process.poll() is not None, "all nodes listen")
        assert self.process.poll() is None, self.log
        return self

    @property
    def children(self) -> dict[int, str]:
        """The processes that the supervisor has, and their programs."""
        return dict(children_of(self.pid))

    @property
    def engine(self) -> int:
        """The process of the engine; 0: there is none just now."""
        return next((pid for pid, name in self.children.items() if re.match("valkey|redis", name)), 0)

    def kills_the_engine(self) -> int:
        """Kill the engine; return which process it was."""
        engine = self.engine
        assert engine
        os.kill(engine, signal.SIGKILL)
        return engine

    @property
    def nodes(self) -> list[int]:
        """The processes of the nodes."""
        return [pid for pid in self.children if pid != self.engine]

    def node_of(self, user: User) -> int:
        """Return the process that has a user's connection."""
        return self._node_at(user.sock.getsockname()[1])

    def node_of_program(self, pid: int) -> int:
        """Return the process that has a program's connection."""
        own = _descriptors(pid)
        (port,) = [local for local, remote, inode in _connections() if remote == self.port and inode in own]
        return self._node_at(port)

    def _node_at(self, port: int) -> int:
        inodes = {inode for local, remote, inode in _connections() if (local, remote) == (self.port, port)}
        (found,) = [pid for pid in self.nodes if inodes & _descriptors(pid)]
        return found

    @contextmanager
    def users(self) -> Iterator[list[User]]:
        """A user on each node: the kernel chooses, so there are as many as it takes."""
        with ExitStack() as stack:
            found: dict[int, User] = {}
            while len(found) < self.count:
                user = stack.enter_context(self.connect())
                user.sees_bytes(PROMPT)
                if found.setdefault(self.node_of(user), user) is not user:
                    user.closes()
            yield list(found.values())

    def joins_again(self) -> User:
        """Connect to a node that takes it, and to the next one where one dies just now."""
        ends_at = time.monotonic() + 20
        while True:
            try:
                return self.join()
            except (AssertionError, OSError):
                assert time.monotonic() < ends_at


def children_of(pid: int) -> Iterator[tuple[int, str]]:
    """Return the processes that a process has, and their programs."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name, _, fields = (path / "stat").read_text().partition("(")[2].rpartition(")")
            state, parent = fields.split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            yield int(path.name), name


def _connections() -> Iterator[tuple[int, int, str]]:
    """Return the ports of both ends of all connections, and what a descriptor of the first is a link to."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        yield int(fields[1].rpartition(":")[2], 16), int(fields[2].rpartition(":")[2], 16), f"socket:[{fields[9]}]"


def _descriptors(pid: int) -> set[str]:
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.readlink(path))
        except OSError:
            pass
    return found


def is_there(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
