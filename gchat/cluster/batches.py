"""The batches of a node on their way to the engine: one at a time, sent as soon as nothing is in its way.

While one is under way the next one gathers. What is put when none is goes out at once, by the greenlet that puts it;
the one that writes wakes up when its answer comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import gevent
from gevent.hub import Waiter
from msgspec import Struct

from gchat.cluster.attachment import Attachment
from gchat.cluster.engine_connection import Answer, EngineRefused
from gchat.cluster.reasons import FULL, LATE
from gchat.cluster.unanswered import Put, Unanswered

#: Between two batches while there is much to do, from sending to sending: the shorter, the more there are of them.
PACE_S = 0.001

#: An engine that does not answer a batch for so long is lost; and until then what is put is answered, or refused.
ANSWER_S = 4.5


class _Batch(Struct):
    """One that was sent."""

    number: int
    sent_at: float
    until: float  # when what was put first must be answered


class Batches:
    """What is unanswered, as it is sent. `refuse` is given what the engine has not taken, and why.

    `engine_time` returns the engine's time at one of the steady clock, as `beat` has learnt it last.
    """

    def __init__(
        self,
        unanswered: Unanswered,
        engine_time: Callable[[float], float],
        refuse: Callable[[Sequence[Put], str], None],
        beat: Callable[[Attachment], None],
    ) -> None:
        self.keep_messages = 100_000  # of each room
        self._unanswered = unanswered
        self._engine_time = engine_time
        self._refuse = refuse
        self._beat = beat
        # What a batch can be sent by now, and what is to be answered.
        self._free: tuple[Attachment, Answer] | None = None
        self._under_way: _Batch | None = None

    def wake(self) -> None:
        """Have what waits sent, at once if that is possible. Never waits."""
        if self._free is not None and not self._free[0].putting.is_lost and self._unanswered.has_waiting:
            self._send(*self._free)

    def write(self, attached: Attachment) -> None:
        """Send what waits, until the engine refuses an attachment. Raises EngineLost, EngineRefused.

        While nothing is under way it is not noticed that the connection is lost.
        """
        try:
            while True:
                answer: Answer = Waiter()
                self._free = attached, answer
                if self._unanswered.has_waiting:
                    self._send(attached, answer)
                self._settle(answer, attached)
        finally:
            self._free = None

    def _send(self, attached: Attachment, answer: Answer) -> None:
        self._free = None
        number, items = self._unanswered.send()
        until, data = items[0].since + ANSWER_S, [item.data for item in items]
        self._under_way = _Batch(number, time.monotonic(), until)
        attached.put(number, self._engine_time(until), self.keep_messages, data, timeout_s=ANSWER_S, answer=answer)

    def _settle(self, answer: Answer, attached: Attachment) -> None:
        """Wait until a batch is sent and answered, and the next may be sent."""
        try:
            answer.get()
        except EngineRefused as error:
            if error.code not in ("LATE", "OOM"):
                raise
            batch = self._under_way
            assert batch is not None
            if error.code == "LATE" and time.monotonic() < batch.until:  # the engine's clock was set; nothing was done
                self._beat(attached)
                self._unanswered.send_again(batch.number - 1)
            else:
                self._refuse(self._unanswered.settled(batch.number), LATE if error.code == "LATE" else FULL)
        if self._unanswered.has_waiting and self._under_way is not None:
            early_s = self._under_way.sent_at + PACE_S - time.monotonic()
            if early_s > 0:
                gevent.sleep(early_s)
