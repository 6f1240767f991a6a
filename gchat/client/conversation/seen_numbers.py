"""The numbers of a room that a user has seen. Pure.

1. Each number is told once, in rising order; a repeated one is dropped.
2. Numbers that are missing are one Gap, whether the server explains them or not.
3. The place in a room that was left is remembered, so that the user goes on there after coming back to it.
"""

from __future__ import annotations

from gchat.client.conversation.notices import Notice, NumberedNotice
from gchat.dialects.rich_events import GapEvent
from gchat.model.hello import ResumePoint


class SeenNumbers:
    """Up to which number the user has seen the present room, and every room that was left.

    `after` is the place to begin at, in the room that is entered first. Without one nothing is missing before the
    first number, which may be any.
    """

    def __init__(self, room: str, after: ResumePoint | None) -> None:
        self.room = room  # "": none, or the one that the server chooses
        self.seq = after.seq if after else 0  # the last number seen in the room
        self._epoch = after.epoch if after else ""
        self._is_placed = after is not None  # whether `seq` is known: whether a number after it can be missing
        self._places: dict[str, ResumePoint] = {}  # the place in each room that was left

    @property
    def place(self) -> ResumePoint | None:
        """The place in the room up to which everything was seen; None before there is one."""
        return ResumePoint(self._epoch, self.seq) if self._is_placed else None

    def place_in(self, room: str) -> ResumePoint | None:
        """Return the place in a room that was left; None if the user was never there."""
        return self._places.get(room)

    def enter(self, room: str, epoch: str, seq: int) -> bool:
        """Be in `room`, whose last number is `seq`, and go on from the last place there.

        Returns whether its log is another one than at that place.
        """
        place = self.place
        if self.room != room and (self.room or place is None):
            if place:
                self._places[self.room] = place
            place = self._places.get(room)
        # A log that ends before what was seen is another one, whatever its epoch says.
        is_new = place is not None and (place.epoch != epoch or place.seq > seq)
        self._is_placed = place is not None and not is_new
        self.room, self._epoch, self.seq = room, epoch, place.seq if place and self._is_placed else 0
        return is_new

    def leave(self) -> None:
        """Be in no room."""
        if place := self.place:
            self._places[self.room] = place
        self.room, self._epoch, self.seq, self._is_placed = "", "", 0, False

    def is_ahead(self, room: str, seq: int) -> bool:
        """Return whether this number was not seen yet, and belongs to the present room."""
        return room == self.room and (not self._is_placed or seq > self.seq)

    def take(self, notice: NumberedNotice) -> list[Notice]:
        """Return what has a number, once, behind a Gap if numbers before it are missing."""
        if not self.is_ahead(notice.room, notice.seq):
            return []
        missing = self.reach(notice.room, notice.seq - 1)
        self.seq, self._is_placed = notice.seq, True
        return [*missing, notice]

    def reach(self, room: str, seq: int) -> list[Notice]:
        """Go on behind `seq`, because the server has sent everything up to it; return a Gap for what has not come."""
        if not self._is_placed and room == self.room != "":
            self.seq, self._is_placed = seq, True
        return self.skip(room, self.seq + 1, seq)

    def skip(self, room: str, first: int, last: int) -> list[Notice]:
        """Go on behind `last`, and return one Gap for what from `first` on was not seen yet."""
        if last < first or not self.is_ahead(room, last):
            return []
        if self._is_placed:
            first = self.seq + 1
        self.seq, self._is_placed = last, True
        return [GapEvent(room=room, range_from=first, range_to=last)]
