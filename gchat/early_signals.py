"""Signals that come while a command is still being imported. This module loads nothing that takes long."""

from __future__ import annotations

import os
import signal


def expect_signals(*ignored: signal.Signals) -> None:
    """Have SIGINT end the process without a traceback, and these signals do nothing, until the command handles them."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell may have it ignored
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
