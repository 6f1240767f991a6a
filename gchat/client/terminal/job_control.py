"""Stopping and continuing under the job control of a shell: Ctrl+Z, `kill -TSTP`, `fg` and `bg`."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import gevent


class JobControl:
    """Calls `suspend` when the process is asked to stop, and `resume` when it continues, each in its own greenlet."""

    def __init__(self, suspend: Callable[[], None], resume: Callable[[], None]) -> None:
        self._suspend = suspend
        self._stop = gevent.signal_handler(signal.SIGTSTP, suspend)
        gevent.signal_handler(signal.SIGCONT, resume)

    def ask_to_stop(self) -> None:
        """Do what a terminal does on Ctrl+Z: signal every process of the job, this one included."""
        os.kill(0, signal.SIGTSTP)

    def stop(self) -> None:
        """Stop here, and return when the process continues; at once if no shell could continue it.

        The kernel decides that, and only for a signal that is not caught.
        """
        self._stop.cancel()
        signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
        self._stop = gevent.signal_handler(signal.SIGTSTP, self._suspend)
