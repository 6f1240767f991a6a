"""One room as a person at a terminal has it: the half-typed line, what is unread, where the old ends. Pure."""

from __future__ import annotations

from enum import Enum, auto

from gchat.model.hello import ResumePoint


class _Part(Enum):
    """The part of the room's messages that is being told."""

    LIVE = auto()
    ENTERED = auto()  # nothing was replayed yet
    EARLIER = auto()  # than this visit, and known, if the user was here before
    MISSED = auto()  # since the last visit


class RoomView:
    """What belongs to one room and to no other; there is one for each room that the user was in."""

    def __init__(self, name: str, place: ResumePoint | None = None) -> None:
        self.name = name
        self.place = place  # up to which everything was on the screen; None before the first visit
        self.topic = ""
        self.draft = ""  # what is half typed, while the user is in another room
        self.unread = 0  # messages of others since the last key
        self.mentions = 0  # of the user, among them
        self.last_mention = 0  # its number; 0 if there was none
        self._seen: int | None = None  # the last number of the visit before; None if there was none
        self._part = _Part.LIVE

    @property
    def title(self) -> str:
        """The name, behind how many messages are for the user, or a star if there are others that are unread."""
        return (f"({self.mentions}) " if self.mentions else "* " if self.unread else "") + self.name

    def hears(self, *, mentions: bool) -> None:
        """Take a live message of another user."""
        self.unread += 1
        self.mentions += mentions

    def mark_read(self) -> None:
        """Note that the user is there: nothing is unread."""
        self.unread = self.mentions = 0

    def swap_draft(self, other: RoomView, text: str) -> str:
        """Keep `text`, half typed in this room, and return what is half typed in the `other` one."""
        self.draft = text
        return other.draft

    @property
    def is_live(self) -> bool:
        """Whether what is told is being said now."""
        return self._part is _Part.LIVE

    @property
    def is_old(self) -> bool:
        """Whether what is told now is known to the user, or was said before the first visit."""
        return self._part is _Part.EARLIER

    def enter(self, epoch: str) -> None:
        """Begin a visit: what is told now is not live."""
        is_known = self.place is not None and self.place.epoch == epoch
        self.goes_on(epoch)
        self._seen = self.place.seq if self.place and is_known else None
        self._part = _Part.ENTERED

    def goes_on(self, epoch: str) -> None:
        """Take the epoch of the room's log, which may be another one than before: then numbers mean nothing more."""
        if self.place is None or self.place.epoch != epoch:
            self.place = ResumePoint(epoch, 0)
            self.last_mention = 0

    def sees(self, seq: int) -> None:
        """Take a number that is on the screen now."""
        if self.place and seq > self.place.seq:
            self.place = ResumePoint(self.place.epoch, seq)

    def replays(self, seq: int) -> str:
        """Take a number that is replayed; return the title of the part that begins with it, "" if none does."""
        before = self._part
        self._part = _Part.EARLIER if self._seen is None or seq <= self._seen else _Part.MISSED
        if before is self._part:
            return ""
        if self._part is _Part.EARLIER or self._seen is None:
            return "earlier"
        more = seq - self._seen - 1
        return "new since you left" + (f"; {more:,} more: /history {self._seen + 1}" if more else "")

    def goes_live(self) -> bool:
        """End the replay; return whether anything was replayed."""
        before, self._part = self._part, _Part.LIVE
        return before in (_Part.EARLIER, _Part.MISSED)
