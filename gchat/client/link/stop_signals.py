"""Signals that end a bot's iteration, so that it leaves as if it had come to its end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from gchat.client.link.errors import LinkMisused


class StopSignals:
    """Calls `stop` at the first SIGINT (Ctrl+C) or SIGTERM; the second one does what it did before.

    A signal that is ignored, as SIGINT in the background of a script, stays ignored.
    """

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop
        try:
            self._before = {
                number: signal.signal(number, self._handle)
                for number in (signal.SIGINT, signal.SIGTERM)
                if signal.getsignal(number) is not signal.SIG_IGN
            }
        except ValueError:
            raise LinkMisused("stop_on_signals works in the main thread only: Python handles signals there") from None

    def restore(self) -> None:
        """Handle signals as before."""
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.restore()
        self._stop()
