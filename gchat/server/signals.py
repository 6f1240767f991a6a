"""Signals: those that stop the server, make it reload its configuration, or ask it how it is."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable
from typing import NoReturn

import gevent

from gchat.model.errors import GchatError
from gchat.server import logs, systemd
from gchat.server.app import STOP_S, App
from gchat.server.linux import open_descriptors
from gchat.server.listener import remove_files
from gchat.server.logs import logger
from gchat.server.reader import RECEIVED_BYTES
from gchat.server.reload import reload
from gchat.server.settings import Config
from gchat.server.stdout import Output

#: A second signal to stop ends the process at once, but not so soon: a supervisor and a terminal may both signal, and a
#: key may bounce, and users still get the farewell.
IMPATIENT_AFTER_S = 1.0


def stand_by() -> None:
    """Have signals that stop the server end it at once, without a trace of it in the file system, until handle()."""
    signal.signal(signal.SIGTERM, lambda *_: _exit(0))
    signal.signal(signal.SIGINT, lambda *_: _exit(130))


def handle(app: App, errors: Output, load: Callable[[], Config], *, ends_with_terminal: bool) -> None:
    """Handle signals from now on; `load` reads the configuration, raising GchatError."""
    stop = _stopper(app)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGQUIT, lambda *_: errors.write(_stacks()))
    gevent.signal_handler(signal.SIGUSR1, _tell_statistics, app)
    if not ends_with_terminal:
        gevent.signal_handler(signal.SIGHUP, _reload, app, load)
    elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, stop)


def _stopper(app: App) -> Callable[[int, object], None]:
    """Return the handler that stops the server; a plain one, not gevent's: it works even if a greenlet never yields."""
    loop = gevent.get_hub().loop
    phases: dict[str, float] = {}  # when each began: the drain, if there is one, and the stop

    def stop(number: int, _frame: object) -> None:
        now = time.monotonic()
        if phases and now - max(phases.values()) <= IMPATIENT_AFTER_S:
            return
        if "stop" in phases:
            _exit(130)
        drain_s = app.config.server.drain_s if number == signal.SIGTERM and not phases else 0.0
        phases["drain" if drain_s else "stop"] = now
        signal.setitimer(signal.ITIMER_REAL, drain_s + STOP_S)
        if drain_s:
            loop.run_callback_threadsafe(app.drain.begin, drain_s, STOP_S)
        else:
            loop.run_callback_threadsafe(app.stopping.set)

    signal.signal(signal.SIGALRM, lambda *_: _exit(0))
    return stop


def _exit(code: int) -> NoReturn:
    remove_files()
    os._exit(code)


def _reload(app: App, load: Callable[[], Config]) -> None:
    if app.stopping.is_set():  # systemd must not hear READY=1 behind STOPPING=1
        logger.warning("configuration not reloaded: the server is shutting down")
        return
    systemd.reloading()
    try:
        reload(app, load())
    except GchatError as error:
        logger.error("configuration not reloaded: %(reason)s", {"reason": str(error)})
    finally:  # until then systemd believes that it is being reloaded
        systemd.notify("READY=1")


def _stacks() -> bytes:
    """Return what every greenlet and every native thread is doing."""
    from gevent.util import format_run_info  # noqa: PLC0415  # it loads inspect and ast: 1 MiB that few ask for

    gc.unfreeze()  # what is frozen is not found
    try:
        lines: list[str] = format_run_info()  # type: ignore[assignment, func-returns-value]  # types-gevent is wrong
    finally:
        gc.freeze()
    return "".join(f"{line}\n" for text in lines for line in text.splitlines()).encode("utf-8", "replace")


def _tell_statistics(app: App) -> None:
    info = app.admin.server()
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    fields = {
        "online": app.admin.online(),
        "rooms": len(app.registry.rooms),
        "connections": info.connections,
        "slow_readers": info.slow_readers,
        "messages": info.messages,
        "deliveries": info.deliveries,
        "skipped": info.skipped,
        "received_bytes": RECEIVED_BYTES.value,
        "sent_bytes": info.sent_bytes,
        "waiting_effects": app.pump.waiting,
        "hub_lag_ms": info.hub_lag_ms,
        "resident_mib": resident >> 20,
        "descriptors": open_descriptors(),
        "uptime_s": info.uptime_s,
    }
    logs.tell("statistics: " + " ".join(f"{name}=%({name})s" for name in fields), fields)
