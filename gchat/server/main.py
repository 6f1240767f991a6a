"""The entry point of `gchat-server`: what has to be done before the rest is imported, which takes most of the start."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import NoReturn

from gchat.early_signals import expect_signals


def main() -> NoReturn:
    """Run the command; the entry point in pyproject.toml."""
    is_daemon = not any(os.isatty(descriptor) for descriptor in range(3))
    # They ask a running server how it is, or to reload its configuration, unless a terminal has hung up.
    expect_signals(signal.SIGUSR1, signal.SIGQUIT, *([signal.SIGHUP] if is_daemon else []))
    gc.disable()  # what is imported is no garbage, and to look for some in it takes a tenth of the start
    from gchat.server.cli import run  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    os._exit(run(sys.argv[1:]))  # greenlets and daemon threads have nothing left to say


if __name__ == "__main__":
    main()
