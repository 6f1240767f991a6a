"""Presence: users entering, leaving, renamed and away, and when a room is told of it; of many users together.

Messages are limited, entering and leaving is not, and everybody is told of it: a thousand joins would be a million
deliveries. Therefore a room is told only as often as `MAX_DELIVERIES_PER_S` allows: a small one at once, one of 500
members every half second, a very large one never. Messages do not wait, and what was gathered is sent before them.
"""

from __future__ import annotations

from msgspec import structs

from gchat.chat.effects import Effect, Presence, Unheard
from gchat.chat.limits import Limits
from gchat.chat.room import Room
from gchat.chat.session import Session
from gchat.model.events import Away, Crowd, Entered, Left, Movement, Renamed

#: Presence lines times members, per second, in each room.
MAX_DELIVERIES_PER_S = 1000

#: Up to this many of a kind are told one by one.
MAX_TOLD_SINGLY = 3

#: A movement, the session that is not told of it, which is None where the movement is of many users, and those that
#: ignore it.
Gathered = tuple[int | None, Movement, Unheard | None]


def told(
    room: Room, session: Session, movement: Movement, limits: Limits, unheard: Unheard | None = None
) -> list[Effect]:
    """Return the effects by which the others in a room learn what `session` did, none if it is too large for that."""
    members = len(room.members)
    if members > limits.presence_quiet_above:
        return []
    return [Presence(room.name, session.id, movement, members, unheard)]


class PresenceGatherer:
    """The presence that one room has not been told yet."""

    __slots__ = ("_next_at", "_online", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[Gathered] = []
        self._next_at = 0.0
        self._online = 0

    def add(self, session: int, presence: Movement, members: int, unheard: Unheard | None = None) -> None:
        """Gather a movement of `session`, in a room that now has `members`; some sessions may ignore it."""
        self._waiting.append((session, presence, unheard))
        self._online = members

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def wait_s(self, now: float) -> float:
        """Return the seconds until the room may be told; 0 means now."""
        return max(0.0, self._next_at - now)

    def take(self, now: float) -> list[Gathered]:
        """Return what to tell the room now."""
        gathered, self._waiting = self._waiting, []
        self._next_at = now + self._online / MAX_DELIVERIES_PER_S
        if len(gathered) <= MAX_TOLD_SINGLY:
            return gathered
        left = sum(isinstance(presence, Left) for _, presence, _ in gathered)
        # When it takes two lines, the first counts the users that leave in the second.
        return [
            *_together(Entered, gathered, self._online + left),
            *_together(Left, gathered, self._online),
            *_together(Renamed, gathered, self._online),
            *_together(Away, gathered, self._online),
        ]


class Gatherers:
    """The presence that rooms have not been told yet, of each that was told lately or has to be."""

    def __init__(self) -> None:
        self._rooms: dict[str, PresenceGatherer] = {}

    def __bool__(self) -> bool:
        return bool(self._rooms)

    def gather(self, effect: Presence) -> None:
        """Gather a change of presence."""
        gatherer = self._rooms.get(effect.room)
        if gatherer is None:
            gatherer = self._rooms[effect.room] = PresenceGatherer()
        gatherer.add(effect.session, effect.presence, effect.members, effect.unheard)

    def has(self, room: str) -> bool:
        """Return whether there is something to tell a room."""
        return bool(self._rooms.get(room))

    def take(self, room: str, now: float) -> list[Gathered]:
        """Return what to tell a room now."""
        return self._rooms[room].take(now)

    def wait_s(self, now: float) -> float:
        """Return the seconds until some room may be told; 0 means now."""
        return min(gatherer.wait_s(now) for gatherer in self._rooms.values())

    def due(self, now: float) -> list[str]:
        """Return the rooms that may be told now and have to be; forget those that were told long enough ago."""
        may = [room for room, gatherer in self._rooms.items() if not gatherer.wait_s(now)]
        due = [room for room in may if self._rooms[room]]
        for room in may:
            if not self._rooms[room]:
                del self._rooms[room]
        return due


def _together(kind: type[Entered | Left | Renamed | Away], gathered: list[Gathered], online: int) -> list[Gathered]:
    """Return all of one kind as one, or one by one if they are few; the last of these has the count `online`."""
    same = [one for one in gathered if isinstance(one[1], kind)]
    if len(same) > MAX_TOLD_SINGLY:
        return [(None, Crowd(kind, len(same), online), None)]
    step = 1 if kind is Left else -1
    return [
        (session, _recounted(presence, online + step * after), unheard)
        for after, (session, presence, unheard) in zip(range(len(same) - 1, -1, -1), same, strict=True)
    ]


def _recounted(presence: Movement, online: int) -> Movement:
    return presence if isinstance(presence, Renamed | Away) else structs.replace(presence, online=online)
