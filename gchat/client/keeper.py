"""Keeping a connection to a server, whatever its dialect: dialling, reading, waiting, dialling again, letting go."""

from __future__ import annotations

import errno
import math
import os
import random
import socket as names  # its constants and errors; the sockets are gevent's
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import gevent
from gevent import socket
from gevent.event import Event

from gchat.client.conversation import Lost
from gchat.protocol.errors import GchatError

READ_BYTES = 65536

#: Notices that wait for whoever iterates; above, the reader stops reading and the server does what it does then.
MAX_QUEUED = 1000


class ConnectFailed(GchatError):
    """There is no connection. `final`: another attempt would fail likewise."""

    def __init__(self, address: str, reason: str, *, final: bool = False) -> None:
        super().__init__(f"connect fail: {address}: {reason}")
        self.reason = reason
        self.final = final


class LinkClosed(GchatError):
    """The link was closed, by us or for good by the server: nothing can be said on it."""


def spelled(host: str, port: int) -> str:
    """Return an address as people write it."""
    if "/" in host:
        return host
    host = host.strip("[]")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reason_of(error: Exception) -> str:
    """Return why a connection failed or ended, in people's words."""
    match error:
        case names.gaierror(errno=names.EAI_AGAIN):
            return "that host's name cannot be looked up now"
        case names.gaierror() | UnicodeError():
            return "no such host"
        case TimeoutError():
            return str(error) or "timed out"
        case OSError(errno=errno.ECONNRESET | errno.EPIPE):
            return "the connection was reset"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
    return str(error)


def dial(host: str, port: int) -> socket.socket:
    """Return a connection to `host`: a name, an address, [an IPv6 address], or with a slash in it a Unix socket's path.

    Each address that the name has is tried. Raises OSError, ValueError or OverflowError.
    """
    if "/" in host:
        return _connected(socket.AF_UNIX, host)
    try:
        host.encode("idna")
    except UnicodeError:  # in gevent's native thread it would be a traceback
        raise names.gaierror(names.EAI_NONAME, "no such host") from None
    last_error: OSError = OSError(errno.EADDRNOTAVAIL, "no address")
    for family, _, _, _, address in socket.getaddrinfo(host.strip("[]"), port, type=names.SOCK_STREAM):
        try:
            sock = _connected(family, address)
        except OSError as error:
            last_error = error
            continue
        sock.setsockopt(names.IPPROTO_TCP, names.TCP_NODELAY, 1)
        sock.setsockopt(names.SOL_SOCKET, names.SO_KEEPALIVE, 1)
        for option, value in ((names.TCP_KEEPIDLE, 60), (names.TCP_KEEPINTVL, 10), (names.TCP_KEEPCNT, 3)):
            sock.setsockopt(names.IPPROTO_TCP, option, value)
        return sock
    raise last_error


def _connected(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, names.SOCK_STREAM)
    try:
        sock.connect(address)
    except BaseException:  # a deadline or the end of the greenlet, too
        sock.close()
        raise
    return sock


class Inbox:
    """Notices from the reader to whoever iterates; the reader waits while there are too many.

    Whoever waits for an answer of the server is in a hurry: the reader must go on then, for it may be the one that
    iterates who waits. What does not fit is put through `squeeze`: the last notice and the new one go in, and what
    takes their place comes out.
    """

    def __init__(self, limit: int, squeeze: Callable[[Any, Any], list[Any]]) -> None:
        self._limit = limit
        self._squeeze = squeeze
        self._notices: deque[Any] = deque()
        self._in_a_hurry = 0
        self._arrived = Event()
        self._space = Event()
        self.ended = False

    def put(self, notice: Any) -> None:
        """Add a notice, when there is space; do nothing after the end."""
        while len(self._notices) >= self._limit and not self._in_a_hurry and not self.ended:
            self._space.clear()
            self._space.wait()
        if self.ended:
            return
        if len(self._notices) < self._limit:
            self._notices.append(notice)
        else:
            self._notices.extend(self._squeeze(self._notices.pop(), notice))
        self._arrived.set()

    def get(self) -> Any:
        """Return the next notice, when there is one. Raises StopIteration when there will be none."""
        while not self._notices:
            if self.ended:
                raise StopIteration
            self._arrived.clear()
            self._arrived.wait()
        notice = self._notices.popleft()
        self._space.set()
        return notice

    def end(self) -> None:
        """Take no more."""
        self.ended = True
        self._arrived.set()
        self._space.set()

    @contextmanager
    def hurry(self) -> Iterator[None]:
        """Do not let the reader wait meanwhile."""
        self._in_a_hurry += 1
        self._space.set()
        try:
            yield
        finally:
            self._in_a_hurry -= 1


