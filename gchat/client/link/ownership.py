"""Which thread and process a link belongs to, and what becomes of a link when either ends.

A link's socket and greenlets live on the event loop of one thread. So:
1. A link is used from the thread that connected it. From another thread, and in a forked child, it raises LinkMisused.
2. A forked child closes its copy of each connection, without a word to the server: the parent goes on with it.
3. At the end of the interpreter open links are closed, and what may not have been said is a warning.
4. At the end of a thread its open links are closed likewise. A thread that had no event loop before its first link has
   none after its last one: no descriptor and no thread is left.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol
from weakref import WeakKeyDictionary

import gevent
from gevent import GreenletExit
from gevent._hub_local import get_hub_if_exists, set_hub, set_loop
from gevent.hub import Hub
from gevent.monkey import get_original  # it patches nothing, it finds what a program has patched

from gchat.client.link.errors import LinkMisused, Unacknowledged


class Owned(Protocol):
    """What is owned here: a link."""

    address: str
    ownership: Ownership

    def close(self, timeout_s: float | None = None) -> None:
        """Say what is owed and let go of everything. Raises Unacknowledged."""

    def abandon(self) -> None:
        """Let go of everything in a forked child, without waiting and without touching the connection."""

    def unacknowledged(self) -> list[str]:
        """Return what was said and not answered."""

    def untold(self) -> list[str]:
        """Return why the server refused what was said, if the program has not been told."""


#: How long the end of a thread may wait for each of its links.
THREAD_END_S = 2.0

_native_id = get_original("_thread", "get_native_id")


class _Loop:
    """What is known of one thread's event loop: its open links, and whether it came with them."""

    def __init__(self, *, is_ours: bool) -> None:
        self.links: set[Owned] = set()
        self.is_ours = is_ours


# A thread is known by its hub: with gevent's monkey-patching, threading's own identities are those of greenlets.
_loops: WeakKeyDictionary[Hub, _Loop] = WeakKeyDictionary()


class _ThreadEnd:
    """Closes the links of a native thread at its end, when the interpreter drops the thread's local values."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._owner = os.getpid(), _native_id()

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if is_finalizing():  # see 3; the names of this module may be gone
            return
        loop = _loops.get(self._hub)
        if not loop or not loop.links or self._owner != (os.getpid(), _native_id()):
            return
        set_hub(self._hub)  # gevent's own local values may be gone already
        set_loop(self._hub.loop)
        for link in list(loop.links):
            _close(link, THREAD_END_S)
        set_hub(None)  # type: ignore[arg-type]
        set_loop(None)  # type: ignore[arg-type]


# Not threading's: with gevent's monkey-patching that one ends with a greenlet.
_of_thread = get_original("_thread", "_local")()


class Ownership:
    """The ownership of one link, by the thread and process that connect it."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._thread = threading.current_thread().name
        self._hub: Hub | None = None  # while the link is open

    def begin(self, link: Owned) -> None:
        """Own the link from now on; call it before the event loop is needed."""
        was_there = get_hub_if_exists() is not None
        self._hub = hub = gevent.get_hub()
        if hub not in _loops:
            _of_thread.end = _ThreadEnd(hub)
            _loops[hub] = _Loop(is_ours=not was_there and not hub.loop.default)  # the default one is the main thread's
        _loops[hub].links.add(link)

    def end(self, link: Owned) -> None:
        """Own it no more: everything of it is closed."""
        hub, self._hub = self._hub, None
        loop = _loops.get(hub) if hub else None
        if not hub or not loop:
            return
        loop.links.discard(link)
        if not loop.links and loop.is_ours and gevent.getcurrent().parent is None:
            del _loops[hub]
            hub.destroy(destroy_loop=True)
            if not hub.dead:  # it has raised LoopExit, whose frames would keep it and the link for ever
                with suppress(GreenletExit):
                    hub.throw(GreenletExit)

    @property
    def is_inherited(self) -> bool:
        """Whether this is a forked child of the process that connected."""
        return self._pid != os.getpid()

    @property
    def is_here(self) -> bool:
        """Whether this thread of this process is the owner; of a closed link everyone is."""
        return (self._hub is None or self._hub is get_hub_if_exists()) and not self.is_inherited

    def check(self) -> None:
        """Raise LinkMisused unless this is the owner."""
        if self.is_here:
            return
        if self.is_inherited:
            raise LinkMisused("the connection belongs to the parent process: connect again after a fork")
        raise LinkMisused(f'the link belongs to the thread "{self._thread}": use it there, or connect in this thread')

    def check_can_wait(self) -> None:
        """Raise LinkMisused where waiting would stop the event loop: in a signal handler that interrupts it."""
        self.check()
        if self._hub is not None and gevent.getcurrent() is self._hub:
            raise LinkMisused("a signal handler cannot wait for the server: say less there, or use stop() or close()")


def _end_in_child() -> None:
    hub = get_hub_if_exists()
    mine = _loops.get(hub) if hub else None
    links = list(mine.links) if mine else []
    _loops.clear()
    if links:
        gevent.reinit()
    for link in links:
        link.abandon()


def _end_with_interpreter() -> None:
    for link in [link for loop in list(_loops.values()) for link in loop.links]:
        _close(link)


def _close(link: Owned, timeout_s: float | None = None) -> None:
    """Close a link that the program has left open; what may not have been said is a warning."""
    try:
        link.ownership.check()
        link.close(timeout_s)
    except LinkMisused:  # of another thread, which nobody can ask any more
        texts, refusals = link.unacknowledged(), link.untold()
        if texts or refusals:
            warnings.warn(str(Unacknowledged(link.address, texts, refusals)), RuntimeWarning, stacklevel=1)
    except Unacknowledged as error:
        warnings.warn(str(error), RuntimeWarning, stacklevel=1)


os.register_at_fork(after_in_child=_end_in_child)
atexit.register(_end_with_interpreter)
