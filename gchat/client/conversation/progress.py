"""How far a program has come in what a link tells: where to go on when it is started again. Pure."""

from __future__ import annotations

from gchat.client.conversation.notices import Notice, Sent
from gchat.dialects.rich_events import (
    ActedEvent,
    GapEvent,
    JoinedEvent,
    LiveEvent,
    SaidEvent,
    TopicSetEvent,
    WelcomeEvent,
)
from gchat.model.hello import ResumePoint


class Progress:
    """The last number that was taken from the iteration, in the room that the program is in then."""

    def __init__(self, after: ResumePoint | None) -> None:
        self.after = after
        self._epoch = after.epoch if after else ""

    def take(self, notice: Notice) -> None:
        """Follow what was taken from the iteration."""
        match notice:
            case WelcomeEvent():
                if notice.epoch != self._epoch:
                    self._begin(notice.epoch)
            case JoinedEvent():
                self._begin(notice.epoch)
            case SaidEvent() | ActedEvent() | TopicSetEvent() | Sent() | LiveEvent():
                self._reach(notice.seq)
            case GapEvent():
                self._reach(notice.range_to)

    def _begin(self, epoch: str) -> None:
        self._epoch, self.after = epoch, None

    def _reach(self, seq: int) -> None:
        """Go on to `seq`; an own message may be told late, and the answer to a question for the topic has none."""
        if self._epoch and (self.after is None or seq > self.after.seq):
            self.after = ResumePoint(self._epoch, seq)
