"""The transcript: the conversation of all rooms as the operator sees it on stdout, in the plain dialect."""

from __future__ import annotations

from gchat.chat.registry import LOBBY
from gchat.dialects import plain
from gchat.model.events import Event
from gchat.server.stdout import Output


class Transcript:
    """Writes what rooms are told: the lobby's lines as they are, others behind their room."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def show(self, room: str, event: Event) -> None:
        """Write what this room was told; never waits."""
        lines = plain.encode(event)
        if room != LOBBY:
            prefix = f"#{room} ".encode()
            lines = b"".join(prefix + line for line in lines.splitlines(keepends=True))
        self._output.write(lines)
