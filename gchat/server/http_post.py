"""A POST over HTTP/1.1 on gevent's sockets, with one deadline for all of it: what this server sends to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gevent
from gevent import socket
from msgspec import Struct

from gchat.cli import spelled

#: More of an answer is not read.
MAX_ANSWER_BYTES = 65536


class PostFailed(OSError):
    """There is no answer: the text says why."""


class NotThere(PostFailed):
    """Nothing listens at the place."""


class Answered(Struct, frozen=True):
    """An answer: its status, its media type in lower case, and at most MAX_ANSWER_BYTES of its body."""

    status: int
    media_type: str
    retry_after: str  # the header, "" without
    body: bytes


class Target(Struct, frozen=True):
    """Where a POST goes: a host and a port, or with a slash in it the path of a Unix socket; `tls` is an SSLContext."""

    host: str
    port: int
    tls: Any = None
    server_name: str = ""  # in TLS, and in the Host header; "": the host

    def __str__(self) -> str:
        return spelled(self.host, self.port)


def post(target: Target, path: str, body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answered:
    """Send `body` and return the answer; redirects are not followed. Waits. Raises PostFailed."""
    from http.client import HTTPException  # noqa: PLC0415  # most servers never post

    try:
        with gevent.Timeout(deadline_s):
            return _post(target, path, body, headers)
    except gevent.Timeout:
        raise PostFailed(f"no answer within {deadline_s:g} s") from None
    except (ConnectionRefusedError, FileNotFoundError):
        raise NotThere("nothing listens there") from None
    except HTTPException as error:
        raise PostFailed(f"its answer is not HTTP ({type(error).__name__})") from None
    except OSError as error:
        raise PostFailed(error.strerror or str(error)) from None


def _post(target: Target, path: str, body: bytes, headers: Mapping[str, str]) -> Answered:
    from http.client import HTTPConnection  # noqa: PLC0415

    name = target.server_name or ("localhost" if "/" in target.host else target.host)
    connection = HTTPConnection(name, target.port)
    if target.tls is not None:
        connection.default_port = 443
    connection.sock = _connected(target, name)
    try:
        connection.request("POST", path, body, {"Connection": "close", **headers})
        answer = connection.getresponse()
        kind = answer.headers.get_content_type() if "content-type" in answer.headers else ""
        return Answered(answer.status, kind, answer.headers.get("retry-after", ""), answer.read(MAX_ANSWER_BYTES))
    finally:
        connection.close()


def _connected(target: Target, name: str) -> Any:
    if "/" in target.host:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(target.host)
        except BaseException:
            sock.close()
            raise
    else:
        sock = socket.create_connection((target.host.strip("[]"), target.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if target.tls is None:
        return sock
    try:
        return target.tls.wrap_socket(sock, server_hostname=name.strip("[]"))
    except BaseException:
        sock.close()
        raise
