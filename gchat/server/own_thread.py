"""A native thread of one's own, for slow work that must not hold the loop up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gevent.threadpool import ThreadPool
from msgspec import Struct

from gchat.server.linux import wake_promptly

T = TypeVar("T")


class OwnThread:
    """Implements native_thread.NativeThread. The thread runs from the start on: later there may be none to be had."""

    def __init__(self) -> None:
        self._pool = ThreadPool(1)
        self._pool.spawn(wake_promptly)

    def __call__(self, function: Callable[[], T], /) -> T:
        """See NativeThread."""
        # gevent would report an error that comes out of the thread by itself on stderr.
        found: T | _Failed = self._pool.apply(_tried, (function,))
        if isinstance(found, _Failed):
            raise found.error
        return found


class _Failed(Struct):
    error: Exception


def _tried(function: Callable[[], T]) -> T | _Failed:
    try:
        return function()
    except Exception as error:
        return _Failed(error)
