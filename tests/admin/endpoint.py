"""The admin endpoint in the test's own process, and clients of it that are gevent's too, byte for byte if need be.

with Endpoint() as endpoint:
    assert endpoint.ask("GET", "/healthz").status == 200
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import gevent
from gevent import socket

from gchat.admin.security import Security
from tests.admin.fake_backend import TOKEN, FakeBackend, listen, serve

DEADLINE_S = 20.0


def wait_until(predicate: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return when `predicate()` is true, fail with `what` if it is not in time; everybody else has turns meanwhile."""
    ends_at = time.monotonic() + deadline_s
    while not predicate():
        assert time.monotonic() < ends_at, f"not in {deadline_s:g} s: {what}"
        gevent.sleep(0.005)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def value(self) -> Any:
        """The body as a value."""
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        """What a problem detail says."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.value
        assert problem["status"] == self.status, problem
        assert "\n" not in problem["detail"]
        return str(problem["detail"])


class Connection:
    """One connection to the endpoint."""

    def __init__(self, address: Any) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if len(address) > 2 else socket.AF_INET
        self.sock = socket.socket(family)
        self.sock.settimeout(DEADLINE_S)
        try:
            self.sock.connect(address)
        except OSError:
            self.sock.close()
            raise
        self.received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def sends(self, data: bytes | str) -> None:
        """Send bytes."""
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def receive(self) -> bool:
        """Wait for more; return whether there is any."""
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.received += data
        return bool(data)

    def sees(self, data: bytes) -> bytes:
        """Wait until `data` comes; return what came up to its end, and forget it."""
        while data not in self.received:
            assert self.receive(), f"the connection ended before {data!r}: {self.received[-500:]!r}"
        end = self.received.index(data) + len(data)
        seen, self.received = self.received[:end], self.received[end:]
        return seen

    def sees_end(self) -> bytes:
        """Wait until the server closes; return all that came before."""
        while self.receive():
            pass
        return self.received

    def answer(self, method: str = "GET") -> Answer:
        """Wait for a whole answer."""
        head = self.sees(b"\r\n\r\n").decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = b""
        if method == "HEAD":
            pass
        elif "content-length" in headers:
            length = int(headers["content-length"])
            while len(self.received) < length:
                assert self.receive(), "the connection ended within a body"
            body, self.received = self.received[:length], self.received[length:]
        elif headers.get("transfer-encoding") == "chunked":
            while size := int(self.sees(b"\r\n"), 16):
                while len(self.received) < size + 2:
                    assert self.receive(), "the connection ended within a chunk"
                body, self.received = body + self.received[:size], self.received[size + 2 :]
            self.sees(b"\r\n")
        elif headers.get("connection") == "close":
            body = self.sees_end()
        return Answer(int(first.split()[1]), headers, body)


class Endpoint:
    """An AdminServer on a free port of 127.0.0.1, or at a Unix socket's path."""

    def __init__(
        self,
        backend: FakeBackend | None = None,
        host: str = "127.0.0.1",
        token: str = TOKEN,
        security: Security | None = None,
        trusted: str = "",
    ) -> None:
        self.backend = backend or FakeBackend()
        listener = listen(host)
        self.address = listener.getsockname()
        self.server = serve(self.backend, listener, token, security, trusted)
        self.token = token
        name = "[::1]" if ":" in host else host
        self.host = "localhost" if isinstance(self.address, str) else f"{name}:{self.address[1]}"

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop(1)
        assert not self.server.open

    def connect(self) -> Connection:
        """Connect."""
        return Connection(self.address)

    def head(self, method: str, path: str, **headers: str) -> str:
        """Return a request's head, with the right Host; `_` in a header's name is `-`."""
        fields = {"Host": self.host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {fields[name]}\r\n" for name in fields) + "\r\n"

    def ask(
        self, method: str, path: str, body: object = None, *, trusted: bool = False, token: str = "", **headers: str
    ) -> Answer:
        """Ask on a new connection, with `token` or if `trusted` the admin's; what is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if body is not None:
            headers = {"Content_Type": "application/json", "Content_Length": str(len(data)), **headers}
        if token := token or (self.token if trusted else ""):
            headers = {"Authorization": f"Bearer {token}", **headers}
        with self.connect() as connection:
            connection.sends(self.head(method, path, **headers).encode("latin-1") + data)
            return connection.answer(method)

    def ask_get(self, path: str, accept: str = "*/*", *, trusted: bool = False) -> Answer:
        """Ask for a path that is there."""
        answer = self.ask("GET", path, trusted=trusted, Accept=accept)
        assert answer.status == 200, answer
        return answer
