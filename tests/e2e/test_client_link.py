"""The client's library against the real server: connections cut at random, and a server that is killed and comes again.

Everybody here is a greenlet of the test's own process; only the server is another.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import TypeVar

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from gchat.client import Entered, Gap, Kicked, Link, Live, Modes, NewLog, Notice, Said, Sent, connect
from gchat.dialects.rich_requests import SayRequest
from tests.e2e.harness import DEADLINE_S, Server, wait_until

T = TypeVar("T")

#: Of every test here, in seconds.
LIMIT_S = 90.0


class Scissors:
    """A proxy before a server, which passes on any bytes in any pieces, and cuts connections when it is told to."""

    def __init__(self, port: int, rng: random.Random) -> None:
        self.to = port
        self.rng = rng
        self.cuts = 0
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener = StreamServer(("127.0.0.1", 0), self._handle)
        self._listener.start()

    @property
    def port(self) -> int:
        port = self._listener.server_port
        assert port is not None
        return port

    def cut(self) -> None:
        """Cut one connection, whichever, in the middle of whatever it was saying."""
        if self._pairs:
            self.cuts += 1
            for sock in self.rng.choice(sorted(self._pairs, key=lambda pair: pair[0].fileno())):
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.stop()
        while self._pairs:
            self.cut()
            gevent.sleep(0.01)

    def _handle(self, near: socket.socket, _address: object) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.to)) as far:
            pair = (near, far)
            self._pairs.add(pair)
            gevent.joinall([gevent.spawn(self._pass_on, near, far), gevent.spawn(self._pass_on, far, near)])
            self._pairs.discard(pair)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(self.rng.choice((1, 7, 100, 4096, 65536))):
                target.sendall(data)
        for sock in (source, target):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Talker:
    """A user of the library, and all that it was told."""

    def __init__(self, link: Link, name: str) -> None:
        self.link = link
        self.name = name
        self.notices: list[Notice] = []
        self._listening = gevent.spawn(self._listen)

    def _listen(self) -> None:
        self.notices += self.link  # as it comes, for ever

    def says(self, count: int, rng: random.Random, pause_s: float, rooms: Sequence[str] = ("",)) -> None:
        for number in range(count):
            self.link.ask(SayRequest(text=f"{self.name}:{number}", room=rng.choice(rooms)))
            gevent.sleep(rng.uniform(0, 2 * pause_s))

    def shown(self, room: str = "") -> list[tuple[int, str]]:
        """What the user saw said, by others and by itself, with its numbers; in one room, or in all."""
        said = [notice for notice in self.notices if isinstance(notice, Said | Sent)]
        return [(notice.seq, notice.text) for notice in said if room in ("", notice.room)]

    def told(self, kind: type[T]) -> list[T]:
        return [notice for notice in self.notices if isinstance(notice, kind)]


@contextmanager
def talkers(port: int, count: int, monkeypatch: pytest.MonkeyPatch, *rooms: str) -> Iterator[list[Talker]]:
    monkeypatch.setattr(Link, "retry_min_s", 0.01)
    monkeypatch.setattr(Link, "retry_max_s", 0.2)
    first, *others = rooms or ("",)
    everybody = [
        Talker(connect("127.0.0.1", port, nick=f"u{number}", room=first, more_rooms=others), f"u{number}")
        for number in range(count)
    ]
    try:
        until(lambda: all(talker.link.connected for talker in everybody), "all are live")
        yield everybody
    finally:
        gevent.joinall([gevent.spawn(talker.link.close) for talker in everybody])


def until(predicate: Callable[[], object], what: str) -> None:
    """harness.wait_until, for greenlets."""
    with gevent.Timeout(DEADLINE_S, AssertionError(f"not in time: {what}")):
        while not predicate():
            gevent.sleep(0.01)


@pytest.mark.parametrize("messages_per_s", [0, 150], ids=["unlimited", "slowed down"])
def test_fifty_cuts_at_random_and_every_message_is_said_once_and_in_one_order_to_all(
    messages_per_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, count, each = random.Random(messages_per_s), 4, 200
    with Server(limits_messages_per_s=messages_per_s) as server, gevent.Timeout(LIMIT_S):
        scissors = Scissors(server.port, rng)
        with talkers(scissors.port, count, monkeypatch) as everybody:
            talking = [gevent.spawn(talker.says, each, rng, 0.01) for talker in everybody]
            while scissors.cuts < 50 or not all(greenlet.ready() for greenlet in talking):
                gevent.sleep(rng.uniform(0, 0.06))
                if scissors.cuts < 50:
                    scissors.cut()
            assert all(talker.link.wait_acked(DEADLINE_S) for talker in everybody)
            until(lambda: all(len(talker.shown()) >= count * each for talker in everybody), "all is shown to all")
            orders = [talker.shown() for talker in everybody]

            assert [seq for seq, _ in orders[0]] == list(range(1, count * each + 1))
            assert all(order == orders[0] for order in orders)
            for talker in everybody:
                mine = [text for _, text in orders[0] if text.startswith(f"{talker.name}:")]
                assert mine == [f"{talker.name}:{number}" for number in range(each)]
                assert not talker.told(Gap)
                assert not talker.told(NewLog)
        scissors.close()
        assert not [line for line in server.log.splitlines() if "crashed" in line]


def test_cuts_at_random_and_in_each_of_several_rooms_every_message_is_said_once_to_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng, count, each, rooms = random.Random(3), 3, 120, ("one", "two", "three")
    with Server(limits_messages_per_s=0) as server, gevent.Timeout(LIMIT_S):
        scissors = Scissors(server.port, rng)
        with talkers(scissors.port, count, monkeypatch, *rooms) as everybody:
            # One who comes into a room hears nothing of before: so all come first.
            until(lambda: all(len(talker.told(Live)) >= len(rooms) for talker in everybody), "all are in all rooms")
            talking = [gevent.spawn(talker.says, each, rng, 0.01, rooms) for talker in everybody]
            while scissors.cuts < 30 or not all(greenlet.ready() for greenlet in talking):
                gevent.sleep(rng.uniform(0, 0.06))
                if scissors.cuts < 30:
                    scissors.cut()
            assert all(talker.link.wait_acked(DEADLINE_S) for talker in everybody)
            until(lambda: all(len(talker.shown()) >= count * each for talker in everybody), "all is shown to all")
            for room in rooms:
                orders = [talker.shown(room) for talker in everybody]
                assert [seq for seq, _ in orders[0]] == list(range(1, len(orders[0]) + 1))
                assert all(order == orders[0] for order in orders)
            assert not [notice for talker in everybody for notice in talker.told(Gap)]
        scissors.close()


def test_a_server_that_is_killed_and_comes_again_has_another_log_and_everybody_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five users at twenty messages a second in all; the memory store forgets, the users do not."""
    rng = random.Random(5)
    with Server() as first, gevent.Timeout(LIMIT_S):
        scissors = Scissors(first.port, rng)
        with talkers(scissors.port, 5, monkeypatch) as everybody:
            talking = [gevent.spawn(talker.says, 20, rng, 0.25) for talker in everybody]
            until(lambda: len(everybody[0].shown()) > 20, "they talk")
            first.process.send_signal(signal.SIGKILL)
            first.process.wait()
            with Server() as second:
                scissors.to = second.port
                gevent.joinall(talking)
                assert all(talker.link.wait_acked(DEADLINE_S) for talker in everybody)
                until(lambda: all(talker.told(NewLog) for talker in everybody), "all say that the log is new")
                last = max(seq for talker in everybody for seq, _ in talker.shown()[-5:])
                until(lambda: all(talker.shown()[-1][0] >= last for talker in everybody), "all is shown")
                for talker in everybody:
                    assert [type(notice) for notice in talker.told(NewLog)] == [NewLog]
                    at = talker.notices.index(talker.told(NewLog)[0])
                    before, after = (
                        [notice.seq for notice in part if isinstance(notice, Said | Sent)]
                        for part in (talker.notices[:at], talker.notices[at:])
                    )
                    for numbers in (before, after):
                        assert all(second > first for first, second in pairwise(numbers))
                    own = {notice.text for notice in talker.told(Sent)}
                    assert own == {f"{talker.name}:{number}" for number in range(20)}, "each was acknowledged"
                assert {talker.link.conversation.nick for talker in everybody} == {f"u{number}" for number in range(5)}
            scissors.close()


