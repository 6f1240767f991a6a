"""The reading half alone: bytes on a socketpair become effects, at the pace that the limits allow."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from gchat.chat.effects import Close, CloseReason, Effect, Publish
from gchat.chat.limits import Allowance, Limits, Rates
from gchat.chat.networks import Network
from gchat.chat.registry import Registry
from gchat.dialects import plain, rich
from gchat.dialects.dialect import Dialect
from gchat.model.messages import Said
from gchat.server.reader import COMMANDS_AT_ONCE, RECEIVED_BYTES, Reader
from gchat.server.secret_checks import SecretChecks
from gchat.server.stopping import Stopping
from gchat.server.taking import OwnSteps
from gchat.server.transport import SocketTransport, Transport
from gchat.server.turn_share import FULL_TURN, LINE_WEIGHT, TurnShare
from gchat.server.writer import Writer
from tests.server.stage import pair, wait_until


class Queue:
    """Keeps effects, and carries none out."""

    crowded = False

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.share = TurnShare(lambda: None)

    def submit(self, effects: list[Effect]) -> None:
        self.effects += effects

    def wait_carried_out(self) -> None:
        pass


class Quiet:
    """Rooms that hold nobody up."""

    jobs = ()

    def is_crowded(self, room: str) -> bool:  # noqa: ARG002
        raise AssertionError

    def wait_sent(self) -> None:
        raise AssertionError

    def flush_soon(self, writer: Writer) -> None:
        writer.flush()


class Server:
    """What a reader needs."""

    def __init__(self, rates: Rates) -> None:
        self.limits = Limits(rates=rates)
        self.registry = Registry(self.limits)
        self.stopping = Stopping()
        self.effects = Queue()
        self.steps = OwnSteps(self.registry, lambda effects: self.effects.submit(list(effects)))
        self.rooms = Quiet()
        self.secret_checks = SecretChecks(self.registry, lambda function: function())

    def awake(self) -> float:
        return time.monotonic()

    def network_allowance(self, network: Network) -> Allowance | None:  # noqa: ARG002
        return None


class Owner:
    """A connection that is only read, and the peer that is."""

    def __init__(self, rates: Rates = Rates()) -> None:  # noqa: B008  # it is frozen
        self.server = Server(rates)
        self.session, _ = self.server.registry.connect("127.0.0.1:1")
        ours, self.peer = pair()
        self.transport: Transport = SocketTransport(ours)
        self.writer = Writer(self.session.id, self.transport, self)
        self.log_reader = self.writer.log_reader
        self.dialect: Dialect = plain
        self.room = "lobby"
        self.opened_at = time.monotonic()
        self.is_open = True
        self.ended: list[CloseReason] = []
        self.reader = Reader(self.server, self)
        self.greenlet: Any = gevent.spawn(self.reader.run, b"", has_ended=False)

    def disconnect(self, reason: CloseReason, farewell: str = "") -> None:  # noqa: ARG002
        self.ended.append(reason)

    def takes_more(self) -> None:
        self.server.rooms.flush_soon(self.writer)

    def caught_up(self) -> None:
        self.reader.go_on()

    def writing_broke(self) -> None:
        self.reader.go_on()

    def crashed(self) -> None:
        raise AssertionError

    @property
    def said(self) -> list[str]:
        """The texts that were said so far."""
        found = [effect.message for effect in self.server.effects.effects if isinstance(effect, Publish)]
        return [text for message in found if isinstance(message, Said) for text in message.texts]

    def hears(self, *texts: str) -> None:
        wait_until(lambda: self.said == list(texts), f"{texts}")

    def close(self) -> None:
        self.is_open = False
        self.reader.stop()
        self.reader.close()
        self.transport.close()
        self.peer.close()


@pytest.fixture
def owner() -> Iterator[Owner]:
    owner = Owner()
    yield owner
    owner.close()


@pytest.fixture
def slowed() -> Iterator[Owner]:
    owner = Owner(Rates(messages_per_s=0.001, burst=2.0))
    yield owner
    owner.close()


def test_lines_become_messages_in_their_order_however_they_are_cut(owner: Owner) -> None:
    before = RECEIVED_BYTES.value
    for piece in (b"on", b"e\ntw", b"o\nthree\n"):
        owner.peer.sendall(piece)
        gevent.sleep(0.01)
    owner.hears("one", "two", "three")
    assert RECEIVED_BYTES.value - before == 14
    assert not owner.ended


def test_an_unterminated_last_line_is_a_message_and_the_end_ends_the_session(owner: Owner) -> None:
    owner.peer.sendall(b"one\ntwo")
    owner.peer.shutdown(socket.SHUT_WR)
    wait_until(lambda: owner.ended, "the end")

    assert owner.said == ["one", "two"]
    assert owner.ended == [CloseReason.ENDED]
    assert owner.reader.has_ended


def test_a_peer_that_said_nothing_was_a_probe() -> None:
    owner = Owner()
    owner.server.limits.announce_after_s = 60.0
    owner.session.is_announced = False
    owner.peer.shutdown(socket.SHUT_WR)
    wait_until(lambda: owner.ended, "the end")
    owner.close()

    assert owner.ended == [CloseReason.PROBE]


def test_quit_ends_the_session_and_what_follows_is_not_heard(owner: Owner) -> None:
    owner.peer.sendall(b"one\n/quit\ntwo\n")
    owner.peer.shutdown(socket.SHUT_WR)
    wait_until(lambda: owner.ended, "the end")

    assert owner.said == ["one"]
    assert [effect.reason for effect in owner.server.effects.effects if isinstance(effect, Close)] == [CloseReason.QUIT]


def test_commands_wait_while_something_is_to_come_and_go_on_when_it_has(owner: Owner) -> None:
    owner.peer.sendall(b"one\n")
    owner.hears("one")
    owner.writer.awaits_answer = True
    owner.peer.sendall(b"/history\ntwo\n")
    gevent.sleep(0.05)
    assert owner.said == ["one"]

    owner.writer.awaits_answer = False
    owner.writer.flush()
    owner.hears("one", "two")


def test_commands_are_carried_out_a_few_at_a_time_also_if_all_of_them_say_something(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    gevent.sleep(0.01)
    owner.reader._decoder = rich.decoder(8192)
    carried_out = Event()
    effects = owner.server.effects
    monkeypatch.setattr(effects, "wait_carried_out", carried_out.wait)
    owner.peer.sendall(b"".join(b'{"type":"say","room":"%s","text":"x"}\n' % room for room in (b"a", b"b") * 6))
    wait_until(lambda: bool(effects.effects), "the first are carried out")
    gevent.sleep(0.02)
    assert len(effects.effects) == COMMANDS_AT_ONCE  # each has an answer: nobody is in these rooms

    carried_out.set()
    wait_until(lambda: len(effects.effects) == 12, "the others are")


def test_lines_that_ask_nothing_hold_nobody_up_however_many_they_are(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = list[None]()
    monkeypatch.setattr("gchat.server.reader.DECODING_S", 0.0)
    monkeypatch.setattr("gchat.server.reader.breathe", lambda: others.append(None))
    owner.peer.sendall(b"\n" * 20 + b"one\n")
    owner.hears("one")
    assert len(others) >= 19


def test_an_error_of_writing_does_not_end_the_reading(owner: Owner) -> None:
    owner.writer.end()
    owner.peer.sendall(b"one\n")
    owner.hears("one")
    owner.peer.shutdown(socket.SHUT_WR)
    wait_until(lambda: owner.ended, "the end")

    assert owner.ended == [CloseReason.RESET]


def test_a_fast_sender_is_read_more_slowly_and_told_so_once(slowed: Owner) -> None:
    slowed.peer.sendall(b"1\n2\n3\n4\n5\n")
    wait_until(lambda: slowed.reader.has_lines, "it is slowed down")
    gevent.sleep(0.05)

    assert slowed.said == ["1", "2"]
    told = [effect for effect in slowed.server.effects.effects if "Slowed" in repr(effect)]
    assert len(told) == 1


def test_when_the_server_stops_what_was_received_is_said(slowed: Owner) -> None:
    slowed.peer.sendall(b"1\n2\n3\n4\n5\n")
    wait_until(lambda: slowed.reader.has_lines, "it is slowed down")
    slowed.server.stopping.set()
    slowed.hears("1", "2", "3", "4", "5")

    assert not slowed.reader.has_lines


def test_who_sends_as_fast_as_it_may_is_not_even_received_while_the_turn_is_full_and_others_are() -> None:
    fast, slow = Owner(Rates(messages_per_s=0.001, burst=2.0)), Owner(Rates(messages_per_s=0.001, burst=5.0))
    try:
        share = slow.server.effects.share = fast.server.effects.share
        for owner in (fast, slow):
            owner.peer.sendall(b"one\ntwo\n")
            owner.hears("one", "two")
        before = RECEIVED_BYTES.value
        share.left -= FULL_TURN
        for owner in (fast, slow):
            owner.peer.sendall(b"three\n")
        slow.hears("one", "two", "three")
        assert fast.said == ["one", "two"]
        assert RECEIVED_BYTES.value - before == 6
        share.renew()
        wait_until(lambda: RECEIVED_BYTES.value - before == 12, "the next turn has room for it")
        assert share.left > 0
    finally:
        fast.close()
        slow.close()


@pytest.mark.parametrize(("rates", "is_full"), [(Rates(messages_per_s=1000.0, burst=1000.0), True), (Rates(), False)])
def test_a_turn_takes_more_where_no_rate_applies(rates: Rates, is_full: bool) -> None:
    talker, lines = Owner(rates), [f"line {number}" for number in range(FULL_TURN // LINE_WEIGHT)]
    try:
        talker.peer.sendall("".join(f"{line}\n" for line in lines).encode())
        talker.hears(*lines)
        assert (talker.server.effects.share.left <= 0) is is_full
    finally:
        talker.close()


def test_a_fault_ends_this_connection(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: object) -> None:
        raise ValueError("a fault that was asked for")

    monkeypatch.setattr("gchat.server.reader.execute", faulty)
    owner.peer.sendall(b"one\n")
    wait_until(lambda: owner.ended, "the end")

    assert owner.ended == [CloseReason.CRASHED]
