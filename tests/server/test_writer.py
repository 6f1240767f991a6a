"""The writing half alone on a socketpair: what it owes goes out, waits, or breaks, as its tables say."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from gchat.chat.effects import Enter
from gchat.model.audience import OwnLines
from gchat.model.events import Joined
from gchat.roomlog.log import RoomLog, Ticks
from gchat.server import writer as module
from gchat.server.transport import SocketTransport
from gchat.server.writer import MAX_OWED_BYTES, NEXT_AWAITED, NEXT_FLOWS, SENT_BYTES, Awaited, Flow, Writer
from tests.server.stage import LOBBY, pair, wait_until

ENTER = Enter(1, LOBBY, Joined(LOBBY, 1))


class Owner:
    """Notes what a writer tells."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.writer: Writer | None = None

    def takes_more(self) -> None:
        assert self.writer is not None
        self.writer.flush()

    def caught_up(self) -> None:
        self.told.append("caught up")

    def writing_broke(self) -> None:
        self.told.append("broke")

    def crashed(self) -> None:
        self.told.append("crashed")


class Side:
    """A writer, and the peer's end of its stream."""

    def __init__(self) -> None:
        ours, self.peer = pair()
        self.owner = Owner()
        self._sent_before = SENT_BYTES.value
        self.transport = SocketTransport(ours)
        self.writer = self.owner.writer = Writer(1, self.transport, self.owner)

    @property
    def sent_bytes(self) -> int:
        return SENT_BYTES.value - self._sent_before

    def read(self) -> bytes:
        received = b""
        try:
            while data := self.peer.recv(65536):
                received += data
        except BlockingIOError:
            pass
        return received


@pytest.fixture
def side() -> Iterator[Side]:
    side = Side()
    yield side
    side.writer.log_reader.end()
    side.writer.close()
    side.transport.close()
    side.peer.close()


def test_what_is_owed_goes_out_and_the_owner_hears_of_it(side: Side) -> None:
    side.writer.log_reader.tell(OwnLines(b"one\n"))
    side.writer.log_reader.tell(OwnLines(b"two\n"))
    side.writer.flush()

    assert side.read() == b"one\ntwo\n"
    assert side.owner.told == ["caught up"]
    assert side.sent_bytes == 8
    assert side.writer.flow is Flow.OPEN


def test_what_the_kernel_does_not_take_goes_out_when_it_does(side: Side) -> None:
    line = b"x" * 99_999 + b"\n"
    side.writer.log_reader.tell(OwnLines(line))
    side.writer.log_reader.tell(OwnLines(b"then\n"))
    side.writer.flush()
    assert side.writer.is_behind
    assert side.owner.told == []

    received = b""

    def has_all() -> bool:
        nonlocal received
        received += side.read()
        return received == line + b"then\n"

    wait_until(has_all, "both lines")
    assert side.writer.flow is Flow.OPEN
    assert side.owner.told == ["caught up"]


def test_nothing_is_owed_when_the_peer_is_gone(side: Side) -> None:
    side.writer.enter(ENTER)
    side.peer.close()
    side.writer.log_reader.tell(OwnLines(b"one\n"))
    side.writer.flush()
    side.writer.log_reader.tell(OwnLines(b"two\n"))

    assert side.owner.told == ["broke"]
    assert side.writer.is_broken
    assert not side.writer.takes_messages
    assert side.writer.log_reader.owed == 0
    assert not side.writer.catch_ups
    assert not side.writer.holds_reading_up


def test_an_answer_that_is_awaited_outlasts_the_end_of_writing(side: Side) -> None:
    side.writer.awaits_answer = True
    side.peer.close()
    side.writer.end()

    assert side.writer.holds_reading_up, "the greenlet that reads it will say when it is there"


def test_a_user_that_is_owed_too_much_is_not_sent_messages(side: Side) -> None:
    assert side.writer.takes_messages
    side.writer.log_reader.tell(OwnLines(b"x" * MAX_OWED_BYTES + b"\n"))
    assert not side.writer.takes_messages
    assert side.writer.holds_reading_up


def test_a_fault_is_told_and_goes_no_further(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(_transport: SocketTransport, _data: bytes) -> int:
        raise ValueError("a fault that was asked for")

    monkeypatch.setattr(SocketTransport, "send", faulty)
    side.writer.log_reader.tell(OwnLines(b"one\n"))
    side.writer.flush()

    assert side.owner.told == ["crashed"]


def test_a_peer_that_takes_nothing_is_stalled_after_the_time_and_one_that_takes_something_is_not(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = 5000
    monkeypatch.setattr(SocketTransport, "in_kernel", lambda _transport: (100, taken))

    assert not side.writer.stalled(100.0, 60.0)
    assert not side.writer.stalled(159.0, 60.0)
    assert side.writer.stalled(160.0, 60.0)
    taken += module.MIN_PROGRESS_BYTES - 1
    assert side.writer.stalled(161.0, 60.0)
    taken += 1
    assert not side.writer.stalled(162.0, 60.0)
    assert side.writer.stalled(222.0, 60.0)


def test_a_peer_that_is_owed_nothing_is_never_stalled(side: Side) -> None:
    assert not side.writer.stalled(100.0, 60.0)
    assert not side.writer.stalled(1000.0, 60.0)


def test_a_writer_is_not_closed_while_it_follows_a_room(side: Side) -> None:
    side.writer.log_reader.follow(RoomLog("", 1, 1 << 16, lambda _first, _last: b"", Ticks()))
    with pytest.raises(AssertionError):
        side.writer.close()


@pytest.mark.parametrize(("steps", "states"), [(NEXT_FLOWS, Flow), (NEXT_AWAITED, Awaited)], ids=["flow", "awaited"])
def test_the_table_at_the_head_is_the_one_that_holds(steps: dict[object, set[object]], states: type[Flow]) -> None:
    head = module.__doc__ or ""
    for state in states:
        found = re.search(rf"^    {state.name} .*\s\s((?:[A-Z]+, )*[A-Z]+|none)$", head, re.MULTILINE)
        assert found, state

        following = {following.name for following in steps[state]}  # type: ignore[attr-defined]
        assert set(found[1].split(", ")) - {"none"} == following, state


def test_a_step_that_is_not_in_the_table_is_a_fault(side: Side) -> None:
    with pytest.raises(AssertionError):
        side.writer.enter(ENTER).wait_for(Awaited.PAGE)


def test_each_room_that_is_entered_has_a_catch_up_of_its_own(side: Side) -> None:
    lobby, dev = side.writer.enter(ENTER), side.writer.enter(Enter(1, "dev", Joined("dev", 1)))
    dev.wait_for(Awaited.DELIVERY)
    assert (side.writer.catch_up_in(LOBBY), side.writer.catch_up_in("dev")) == (lobby, dev)
    side.writer.drop(dev)

    assert side.writer.catch_up_in("dev") is None
    assert lobby.awaited is Awaited.ROOM
    assert side.writer.holds_reading_up