def test_nobody_notices_that_a_connection_was_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as server, server.join("bob") as bob, gevent.Timeout(LIMIT_S):
        scissors = Scissors(server.port, random.Random(1))
        with talkers(scissors.port, 1, monkeypatch) as (alice,):
            for number in range(5):
                scissors.cut()
                bob.says(f"missed {number}")
                until(lambda: scissors.cuts and len(alice.shown()) > number, "it is told after all")  # noqa: B023
            alice.link.say("here all the time")
            assert alice.link.wait_acked(DEADLINE_S)
        gevent.get_hub().threadpool.apply(lambda: bob.sees("[u0] here all the time"))
        gevent.get_hub().threadpool.apply(lambda: bob.sees("< The user u0 left"))
        scissors.close()
    assert bob.received.count(b" entered ") == 1
    assert bob.received.count(b" left ") == 1


def test_who_leaves_has_said_everything() -> None:
    with Server(limits_messages_per_s=20, limits_burst=5) as server, server.join() as reader, gevent.Timeout(LIMIT_S):
        with connect("127.0.0.1", server.port, nick="hasty") as chat:
            for number in range(60):
                chat.say(f"{number}")
        for number in range(60):
            gevent.get_hub().threadpool.apply(reader.sees, (f"[hasty] {number}",))


