"""One process of a supervisor: a fork, which ends when the supervisor does, whatever ends that."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable

#: Between the end of a process and its next start: at first, and at most. A good run, which begins anew, is so long.
MIN_PAUSE_S, MAX_PAUSE_S = 0.1, 10.0
GOOD_RUN_S = 10.0

_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)  # loaded here, because between fork and exec it is too late


class Child:
    """A process that calls `run`, whose value is its exit code. Times are of the steady clock, in seconds."""

    def __init__(self, name: str, run: Callable[[], int], *, orphan_signal: signal.Signals) -> None:
        self.name = name
        self._run = run
        self._orphan_signal = orphan_signal  # what it gets if the supervisor is gone
        self.pid = 0  # 0: it does not run
        self.is_ready = False
        self.heard_at = 0.0  # the last sign of life
        self.start_at = 0.0  # when it is to be started, if it does not run
        self._since = 0.0
        self._pause_s = MIN_PAUSE_S

    def start(self) -> None:
        """Start it. In the new process this does not return. Raises OSError: there can be no process now."""
        supervisor = os.getpid()
        pid = os.fork()
        if not pid:
            code = 1
            try:
                self._prepare(supervisor)
                code = self._run()
            finally:
                os._exit(code)
        self.pid, self.is_ready = pid, False
        self._since = self.heard_at = time.monotonic()

    def _prepare(self, supervisor: int) -> None:
        os.setpgid(0, 0)  # Ctrl+C is the supervisor's, which passes it on in its order
        _libc.prctl(_PR_SET_PDEATHSIG, int(self._orphan_signal), 0, 0, 0)
        if os.getppid() != supervisor:  # it was gone before that
            os._exit(1)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT):  # as early_signals has it
            signal.signal(number, signal.SIG_IGN)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.pid:
            os.kill(self.pid, number)  # it is there until it is waited for, and that is done here

    def ended(self) -> float:
        """Note that it has ended; return after which pause it is to be started again."""
        now = time.monotonic()
        if self.is_ready and now - self._since >= GOOD_RUN_S:
            self._pause_s = MIN_PAUSE_S
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, MAX_PAUSE_S)
        self.pid, self.is_ready, self.start_at = 0, False, now + pause_s
        return pause_s


def described(status: int) -> str:
    """Return how a process has ended, by its wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return f"was killed by {name}"
    return f"ended with exit code {os.waitstatus_to_exitcode(status)}"
