"""A connection to an engine: what is asked goes out in its order, and nobody waits for ever."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import gevent
import hiredis
import pytest
from gevent import socket

from gchat.cluster.engine_connection import EngineConnection, EngineLost, EngineRefused
from tests.cluster.engines import wait_until_in_loop
from tests.garbage import kept


class Engine:
    """The other end of a connection, of which a test says what it answers."""

    def __init__(self) -> None:
        ours, self.sock = socket.socketpair()
        self.connection = EngineConnection(ours)
        self._parser = hiredis.Reader()

    def hears(self) -> list[bytes]:
        """Return the next command."""
        while (command := self._parser.gets()) is False:
            self._parser.feed(self.sock.recv(65536))
        assert isinstance(command, list)
        return command


@pytest.fixture
def engine() -> Iterator[Engine]:
    found = Engine()
    yield found
    found.connection.close()
    found.sock.close()


def test_questions_are_answered_in_their_order(engine: Engine) -> None:
    asked = [engine.connection.ask("GET", name, timeout_s=5) for name in ("one", "two", "three")]
    assert [engine.hears()[1] for _ in asked] == [b"one", b"two", b"three"]
    engine.sock.sendall(b"+1\r\n-WRONGTYPE no such thing\r\n+3\r\n")
    assert asked[0].get() == b"1"
    with pytest.raises(EngineRefused, match="WRONGTYPE no such thing"):
        asked[1].get()
    assert asked[2].get() == b"3"


def test_what_the_kernel_does_not_take_at_once_goes_out_before_what_is_asked_next(engine: Engine) -> None:
    sizes = [3_000_000, 10, 2_000_000, 10]
    asked = [engine.connection.ask("SET", "key", bytes(size), timeout_s=20) for size in sizes]
    gevent.sleep(0.01)
    asked.append(engine.connection.ask("GET", "last", timeout_s=20))
    assert [len(engine.hears()[2]) for _ in sizes] == sizes
    assert engine.hears() == [b"GET", b"last"]
    engine.sock.sendall(b"+OK\r\n" * 5)
    assert [answer.get() for answer in asked] == [b"OK"] * 5


def test_an_answer_that_comes_in_many_parts_is_one(engine: Engine) -> None:
    answer = engine.connection.ask("GET", "key", timeout_s=20)
    large = bytes(range(256)) * 2000
    gevent.spawn(engine.sock.sendall, b"$%d\r\n%s\r\n" % (len(large), large))
    assert answer.get() == large


def test_an_answer_that_comes_byte_by_byte_is_the_same(engine: Engine) -> None:
    said = b"*3\r\n:1024\r\n$4\r\n:\r\n1\r\n*-1\r\n:7\r\n"
    asked = [engine.connection.ask("XREAD", timeout_s=20), engine.connection.ask("INCR", "key", timeout_s=20)]
    for byte in said:
        engine.sock.sendall(bytes((byte,)))
        gevent.sleep(0)
    assert asked[0].get() == [1024, b":\r\n1", None]
    assert asked[1].get() == 7


def test_two_connections_that_receive_at_the_same_time_do_not_mix_it(engine: Engine) -> None:
    other = Engine()
    letters = [each.connection.ask("GET", "key", timeout_s=20) for each in (engine, other)]
    for part in (b"$6\r\n%c", b"%c%c", b"%c%c%c\r\n"):
        for each, char in ((engine, b"a"), (other, b"b")):
            each.sock.sendall(part.replace(b"%c", char))
        gevent.sleep(0.005)
    assert [answer.get() for answer in letters] == [b"aaaaaa", b"bbbbbb"]
    other.connection.close()
    other.sock.close()


def test_an_answer_that_does_not_come_in_time_ends_the_connection(engine: Engine) -> None:
    patient = engine.connection.ask("XREAD", timeout_s=20)
    with pytest.raises(EngineLost, match=r"no answer within 0\.05 s"):
        engine.connection.call("PING", timeout_s=0.05)
    with pytest.raises(EngineLost, match=r"no answer within 0\.05 s"):
        patient.get()
    assert engine.connection.is_lost
    with pytest.raises(EngineLost):
        engine.connection.ask("PING", timeout_s=1)


def test_each_question_has_its_own_deadline(engine: Engine) -> None:
    for _ in range(3):
        answer = engine.connection.ask("PING", timeout_s=0.2)
        gevent.sleep(0.1)
        engine.sock.sendall(b"+PONG\r\n")
        assert answer.get() == b"PONG"
    gevent.sleep(0.3)
    assert not engine.connection.is_lost, "nothing is overdue where nothing is asked"


def test_a_greenlet_that_waits_no_more_does_not_take_the_next_ones_answer(engine: Engine) -> None:
    waiting = gevent.spawn(engine.connection.call, "GET", "one", timeout_s=20)
    engine.hears()
    waiting.kill()
    answer = engine.connection.ask("GET", "two", timeout_s=20)
    engine.sock.sendall(b"+1\r\n+2\r\n")
    assert answer.get() == b"2"


def test_an_engine_that_goes_away_is_lost_to_all_that_ask(engine: Engine) -> None:
    asked = [engine.connection.ask("PING", timeout_s=20) for _ in range(2)]
    engine.sock.close()
    for answer in asked:
        with pytest.raises(EngineLost):
            answer.get()


def test_nobody_has_to_ask_to_learn_that_an_engine_goes_away(engine: Engine) -> None:
    waiting = gevent.spawn(engine.connection.wait_lost)
    gevent.sleep(0)
    engine.sock.close()
    with pytest.raises(EngineLost):
        waiting.get(timeout=20)


def test_an_engine_that_is_silent_is_lost_although_nobody_waits_for_its_answer(engine: Engine) -> None:
    engine.connection.ask("PING", timeout_s=0.02)
    with pytest.raises(EngineLost, match=r"no answer within 0\.02 s"):
        engine.connection.wait_lost()


def test_an_answer_upon_which_the_connection_is_closed_is_the_last_one(engine: Engine) -> None:
    def closes() -> None:
        assert engine.connection.call("GET", "one", timeout_s=20) == b"1"
        engine.connection.close()

    closing = gevent.spawn(closes)
    gevent.sleep(0)
    behind = engine.connection.ask("GET", "two", timeout_s=20)
    engine.sock.sendall(b"+1\r\n+2\r\n")
    closing.get(timeout=20)
    with pytest.raises(EngineLost):
        behind.get()


def test_an_answer_has_whoever_waited_for_it_ask_on_before_the_next_one_is_told(engine: Engine) -> None:
    told: list[bytes] = []

    def asks() -> None:
        told.append(engine.connection.call("GET", "one", timeout_s=20))
        told.append(engine.connection.call("GET", "three", timeout_s=20))

    asking = gevent.spawn(asks)
    gevent.sleep(0)
    second = engine.connection.ask("GET", "two", timeout_s=20)
    engine.sock.sendall(b"+1\r\n+2\r\n+3\r\n")
    asking.get(timeout=20)
    assert told == [b"1", b"3"]
    assert second.get() == b"2"


# A server collects only new garbage while users are there, and an engine may be silent for a day.
@pytest.mark.parametrize("end", ["it is closed", "it is silent", "it goes away"])
def test_a_connection_that_has_ended_leaves_no_garbage(end: str) -> None:
    gc.collect()
    gc.disable()
    before = kept(EngineConnection)  # of other tests
    try:
        for _ in range(3):
            engine = Engine()
            if end == "it goes away":
                gevent.spawn(engine.sock.close)
            if end != "it is closed":
                with pytest.raises(EngineLost):
                    engine.connection.call("PING", timeout_s=0.02)
            engine.connection.close()
            engine.sock.close()
            del engine
        gevent.sleep(0.01)
        assert kept(EngineConnection) <= before
    finally:
        gc.enable()


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n", b"+OK\r\n+OK\r\n"])
def test_what_is_no_answer_ends_the_connection(engine: Engine, said: bytes) -> None:
    asked = engine.connection.ask("PING", timeout_s=20)
    engine.sock.sendall(said)
    if said.startswith(b"+"):
        assert asked.get() == b"OK"
    wait_until_in_loop(lambda: engine.connection.is_lost)
