"""Engines on TCP ports: a primary, replicas of it, and a sentinel that promotes one when the primary is lost."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import hiredis

from tests.cluster.engines import EngineProcess

HOST = "127.0.0.1"

#: The name by which the sentinel knows the primary.
NAME = "gchat"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


def asked(place: tuple[str, int] | str, *words: str, secret: str = "") -> Any:
    """Return what an engine or a sentinel answers. Raises OSError: it does not."""
    sock = socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET)
    with sock:
        sock.settimeout(3)
        sock.connect(place)
        parser = hiredis.Reader()
        answer: Any = None
        for question in [("AUTH", secret)] * bool(secret) + [words]:
            sock.sendall(hiredis.pack_command(question))  # type: ignore[arg-type]  # its stub says one word
            while (answer := parser.gets()) is False:
                parser.feed(sock.recv(65536))
        return answer


class TcpEngine(EngineProcess):
    """An engine on a port of its own."""

    def __init__(self, **settings: Any) -> None:
        self.port = free_port()
        super().__init__(port=self.port, bind=HOST, **settings)
        self.url = f"valkey://{HOST}:{self.port}"
        self.place = (HOST, self.port)

    def asks(self, *words: str) -> Any:
        """Return what it answers."""
        return asked(str(self.path), *words)

    def asks_with(self, secret: str, *words: str) -> Any:
        """Return what it answers to a user with a password."""
        return asked(str(self.path), *words, secret=secret)

    def follows(self, primary: TcpEngine) -> None:
        """Be a replica of another engine."""
        self.asks("REPLICAOF", HOST, str(primary.port))


class Sentinel:
    """One sentinel, which thinks that an engine is lost after half a second."""

    def __init__(self, primary: TcpEngine, secret: str = "", own_secret: str = "") -> None:
        self._secret = own_secret
        self.port = free_port()
        self.directory = tempfile.TemporaryDirectory(prefix="gchat-sentinel-")
        config = Path(self.directory.name) / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind {HOST}\ndir {self.directory.name}\nlogfile {self.directory.name}/log\n"
            f"sentinel monitor {NAME} {HOST} {primary.port} 1\n"
            f"sentinel down-after-milliseconds {NAME} 500\nsentinel failover-timeout {NAME} 2000\n"
            + (f"sentinel auth-pass {NAME} {secret}\n" if secret else "")
            + (f"requirepass {own_secret}\n" if own_secret else "")
        )
        self._command = [primary.program, str(config), "--sentinel"]
        self.url = f"valkey+sentinel://{HOST}:{self.port}/{NAME}"

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()

    def asks(self, *words: str) -> Any:
        """Return what it answers."""
        return asked((HOST, self.port), "SENTINEL", *words, secret=self._secret)

    def primary(self) -> int:
        """Return the port of the primary, 0 if it is not known."""
        try:
            return int(self.asks("GET-MASTER-ADDR-BY-NAME", NAME)[1])
        except OSError:
            return 0

    def replicas(self) -> set[int]:
        """Return the ports of the replicas that could be promoted."""
        try:
            told = self.asks("REPLICAS", NAME)
        except OSError:
            return set()
        each = [dict(zip(one[::2], one[1::2], strict=True)) for one in told]
        return {int(one[b"port"]) for one in each if one[b"flags"] == b"slave" and one[b"master-link-status"] == b"ok"}