class Keeper:
    """Keeps a connection: one greenlet that dials, reads, and dials again after a while. A dialect is a subclass.

    Iterating yields notices, and ends after close(), or when the server has refused for good. One greenlet may iterate
    while others speak; another thread may not.
    """

    #: How long an attempt may take, with the server's first answer.
    connect_s = 5.0

    #: How long to wait before another attempt: at first, and at most; each time twice as long and up to half more, so
    #: that the clients of a server that was started again do not all come at once.
    retry_min_s = 0.2
    retry_max_s = 10.0

    #: A connection that has lasted so long was a good one: after it the waiting begins anew.
    steady_s = 5.0

    #: How long the server may take to answer our goodbye.
    goodbye_s = 1.0

    def __init__(self, host: str, port: int, *, listen: bool = True) -> None:
        self.address = spelled(host, port)
        self._host = host
        self._port = port
        self._sock: socket.socket | None = None
        self._inbox = Inbox(MAX_QUEUED, self._squeeze)
        if not listen:
            self._inbox.end()
        self._parting = False  # whether close() was called
        self._closing = Event()  # no connection is to be made any more
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    @property
    def over(self) -> bool:
        """Whether nothing can be said any more: close() was called, or the server has refused for good."""
        return self._parting or (self._greenlet is not None and self._greenlet.dead)

    def start(self, *, wait: bool) -> None:
        """Begin: raise ConnectFailed if there is no connection at once; or `wait` for one, as after it was lost."""
        if not wait:
            try:
                self._connect()
            except BaseException:
                self._hang_up()
                raise
        self._greenlet = gevent.spawn(self._keep)

    def close(self) -> None:
        """Say goodbye and let go of everything: no greenlet and no socket is left. What is queued can still be read."""
        self._inbox.end()  # or the reader would wait for who does not iterate any more
        if self._parting:
            if self._greenlet:
                self._greenlet.join()
            return
        self._parting = True
        try:
            self._part()
            self._closing.set()
            if self._greenlet:
                self._greenlet.join(self.goodbye_s)
        finally:
            self._closing.set()
            if self._greenlet:
                self._greenlet.kill()
            self._hang_up()  # if it was killed before it ever ran

    # --- What a dialect does ---------------------------------------------------------------------------------------

    def _greet(self, sock: socket.socket) -> None:
        """Begin a new connection. Raises ConnectFailed; anything else that goes wrong is the keeper's matter."""

    def _converse(self, sock: socket.socket) -> str:
        """Read until the end; return why it ended."""
        raise NotImplementedError

    def _part(self) -> None:
        """Say goodbye, if there is somebody to say it to."""
        raise NotImplementedError

    def _let_go(self) -> None:
        """Forget what belongs to a connection that is gone; there may have been none."""

    def _refused(self, reason: str) -> None:
        """Tell that the server has refused for good."""

    def _squeeze(self, last: Any, notice: Any) -> list[Any]:
        return [last, notice]

    # --- The greenlet ----------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        retry_s = self.retry_min_s
        try:
            while self._sock or not self._closing.is_set():  # who closes at once wants to say goodbye all the same
                began_at = math.inf
                try:
                    sock = self._sock or self._connect()
                    began_at = time.monotonic()
                    why = self._converse(sock)
                except ConnectFailed as failed:
                    why = failed.reason
                    if failed.final:
                        self._refused(why)
                        return
                except OSError as error:
                    why = reason_of(error)
                finally:
                    self._hang_up()
                if self._closing.is_set():
                    return
                if time.monotonic() - began_at >= self.steady_s:
                    retry_s = self.retry_min_s
                wait_s = min(retry_s * random.uniform(1, 1.5), self.retry_max_s)  # noqa: S311  # jitter is no secret
                retry_s = min(retry_s * 2, self.retry_max_s)
                self._inbox.put(Lost(why, wait_s))
                self._closing.wait(wait_s)
        finally:
            self._inbox.end()

    def _connect(self) -> socket.socket:
        deadline = gevent.Timeout(self.connect_s)
        try:
            with deadline:
                self._sock = dial(self._host, self._port)
                self._greet(self._sock)
                return self._sock
        except gevent.Timeout as timeout:
            if timeout is not deadline:
                raise
            raise ConnectFailed(self.address, "no answer" if self._sock else "timed out") from None
        except (OSError, ValueError, OverflowError) as error:
            raise ConnectFailed(self.address, reason_of(error)) from None

    def _hang_up(self) -> None:
        self._let_go()
        sock, self._sock = self._sock, None
        if sock:
            sock.close()
