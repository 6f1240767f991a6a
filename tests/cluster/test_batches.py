"""The batches of a node: one at a time, in order, the first of them at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import gevent
import pytest
from gevent.hub import get_hub

from gchat.cluster.batches import ANSWER_S, Batches
from gchat.cluster.engine_connection import EngineRefused
from gchat.cluster.unanswered import Put, Unanswered
from tests.cluster.engines import wait_until_in_loop


class Attached:
    """Stands for an attachment: what it has sent, and what is not answered."""

    def __init__(self) -> None:
        self.sent: list[Sequence[bytes]] = []
        self._answers: list[Any] = []
        self.putting = self
        self.is_lost = False

    def put(
        self, _batch: int, _deadline: float, _keep: int, items: Sequence[bytes], *, answer: Any, **_: float
    ) -> None:
        """Do what Attachment.put does."""
        self.sent.append(items)
        self._answers.append(answer)

    def answers(self, batch: int, refusal: str = "") -> None:
        """Have the answer to a batch come, counted from 0."""
        answer, run = self._answers[batch], get_hub().loop.run_callback
        run(answer.throw, EngineRefused(refusal)) if refusal else run(answer.switch, b"1")
        gevent.sleep(0)


class Node:
    """A node's batches, which are being written."""

    def __init__(self) -> None:
        self.unanswered = Unanswered()
        self.attached = Attached()
        self.refused: list[tuple[Any, str]] = []
        self.beats = 0
        self.batches = Batches(self.unanswered, lambda steady: steady, self._refuse, self._beat)
        self.writing = gevent.spawn(self._write)
        gevent.sleep(0)

    def _write(self) -> None:
        self.batches.write(self.attached)  # type: ignore[arg-type]  # it stands for one

    def _refuse(self, items: Sequence[Put], why: str) -> None:
        self.refused += [(item.cause, why) for item in items]

    def _beat(self, _attached: object) -> None:
        self.beats += 1

    def puts(self, *causes: str, ago_s: float = 0) -> None:
        """Have items put, as the link does."""
        self.unanswered.put([(cause.encode(), cause) for cause in causes], time.monotonic() - ago_s)
        self.batches.wake()

    def sends(self, *batches: Sequence[bytes]) -> None:
        """Expect that these batches were sent by now."""
        wait_until_in_loop(lambda: len(self.attached.sent) >= len(batches), "they are sent")
        gevent.sleep(0.005)
        assert self.attached.sent == list(batches)


@pytest.fixture
def node() -> Iterator[Node]:
    found = Node()
    yield found
    found.writing.kill()


def test_the_first_batch_goes_out_before_anything_else_runs(node: Node) -> None:
    node.puts("one", "two")
    assert node.attached.sent == [[b"one", b"two"]]


def test_what_is_put_while_one_is_under_way_is_the_next_one(node: Node) -> None:
    node.puts("one")
    for cause in ("two", "three"):
        node.puts(cause)
    node.sends([b"one"])
    node.attached.answers(0)
    node.sends([b"one"], [b"two", b"three"])
    node.attached.answers(1)
    gevent.sleep(0.005)
    node.puts("four")
    assert node.attached.sent[2:] == [[b"four"]]


@pytest.mark.parametrize("code", ["LATE batch", "OOM command not allowed"])
def test_what_the_engine_does_not_take_is_refused_and_the_next_goes_on(node: Node, code: str) -> None:
    node.puts("one", "two", ago_s=ANSWER_S)
    node.puts("three")
    node.attached.answers(0, code)
    node.sends([b"one", b"two"], [b"three"])
    assert [cause for cause, _ in node.refused] == ["one", "two"]
    assert len(node.unanswered) == 1


def test_what_is_late_only_by_a_clock_that_was_set_is_sent_again_before_the_next(node: Node) -> None:
    node.puts("one")
    node.puts("two")
    node.attached.answers(0, "LATE batch")
    node.sends([b"one"], [b"one", b"two"])
    assert node.beats == 1
    assert not node.refused


def test_an_attachment_that_is_over_ends_the_writing(node: Node) -> None:
    node.puts("one")
    node.attached.answers(0, "FENCED node")
    with pytest.raises(EngineRefused):
        node.writing.get(timeout=5)
    node.puts("two")
    node.sends([b"one"])


def test_nothing_is_sent_at_once_by_a_connection_that_is_lost(node: Node) -> None:
    node.attached.is_lost = True
    node.batches.wake()
    node.unanswered.put([(b"one", "one")], time.monotonic())
    node.batches.wake()
    assert node.attached.sent == []
