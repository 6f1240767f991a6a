"""The telling of presence: what users do is gathered, and told to a room in its time, or before it hears a message."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

from gevent.hub import get_hub

from gchat.chat.effects import Presence, Unheard
from gchat.chat.presence import Gatherers
from gchat.dialects.dialect import Dialect
from gchat.model.events import Movement
from gchat.roomlog.log import Repeated
from gchat.server.connection import Connection
from gchat.server.fanout import FanOut


class PresenceTurn(Protocol):
    """What the telling of presence needs of the pump."""

    fan_out: FanOut

    @property
    def connections(self) -> Mapping[int, Connection]:
        """The connections that have a session, by its id."""

    def wake(self) -> None:
        """Have a turn soon."""

    def shown(self, room: str, event: Movement) -> None:
        """Note what a room was told."""


class PresenceTelling:
    """What rooms have not been told yet of their users."""

    def __init__(self, pump: PresenceTurn) -> None:
        self._pump = pump
        self._gatherers = Gatherers()
        self.rooms = self._gatherers.waiting  # that there is something to tell: it is asked before each message
        self._timer: Any = None

    def gather(self, effect: Presence) -> None:
        """Gather a change of presence."""
        self._gatherers.gather(effect, singly=self._pump.fan_out.hears_singly(effect.room))

    def tell(self, room: str) -> None:
        """Tell a room now what there is to tell."""
        now = time.monotonic()
        self._tell(room, now)
        if room in self.rooms:
            self._tell_singly(now)

    def is_due(self) -> bool:
        """Return whether something is to be told now; otherwise wake the pump when it is."""
        if not self._gatherers:
            return False
        now = time.monotonic()
        wait_s = self._gatherers.wait_s(now)
        if wait_s > 0:
            if self._timer is not None:
                self._timer.stop()
            self._timer = get_hub().loop.timer(wait_s)
            self._timer.start(self._pump.wake)
        return wait_s <= 0

    def tell_due(self) -> None:
        """Tell all rooms what is to be told now."""
        if self._gatherers:
            now = time.monotonic()
            if self._gatherers.singly_is_due(now):
                self._tell_singly(now)
            for room in self._gatherers.due(now):
                self._tell(room, now)

    def _tell(self, room: str, now: float) -> None:
        for session, movement, unheard in self._gatherers.take(room, now):
            self._append(room, movement, session, unheard)
            self._pump.shown(room, movement)

    def _tell_singly(self, now: float) -> None:
        repeated: dict[Dialect, Repeated] = {}
        for effect in self._gatherers.take_singly(now):
            if effect.room == next(iter(effect.among), effect.room):
                repeated = {}
            self._append(effect.room, effect.presence, effect.session, effect.unheard, repeated)

    def _append(
        self,
        room: str,
        movement: Movement,
        session: int | None,
        unheard: Unheard | None,
        repeated: dict[Dialect, Repeated] | None = None,
    ) -> None:
        connection = None if session is None else self._pump.connections.get(session)
        speaker = connection.log_reader if connection else None
        self._pump.fan_out.append_presence(room, movement, speaker, unheard, repeated)
