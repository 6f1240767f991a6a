"""The rooms that a user is in, as a client knows them: what was seen of each, and who else is there. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gchat.client.conversation.seen_numbers import SeenNumbers
from gchat.model.hello import ResumePoint, WantedRoom

#: Names kept of the users who are in a room; the rest only counts.
MAX_MEMBERS = 10_000


class Membership:
    """One room, from entering to leaving it, over any number of connections."""

    def __init__(self, room: str, place: ResumePoint | None, key: str = "") -> None:
        self.seen = SeenNumbers(room, place)
        self.online = 0  # users in the room; in the first one, until anybody comes or goes, in the whole server
        self.members: set[str] = set()  # names known to be in the room; `who` asks for all of them
        self._key = key

    @property
    def wanted(self) -> WantedRoom:
        """How a hello asks for the room."""
        return WantedRoom(self.seen.room, self.seen.place, self._key)

    def comes(self, name: str) -> None:
        """Note that the user called `name` is there."""
        if name and len(self.members) < MAX_MEMBERS:
            self.members.add(name)


class Memberships:
    """All rooms that the user is in, or asks for, in the order of entering; one of them is the current one.

    A first room without a name is the one that the server will choose; `after` is the place in it, whichever it is.
    """

    def __init__(self, first: str, others: Iterable[str], after: ResumePoint | None) -> None:
        self.current = first
        self._rooms = {name: Membership(name, None) for name in (first, *others)}
        self._rooms[first] = Membership(first, after)
        self._left: dict[str, ResumePoint] = {}  # the place in each room that was left

    @property
    def here(self) -> Membership:
        """The current room; an empty one if there is none."""
        return self._rooms.get(self.current) or Membership("", None)

    @property
    def names(self) -> list[str]:
        """The names of the rooms, in the order of entering."""
        return [*self._rooms]

    @property
    def wanted(self) -> tuple[WantedRoom, ...]:
        """How a hello asks for all of them, for the current one first."""
        return tuple(
            sorted((room.wanted for room in self._rooms.values()), key=lambda wanted: wanted.room != self.current)
        )

    def get(self, room: str) -> Membership | None:
        """Return the room if the user is in it."""
        return self._rooms.get(room)

    def place_in(self, room: str) -> ResumePoint | None:
        """Return the place in a room that was left; None if the user was never there."""
        return self._left.get(room)

    def enter(self, room: str, key: str) -> Membership | None:
        """Be in `room` on a new connection, or from now on; None if it has no name, because the user is in none."""
        unnamed = self._rooms.pop("", None)
        if not room:
            return None
        if room not in self._rooms:
            self._rooms[room] = Membership(room, unnamed.seen.place if unnamed else self._left.get(room), key)
        there = self._rooms[room]
        there.members.clear()
        return there

    def leave(self, room: str) -> None:
        """Be in `room` no more."""
        if (left := self._rooms.pop(room, None)) and left.seen.place:
            self._left[room] = left.seen.place
        if room == self.current:
            self.current = next(reversed(self._rooms), "")

    def keep_only(self, rooms: Iterable[str]) -> None:
        """Be in no other rooms than these."""
        kept = set(rooms)
        for room in [room for room in self._rooms if room not in kept]:
            self.leave(room)

    def forget_members(self) -> None:
        """Know nobody in any room."""
        for room in self._rooms.values():
            room.members.clear()
