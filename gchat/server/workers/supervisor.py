"""The supervisor: it starts the engine and the nodes in that order, starts again what dies, and ends all.

Until all of them have been up together, the end of any of them is the end of all: the configuration is wrong, or the
machine refuses, and that process has said so in its line. Later whatever ends is started again, after a pause
that grows.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

from gchat.server import systemd
from gchat.server.listener import StartError
from gchat.server.logs import logger
from gchat.server.workers.child import Child, described
from gchat.server.workers.own_engine import OwnEngine
from gchat.server.workers.signs import Signs

#: The engine has this long to end: it has nothing to write that is not written.
ENGINE_STOP_S = 3.0

#: How long a node may take longer than by its own deadline to end.
GRACE_S = 1.0

#: How often an engine that is starting is asked whether it answers.
_ASK_S = 0.05

#: Signals that are the nodes' own: to reload, to tell how they are.
_PASSED_ON = (signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT)
_STOPS = (signal.SIGTERM, signal.SIGINT)


class Supervisor:
    """The nodes, the engine if it is this machine's own, and what goes on with them."""

    def __init__(self, nodes: list[Child], engine: Child | None, own: OwnEngine | None, signs: Signs) -> None:
        self._nodes = nodes
        self._engine = engine
        self._own = own
        self._signs = signs
        self._signals: list[signal.Signals] = []
        self._was_up = False  # whether all were ready once
        self._stops_by = 0.0  # when what has not ended is killed; 0: it goes on
        self._code = 0
        self._is_engine_told = False  # to end
        self._is_reloading = False
        self._ends_with_terminal = False
        self._watchdog_s = systemd.watchdog_s()
        self._next_sign_at = 0.0

    @property
    def _children(self) -> list[Child]:
        return [*([self._engine] if self._engine else []), *self._nodes]

    def run(self, address: str, stop_s: Callable[[], float], *, ends_with_terminal: bool) -> int:
        """Run until a signal stops it; return the exit code. A node ends within `stop_s()` of being told to."""
        self._ends_with_terminal = ends_with_terminal
        self._stop_s = stop_s
        self._address = address
        awake, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        is_nohup = ends_with_terminal and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        for number in (*_PASSED_ON, *_STOPS, signal.SIGCHLD):
            if not (is_nohup and number is signal.SIGHUP):
                signal.signal(number, self._note)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(awake, select.POLLIN)
        poll.register(self._signs, select.POLLIN)
        try:
            while not (self._stops_by and not any(child.pid for child in self._children)):
                self._start_due()
                poll.poll(self._pause_s() * 1000)
                _drain(awake)
                self._hear()
                self._reap()
                self._obey()
                self._look_at_time()
        finally:
            signal.set_wakeup_fd(-1)
            for child in self._children:
                child.send(signal.SIGKILL)
        return self._code

    # --- Starting --------------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        """Start what is to be started now: at first each waits for the one before it, but all nodes for the first."""
        if self._stops_by:
            return
        engine, first = self._engine, self._nodes[0]
        for child in self._children:
            is_next = self._was_up or child is engine or (child is first and self._is_engine_ready())
            if not child.pid and time.monotonic() >= child.start_at and (is_next or first.is_ready):
                if child is engine and self._own:
                    self._own.note_start()
                try:
                    child.start()
                except OSError as error:
                    pause_s = child.ended()
                    why = {"name": child.name, "reason": os.strerror(error.errno or 0).lower(), "pause": pause_s}
                    logger.error("cannot start %(name)s: %(reason)s; trying again in %(pause)g s", why)

    def _is_engine_ready(self) -> bool:
        engine, own = self._engine, self._own
        if engine is None or own is None:
            return True
        if engine.pid and not engine.is_ready:
            engine.is_ready = own.answers()
        return engine.is_ready

    # --- What is heard ---------------------------------------------------------------------------------------------

    def _note(self, number: int, _frame: object) -> None:
        self._signals.append(signal.Signals(number))

    def _hear(self) -> None:
        for pid, assignments in self._signs.heard():
            for node in self._nodes:
                if node.pid == pid:
                    node.heard_at = time.monotonic()
                    if "READY=1" in assignments:
                        node.is_ready = True
        if all(node.is_ready for node in self._nodes):
            self._all_are_ready()

    def _all_are_ready(self) -> None:
        if not self._was_up:
            self._was_up = True
            logger.info("%(nodes)d nodes listen on %(address)s", {"nodes": len(self._nodes), "address": self._address})
            systemd.notify("READY=1", f"STATUS={len(self._nodes)} nodes listen on {self._address}")
        elif self._is_reloading:
            systemd.notify("READY=1")
        self._is_reloading = False

    def _reap(self) -> None:
        """Note what has ended, and say so."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for child in self._children:
                if child.pid == pid:
                    self._ended(child, status)

    def _ended(self, child: Child, status: int) -> None:
        pid = child.pid
        if self._stops_by:
            child.ended()
            return
        if not self._was_up:
            self._give_up(child, status)
            return
        why = described(status)
        if child is self._engine and self._own and (said := self._own.why()):
            why += f" ({said})"
        fields = {"name": child.name, "pid": pid, "why": why, "pause": child.ended()}
        logger.error("%(name)s (process %(pid)d) %(why)s; it is started again in %(pause)g s", fields)

    def _give_up(self, child: Child, status: int) -> None:
        """End all, because one of them cannot start; a node has said why, in its line."""
        code = os.waitstatus_to_exitcode(status)
        child.ended()
        self._stop(signal.SIGINT)
        if child is self._engine:
            assert self._own is not None
            raise StartError(f"cannot start the engine of --workers: {self._own.why() or described(status)}")
        if code <= 0:
            raise StartError(f"{child.name} {described(status)} before all nodes listened")
        self._code = code

    # --- Signals ---------------------------------------------------------------------------------------------------

    def _obey(self) -> None:
        signals, self._signals = self._signals, []
        for number in signals:
            if number in _STOPS:
                self._stop(number)
            elif number is signal.SIGHUP and self._ends_with_terminal:
                self._stop(signal.SIGTERM)
            elif number in _PASSED_ON and not self._stops_by:
                if number is signal.SIGHUP and self._was_up:
                    systemd.reloading()
                    self._is_reloading = True
                    for node in self._nodes:
                        node.is_ready = False
                for node in self._nodes:
                    node.send(number)

    def _stop(self, number: signal.Signals) -> None:
        """Have all nodes end, and behind them the engine."""
        if not self._stops_by:
            self._stops_by = time.monotonic() + self._stop_s() + GRACE_S
            systemd.notify("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int((self._stop_s() + GRACE_S + ENGINE_STOP_S) * 1e6)}")
        for node in self._nodes:
            node.send(number)

    # --- Time ------------------------------------------------------------------------------------------------------

    def _pause_s(self) -> float:
        """Return how long nothing is to be done unless something is heard."""
        now = time.monotonic()
        until = [now + 3600]
        if self._stops_by:
            until.append(self._stops_by)
        else:
            until += [child.start_at for child in self._children if not child.pid and (self._was_up or child.start_at)]
        if self._engine and self._engine.pid and not (self._was_up or self._engine.is_ready):
            until.append(now + _ASK_S)
        if self._watchdog_s:
            until.append(self._next_sign_at)
        return max(0.0, min(until) - now)

    def _look_at_time(self) -> None:
        now = time.monotonic()
        if self._stops_by:
            self._end(now)
        elif self._watchdog_s and now >= self._next_sign_at:
            was_late = self._next_sign_at and now - self._next_sign_at > self._watchdog_s / 2
            self._next_sign_at = now + self._watchdog_s / systemd.PINGS_IN_A_TIMEOUT
            systemd.notify("WATCHDOG=1")
            for node in self._nodes:
                if was_late:  # we stood still, and they perhaps with us
                    node.heard_at = now
                elif node.is_ready and now - node.heard_at > self._watchdog_s:
                    logger.error("%(name)s stands still; it is killed", {"name": node.name})
                    node.send(signal.SIGKILL)

    def _end(self, now: float) -> None:
        """Go on with the end: the engine ends behind the nodes; what takes too long is killed."""
        is_late = now >= self._stops_by
        if any(node.pid for node in self._nodes):
            if is_late:
                for node in self._nodes:
                    node.send(signal.SIGKILL)
                self._stops_by = now + GRACE_S
        elif self._engine and self._engine.pid:
            if not self._is_engine_told:
                self._is_engine_told = True
                self._stops_by = now + ENGINE_STOP_S
                self._engine.send(signal.SIGTERM)
            elif is_late:
                self._engine.send(signal.SIGKILL)
                self._stops_by = now + GRACE_S


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        pass
