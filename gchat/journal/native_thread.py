"""The native threads that a journal has its slow work done on, as it sees them: the server makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class NativeThread(Protocol):
    """Calls a function on a native thread of its own, one call after the other, and lets other greenlets run."""

    def __call__(self, function: Callable[[], T], /) -> T:
        """Return what the function returns, raise what it raises."""
