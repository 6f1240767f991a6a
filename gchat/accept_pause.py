"""Pauses in accepting connections, while there is no descriptor or no memory for one: the loop would spin."""

from __future__ import annotations

import errno
import logging
import os
import time
from typing import Protocol

import gevent

logger = logging.getLogger("gchat")

#: accept() fails because these are used up (trio's _highlevel_serve_listeners has the list), and is tried again after
#: PAUSE_S.
_USED_UP = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
PAUSE_S = 0.1

#: The least time between two lines of the log that say so.
COMPLAINT_S = 60.0


class AcceptingServer(Protocol):
    """What a pause needs of gevent's BaseServer."""

    @property
    def closed(self) -> bool:
        """Whether the server accepts nothing any more."""

    def start_accepting(self) -> None:
        """Accept what has come, and what comes."""

    def stop_accepting(self) -> None:
        """Accept nothing for now."""


class AcceptPause:
    """The pauses of one server; `complaint` is what the log says, with a place for the reason."""

    def __init__(self, server: AcceptingServer, complaint: str) -> None:
        self._server = server
        self._complaint = complaint
        self._complained_at = -COMPLAINT_S

    def begins(self, error: OSError) -> bool:
        """Stop accepting for PAUSE_S if accept() failed for want of something; return whether it did."""
        if error.errno not in _USED_UP:
            return False
        now = time.monotonic()
        if now - self._complained_at >= COMPLAINT_S:
            self._complained_at = now
            logger.error(self._complaint, {"reason": os.strerror(error.errno).lower()})
        self._server.stop_accepting()
        gevent.spawn_later(PAUSE_S, self._end)
        return True

    def _end(self) -> None:
        if not self._server.closed:
            self._server.start_accepting()
