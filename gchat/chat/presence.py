"""Presence: users entering, leaving, renamed and away, and when a room is told of it; of many users together.

Messages are limited, entering and leaving is not, and everybody is told of it: a thousand joins would be a million
deliveries. Therefore a room is told only as often as `MAX_DELIVERIES_PER_S` allows: a small one at once, one of 500
members every half second, a very large one never. Messages do not wait, and what was gathered is sent before them.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from gchat.chat.effects import Effect, Presence, Unheard
from gchat.chat.limits import Limits
from gchat.chat.room import Room
from gchat.chat.session import Session
from gchat.model.events import Away, Crowd, Entered, Left, Movement, Renamed

#: Presence lines times members, per second, in each room.
MAX_DELIVERIES_PER_S = 1000

#: The longest time, in seconds, for which it waits where it is told singly.
MAX_SINGLY_S = 1.0

#: Up to this many of a kind are told one by one.
MAX_TOLD_SINGLY = 3

#: A movement, the session that is not told of it, which is None where the movement is of many users, and those that
#: ignore it.
Gathered = tuple[int | None, Movement, Unheard | None]


def told(
    room: Room, session: Session, movement: Movement, limits: Limits, unheard: Unheard | None = None
) -> list[Presence]:
    """Return the effects by which the others in a room learn what `session` did, none if it is too large for that."""
    members = len(room.members)
    if members > limits.presence_quiet_above:
        return []
    return [Presence(room.name, session.id, movement, members, unheard)]


def among(told: Iterable[list[Presence]]) -> list[Effect]:
    """Return the effects by which several rooms learn of one movement; in each is noted that all of them do."""
    effects = [effect for each in told for effect in each]
    rooms = tuple(effect.room for effect in effects)
    return [structs.replace(effect, among=rooms) if len(rooms) > 1 else effect for effect in effects]


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
    """The presence that rooms have not been told yet, of each that was told lately or has to be.

    Dialects in which it is told singly are told of all rooms at once, in the order in which it happened: who reads
    several hears of a new name before anything that is done under it. They wait as long as the rooms together.
    """

    def __init__(self) -> None:
        self._rooms: dict[str, PresenceGatherer] = {}
        self.waiting: dict[str, None] = {}  # rooms with something to be told
        self._singly: list[Presence] = []
        self._singly_at = 0.0  # when they may be told

    def __bool__(self) -> bool:
        return bool(self._rooms or self._singly)

    def gather(self, effect: Presence, *, singly: bool) -> None:
        """Gather a change of presence, also to tell it `singly`."""
        if singly:
            self._singly.append(effect)
        self.waiting[effect.room] = None
        gatherer = self._rooms.get(effect.room)
        if gatherer is None:
            gatherer = self._rooms[effect.room] = PresenceGatherer()
        gatherer.add(effect.session, effect.presence, effect.members, effect.unheard)

    def take(self, room: str, now: float) -> list[Gathered]:
        """Return what to tell a room now."""
        told = gatherer.take(now) if (gatherer := self._rooms.get(room)) else []
        self._note(room)
        return told

    def take_singly(self, now: float) -> list[Presence]:
        """Return what to tell singly now, in all rooms."""
        told, self._singly = self._singly, []
        for effect in told:
            self._note(effect.room)
        members = {effect.room: effect.members for effect in told}
        self._singly_at = now + min(sum(members.values()) / MAX_DELIVERIES_PER_S, MAX_SINGLY_S)
        return told

    def wait_s(self, now: float) -> float:
        """Return the seconds until something may be told; 0 means now."""
        waits = [gatherer.wait_s(now) for gatherer in self._rooms.values()]
        return min([*waits, max(0.0, self._singly_at - now)] if self._singly else waits)

    def singly_is_due(self, now: float) -> bool:
        """Return whether something is to be told singly now."""
        return bool(self._singly) and now >= self._singly_at

    def due(self, now: float) -> list[str]:
        """Return the rooms that may be told now and have to be; forget those that were told long enough ago."""
        may = [room for room, gatherer in self._rooms.items() if not gatherer.wait_s(now)]
        due = [room for room in may if self._rooms[room]]
        for room in may:
            if not self._rooms[room]:
                del self._rooms[room]
        return due

    def _note(self, room: str) -> None:
        """Note whether there is still something to be told to a room of which something was taken."""
        if not self._rooms.get(room) and not any(effect.room == room for effect in self._singly):
            self.waiting.pop(room, None)


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
