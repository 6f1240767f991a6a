"""How far a program has come in what a link tells: where to go on when it is started again. Pure."""

from __future__ import annotations

from gchat.client.conversation import Notice, Sent
from gchat.protocol import wire
from gchat.protocol.wire import After


class Place:
    """The last number that was taken from the iteration, in the room that the program is in then."""

    def __init__(self, after: After | None) -> None:
        self.after = after
        self._epoch = after.epoch if after else ""

    def take(self, notice: Notice) -> None:
        """Follow what was taken from the iteration."""
        match notice:
            case wire.Welcome():
                if notice.epoch != self._epoch:
                    self._begin(notice.epoch)
            case wire.Joined():
                self._begin(notice.epoch)
            case wire.Said() | wire.Acted() | wire.TopicSet() | Sent() | wire.Live():
                self._reach(notice.seq)
            case wire.Gap():
                self._reach(notice.range_to)

    def _begin(self, epoch: str) -> None:
        self._epoch, self.after = epoch, None

    def _reach(self, seq: int) -> None:
        """Go on to `seq`; an own message may be told late, and the answer to a question for the topic has none."""
        if self._epoch and (self.after is None or seq > self.after.seq):
            self.after = After(self._epoch, seq)
