"""The opening of a stream: what is heard of a peer, and said to it, before there is a connection."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import gevent
from gevent.hub import get_hub
from msgspec import Struct

from gchat.dialects.dialect import Dialect
from gchat.model.audience import Me
from gchat.model.events import Answer
from gchat.server.answer import encoded
from gchat.server.transport import Transport

#: What peers are told when the server stops.
FAREWELL = "The server is shutting down"

#: So many bytes without the end of a line are no hello of anything. One with fifty rooms and places has 12 KiB at most.
MAX_BYTES = 16384

#: After the last word to a peer that is turned away: how long it may take to read it, before the socket is closed.
LINGER_S = 0.5


class Opening(Struct):
    """What was heard of a peer that is not yet in: what no stage of the door has taken for itself."""

    heard: bytes = b""
    has_ended: bool = False  # whether nothing more will come

    def hear(self, transport: Transport, is_enough: Callable[[Opening], bool], timeout_s: float) -> None:
        """Add what the peer says, until that is enough or the time is over. Raises OSError."""
        watcher = transport.readable()
        try:
            with gevent.Timeout(timeout_s, False):  # type: ignore[arg-type]  # False: silent
                while not is_enough(self):
                    get_hub().wait(watcher)
                    with suppress(BlockingIOError):  # what has come is no whole record of TLS
                        self._hear_more(transport)
            # It may have come in time: where the loop was held up, it looks at its timers before its sockets.
            if not is_enough(self):
                with suppress(BlockingIOError):
                    self._hear_more(transport)
        finally:
            watcher.close()

    def _hear_more(self, transport: Transport) -> None:
        data = transport.receive(MAX_BYTES)
        self.heard += data
        self.has_ended = not data


def part(transport: Transport, last_words: bytes) -> None:
    """Send a peer its last words, and let it read them: to close at once could throw them away."""
    with suppress(OSError):
        transport.send(last_words)
        transport.shutdown()
        discard(transport, LINGER_S)


def discard(transport: Transport, timeout_s: float) -> None:
    """Throw away what a peer says, until it ends its stream or the time is over. Raises OSError."""

    def is_over(opening: Opening) -> bool:
        opening.heard = b""
        return opening.has_ended

    Opening().hear(transport, is_over, timeout_s)


def said(dialect: Dialect, answer: Answer) -> bytes:
    """Return what a peer is told that is not let in."""
    return encoded(dialect, answer, Me()).data
