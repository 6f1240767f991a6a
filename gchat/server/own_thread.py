"""A native thread of one's own, for slow work that must not hold the loop up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Thread, get_native_id
from typing import TypeVar

import gevent
from gevent.hub import Waiter
from msgspec import Struct

from gchat.journal.native_thread import Urgency
from gchat.server.linux import LOOP_TURN_NS, step_back, wake_promptly

T = TypeVar("T")


class OwnThread:
    """Implements native_thread.NativeThread. The thread runs from the start on: later there may be none to be had.

    gevent's ThreadPool would do the same, and loads what takes 2 MiB and 10 ms of the start.
    """

    def __init__(self, urgency: Urgency = Urgency.USUAL) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=_run, args=(_BEGIN[urgency], self._work), daemon=True).start()

    def __del__(self) -> None:
        self._work.put(None)

    def __call__(self, function: Callable[[], T], /) -> T:
        """See NativeThread."""
        found: list[T | _Failed] = []
        waiter: Waiter[None] = Waiter()
        done = gevent.get_hub().loop.async_()

        def work() -> None:
            found.append(_tried(function))
            _tried(done.send)  # an error, in some loops, if nobody waits any more

        done.start(waiter.switch, None)
        try:
            self._work.put(work)
            waiter.get()
        finally:
            done.close()
        if isinstance(found[0], _Failed):
            raise found[0].error
        return found[0]


def prompt_loop(loader: OwnThread) -> None:
    """Have the loop, on whose thread this is called, go on before all native threads but urgent ones, soon.

    Threads that are made later begin like that too. The loader asks for it, because it loads what that takes.
    """
    gevent.spawn(loader, partial(wake_promptly, LOOP_TURN_NS, get_native_id()))


_BEGIN: dict[Urgency, Callable[[], object]] = {
    Urgency.URGENT: wake_promptly,
    Urgency.USUAL: int,
    Urgency.PATIENT: step_back,
}


def _run(begin: Callable[[], object], waiting: SimpleQueue[Callable[[], None] | None]) -> None:
    _tried(begin)
    while (work := waiting.get()) is not None:
        work()
        del work  # else it would be kept, with what it holds, until the next comes


class _Failed(Struct):
    error: BaseException


def _tried(function: Callable[[], T]) -> T | _Failed:
    try:
        return function()
    except BaseException as error:  # the thread goes on, whatever becomes of one call
        return _Failed(error)
