"""The decoder of a dialect in which each line is a request, whatever stands in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gchat.dialects.dialect import Goodbye, Outcome
from gchat.dialects.lines import LineDecoder
from gchat.model.commands import Command


class CommandDecoder:
    """Bytes to lines, and lines to commands; see dialect.Decoder. `decode` gets whole lines."""

    __slots__ = ("_decode", "_lines", "may_be_goodbye", "outcome", "replies", "waiting")

    def __init__(self, lines: LineDecoder, decode: Callable[[Sequence[bytes]], list[Command]]) -> None:
        self._lines = lines
        self._decode = decode
        self.waiting = False
        self.replies = b""
        self.may_be_goodbye = False
        self.outcome: Outcome | None = None

    def feed(self, data: bytes) -> None:
        """See Decoder.feed."""
        lines = self._lines
        lines.feed(data)
        self.waiting = lines.waiting
        if lines.telnet is not None:
            self.replies = lines.replies()
            if lines.interrupted:
                self.outcome = Goodbye()

    def end(self) -> None:
        """See Decoder.end."""
        if self._lines.rest:
            self.feed(b"\n")

    def take(self, limit: int) -> tuple[int, list[Command]]:
        """See Decoder.take."""
        lines = self._lines.take(limit)
        self.waiting = self._lines.waiting
        return len(lines), self._decode(lines)
