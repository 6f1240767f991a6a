"""The interface of a dialect: bytes to commands, events to bytes. Only its own module knows how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gchat.model.commands import Command
from gchat.model.events import Event


class Dialect(Protocol):
    """A way to write commands and events as lines. It has no state; it is hashable, as a key of room logs."""

    goodbye: bytes  # an unterminated rest that means goodbye; b"" if there is none

    def line_bytes(self, text_bytes: int) -> int:
        """Return the length of the longest line with a text of so many bytes in it."""

    def decode(self, lines: Sequence[bytes]) -> list[Command]:
        """Return the commands in these whole lines, in order; a line that makes no sense is a Mistake in its place."""

    def encode(self, event: Event, room: str = "") -> bytes:
        """Return `event` as whole lines, fit to be sent (text.printable); `room` is the room that it is about.

        A message takes exactly as many lines as it has numbers, because the room log counts skipped messages by lines.
        """
