"""Users who speak the rich dialect, raw: what they ask and are told are the lines themselves."""

from __future__ import annotations

import json
import time
from typing import Any, Self

from tests.e2e.harness import DEADLINE_S, Server


class RichUser:
    """One connection in the rich dialect; `events` is all that it was told, `unseen` what no sees() has met."""

    def __init__(self, server: Server, *, receive_buffer: int = 0, source: str = "", **opening: Any) -> None:
        self.user = server.connect(receive_buffer=receive_buffer, source=source)
        self.user.sends(b"GCHAT/1 " + json.dumps(opening).encode() + b"\n")
        self.events: list[dict[str, Any]] = []
        self._seen = 0
        self._parsed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.user.sock.close()

    @property
    def unseen(self) -> list[dict[str, Any]]:
        """What was told since the last thing seen."""
        return self.events[self._seen :]

    def asks(self, *requests: dict[str, Any]) -> None:
        """Send requests."""
        self.user.sends(b"".join(json.dumps(request).encode() + b"\n" for request in requests))

    def says(self, text: str, id_: str = "") -> None:
        """Say something to the room."""
        self.asks({"type": "say", "text": text, **({"id": id_} if id_ else {})})

    def sees(self, kind: str, deadline_s: float = DEADLINE_S, **fields: Any) -> dict[str, Any]:
        """Wait for an event of this type, with these fields, after what was seen before; return it."""
        return self.sees_any(kind, deadline_s=deadline_s, **fields)

    def sees_any(self, *kinds: str, deadline_s: float = DEADLINE_S, **fields: Any) -> dict[str, Any]:
        """Wait for an event of one of these types."""
        ends_at = time.monotonic() + deadline_s
        looked_at = self._seen
        while True:
            for at in range(looked_at, len(self.events)):
                event = self.events[at]
                if event["type"] in kinds and fields.items() <= event.items():
                    self._seen = at + 1
                    return event
            looked_at = len(self.events)
            if self.user.ended:
                raise AssertionError(f"the connection ended before {kinds} {fields}; unseen: {self.unseen}")
            self._receive(ends_at, f"{kinds} {fields}")

    def sees_end(self) -> None:
        """Wait until the server closes."""
        self.user.sees_end()
        self._parse()

    def sees_up_to(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Return everything from what was seen before up to this event, without it."""
        begin = self._seen
        self.sees(kind, **fields)
        return self.events[begin : self._seen - 1]

    def _receive(self, ends_at: float, what: str) -> None:
        self.user._receive(ends_at, what)
        self._parse()

    def _parse(self) -> None:
        whole = self.user.received.rfind(b"\n") + 1
        lines = self.user.received[self._parsed : whole].splitlines()
        self.events += [json.loads(line) for line in lines]
        self._parsed = whole


def joins(server: Server, nick: str = "", *, source: str = "", **opening: Any) -> RichUser:
    """Return a rich user who is live; `source` is the local address."""
    user = RichUser(server, source=source, nick=nick, **opening)
    user.sees("live")
    return user
