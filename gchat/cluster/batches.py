"""The batches of a node on their way to the engine: one at a time, sent as soon as nothing is in its way.

While one is under way the next one gathers. What is put when none is goes out at once, by the greenlet that puts it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import gevent
from gevent.event import Event
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
    answer: Answer


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
        self._is_wanted = Event()
        self._free: Attachment | None = None  # what a batch can be sent by at once
        self._under_way: _Batch | None = None  # what was sent so

    def wake(self) -> None:
        """Have what waits sent, at once if that is possible. Never waits."""
        if self._free is not None and not self._free.putting.is_lost and self._unanswered.has_waiting:
            self._under_way = self._send(self._free)
        self._is_wanted.set()

    def write(self, attached: Attachment) -> None:
        """Send what waits, until the engine cannot be asked any more. Raises EngineLost, EngineRefused."""
        self._sent_meanwhile()  # by another attachment
        try:
            while True:
                batch = self._sent_meanwhile()
                if batch is None and self._unanswered.has_waiting:
                    batch = self._send(attached)
                if batch is not None:
                    self._settle(batch, attached)
                    continue
                self._free = attached
                self._is_wanted.clear()
                self._is_wanted.wait()
        finally:
            self._free = None

    def _sent_meanwhile(self) -> _Batch | None:
        batch, self._under_way = self._under_way, None
        return batch

    def _send(self, attached: Attachment) -> _Batch:
        self._free = None
        number, items = self._unanswered.send()
        until, data = items[0].since + ANSWER_S, [item.data for item in items]
        answer = attached.put(number, self._engine_time(until), self.keep_messages, data, ANSWER_S)
        return _Batch(number, time.monotonic(), until, answer)

    def _settle(self, batch: _Batch, attached: Attachment) -> None:
        """Wait until the next batch may be sent."""
        try:
            batch.answer.get()
        except EngineRefused as error:
            if error.code not in ("LATE", "OOM"):
                raise
            if error.code == "LATE" and time.monotonic() < batch.until:  # the engine's clock was set; nothing was done
                self._beat(attached)
                self._unanswered.send_again(batch.number - 1)
            else:
                self._refuse(self._unanswered.settled(batch.number), LATE if error.code == "LATE" else FULL)
        early_s = batch.sent_at + PACE_S - time.monotonic()
        if early_s > 0 and self._unanswered.has_waiting:
            gevent.sleep(early_s)
