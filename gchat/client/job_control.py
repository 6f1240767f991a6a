"""Stopping and going on as the shell's job control wants it: Ctrl+Z, `kill -TSTP`, `fg` and `bg`."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import gevent


class JobControl:
    """Hears when the process is to stop, and when it goes on. Both are called in a greenlet of their own."""

    def __init__(self, suspend: Callable[[], None], resume: Callable[[], None]) -> None:
        self._suspend = suspend
        self._stop = gevent.signal_handler(signal.SIGTSTP, suspend)
        gevent.signal_handler(signal.SIGCONT, resume)

    def ask_to_stop(self) -> None:
        """Do what a terminal does on Ctrl+Z: tell every process of the job, this one too."""
        os.kill(0, signal.SIGTSTP)

    def stop(self) -> None:
        """Stop here, and return when the process goes on; at once, if there is no shell that could have it go on.

        The kernel decides that, and only for a signal that nobody catches.
        """
        self._stop.cancel()
        signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
        self._stop = gevent.signal_handler(signal.SIGTSTP, self._suspend)
