"""Events as they happen, server-sent: each is encoded once for all readers of a scope, and no reader is waited for.

A stream is a bounded queue between the server, which only ever puts into it, and the greenlet of one HTTP connection.
A reader that falls behind loses the connection, and a browser reconnects by itself.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

import gevent
from gevent.queue import Empty, Full, Queue
from gevent.socket import wait_read

from gchat.admin.access import Scope, is_loopback
from gchat.admin.backend import Backend
from gchat.admin.documents import Granted, ServerInfo
from gchat.admin.happenings import Happened
from gchat.admin.responses import Problem, json
from gchat.admin.visibility import GRANTED, visible
from gchat.chat.networks import network_of

logger = logging.getLogger("gchat")

#: Streams at a time, and of them from one network; programs on this machine have no limit of their own.
MAX_STREAMS, MAX_OF_NETWORK = 16, 4

#: Events that wait for one reader; beyond it the reader is dropped. One turn of the chat may bring thousands.
MAX_WAITING = 10_000

COUNTERS_S = 1.0

#: A comment after this long without anything else, so that no proxy takes the stream for dead.
HEARTBEAT_S = 10.0

#: A browser that lost the stream reconnects after this long.
_RETRY = b"retry: 2000\n\n"

_HEARTBEAT = b": still here\n\n"


class CountersEvent(ServerInfo, frozen=True, tag_field="type", tag="counters", kw_only=True):
    """The server's state, once a second; `online` counts the users online."""

    online: int


class AccessEvent(Granted, frozen=True, tag_field="type", tag="access"):
    """The first event: what the stream leaves out."""

    @classmethod
    def of(cls, scope: Scope) -> AccessEvent:
        """Return the event for a scope."""
        return cls(GRANTED[scope].scope, GRANTED[scope].note)


class HasNetwork(Protocol):
    """A stream of one reader."""

    network: str  # of the reader; "" on this machine


def check_place(streams: Collection[HasNetwork], peer: str) -> str:
    """Return the network of a reader, for whom there is a place beside these streams. Raises Problem: there is none."""
    network = "" if is_loopback(peer) else network_of(peer)
    if network and sum(stream.network == network for stream in streams) >= MAX_OF_NETWORK:
        raise Problem(
            429,
            f"Your network has {MAX_OF_NETWORK} event streams, which is the limit; close one, or wait",
            Retry_After="10",
        )
    if len(streams) >= MAX_STREAMS:
        raise Problem(503, f"All {MAX_STREAMS} event streams are in use; close one, or wait", Retry_After="10")
    return network


class Streams:
    """All streams: one subscription and one clock for them while there are any."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._open: set[Stream] = set()
        self._unsubscribe: Callable[[], None] | None = None
        self._clock: Any = None

    def open(self, sock: Any, scope: Scope, peer: str) -> Stream:
        """Return a new stream, which ends with `sock` and holds what `scope` may see. Raises Problem."""
        network = check_place(self._open, peer)
        first = _RETRY + _event(AccessEvent.of(scope)) + self._counters()
        if self._unsubscribe is None:
            self._unsubscribe = self._backend.subscribe(self._tell)
            self._clock = gevent.spawn(self._count)
        stream = Stream(sock, scope, network, self._closed)
        self._open.add(stream)
        stream.put(first)
        return stream

    def _closed(self, stream: Stream) -> None:
        self._open.discard(stream)
        if not self._open and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
            self._clock.kill(block=False)

    def _tell(self, happened: Happened) -> None:
        for scope in {stream.scope for stream in self._open}:
            if (shown := visible(happened, scope, self._backend.is_secret)) is not None:
                event = _event(shown)
                for stream in [each for each in self._open if each.scope == scope]:
                    stream.put(event)

    def _count(self) -> None:
        crashed = False
        while True:
            gevent.sleep(COUNTERS_S)
            try:
                counters = self._counters()
            except Exception:
                if not crashed:
                    logger.exception("admin: the counters crashed; trying again without another word")
                crashed = True
                continue
            for stream in list(self._open):
                stream.put(counters)

    def _counters(self) -> bytes:
        info = self._backend.server()
        fields = {name: getattr(info, name) for name in info.__struct_fields__}
        return _event(CountersEvent(online=self._backend.online(), **fields))


class Stream:
    """One reader's events, as an iterator of bytes. It ends when its socket becomes readable: at its end, mostly."""

    def __init__(self, sock: Any, scope: Scope, network: str, closed: Callable[[Stream], None]) -> None:
        self.scope = scope
        self.network = network  # of the reader; "" on this machine
        self._sock = sock
        self._closed = closed
        self._queue: Queue[bytes] = Queue(MAX_WAITING)
        self._over = False
        self._watcher = gevent.spawn(self._watch, sock.fileno())

    def put(self, event: bytes) -> None:
        """Queue an event, or drop the reader if too many wait. Never waits, never raises."""
        if self._over:
            return
        try:
            self._queue.put_nowait(event)
        except Full:
            self._drop()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """Wait for the next events; all that are queued come together."""
        try:
            events = [self._queue.get(timeout=HEARTBEAT_S)]
        except Empty:
            return _HEARTBEAT
        while not self._queue.empty():
            events.append(self._queue.get_nowait())
        if self._over:
            raise StopIteration
        return b"".join(events)

    def close(self) -> None:
        """End the stream; WSGI calls it, whatever happened."""
        self._closed(self)
        self._watcher.kill()  # before the socket is closed: the loop must not watch a descriptor that is gone

    def _watch(self, descriptor: int) -> None:
        wait_read(descriptor)
        self.put(b"")
        self._over = True

    def _drop(self) -> None:
        self._over = True
        try:
            self._sock.shutdown(socket.SHUT_RDWR)  # wakes the greenlet that waits to send
        except OSError:
            pass


def _event(value: Happened | CountersEvent | AccessEvent) -> bytes:
    kind = value.__struct_config__.tag
    return f"event: {kind}\n".encode() + b"data: " + json(value) + b"\n\n"
