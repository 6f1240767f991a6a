"""The native threads that a journal has its slow work done on, as it sees them: the server makes them."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol, TypeVar

T = TypeVar("T")


class Urgency(Enum):
    """How soon a native thread is to go on, where it shares a core with others."""

    URGENT = auto()  # everybody waits for it
    USUAL = auto()
    PATIENT = auto()  # it works long, and one user waits for it, or nobody


class NativeThread(Protocol):
    """Calls a function on a native thread of its own, one call after the other, and lets other greenlets run."""

    def __call__(self, function: Callable[[], T], /) -> T:
        """Return what the function returns, raise what it raises."""
