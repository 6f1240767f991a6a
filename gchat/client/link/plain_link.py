"""A link to any line chat server: the classic select() chats, `ncat --chat`, gchat's own plain dialect.

Such a server numbers nothing and acknowledges nothing: messages that are lost with a connection stay lost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import gevent
from gevent import socket
from gevent.lock import BoundedSemaphore
from msgspec import Struct

from gchat.client.conversation.notices import Back, Lost
from gchat.client.link.dial import CLOSED_BY_SERVER, cut, end_sending
from gchat.client.link.errors import LinkClosed, TimedOut
from gchat.client.link.foreign_server import REQUIRES_TLS, is_tls_alert
from gchat.client.link.reconnect import READ_BYTES, ReconnectingLink
from gchat.dialects.lines import LineDecoder
from gchat.model.errors import LineEndless, LineTooLong
from gchat.model.text import printable

if TYPE_CHECKING:
    from gchat.client.link.tls import Trust

#: A longer line is not shown.
MAX_LINE_BYTES = 65536

LINES_AT_ONCE = 512

#: What servers write where a person is to type: [You], >, and the like. It is a prompt if nothing or a line follows.
_BARE_PROMPT = re.compile(r"(\[[^\[\]]{1,40}\]|[>$%#:?])? *")
_PROMPT_AND_LINE = re.compile(r"\[You\] (?=[\[<>*])")


class PlainLine(Struct, frozen=True):
    """One line from the server, fit to be shown."""

    text: str


SKIPPED = PlainLine("… lines skipped")
TOO_LONG = PlainLine(f"… a line of more than {MAX_LINE_BYTES:,} bytes")

PlainNotice = PlainLine | Lost | Back


class PlainLink(ReconnectingLink[PlainNotice]):
    """Lines out with say(), lines in by iterating, but for empty ones. Comes back by itself; ends after close()."""

    #: What stands unterminated for so long is a line: it waits for an answer.
    prompt_s = 0.2

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8888,
        *,
        wait: bool = False,
        listen: bool = True,
        timeout_s: float | None = None,
        tls: Trust | None = None,
    ) -> None:
        super().__init__(host, port, listen=listen, timeout_s=timeout_s, tls=tls)
        self._decoder = LineDecoder(MAX_LINE_BYTES)
        self._speaking = BoundedSemaphore()  # one greenlet at a time may write to a socket
        self._was_lost = False
        self.start(wait=wait)

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._sock is not None

    def say(self, text: str, timeout_s: float | None = None) -> None:
        """Send `text` as a line. Waits while the server does not read.

        Raises LinkClosed, also while there is no connection; or TimedOut, and the connection is dropped, because half a
        line may have been sent.
        """
        self.ownership.check_can_wait()
        deadline = gevent.Timeout(timeout_s)
        try:
            with deadline, self._inbox.hurry(), self._speaking:
                self._send(text.encode(errors="replace") + b"\n")
        except gevent.Timeout as timeout:
            if timeout is not deadline:
                raise
            if self._sock:
                cut(self._sock)
            raise TimedOut(f"{self.address} does not read: that line may not have arrived") from None

    def _send(self, line: bytes) -> None:
        sock = self._sock
        if self.over or sock is None:
            raise LinkClosed(f"there is no connection to {self.address}: that line was not sent; say it again later")
        try:
            sock.sendall(line)
        except OSError:
            raise LinkClosed(f"the connection to {self.address} was lost: that line may not have arrived") from None

    def _converse(self, sock: socket.socket) -> str:
        self._decoder = LineDecoder(MAX_LINE_BYTES)
        if self._was_lost:
            self._inbox.put(Back())
        while True:
            wait_s = self.prompt_s if self._decoder.rest else None
            data = gevent.with_timeout(wait_s, sock.recv, READ_BYTES, timeout_value=b"\n")
            if is_tls_alert(data):
                return REQUIRES_TLS
            try:
                self._hear(data)
            except LineEndless as error:
                return f"the server sent {error}"
            if not data:
                return CLOSED_BY_SERVER

    def _hear(self, data: bytes) -> None:
        """Take in what was received: b"" is the end, which ends a line too."""
        self._decoder.feed(data or (b"\n" if self._decoder.rest else b""))
        while self._decoder.waiting:
            try:
                lines = self._decoder.take(LINES_AT_ONCE)
            except LineTooLong:
                self._inbox.put(TOO_LONG)
                continue
            for line in lines:
                text = printable(line.decode(errors="replace").strip("\r"))  # some return to the margin first
                text = _PROMPT_AND_LINE.sub("", text, count=1)
                if not _BARE_PROMPT.fullmatch(text):
                    self._inbox.put(PlainLine(text))

    def _part(self) -> None:
        """Say goodbye as old clients do: two bytes, and the end of the stream."""
        if self._sock is None:
            return
        try:
            if gevent.with_timeout(self.goodbye_s, self._sock.sendall, b"-1", timeout_value=True):
                return
            end_sending(self._sock)
        except OSError:
            pass

    def _let_go(self) -> None:
        self._was_lost = True

    def _squeeze(self, last: PlainNotice, notice: PlainNotice) -> list[PlainNotice]:
        if not isinstance(notice, PlainLine):
            return [last, notice]
        return [SKIPPED] if last == SKIPPED else [last, SKIPPED]
