"""Faults that the server outlives: each is one line of the log, and ends nothing but what failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gchat.server.logs import logger
from gchat.server.machine_errors import described, is_of_machine

T = TypeVar("T")


def log_fault(what: str, error: Exception) -> None:
    """Log that something failed: with a traceback, unless the machine has refused something."""
    exc_info = None if is_of_machine(error) else error
    logger.error("%(what)s: %(reason)s", {"what": what, "reason": described(error)}, exc_info=exc_info)


class Guard:
    """Runs the parts of a greenlet that goes on for ever: an error of one is logged once, and ends nothing."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, type[Exception]]] = set()

    def __call__(self, part: str, function: Callable[[], T]) -> T | None:
        """Return what the function returns, None if it fails; `part` names it in the log."""
        try:
            return function()
        except Exception as error:  # whatever it is, the other parts go on
            kind = (part, type(error))
            if kind not in self._logged:
                self._logged.add(kind)
                log_fault(f"{part} crashed; the server goes on and will not log this again", error)
            return None
