"""A link on a screen, whatever its dialect; and the connection, as the toolbar shows it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import gevent

from gchat.client.conversation.notices import Lost
from gchat.client.link.link import Link
from gchat.client.link.plain_link import PlainLink
from gchat.client.render import Line, aside, lost_text
from gchat.client.terminal.layout import fitted
from gchat.client.terminal.screen import Screen
from gchat.model.text import printable

#: A connection that is restored sooner is hardly missed: only the toolbar mentions it.
LOST_TOLD_S = 2.0


class ConnectionBar:
    """The state of the connection: shown in the toolbar at once, and in a line of its own if it stays lost."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._lost: Lost | None = None
        self._retry_at = 0.0
        self._told = False
        self._telling: gevent.Greenlet[[Lost], None] | None = None

    def lost(self, notice: Lost) -> None:
        """Note that it is lost, or that another attempt has failed."""
        if self._lost is None:
            self._told = False
            self._telling = gevent.spawn_later(LOST_TOLD_S, self._tell, notice)
        self._lost = notice
        self._retry_at = time.monotonic() + notice.retry_in_s
        self._screen.refresh()

    def back(self) -> bool:
        """Note that it is restored; return whether a line has said that it was lost."""
        self._lost = None
        if self._telling:
            self._telling.kill()
        return self._told

    def bar(self, width: int) -> Line:
        """Return the toolbar while it is lost, else []."""
        if self._lost is None:
            return []
        wait_s = max(0, round(self._retry_at - time.monotonic()))
        when = f"next attempt in {wait_s} s" if wait_s else "connecting…"
        told = fitted(printable(f"{self._lost.reason}; {when} "), width - 1)
        return [("class:toolbar", " "), ("class:toolbar class:lost", told)]

    def _tell(self, first: Lost) -> None:
        self._told = True
        stamp = ("class:time", f"{local_now():%H:%M} ")
        self._screen.show([[stamp, *aside(lost_text(first), "class:lost")]])


class LinkTalk:
    """A link on a screen: what both dialects have in common."""

    def __init__(self, chat: Link | PlainLink) -> None:
        self._link = chat
        self.ended = False  # whether the link has ended by itself: the server refuses the client for good

    def begin(self, screen: Screen) -> None:
        """Start to show events on `screen`."""
        self._screen = screen
        self._connection = ConnectionBar(screen)
        gevent.spawn(self._listen)
        gevent.spawn(self._send)

    def attend(self) -> None:
        """Note that the user has pressed a key."""

    def turn(self, number: int) -> None:
        """Turn to another room, where there are several."""

    def step(self, by: int) -> None:
        """Turn to the room so many steps to the right, where there are several."""

    def leave(self) -> None:
        """Wait a moment for what is under way, so that it is shown."""

    def farewell(self) -> str:
        """Return the last line on the screen, after the link is closed."""
        return "Goodbye"

    @property
    def name(self) -> str:
        """What stands before the draft."""
        raise NotImplementedError

    def prompt(self) -> Line:
        """Return the user's name, as it is shown before the user's messages."""
        return [("", "["), ("class:own", printable(self.name)), ("", "] ")]

    def _listen(self) -> None:
        for notice in self._link:
            self._hear(notice)
        self.ended = True
        self._screen.leave()

    def _hear(self, notice: Any) -> None:
        raise NotImplementedError

    def _send(self) -> None:
        raise NotImplementedError


def local_now() -> datetime:
    """Return the time in the user's zone."""
    return datetime.now().astimezone()
