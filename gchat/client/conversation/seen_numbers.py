"""The numbers of a room that a user has seen. Pure.

1. Each number is told once, in rising order; a repeated one is dropped.
2. Numbers that are missing are one Gap, whether the server explains them or not.
"""

from __future__ import annotations

from gchat.client.conversation.notices import Notice, NumberedNotice
from gchat.dialects.rich_events import GapEvent
from gchat.model.hello import ResumePoint


class SeenNumbers:
    """Up to which number the user has seen `room`.

    `after` is the place to begin at. Without one nothing is missing before the first number, which may be any.
    """

    def __init__(self, room: str, after: ResumePoint | None) -> None:
        self.room = room
        self.seq = after.seq if after else 0  # the last number seen
        self._epoch = after.epoch if after else ""
        self._is_placed = after is not None  # whether `seq` is known: whether a number after it can be missing

    @property
    def place(self) -> ResumePoint | None:
        """The place in the room up to which everything was seen; None before there is one."""
        return ResumePoint(self._epoch, self.seq) if self._is_placed else None

    def enter(self, epoch: str, seq: int) -> bool:
        """Be in the room, whose last number is `seq`, and go on from the place.

        Returns whether its log is another one than at the place.
        """
        # A log that ends before what was seen is another one, whatever its epoch says.
        is_new = self._is_placed and (self._epoch != epoch or self.seq > seq)
        if is_new or not self._is_placed:
            self.seq, self._is_placed = 0, False
        self._epoch = epoch
        return is_new

    def is_ahead(self, seq: int) -> bool:
        """Return whether this number was not seen yet."""
        return not self._is_placed or seq > self.seq

    def take(self, notice: NumberedNotice) -> list[Notice]:
        """Return what has a number, once, behind a Gap if numbers before it are missing."""
        if not self.is_ahead(notice.seq):
            return []
        missing = self.reach(notice.seq - 1)
        self.seq, self._is_placed = notice.seq, True
        return [*missing, notice]

    def reach(self, seq: int) -> list[Notice]:
        """Go on behind `seq`, because the server has sent everything up to it; return a Gap for what has not come."""
        if not self._is_placed:
            self.seq, self._is_placed = seq, True
        return self.skip(self.seq + 1, seq)

    def skip(self, first: int, last: int) -> list[Notice]:
        """Go on behind `last`, and return one Gap for what from `first` on was not seen yet."""
        if last < first or not self.is_ahead(last):
            return []
        if self._is_placed:
            first = self.seq + 1
        self.seq, self._is_placed = last, True
        return [GapEvent(room=self.room, range_from=first, range_to=last)]
