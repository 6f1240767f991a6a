"""One room as a person at a terminal has it: the half-typed line, what is unread, where the old ends. Pure.

A private conversation is such a room, too; it has no numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum, auto

from gchat.client.render import Line
from gchat.client.timeline import NOW, faded, is_rule, rule
from gchat.model.hello import ResumePoint

#: Before the nick in the name of a private conversation; no room's name begins so.
PRIVATE = "@"

#: Messages that are kept in memory of each room.
KEPT_MESSAGES = 200

#: Of those that were on the screen already so many are shown again when the user turns to the room.
SHOWN_AGAIN = 5


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
        self.unread = 0  # messages of others since the room was left, or since the last key
        self.mentions = 0  # of the user, among them
        self.last_mention = 0  # its number; 0 if there was none
        self._seen: int | None = None  # the last number of the visit before; None if there was none
        self._part = _Part.LIVE
        self._kept: deque[tuple[int, list[Line]]] = deque(maxlen=KEPT_MESSAGES)  # with their numbers, 0 for none
        self._unseen = 0  # how many of them, from the end, were not on the screen
        self._heard = 0  # the last number that was kept
        self._was_shown = False

    @property
    def partner(self) -> str:
        """The nick of the other user, if this is a private conversation."""
        return self.name.removeprefix(PRIVATE) if self.name.startswith(PRIVATE) else ""

    def hears(self, *, mentions: bool) -> None:
        """Take a message of another user that is not read yet."""
        self.unread += 1
        self.mentions += mentions

    def mark_read(self) -> None:
        """Note that the user is there: nothing is unread."""
        self.unread = self.mentions = 0

    def keep(self, lines: Iterable[Line], seq: int, *, on_screen: bool) -> None:
        """Keep the lines of a message, which are `on_screen` or will be when the user turns to the room."""
        self._kept.append((seq, [*lines]))
        if on_screen and not self._unseen:
            self.sees(seq)
        else:
            self._unseen += 1
            self._heard = max(seq, self._heard)

    def reveal(self) -> list[Line]:
        """Return what is shown when the user turns to the room: the end of what was on the screen, and what was not."""
        unseen, self._unseen = min(self._unseen, len(self._kept)), 0
        kept = [*self._kept]
        seen, new = kept[: len(kept) - unseen], kept[len(kept) - unseen :]
        again = [faded(line) for _, lines in seen for line in lines if not is_rule(line)][-SHOWN_AGAIN:]
        shown = [rule(self.name), *again]
        if new and self._was_shown:
            first = next((seq for seq, _ in new if seq), 0)
            shown.append(rule(self._news(first) if len(new) == KEPT_MESSAGES else "new"))
        elif again:
            shown.append(rule(NOW))
        self._was_shown = True
        self.sees(self._heard)
        return [*shown, *(line for _, lines in new for line in lines)]

    def history(self) -> list[Line]:
        """Return everything that is kept, grey between rules."""
        lines = [faded(line) for _, lines in self._kept for line in lines]
        return [rule(self.name), *lines, rule(NOW)]

    def _news(self, seq: int) -> str:
        """Return the title of what is new, of which `seq` is the first number that is there."""
        after = self.place.seq if self.place else 0
        more = seq - after - 1
        return "new" + (f"; {more:,} more: /history {after + 1}" if more > 0 else "")

    def swap_draft(self, other: RoomView, text: str) -> str:
        """Keep `text`, half typed in this room, and return what is half typed in the `other` one."""
        self.draft = text
        return other.draft

    @property
    def is_live(self) -> bool:
        """Whether what is told is being said now."""
        return self._part is _Part.LIVE

    @property
    def is_missed(self) -> bool:
        """Whether what is told was said since the last visit."""
        return self._part is _Part.MISSED

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
            self.last_mention = self._heard = 0

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

    def goes_live(self, seq: int = 0) -> bool:
        """End the replay, whose last number is `seq`; return whether anything was replayed."""
        before, self._part = self._part, _Part.LIVE
        if before is not _Part.LIVE and self._seen is None:  # nothing before the first visit is new
            self.sees(seq)
        return before in (_Part.EARLIER, _Part.MISSED)
