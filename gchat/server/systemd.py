"""Notifications of systemd (sd_notify): the server is ready, stops, is alive.

See sd_notify(3) and sd_watchdog_enabled(3). Without systemd nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time
from typing import Protocol

from gchat.chat.effects import SendRaw
from gchat.server.logs import logger
from gchat.server.reader_interfaces import EffectQueue
from gchat.server.stopping import Stopping

#: Signs of life in the time after which systemd believes that there is none.
PINGS_IN_A_TIMEOUT = 3


class SupervisedServer(Protocol):
    """The server, as far as systemd is told about it."""

    address: str
    stopping: Stopping

    @property
    def effects(self) -> EffectQueue:
        """What has to go on for the server to be alive."""


def notify(*assignments: str) -> None:
    """Tell systemd about the state of the server: READY=1, STOPPING=1."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path  # @: no file, but a name in the kernel
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto("\n".join(assignments).encode(), address)
    except OSError as error:
        logger.warning("cannot notify systemd: %(reason)s", {"reason": os.strerror(error.errno or 0).lower()})


def reloading() -> None:
    """Tell that the configuration is being read; READY=1 is the end of that."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def supervise(server: SupervisedServer) -> None:
    """Tell that the server is ready, then that it is alive, until it stops; a greenlet.

    It is alive while the loop comes back to this greenlet and the pump carries out what it is given.
    """
    _turn_pump(server)
    notify("READY=1", f"STATUS=Listening on {server.address}")
    while not server.stopping.wait(_interval_s()):
        _turn_pump(server)
        notify("WATCHDOG=1")
    notify("STOPPING=1")


def _turn_pump(server: SupervisedServer) -> None:
    """Return when the pump has had a turn."""
    server.effects.submit([SendRaw(0, b"")])  # no session has this number
    server.effects.wait_carried_out()


def _interval_s() -> float | None:
    """Return how long to wait between two signs of life; None: none is wanted."""
    return (timeout_s := watchdog_s()) and timeout_s / PINGS_IN_A_TIMEOUT


def watchdog_s() -> float | None:
    """Return after how long a silence this process is thought to stand still; None: never."""
    timeout_us = os.environ.get("WATCHDOG_USEC", "")
    if (
        not timeout_us.isdecimal()
        or int(timeout_us) == 0
        or os.environ.get("WATCHDOG_PID") not in (None, str(os.getpid()))
    ):
        return None
    return int(timeout_us) / 1_000_000
