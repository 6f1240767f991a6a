"""Two networks with a wire between them, and programs that talk from one of them."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pytest

from tests.e2e.harness import DEADLINE_S, PROMPT, User, wait_until
from tests.e2e.tools import need


class Wire:
    """Two networks, one for the server and one for its peers, and a wire between them that can be cut.

    Both are made here and nothing else is on them, so their addresses are no matter of this machine's.
    """

    near, far = "192.0.2.1", "192.0.2.2"  # RFC 5737: for examples

    def __init__(self) -> None:
        need("ip")
        if os.geteuid():
            pytest.skip("only root can make networks")
        self.names = {end: f"gchat-{os.getpid()}-{end}" for end in (self.near, self.far)}
        for name in self.names.values():
            self.ip("netns", "add", name)
        for link in ("lo", "wire"):
            if link == "wire":
                ends = ("wire", "netns", self.names[self.near]), ("wire", "netns", self.names[self.far])
                self.ip("link", "add", *ends[0], "type", "veth", "peer", "name", *ends[1])
            for address, name in self.names.items():
                if link == "wire":
                    self.ip("-n", name, "address", "add", f"{address}/30", "dev", "wire")
                self.ip("-n", name, "link", "set", link, "up")

    @staticmethod
    def ip(*arguments: str) -> None:
        """Run the ip command."""
        subprocess.run([need("ip"), *arguments], check=True, capture_output=True)

    def enter(self, end: str) -> list[str]:
        """Return what to put before a command that is to run at this end."""
        return [need("ip"), "netns", "exec", self.names[end]]

    def join(self, end: str, port: int, count: int) -> list[User]:
        """Return users at this end who have been greeted."""
        with ThreadPoolExecutor(1) as pool:  # setns() is for the thread that calls it, and this one ends with that
            users = pool.submit(self._connect, end, port, count).result()
        for user in users:
            user.sees_bytes(PROMPT)
        return users

    def _connect(self, end: str, port: int, count: int) -> list[User]:
        clone_newnet = 0x40000000
        with Path(f"/run/netns/{self.names[end]}").open() as namespace:
            assert not ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), clone_newnet)
        return [User(socket.create_connection((self.near, port), DEADLINE_S)) for _ in range(count)]

    def cut(self) -> None:
        """Let every packet be lost, without a word to either side."""
        self.ip("-n", self.names[self.far], "link", "set", "wire", "down")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.names.values():
            subprocess.run([need("ip"), "netns", "delete", name], check=False, capture_output=True)


class Talker:
    """A program that talks over its standard input and output, such as nc."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        )
        assert self.process.stdin
        assert self.process.stdout
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        os.set_blocking(self.stdout.fileno(), False)
        self.shown = b""
        self._read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.stdin.close()
        self.stdout.close()

    def says(self, *lines: str) -> None:
        """Send lines."""
        self.stdin.write("".join(f"{line}\n" for line in lines).encode())

    def sees(self, text: str) -> str:
        """Wait until `text` is shown, behind what was seen before; return its line up to there."""
        wanted = re.compile(rb".*" + re.escape(text.encode()))

        def is_shown() -> re.Match[bytes] | None:
            self.shown += self.stdout.read(65536) or b""
            return wanted.search(self.shown, self._read)

        try:
            wait_until(is_shown, text)
        except AssertionError:
            raise AssertionError(f"not shown: {text!r}; unread: {self.shown[self._read :][-2000:]!r}") from None
        found = is_shown()
        assert found
        self._read = found.end()
        return found[0].decode()
