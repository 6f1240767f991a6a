"""The decoder of a dialect in which each line is a request, whatever stands in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gchat.dialects.dialect import Goodbye, Outcome
from gchat.dialects.lines import LineDecoder
from gchat.model.commands import Command


class CommandDecoder:
    """Bytes to lines, and lines to commands; see dialect.Decoder. `decode` gets whole lines.

    Where it is not yet known what a peer speaks, it begins with `_is_new`, and a subclass has the two methods for that.
    """

    __slots__ = ("_decode", "_goodbye", "_is_new", "_lines", "may_be_goodbye", "outcome", "replies", "waiting")

    def __init__(
        self, lines: LineDecoder, decode: Callable[[Sequence[bytes]], list[Command]], goodbye: bytes = b""
    ) -> None:
        self._lines = lines
        self._decode = decode
        self._goodbye = goodbye  # an unterminated rest that is one; b"" if there is none
        self._is_new = False  # whether the first line is still to come, which may be another dialect's
        self.waiting = False
        self.replies = b""
        self.may_be_goodbye = False
        self.outcome: Outcome | None = None

    def feed(self, data: bytes) -> None:
        """See Decoder.feed. A goodbye comes at once, in one piece; typed key by key it is text."""
        if self._is_new and not (data := self._judged(data)):
            return
        lines = self._lines
        lines.feed(data)
        self.waiting = lines.waiting
        self.may_be_goodbye = lines.rest_at_once and lines.rest == self._goodbye
        if lines.telnet is not None:
            self.replies = lines.replies()
            if lines.interrupted:
                self.outcome = Goodbye()

    def end(self) -> None:
        """See Decoder.end."""
        rest = self._lines.rest
        if rest and rest == self._goodbye:
            self.outcome = Goodbye()
        elif rest:
            self.feed(b"\n")

    def take(self, limit: int) -> tuple[int, list[Command]]:
        """See Decoder.take."""
        if self._is_new:
            return self._take_first()
        lines = self._lines.take(limit)
        self.waiting = self._lines.waiting
        return len(lines), self._decode(lines)

    def _judged(self, data: bytes) -> bytes:
        """Return what was fed, as far as it can be told that it is for this decoder."""
        return data

    def _take_first(self) -> tuple[int, list[Command]]:
        """Return what take() does, of one line, and know by it whether it is for this decoder."""
        raise NotImplementedError
