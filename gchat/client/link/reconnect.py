"""A link that comes back, whatever its dialect: dialling, reading, waiting, dialling again, and closing at last."""

from __future__ import annotations

import math
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import gevent
from gevent import socket
from gevent.event import Event

from gchat.cli import TLS_SCHEME, spelled, split_address, split_scheme
from gchat.client.conversation.notices import Lost
from gchat.client.link.backoff import Backoff
from gchat.client.link.dial import dial, hang_up, raw, reason_of
from gchat.client.link.errors import ConnectFailed, LinkClosed, TimedOut, Unacknowledged
from gchat.client.link.inbox import Inbox
from gchat.client.link.ownership import Ownership

if TYPE_CHECKING:
    from gchat.client.link.tls import Trust

NoticeT = TypeVar("NoticeT")

READ_BYTES = 65536

#: Notices that wait to be iterated; above, the reader stops reading and the server skips what it cannot send.
MAX_QUEUED = 1000

#: A server that sends its users elsewhere has had them for at least so long: no two send them to and fro.
MOVED_AFTER_S = 0.2


def tls_of(host: str) -> Trust | None:
    """Return the TLS that an address asks for, None if it asks for none."""
    if split_scheme(host)[0] != TLS_SCHEME:
        return None
    from gchat.client.link.tls import Trust  # noqa: PLC0415  # most links need no OpenSSL

    return Trust()


