"""Presence, gathered: users entering, leaving and renamed in one room, told together when they are many.

Sending is limited, entering and leaving is not, and everybody is told of it: a thousand joins would be a million
deliveries. So presence is told only as often as `MAX_DELIVERIES_PER_S` allows: in a small room at once, in a room of
500 every half second. Messages do not wait, and the presence gathered so far is sent before them.
"""

from __future__ import annotations

from msgspec import structs

from gchat.model.events import Crowd, Entered, Left, Movement, Renamed

#: Presence lines times members, per second, in each room.
MAX_DELIVERIES_PER_S = 1000

#: Up to this many of a kind are told one by one.
MAX_TOLD_SINGLY = 3


class PresenceGatherer:
    """The presence that one room has not been told yet."""

    __slots__ = ("_next_at", "_online", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Movement]] = []  # (session, what happened)
        self._next_at = 0.0
        self._online = 0

    def add(self, session: int, presence: Movement, members: int) -> None:
        """Gather presence of `session`, in a room that now has `members` members."""
        self._waiting.append((session, presence))
        self._online = members

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def wait_s(self, now: float) -> float:
        """Return in how many seconds the room may be told; 0 means now."""
        return max(0.0, self._next_at - now)

    def take(self, now: float) -> list[tuple[int, Movement]]:
        """Return what to tell the room, as pairs of the session to leave out (0: none) and the presence."""
        told = self._waiting
        self._waiting = []
        self._next_at = now + self._online / MAX_DELIVERIES_PER_S
        if len(told) <= MAX_TOLD_SINGLY:
            return told
        left = sum(isinstance(presence, Left) for _, presence in told)
        # When it takes two lines, the first counts the users that leave in the second.
        return [
            *_together(Entered, told, self._online + left),
            *_together(Left, told, self._online),
            *_together(Renamed, told, self._online),
        ]


def _together(
    kind: type[Entered | Left | Renamed], told: list[tuple[int, Movement]], online: int
) -> list[tuple[int, Movement]]:
    """Return all of one kind as one, or one by one if they are few; the last of these has the count `online`."""
    same = [(session, presence) for session, presence in told if isinstance(presence, kind)]
    if len(same) > MAX_TOLD_SINGLY:
        return [(0, Crowd(kind, len(same), online))]
    step = 1 if kind is Left else -1
    return [
        (session, _recounted(presence, online + step * after))
        for after, (session, presence) in zip(range(len(same) - 1, -1, -1), same, strict=True)
    ]


def _recounted(presence: Movement, online: int) -> Movement:
    return presence if isinstance(presence, Renamed) else structs.replace(presence, online=online)
