"""Presence, gathered: who came, went or changed names in one room, told together when many did.

A message costs its sender something, coming and going costs nothing and is told to everybody: a thousand joins would
be a million deliveries. So a room is told of presence at most so often that it costs `MAX_DELIVERIES_PER_S`: a small
room at once, a room of 500 every half second. A message waits for nothing, and what was gathered goes before it.
"""

from __future__ import annotations

from msgspec import structs

from gchat.protocol.events import Crowd, Entered, Left, Presence, Renamed

#: Presence lines times members, a second, for each room.
MAX_DELIVERIES_PER_S = 1000

#: Up to so many of a kind are told one by one.
MAX_TOLD_SINGLY = 3


class PresenceGatherer:
    """What one room has not been told yet."""

    __slots__ = ("_next_at", "_online", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Presence]] = []  # (session, what happened)
        self._next_at = 0.0
        self._online = 0

    def add(self, session: int, presence: Presence, members: int) -> None:
        """Gather what happened to `session`, in the room that has so many `members` now."""
        self._waiting.append((session, presence))
        self._online = members

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def wait_s(self, now: float) -> float:
        """Return in how many seconds the room may be told, 0 for now."""
        return max(0.0, self._next_at - now)

    def take(self, now: float) -> list[tuple[int, Presence]]:
        """Return what the room is to be told, as (session that need not be told, 0 for none; presence) pairs."""
        told = self._waiting
        self._waiting = []
        self._next_at = now + self._online / MAX_DELIVERIES_PER_S
        if len(told) <= MAX_TOLD_SINGLY:
            return told
        left = sum(isinstance(presence, Left) for _, presence in told)
        # Told in two lines, the first counts those who were there before the others left.
        return [
            *_together(Entered, told, self._online + left),
            *_together(Left, told, self._online),
            *_together(Renamed, told, self._online),
        ]


def _together(
    kind: type[Entered | Left | Renamed], told: list[tuple[int, Presence]], online: int
) -> list[tuple[int, Presence]]:
    """Return all of one kind as one, or singly if they are few: then the last of them sees `online`."""
    same = [(session, presence) for session, presence in told if isinstance(presence, kind)]
    if len(same) > MAX_TOLD_SINGLY:
        return [(0, Crowd(kind, len(same), online))]
    step = 1 if kind is Left else -1
    return [
        (session, _recounted(presence, online + step * after))
        for after, (session, presence) in zip(range(len(same) - 1, -1, -1), same, strict=True)
    ]


def _recounted(presence: Presence, online: int) -> Presence:
    return presence if isinstance(presence, Renamed) else structs.replace(presence, online=online)
