"""What a dialect is: bytes to commands, events to bytes. Nothing but its own module knows how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gchat.protocol.commands import Command
from gchat.protocol.events import Event


class Dialect(Protocol):
    """A way to write commands and events as lines. It has no state, and is hashable: room logs are kept for each."""

    goodbye: bytes  # what says goodbye if it stands unterminated and alone for a while; b"" if nothing does

    def line_bytes(self, text_bytes: int) -> int:
        """Return how long a line may be that has a text of so many bytes in it."""

    def decode(self, lines: Sequence[bytes]) -> list[Command]:
        """Return what these whole lines ask, in their order; what cannot be understood is a Mistake in its place."""

    def encode(self, event: Event, room: str = "") -> bytes:
        """Return `event` as whole lines, fit to be sent (text.printable); `room` is where it happens, if in one.

        A message takes exactly as many lines as it has numbers: the room log counts what a reader missed by them.
        """