class ReconnectingLink(Generic[NoticeT]):
    """One connection after another: a greenlet dials, reads, and dials again after a while. A dialect is a subclass.

    Iterating yields notices, and ends after close() or stop(), or when the server has refused for good. One greenlet
    may iterate while others speak, all of them in one thread: see ownership.
    """

    #: How long an attempt may take, with the server's first answer.
    connect_s = 5.0

    #: See Backoff.
    retry_min_s = 0.2
    retry_max_s = 10.0
    steady_s = 5.0

    #: How long the server may take to answer the goodbye.
    goodbye_s = 1.0

    #: How long close() may take, while the server goes on answering.
    close_s = 60.0

    def __init__(
        self, host: str, port: int, *, listen: bool = True, timeout_s: float | None = None, tls: Trust | None = None
    ) -> None:
        tls = tls or tls_of(host)
        host = split_scheme(host)[1]
        name, number = split_address(host)
        if number and number.isdecimal():
            host, port = name, int(number)
        self.address = f"{TLS_SCHEME}://{spelled(host, port)}" if tls else spelled(host, port)
        self.tls = tls
        self.ownership = Ownership()
        self.failure: ConnectFailed | None = None  # why the server has refused for good
        if timeout_s is not None:
            self.connect_s = timeout_s
        self._host = host
        self._port = port
        self._sock: socket.socket | None = None
        self._inbox = Inbox(MAX_QUEUED, self._squeeze, self._stalled)
        if not listen:
            self._inbox.end()
        self._parting = False  # whether close() was called
        self._closing = Event()  # no connection is to be made any more
        self._greenlet: gevent.Greenlet[..., None] | None = None
        self._writer: gevent.Greenlet[..., None] | None = None
        self._closer: gevent.Greenlet[..., None] | None = None
        self._is_reported = False  # whether close() has raised Unacknowledged
        self._is_stopped = False
        self._losses = 0  # attempts that have failed, and connections that were lost

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        try:
            self.close()
        except Unacknowledged as unacknowledged:
            if error is None:
                raise
            error.add_note(str(unacknowledged))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> NoticeT:
        self.ownership.check_can_wait()
        self._dealt_with()
        notice: NoticeT = self._inbox.get()
        self._taken(notice)
        return notice

    def next(self, timeout_s: float | None = None) -> NoticeT | None:
        """Return the next notice, or None if there is none within `timeout_s`. Raises LinkClosed after the last."""
        try:
            self.ownership.check_can_wait()
            self._dealt_with()
            notice: NoticeT = self._inbox.get(timeout_s)
        except TimedOut:
            return None
        except StopIteration:
            raise LinkClosed(f"the link to {self.address} is closed: there is nothing more to iterate") from None
        self._taken(notice)
        return notice

    @property
    def is_private(self) -> bool:
        """Whether nobody can read along: the link is in TLS, or stays on this machine."""
        if self.tls or "/" in self._host:
            return True
        try:
            return self._sock is not None and ip_address(self._sock.getpeername()[0]).is_loopback
        except (OSError, ValueError):
            return False

    @property
    def over(self) -> bool:
        """Whether nothing can be said any more: close() was called, or the server has refused for good."""
        return self._parting or (self._greenlet is not None and self._greenlet.ready())

    def start(self, *, wait: bool) -> None:
        """Begin: raise ConnectFailed if the first attempt fails; or `wait` for a connection, as after it was lost."""
        self.ownership.begin(self)
        try:
            if not wait:
                self._connect()
        except BaseException:
            self._hang_up()
            self.ownership.end(self)
            raise
        self._greenlet = gevent.spawn(self._run)
        try:
            self._settle()
        except BaseException:
            self.close(0)
            raise
        if self.failure and not wait:
            self.close()
            raise self.failure

    def stop(self) -> None:
        """End the iteration; what was asked is sent all the same, until close(). A signal handler may call it."""
        self.ownership.check()
        self._is_stopped = True
        self._inbox.end(drop=True)
        self._stalled()

    def close(self, timeout_s: float | None = None) -> None:
        """Say what is owed, say goodbye, and let go of everything. What has arrived can still be iterated.

        Takes `timeout_s` at most; without it, as long as the server goes on answering, up to close_s. Raises
        Unacknowledged, once, if that was not enough, or if something was refused and no iteration has told it.

        A signal handler may call it: where it cannot wait, closing begins, and the next close(), or the end of the
        `with` block or of the interpreter, waits for its end.
        """
        if self.ownership.is_inherited:
            return
        self.ownership.check()
        self._inbox.end()  # or the reader would wait for an iteration that has ended
        self._parting = True
        if self._closer is None:
            self._closer = gevent.spawn(self._end, self.close_s if timeout_s is None else timeout_s)
        current = gevent.getcurrent()
        if not self._closer.ready() and current in (gevent.get_hub(), self._greenlet, self._writer, self._closer):
            return
        try:
            self._closer.join()
        except BaseException:  # somebody is in a hurry
            self._closer.kill()
            raise
        finally:
            self.ownership.end(self)
        texts, refusals = self.unacknowledged(), self.untold()
        if (texts or refusals) and not self._is_reported:
            self._is_reported = True
            raise Unacknowledged(self.address, texts, refusals)

    def abandon(self) -> None:
        """See ownership: let go of everything in a forked child."""
        self._parting = True
        self._inbox.end(drop=True)
        if self._sock:
            raw(self._sock).close()  # this copy of the descriptor, not the connection
        for greenlet in (self._greenlet, self._writer, self._closer):
            if greenlet:
                greenlet.kill(block=False)

    def unacknowledged(self) -> list[str]:
        """Return what was said and not acknowledged, in order."""
        return []

    def untold(self) -> list[str]:
        """Return why the server refused what was said, as far as no iteration has told it."""
        return []

    def _end(self, timeout_s: float) -> None:
        try:
            with gevent.Timeout(timeout_s, False):  # type: ignore[arg-type]  # False: silent
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
        """Begin a new connection. Raises ConnectFailed; anything else that goes wrong is handled here."""

    def _unanswered(self) -> ConnectFailed:
        """Return what failed when an attempt took too long."""
        return ConnectFailed(self.address, "no answer" if self._sock else "timed out")

    def _settle(self) -> None:
        """Wait until what is said now goes out at once."""

    def _converse(self, sock: socket.socket) -> str:
        """Read until the end; return why it ended."""
        raise NotImplementedError

    def _part(self) -> None:
        """Wait for what is owed, and say goodbye if there is a connection."""
        raise NotImplementedError

    def _let_go(self) -> None:
        """Forget what belongs to a connection that is gone; there may have been none."""

    def _is_moved(self) -> bool:
        """Return whether the server has asked for another connection at once, with its last word on this one."""
        return False

    def _refused(self, reason: str) -> None:
        """Tell that the server has refused for good."""

    def _taken(self, notice: NoticeT) -> None:
        """Note that the program has taken `notice` from the iteration."""

    def _dealt_with(self) -> None:
        """Note that the program has dealt with everything that it has taken: it asks for more."""

    def _stalled(self) -> None:
        """Note that the reader waits for the iteration, or that there is none any more."""

    def _squeeze(self, last: Any, notice: Any) -> list[Any]:
        return [last, notice]

    # --- The greenlet ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        backoff = Backoff(self.retry_min_s, self.retry_max_s, self.steady_s)
        try:
            while self._sock or not self._closing.is_set():  # a link that is closed at once says goodbye all the same
                began_at = math.inf
                try:
                    sock = self._sock or self._connect()
                    began_at = time.monotonic()
                    why = self._converse(sock)
                except ConnectFailed as failed:
                    why = failed.reason
                    if failed.final:
                        self.failure = failed
                        self._refused(why)
                        return
                except OSError as error:
                    why = self._reason(error)
                finally:
                    self._hang_up()
                if self._closing.is_set():
                    return
                lasted_s = time.monotonic() - began_at
                wait_s = 0.0 if lasted_s > MOVED_AFTER_S and self._is_moved() else backoff.wait_s(lasted_s)
                self._losses += 1
                self._inbox.put(Lost(why, wait_s))
                self._closing.wait(wait_s)
        finally:
            self._inbox.end()

    def _connect(self) -> socket.socket:
        deadline = gevent.Timeout(self.connect_s)
        try:
            with deadline:
                self._sock = dial(self._host, self._port)
                if self.tls:
                    self._sock = sock = self.tls.wrapped(self._sock, self._host)
                    self.tls.shake_hands(sock, self._host)
                self._greet(self._sock)
                return self._sock
        except gevent.Timeout as timeout:
            if timeout is not deadline:
                raise
            if self.tls and self._sock and not self.tls.is_agreed(self._sock):
                raise ConnectFailed(self.address, self.tls.no_answer) from None
            raise self._unanswered() from None
        except ConnectFailed:
            raise
        except (OSError, ValueError, OverflowError, RuntimeError) as error:
            is_absent = isinstance(error, ConnectionRefusedError | FileNotFoundError)
            raise ConnectFailed(self.address, self._reason(error), is_absent=is_absent) from None

    def _reason(self, error: Exception) -> str:
        return self.tls.reason_of(error) if self.tls else reason_of(error)

    def _hang_up(self) -> None:
        self._let_go()
        sock, self._sock = self._sock, None
        if sock:
            hang_up(sock)
