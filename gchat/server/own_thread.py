"""A native thread of one's own, for slow work that must not hold the loop up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gevent.threadpool import ThreadPool
from msgspec import Struct

from gchat.journal.native_thread import Urgency
from gchat.server.linux import step_back, wake_promptly

T = TypeVar("T")


class OwnThread:
    """Implements native_thread.NativeThread. The thread runs from the start on: later there may be none to be had."""

    def __init__(self, urgency: Urgency = Urgency.USUAL) -> None:
        self._pool = ThreadPool(1)
        self._pool.spawn(_BEGIN[urgency])

    def __call__(self, function: Callable[[], T], /) -> T:
        """See NativeThread."""
        # gevent would report an error that comes out of the thread by itself on stderr.
        found: T | _Failed = self._pool.apply(_tried, (function,))
        if isinstance(found, _Failed):
            raise found.error
        return found


_BEGIN: dict[Urgency, Callable[[], object]] = {
    Urgency.URGENT: wake_promptly,
    Urgency.USUAL: int,
    Urgency.PATIENT: step_back,
}


class _Failed(Struct):
    error: Exception


def _tried(function: Callable[[], T]) -> T | _Failed:
    try:
        return function()
    except Exception as error:
        return _Failed(error)
