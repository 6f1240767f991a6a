"""The fan-out alone: logs, and readers on socketpairs; no pump, no registry."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import gevent
import pytest

from gchat.breather import Breather, breathe
from gchat.dialects import plain, rich
from gchat.dialects.dialect import Dialect
from gchat.model.audience import Where
from gchat.model.events import Announced
from gchat.server import fanout, spreader
from gchat.server.fanout import FanOut
from gchat.server.transport import SocketTransport, Transport
from gchat.server.writer import Writer
from tests.server.stage import Ciphered, pair, wait_until


class Idle:
    """A pump that has nothing to do."""

    turn_is_due = turn_is_under_way = False


class Reader:
    """A connection, as far as the fan-out knows it; and its peer."""

    def __init__(self, session: int, transport: Callable[[socket.socket], Transport], fan_out: FanOut) -> None:
        ours, self.peer = pair()
        self._fan_out = fan_out
        self.transport = transport(ours)
        self.broke = False
        self.writer = Writer(session, self.transport, self)
        self.received = b""

    def takes_more(self) -> None:
        self._fan_out.flush_soon(self.writer)

    def caught_up(self) -> None:
        pass

    def writing_broke(self) -> None:
        self.broke = True

    def crashed(self) -> None:
        raise AssertionError

    def reads(self) -> list[str]:
        try:
            while data := self.peer.recv(65536):
                self.received += data
        except BlockingIOError:
            pass
        return self.received.decode().splitlines()


class Room:
    """A room called lobby, and turns of a pump that has only that to do."""

    def __init__(self, room_log_bytes: int = 1 << 20) -> None:
        self.readers: dict[int, Reader] = {}
        self.fan_out = FanOut(self.readers, room_log_bytes, Idle())
        self._breather = Breather()
        self._touched: list[Writer] = []

    def enters(
        self, dialect: Dialect = plain, transport: Callable[[socket.socket], Transport] = SocketTransport
    ) -> Reader:
        reader = Reader(len(self.readers) + 1, transport, self.fan_out)
        self.readers[reader.writer.log_reader.session] = reader
        reader.writer.log_reader.follow(self.fan_out.log(Where("lobby"), dialect, 1))
        self._touched.append(reader.writer)
        self.turn()
        return reader

    def turn(self, *texts: str, speaker: Reader | None = None) -> None:
        for text in texts:
            self.fan_out.append("lobby", Announced(text), 0, speaker.writer.log_reader if speaker else None)
        touched, self._touched = self._touched, []
        self.fan_out.send(touched, fanout.HOLD_S, self._breather)

    def ends(self) -> None:
        for reader in self.readers.values():
            self.fan_out.leave("lobby", reader.writer)
            reader.writer.close()
            reader.transport.close()
            reader.peer.close()


@pytest.fixture
def room() -> Iterator[Room]:
    room = Room()
    yield room
    room.ends()


def test_a_room_is_read_as_long_as_somebody_is_in_it(room: Room) -> None:
    assert not room.fan_out.is_read("lobby")
    alice, bob = room.enters(), room.enters(rich)
    for reader in (alice, bob):
        assert room.fan_out.is_read("lobby")
        room.fan_out.leave("lobby", reader.writer)
        room.turn()
    assert not room.fan_out.is_read("lobby")


def test_everybody_gets_what_a_turn_told_in_their_dialect_but_its_speaker(room: Room) -> None:
    alice, bob, bot = room.enters(), room.enters(), room.enters(rich)
    room.turn("one", "two", speaker=alice)
    room.turn("three")

    assert alice.reads() == plain.encode(Announced("three")).decode().splitlines()
    assert bob.reads() == [plain.encode(Announced(text)).decode().strip() for text in ("one", "two", "three")]
    assert bot.reads() == [
        rich.encode(Announced(text), Where("lobby")).decode().strip() for text in ("one", "two", "three")
    ]


def test_a_reader_that_is_slow_delays_nobody_and_goes_on_when_it_reads(room: Room) -> None:
    slow, quick = room.enters(), room.enters()
    texts = [f"{number:03}" + "x" * 500 for number in range(200)]
    for text in texts:
        room.turn(text)
        assert quick.reads()[-1].endswith(text)
    assert slow.writer.is_behind
    wait_until(lambda: len(slow.reads()) == 200, "everything")

    assert slow.reads() == quick.reads()
    assert not slow.writer.is_behind
    room.turn("live again")
    assert slow.reads()[-1] == quick.reads()[-1]


def test_peers_that_all_read_on_at_once_are_served_in_slices(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = [room.enters() for _ in range(20)]
    for number in range(600):
        room.turn(f"{number:03}" + "x" * 500)
    assert all(reader.writer.is_behind for reader in readers)
    rounds, served_in = 0, []

    def watches() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            breathe()

    def flush(writer: Writer) -> None:
        served_in.append(rounds)
        time.sleep(spreader.SLICE_S)  # it holds the hub, as much as one that sends much
        Writer_flush(writer)

    Writer_flush = Writer.flush  # noqa: N806  # it is the method
    monkeypatch.setattr(Writer, "flush", flush)
    watching = gevent.spawn(watches)
    wait_until(lambda: sum(len(reader.reads()) for reader in readers) == 20 * 600, "everything")
    watching.kill()

    assert max(map(served_in.count, served_in)) <= 3, "others have a turn after each slice"


def test_a_reader_whose_peer_is_gone_ends_alone(room: Room) -> None:
    alice, bob = room.enters(), room.enters()
    alice.peer.close()
    room.turn("one")
    room.turn("two")

    assert alice.broke
    assert alice.writer.is_broken
    assert len(bob.reads()) == 2


def test_a_reader_without_a_descriptor_gets_each_chunk_once_and_through_its_transport(room: Room) -> None:
    alice, carol = room.enters(), room.enters(transport=Ciphered)
    for number in range(20):
        room.turn(f"line {number}", speaker=carol if number % 5 == 0 else None)
    received = carol.peer.recv(65536)

    # What was written past the transport would be readable.
    assert b"line" not in received
    heard = bytes(byte ^ 0x55 for byte in received).decode().splitlines()
    assert heard == [line for number, line in enumerate(alice.reads()) if number % 5]
    assert carol.writer.log_reader.is_live


def test_what_a_turn_has_no_time_for_is_sent_in_slices_and_who_has_had_it_gets_what_comes_next_before(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot, *readers = room.enters(rich), room.enters(), room.enters()
    monkeypatch.setattr(fanout, "SENDING_S", 0.0)
    room.turn("one")
    room.turn("two")
    assert [len(reader.reads()) for reader in readers] == [0, 0]
    assert len(bot.reads()) == 2
    wait_until(lambda: all(len(reader.reads()) == 2 for reader in readers), "all")


@pytest.mark.parametrize(("bound", "value"), [("READERS_IN_A_TURN", 2), ("SENDING_S", 0.0)])
def test_a_large_room_or_what_takes_long_is_sent_in_slices_and_what_is_said_meanwhile_comes_after(
    room: Room, monkeypatch: pytest.MonkeyPatch, bound: str, value: float
) -> None:
    monkeypatch.setattr(fanout, bound, value)
    monkeypatch.setattr(fanout, "SENDS_AT_ONCE", 2)
    readers = [*[room.enters() for _ in range(5)], room.enters(transport=Ciphered)]
    room.turn("one")
    room.turn("two", speaker=readers[0])
    room.turn("three")
    readers.pop()
    wait_until(lambda: len(readers[0].reads()) == 2 and all(len(one.reads()) == 3 for one in readers[1:]), "all")

    assert [line.split()[-1] for line in readers[1].reads()] == ["one", "two", "three"]
    assert [line.split()[-1] for line in readers[0].reads()] == ["one", "three"]


def test_who_waits_because_much_gathers_in_a_large_room_is_not_woken_by_what_is_sent_in_others(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be hundreds, and each turn would be late because of them."""
    monkeypatch.setattr(fanout, "READERS_IN_A_TURN", 2)
    monkeypatch.setattr(fanout, "SENDS_AT_ONCE", 1)
    monkeypatch.setattr(spreader, "SLICE_S", 0.0)
    monkeypatch.setattr(fanout, "MAX_GATHERED_BYTES", 1)
    readers = [room.enters() for _ in range(5)]
    readers[0].writer.log_reader.follow(room.fan_out.log(Where("dev"), plain, 1))
    room.turn("one")
    room.fan_out.append("lobby", Announced("two"), 0, None)
    assert room.fan_out.is_crowded("lobby")
    waiting = gevent.spawn(room.fan_out.wait_sent)
    gevent.sleep(0)

    room.fan_out.append("dev", Announced("small"), 0, None)
    room.turn()
    gevent.sleep(0)
    assert readers[0].reads()[-1].endswith("small")
    assert not waiting.ready()

    wait_until(waiting.ready, "what has gathered is sent next")
    assert not room.fan_out.is_crowded("lobby")
    room.fan_out.leave("dev", readers[0].writer)


@pytest.mark.parametrize("readers_in_a_turn", [0, 1000])
def test_a_crash_while_a_room_is_sent_to_is_logged_and_all_of_it_comes(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, readers_in_a_turn: int
) -> None:
    def crashes(*_: object) -> None:
        raise RuntimeError("a fault that was asked for")

    readers = [room.enters() for _ in range(3)]
    monkeypatch.setattr(fanout, "READERS_IN_A_TURN", readers_in_a_turn)
    with monkeypatch.context() as patched:
        patched.setattr(fanout, "batches", crashes)
        room.turn("one")
        wait_until(lambda: "sending to room lobby crashed" in caplog.text, "the fault")
    room.turn("two")

    wait_until(lambda: [len(reader.reads()) for reader in readers] == [2] * 3, "all")


def test_a_log_that_nobody_reads_is_dropped(room: Room) -> None:
    alice = room.enters()
    room.turn("one")
    room.fan_out.leave("lobby", alice.writer)
    room.turn("two")

    assert room.fan_out.log_bytes == 0
    assert not alice.writer.log_reader.cursors
    assert len(alice.reads()) == 1
