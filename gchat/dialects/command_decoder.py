"""The decoder of a dialect in which each line is a request, whatever stands in it."""

from __future__ import annotations

from gchat.dialects.dialect import Goodbye, Outcome
from gchat.dialects.lines import BS, CR, CTRL_U, DEL, IAC, LF, LineDecoder, are_at_most
from gchat.model.commands import Command


class CommandDecoder:
    """Bytes to lines, and lines to commands; see dialect.Decoder. A subclass has `_decode`.

    If it says that the next line `_is_special`, because it is not known yet what the peer speaks or because it will be
    no request, it has a method more for that.
    """

    __slots__ = ("_goodbye", "_is_special", "_lines", "is_settled", "may_be_goodbye", "outcome", "replies", "waiting")

    def __init__(self, lines: LineDecoder, goodbye: bytes = b"") -> None:
        self._lines = lines
        self._goodbye = goodbye  # an unterminated rest that is one; b"" if there is none
        self._is_special = False
        self.is_settled = False
        self.waiting = False
        self.replies = b""
        self.may_be_goodbye = False
        self.outcome: Outcome | None = None

    def end(self) -> None:
        """See Decoder.end."""
        self.is_settled = False
        rest = self._lines.rest
        if rest and rest == self._goodbye:
            self.outcome = Goodbye()
        elif rest:
            self._finish(b"\n")

    def take(self, limit: int, data: bytes = b"") -> tuple[int, list[Command]]:
        """See Decoder.take. A goodbye comes at once, in one piece; typed key by key it is text."""
        # Most of what comes is whole lines in which there is nothing to look for: they pass by the LineDecoder.
        if (
            self.is_settled
            and data
            and data[-1] == LF
            and (size := len(data)) <= self._lines.max_line_bytes
            and not (CR in data or IAC in data or DEL in data or BS in data or CTRL_U in data)
            and (size <= limit or are_at_most(limit, data))
        ):
            return self._decode(data)
        self.is_settled = False
        if self._is_special:
            taken = self._take_special(data)
        else:
            taken = self._decode(block) if (block := self._block(limit, data)) else (0, [])
        held = self.waiting or self._is_special or self.outcome is not None
        self.is_settled = self._lines.is_between_lines and not held
        return taken

    def _block(self, limit: int, data: bytes) -> bytes:
        """Return what LineDecoder.block does, and note what it has come to."""
        lines = self._lines
        self.waiting = True  # if it raises
        block = lines.block(limit, data)
        self.waiting = lines.waiting
        self.may_be_goodbye = lines.rest_at_once and lines.rest == self._goodbye
        if lines.telnet is not None:
            self.replies += lines.replies()
            if lines.interrupted:
                self.outcome = Goodbye()
        return block

    def _finish(self, end: bytes) -> None:
        """End the stream so, because what stands unterminated is a line too."""
        self._lines.feed(end)
        self.waiting = self._lines.waiting

    def _decode(self, lines: bytes) -> tuple[int, list[Command]]:
        """Return how many lines to pay for, and what they ask: one at least, and each is ended by LF."""
        raise NotImplementedError

    def _take_special(self, data: bytes) -> tuple[int, list[Command]]:
        """Return what take() does, of the one line that is special, and know what the next one is."""
        raise NotImplementedError