def test_of_two_links_with_one_token_one_is_left_and_the_other_has_ended() -> None:
    with Server() as server, gevent.Timeout(LIMIT_S):
        first = connect("127.0.0.1", server.port, nick="alice")
        second = connect("127.0.0.1", server.port, token=first.token)
        listening = [gevent.spawn(list, link) for link in (first, second)]
        until(lambda: first.over or second.over, "one has ended")
        ended, left = (first, second) if first.over else (second, first)
        until(lambda: left.connected, "the other is there")
        last = listening[0 if ended is first else 1].get()[-1]
        assert getattr(last, "reason", "") == "You have connected again from elsewhere"
        left.say("still alice")
        assert left.wait_acked(DEADLINE_S)
        assert left.nick == "alice"
        for link in (first, second):
            link.close()
        gevent.joinall(listening)
        wait_until(lambda: "quit" in server.log, "the goodbye is heard")


def test_a_dead_connection_that_takes_over_a_living_one_does_not_end_it() -> None:
    """A server that was stopped finds two connections with one token, the dead one first or second."""
    with Server() as server, gevent.Timeout(LIMIT_S):
        with connect("127.0.0.1", server.port, nick="alice") as alice:
            listening = gevent.spawn(list, alice)
            until(lambda: alice.connected, "live")
            server.process.send_signal(signal.SIGSTOP)
            with socket.create_connection(("127.0.0.1", server.port)) as dead:
                dead.sendall(b'GCHAT/1 {"token":"%s"}\n' % alice.token.encode())
            server.process.send_signal(signal.SIGCONT)
            gevent.sleep(1)
            alice.say("still here")
            assert alice.wait_acked(DEADLINE_S)
            assert alice.nick == "alice"
        listening.get()


def test_a_nick_that_was_in_use_is_taken_back_when_it_is_free() -> None:
    with Server() as server, server.join("bob") as bob, gevent.Timeout(LIMIT_S):
        with connect("127.0.0.1", server.port, nick="bob", listen=False) as chat:
            assert chat.nick != "bob"
            bob.says("/nick robert")
            until(lambda: chat.nick == "bob", "it is bob")
            chat.say("at last")
        gevent.get_hub().threadpool.apply(lambda: bob.sees("[bob] at last"))


def test_a_bot_keeps_a_room_in_order() -> None:
    with Server() as server, server.join("bob") as bob, gevent.Timeout(LIMIT_S):
        with connect("127.0.0.1", server.port, nick="keeper", room="dev") as chat:
            bob.says("/join dev")
            entered = next(event for event in chat if isinstance(event, Entered))
            chat.mode("+b *spam*")
            chat.kick(entered.who, "spam")
            kicked = next(event for event in chat if isinstance(event, Kicked))
            chat.invite("bob")
            chat.mode()
            modes = next(event for event in chat if isinstance(event, Modes))

        assert (kicked.who, kicked.by, kicked.reason) == ("bob", "keeper", "spam")
        assert modes.operators == ("keeper",)
        bob.sees("> keeper put you out of dev: spam")
        bob.sees("> keeper invites you to dev")
