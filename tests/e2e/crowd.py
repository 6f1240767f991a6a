"""Many users at once, and what the kernel knows about a server: for tests of load, floods and slow readers."""

from __future__ import annotations

import os
import re
import resource
import select
import selectors
import socket
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Self

from tests.e2e.harness import DEADLINE_S, PROMPT, Server, User

#: What stands in place of messages that a slow reader missed: how many, the first, the last, where to read on.
SKIPPED = re.compile(r"> … ([\d,]+) messages? skipped \((\d+)(?:-(\d+))?\), /history (\d+)")

_TOLD_OF_PRESENCE = {
    kind: re.compile(pattern)
    for kind, pattern in (
        ("entered", rb"> (?:New user \S+|([\d,]+) users) entered \("),
        ("left", rb"< (?:The user \S+|([\d,]+) users) left \("),
        ("renamed", rb"> (?:\S+ is now \S+|([\d,]+) users changed their names)\n"),
    )
}


class Crowd:
    """Users who are read together, so that nobody's socket fills up while another is waited for."""

    def __init__(self, users: Iterable[User]) -> None:
        self.users = list(users)
        self._selector = selectors.DefaultSelector()
        for user in self.users:
            self.resume(user)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resume(self, user: User) -> None:
        """Read this user too, from now on."""
        self._selector.register(user.sock, selectors.EVENT_READ, user)

    def pause(self, user: User) -> None:
        """Read this user no more."""
        self._selector.unregister(user.sock)

    def read(self, wait_s: float = 0.05) -> None:
        """Read what is there for anybody; wait so long for the first of it."""
        for key, _ in self._selector.select(wait_s):
            user: User = key.data
            try:
                data = user.sock.recv(1 << 18)
            except ConnectionResetError:
                data = b""
            user.received += data
            if not data:
                user.ended = True
                self._selector.unregister(user.sock)

    def until(self, predicate: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
        """Read everybody until `predicate()` is true."""
        ends_at = time.monotonic() + deadline_s
        while not predicate():
            if time.monotonic() > ends_at:
                raise AssertionError(f"not in {deadline_s:g} s: {what}")
            self.read()

    def all_see(self, data: bytes) -> None:
        """Read everybody until each has received `data` at some time."""
        waiting = list(self.users)

        def nobody_waits() -> bool:
            waiting[:] = [user for user in waiting if data not in user.received]
            return not waiting

        self.until(nobody_waits, repr(data))

    def close(self) -> None:
        """Close every connection from this side."""
        self._selector.close()
        for user in self.users:
            user.sock.close()


def raise_descriptor_limit() -> None:
    """Let this process have as many descriptors as it may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def join_many(server: Server, count: int, *, receive_buffer: int = 0) -> Crowd:
    """Return so many users, each of whom has been greeted."""
    crowd = Crowd(())
    try:
        for number in range(1, count + 1):
            crowd.users.append(server.connect(receive_buffer=receive_buffer))
            crowd.resume(crowd.users[-1])
            if number % 200 == 0 or number == count:
                crowd.all_see(PROMPT)
    except BaseException:
        crowd.close()
        raise
    for user in crowd.users:
        user.sees_bytes(PROMPT)
    return crowd


def take(user: User, size: int) -> bool:
    """Read at most `size` bytes if they are there; return whether they were."""
    try:
        data = user.sock.recv(size, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    user.received += data
    return True


def readable(sock: socket.socket) -> bool:
    """Return whether something has come, be it the end; select() would take no descriptor above 1023."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def told_of(kind: str, received: bytes) -> tuple[int, int]:
    """Return how many users are told to have "entered", "left" or been "renamed", and in how many lines."""
    told = [int(many.replace(b",", b"") or 1) for many in _TOLD_OF_PRESENCE[kind].findall(received)]
    return sum(told), len(told)


def chat_of(user: User) -> list[str]:
    """Return the whole lines that a user received after the prompt; fails if the last one is not whole."""
    _, _, chat = user.received.partition(PROMPT)
    assert chat.endswith(b"\n") or not chat, chat[-200:]
    lines = chat.decode().removeprefix("\n").split("\n")
    assert lines.pop() == ""
    return lines


def skip_in(line: str) -> tuple[int, int] | None:
    """Return the first and the last number that a line says were skipped, None if it is no such line."""
    found = SKIPPED.fullmatch(line)
    if found is None:
        return None
    first, last = int(found[2]), int(found[3] or found[2])
    assert int(found[1].replace(",", "")) == last - first + 1, line
    assert int(found[4]) == first, line
    return first, last


def rises(numbers: list[int]) -> bool:
    """Return whether each number is above the one before."""
    return all(first < second for first, second in pairwise(numbers))


def descriptors(server: Server) -> int:
    """Return how many descriptors the server has open."""
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def processor_s(server: Server) -> float:
    """Return the processor time that the server has used, in seconds."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(server: Server) -> float:
    """Return the server's resident memory."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def kernel_tcp_mib() -> float:
    """Return what the kernel's TCP holds, of all sockets of this machine: resident memory does not show it."""
    found = re.search(r"TCP: .* mem (\d+)", Path("/proc/net/sockstat").read_text())
    assert found
    return int(found[1]) * resource.getpagesize() / (1 << 20)
