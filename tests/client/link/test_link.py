"""The link, over real sockets: cut, refused, silent, slow; and that it leaves nothing behind."""

from __future__ import annotations

import gc
import os
import select
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent.event import Event

from gchat.cli import spelled
from gchat.client import (
    Back,
    Closing,
    ConnectFailed,
    Conversation,
    Delivered,
    Found,
    Gap,
    Link,
    LinkClosed,
    Live,
    Lost,
    Notice,
    Refused,
    ResumePoint,
    Said,
    Sent,
    TimedOut,
    Unacknowledged,
    Welcome,
    connect,
)
from gchat.client.files.place_file import PlaceFile
from gchat.client.link.dial import dial, raw
from gchat.client.link.inbox import Inbox
from gchat.dialects import rich_json
from gchat.dialects.rich_events import ClosingEvent, EnteredEvent, RefusedEvent
from gchat.dialects.rich_requests import QuitRequest, SayRequest
from tests.client.fake_server import FakeServer, Peer
from tests.e2e.harness import DEADLINE_S


def wait_until(predicate: Callable[[], object], what: str) -> None:
    """Return when `predicate()` is true; other greenlets run meanwhile."""
    ends_at = time.monotonic() + DEADLINE_S
    while not predicate():
        assert time.monotonic() < ends_at, f"not in time: {what}"
        gevent.sleep(0.002)


def greenlets() -> set[gevent.Greenlet[..., object]]:
    gc.collect()
    return {found for found in gc.get_objects() if isinstance(found, gevent.Greenlet) and not found.dead}


@pytest.fixture(autouse=True)
def _nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be fast; and whatever a test does, no greenlet and no descriptor is left of it."""
    monkeypatch.setattr(Link, "retry_min_s", 0.002)
    monkeypatch.setattr(Link, "retry_max_s", 0.01)
    gevent.get_hub().threadpool.apply(int)  # the resolver's
    before, descriptors = greenlets(), len(os.listdir("/proc/self/fd"))
    with gevent.Timeout(2 * DEADLINE_S):
        yield
        wait_until(lambda: greenlets() <= before, "the greenlets have ended")
        wait_until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors, "the sockets are closed")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


class Listener:
    """Iterates a link in a greenlet of its own."""

    def __init__(self, link: Link) -> None:
        self.notices: list[Notice] = []
        self.ended = False
        self._greenlet = gevent.spawn(self._listen, link)

    def _listen(self, link: Link) -> None:
        for notice in link:
            self.notices.append(notice)
        self.ended = True

    @property
    def texts(self) -> list[str]:
        return [notice.text for notice in self.notices if isinstance(notice, Said | Sent)]

    def sees(self, kind: type[Notice], times: int = 1) -> None:
        wait_until(lambda: sum(isinstance(notice, kind) for notice in self.notices) >= times, f"{kind.__name__}")

    def ends(self) -> None:
        self._greenlet.join()


# --- Talking ---------------------------------------------------------------------------------------------------------


def test_a_bot_of_ten_lines_answers(server: FakeServer) -> None:
    def run() -> None:
        with connect("127.0.0.1", server.port, nick="echo") as chat:
            for event in chat:
                if isinstance(event, Said) and event.text == "!ping":
                    chat.say(f"{event.from_}: pong")

    bot = gevent.spawn(run)
    wait_until(lambda: server.chat.peers, "the bot is there")
    server.chat.speaks("!ping", "alice")
    wait_until(lambda: len(server.chat.log) == 2, "it has answered")
    bot.kill()

    assert (server.chat.log[1].from_, server.chat.log[1].text) == ("echo", "alice: pong")


def test_who_connects_is_welcome_at_once_and_shown_what_happens(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port, nick="alice") as chat:
        assert chat.token
        assert chat.nick == "alice"
        seen = Listener(chat)
        said_id, told_id = chat.say("hi"), chat.tell("bob", "psst")
        refused_id = chat.tell("nobody", "hello?")

        assert chat.wait_acked(DEADLINE_S)
        assert chat.refused
        assert chat.refused.id == refused_id
        seen.sees(Refused)
        assert [type(notice) for notice in seen.notices] == [Welcome, Live, Sent, Delivered, Refused]
        assert [notice.id for notice in seen.notices if isinstance(notice, Sent | Delivered)] == [said_id, told_id]


def test_old_messages_are_told_only_to_who_asks(server: FakeServer) -> None:
    server.chat.speaks("old")
    for replay, texts in [(0, []), (None, ["old"])]:
        with connect("127.0.0.1", server.port, replay=replay) as chat:
            seen = Listener(chat)
            seen.sees(Live)
            assert seen.texts == texts


def test_what_is_looked_for_is_found(server: FakeServer) -> None:
    for text in ("tea", "cake", "more tea"):
        server.chat.speaks(text)
    with connect("127.0.0.1", server.port) as chat:
        listener = Listener(chat)
        first, second = chat.search("tea"), chat.search("tea", limit=1)
        listener.sees(Found, 2)
        assert chat.wait_acked(DEADLINE_S)
    found = [notice for notice in listener.notices if isinstance(notice, Found)]
    assert [([said.seq for said in page.events], page.end, page.id) for page in found] == [
        ([1, 3], True, first),
        ([3], False, second),
    ]


def test_a_bot_that_is_started_again_goes_on_where_it_was(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port, nick="bot") as chat:
        chat.say("one")
        assert chat.wait_acked(DEADLINE_S)
        token, position = chat.token, chat.position
    server.chat.speaks("two")
    with connect("127.0.0.1", server.port, token=token, after=position) as chat:
        seen = Listener(chat)
        seen.sees(Live)

        assert position == ResumePoint("epoch-0", 1)
        assert seen.texts == ["two"]
        assert chat.nick == "bot"


def test_who_only_speaks_keeps_nothing(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port, listen=False) as chat:
        chat.say("hi")
        assert chat.wait_acked(DEADLINE_S)
        assert list(chat) == []


def test_a_ping_measures_the_lag(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port) as chat:
        wait_until(lambda: chat.lag_s is not None, "a pong")
        seen = Listener(chat)
        seen.sees(Live)

        assert len(seen.notices) == 2


# --- Losing and coming back ------------------------------------------------------------------------------------------


def test_cut_fifty_times_nothing_is_lost_and_nothing_is_twice(server: FakeServer) -> None:
    def has_accepted(connections: int) -> bool:
        return server.accepted >= connections

    with connect("127.0.0.1", server.port, nick="alice") as alice, connect("127.0.0.1", server.port) as bob:
        seen = [Listener(alice), Listener(bob)]
        for number in range(50):
            for link in (alice, bob):
                link.say(f"{number} before")
            gevent.sleep(0)
            server.cut()
            for link in (alice, bob):
                link.say(f"{number} after")
            wait_until(partial(has_accepted, 2 * number + 3), "they are coming back")
        assert alice.wait_acked(DEADLINE_S)
        assert bob.wait_acked(DEADLINE_S)
        log = [said.text for said in server.chat.log]
        wait_until(lambda: all(len(one.texts) >= 200 for one in seen), "all is shown")

        assert len(log) == 200
        assert seen[0].texts == seen[1].texts == log
        assert [said.text for said in server.chat.log if said.from_ == "alice"] == [
            f"{number} {when}" for number in range(50) for when in ("before", "after")
        ]
        assert not any(isinstance(notice, Gap) for one in seen for notice in one.notices)


def test_a_loss_is_told_and_so_is_the_return(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port) as chat:
        seen = Listener(chat)
        seen.sees(Live)
        assert chat.connected
        server.cut()
        seen.sees(Live, 2)

        assert [type(notice) for notice in seen.notices] == [Welcome, Live, Lost, Back, Welcome, Live]


def test_while_nobody_answers_it_is_tried_again_and_again(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port) as chat:
        seen = Listener(chat)
        server.stop()
        seen.sees(Lost, 3)
        chat.say("kept")
        with FakeServer(port=server.port) as again:
            again.chat.epoch = "epoch-1"
            assert chat.wait_acked(DEADLINE_S)

            assert [said.text for said in again.chat.log] == ["kept"]
    reasons = [notice.reason for notice in seen.notices if isinstance(notice, Lost)]
    assert reasons[0] == "the server closed the connection"
    assert set(reasons[1:]) == {"connection refused"}


def test_waiting_takes_longer_each_time_and_anew_after_a_good_connection(
    monkeypatch: pytest.MonkeyPatch, server: FakeServer
) -> None:
    monkeypatch.setattr(Link, "retry_max_s", 0.016)
    monkeypatch.setattr(Link, "steady_s", 0.05)
    with connect("127.0.0.1", server.port) as chat:
        seen = Listener(chat)
        seen.sees(Live)
        server.stop()
        seen.sees(Lost, 5)
        with FakeServer(port=server.port) as again:
            seen.sees(Live, 2)
            gevent.sleep(0.06)
            again.cut()
            lost_before = sum(isinstance(notice, Lost) for notice in seen.notices)
            seen.sees(Lost, lost_before + 1)
    waits = [notice.retry_in_s for notice in seen.notices if isinstance(notice, Lost)]

    assert 0.002 <= waits[0] <= 0.003
    assert 0.004 <= waits[1] <= 0.006
    assert 0.008 <= waits[2] <= 0.012
    assert waits[3:5] == [0.016, 0.016]
    assert 0.002 <= waits[lost_before] <= 0.003


def test_a_server_that_is_silent_is_lost(monkeypatch: pytest.MonkeyPatch, server: FakeServer) -> None:
    monkeypatch.setattr(Link, "ping_s", 0.02)
    monkeypatch.setattr(Link, "answer_s", 0.05)
    with connect("127.0.0.1", server.port) as chat:
        seen = Listener(chat)
        seen.sees(Live)
        server.is_deaf = True
        seen.sees(Lost)
        server.is_deaf = False

        lost = next(notice for notice in seen.notices if isinstance(notice, Lost))
        assert lost.reason == "nothing was heard for 0.07 s"
        seen.sees(Back)


# --- Failing ---------------------------------------------------------------------------------------------------------


def refusing_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_refused_connection_is_one_line() -> None:
    port = refusing_port()
    with pytest.raises(ConnectFailed) as failed:
        connect("127.0.0.1", port)

    assert str(failed.value) == f"cannot connect to 127.0.0.1:{port}: connection refused"


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("a..b", 1, "no such host"),
        ("/no/such/socket", 0, "no such file or directory"),
        ("/" + "long/" * 100, 0, "AF_UNIX path too long"),
    ],
)
def test_an_address_that_is_none_is_one_line(host: str, port: int, reason: str) -> None:
    with pytest.raises(ConnectFailed) as failed:
        connect(host, port)

    assert str(failed.value) == f"cannot connect to {spelled(host, port)}: {reason}"


def fails(handler: Callable[[socket.socket], object]) -> ConnectFailed:
    with FakeServer(handler) as server, pytest.raises(ConnectFailed) as failed:
        connect("127.0.0.1", server.port)
    return failed.value


def greet_in_plain(sock: socket.socket) -> None:
    sock.sendall(b"> Connected to the chat server (1 user online)\n[You] ")
    hear(sock)


def say(sock: socket.socket, data: bytes) -> None:
    """Hear the opening, answer with `data`, and close."""
    sock.recv(1000)
    sock.sendall(data)
    sock.close()


IN_PLAIN = 'the server does not speak the rich dialect; it said "Connected to the chat server (1 user online)"'


def test_a_server_of_another_dialect_fails_for_good_and_what_it_said_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Link, "connect_s", 0.1)
    failed = fails(greet_in_plain)

    assert failed.reason == IN_PLAIN
    assert failed.final
    assert failed.is_plain


@pytest.mark.parametrize(
    ("said", "is_plain"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", False),
        (b"220 mail.example ESMTP Postfix\r\n", False),
        (b"* OK IMAP4rev1 ready\r\n", False),
        (b":irc.example NOTICE * :*** Looking up your hostname\r\n", False),
        (b"\x16\x03\x01\x02\x00", False),
        (b"J\0\0\0\n8.0.34\0", False),
        (b'{"type":"hello"}\n', False),
        (b"<announce> 127.0.0.1 is connected as <user5>\n", True),
        (b"Your name? ", True),
        (b"[You] ", True),
    ],
)
def test_plain_is_worth_a_try_only_where_lines_of_chat_may_be_spoken(
    monkeypatch: pytest.MonkeyPatch, said: bytes, is_plain: bool
) -> None:
    monkeypatch.setattr(Link, "connect_s", 0.1)

    def greet(sock: socket.socket) -> None:
        sock.sendall(said)
        hear(sock)

    failed = fails(greet)
    assert failed.is_plain is is_plain
    assert "it said" in failed.reason or not said.strip(b"{}").isascii() or said.startswith(b"{")


def test_a_server_that_greets_and_then_turns_us_away_says_why_at_last() -> None:
    failed = fails(partial(say, data=b"> Connected to the chat server (1 user online)\n[You] \n> You are banned\n"))
    assert (failed.reason, failed.final) == ("You are banned", False)


def test_a_server_that_answers_in_http_and_closes_is_shown_as_it_is() -> None:
    failed = fails(partial(say, data=b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    assert (failed.reason, failed.is_plain) == ("HTTP/1.1 400 Bad Request", False)


def test_a_greeting_in_plain_before_the_welcome_is_passed_over(server: FakeServer) -> None:
    def late(sock: socket.socket) -> None:
        sock.sendall(b"> Connected to the chat server (2 users online)\n12:03 [bob] hi\n[You] \n[bob] {}\n")
        gevent.sleep(0.05)
        server._serve(sock)

    with FakeServer(late) as slow, connect("127.0.0.1", slow.port, nick="alice") as chat:
        chat.say("hi")
        assert chat.wait_acked(DEADLINE_S)
        seen = Listener(chat)
        seen.sees(Sent)
        assert [type(notice) for notice in seen.notices] == [Welcome, Live, Sent]


def test_another_user_cannot_play_the_server_while_it_greets_in_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of others have their name before them, and only a line that begins with a brace is an answer."""
    monkeypatch.setattr(Link, "connect_s", 0.1)

    def greet(sock: socket.socket) -> None:
        sock.sendall(b'> Connected\n[mallory] {"type":"refused","code":"banned","message":"go away"}\n')
        hear(sock)

    assert fails(greet).reason.startswith("the server does not speak the rich dialect")


def test_a_server_that_turns_us_away_says_why_and_may_be_tried_again() -> None:
    failed = fails(partial(say, data=b"> The server is full\x1b[2J\n"))

    assert failed.reason == "The server is full\\x1b[2J"
    assert not failed.final


def test_an_opening_that_is_refused_fails_for_good() -> None:
    refused = rich_json.lines([RefusedEvent(code="bad_command", message="Not a valid opening")])
    failed = fails(partial(say, data=refused))

    assert failed.reason == "Not a valid opening"
    assert failed.final


def test_an_opening_that_is_refused_for_now_is_said_again(server: FakeServer) -> None:
    refused = [RefusedEvent(code="not_kept", message="Not possible now"), ClosingEvent(reason="-", code="no_history")]
    serves, server._handler = server._handler, partial(say, data=rich_json.lines(refused))
    with connect("127.0.0.1", server.port, wait=True) as chat:
        listener = Listener(chat)
        listener.sees(Lost, 2)
        server._handler = serves
        listener.sees(Live)
        assert [notice.reason for notice in listener.notices if isinstance(notice, Lost)][1] == "Not possible now"


def hear(sock: socket.socket) -> None:
    """Say nothing until the end."""
    while sock.recv(1000):
        pass


def test_a_server_that_turns_us_away_without_hearing_us_is_understood_too() -> None:
    def turn_away(sock: socket.socket) -> None:
        sock.sendall(b"> The server is full\n")
        sock.close()

    assert fails(turn_away).reason == "The server is full"


def test_a_server_that_says_nothing_fails_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Link, "connect_s", 0.05)

    assert fails(hear).reason == "no answer"


def test_who_waits_is_told_of_each_attempt() -> None:
    with connect("127.0.0.1", refusing_port(), wait=True) as chat:
        seen = Listener(chat)
        seen.sees(Lost, 3)
        assert not chat.connected


def test_who_waits_for_a_server_of_another_dialect_is_told_and_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Link, "connect_s", 0.1)
    with FakeServer(greet_in_plain) as server, connect("127.0.0.1", server.port, wait=True) as chat:
        seen = Listener(chat)
        seen.ends()

        assert seen.notices == [Closing(reason=IN_PLAIN)]
        with pytest.raises(LinkClosed, match="connect again"):
            chat.say("anybody?")


def test_lines_that_cannot_be_understood_are_passed_over(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port) as chat:
        seen = Listener(chat)
        seen.sees(Live)
        for line in (b"\xff\xfe not JSON", b"[]", b'{"type":"dance"}', b'{"type":"said","seq":"x"}', b"{}"):
            server.chat.peers[0].send(line + b"\n")
        server.chat.speaks("still here")
        seen.sees(Said)

        assert seen.texts == ["still here"]


# --- Back-pressure ---------------------------------------------------------------------------------------------------


def test_who_asks_too_much_waits_for_answers(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port, listen=False) as chat:
        wait_until(lambda: chat.connected, "live")
        server.is_deaf = True
        speaker = gevent.spawn(lambda: [chat.say(str(number)) for number in range(1000)])
        wait_until(lambda: len(chat.conversation.pending) == 256, "the limit")
        gevent.sleep(0.02)
        assert len(chat.conversation.pending) == 256
        assert not speaker.ready()
        server.is_deaf = False
        speaker.join()
        assert chat.wait_acked(DEADLINE_S)

        assert [said.text for said in server.chat.log] == [str(number) for number in range(1000)]


def test_a_slow_consumer_makes_the_reader_stop_and_loses_nothing(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port) as chat:
        wait_until(lambda: server.chat.peers, "the peer")
        speaker = gevent.spawn(lambda: [server.chat.speaks(f"{number} " + "x" * 1000) for number in range(20_000)])
        wait_until(lambda: server.chat.log, "it speaks")
        gevent.sleep(0.05)
        assert len(chat._inbox._notices) <= 1000
        seen = Listener(chat)
        speaker.join()
        wait_until(lambda: len(seen.texts) == 20_000, "all of it")

        assert [text.split()[0] for text in seen.texts] == [str(number) for number in range(20_000)]


def test_who_answers_everything_in_a_flood_is_told_what_was_skipped(server: FakeServer) -> None:
    """The one who iterates waits in say(), and what would end the waiting stands behind a full inbox."""
    flood, answers = 5000, 600
    shown: list[Notice] = []
    with connect("127.0.0.1", server.port, nick="bot") as chat:
        wait_until(lambda: server.chat.peers, "the peer")
        for number in range(flood):
            server.chat.speaks(str(number))
        for notice in chat:
            shown.append(notice)
            if isinstance(notice, Said) and answers:
                answers -= 1
                chat.say(notice.text)
            last = notice.range_to if isinstance(notice, Gap) else getattr(notice, "seq", 0)
            if not answers and last >= flood and not chat.conversation.pending:
                break
    expected = 1
    for notice in shown:
        if isinstance(notice, Said | Sent):
            assert notice.seq == expected
            expected += 1
        elif isinstance(notice, Gap):
            assert notice.range_from == expected
            expected = notice.range_to + 1
    assert expected > flood


def test_an_inbox_that_is_full_and_in_a_hurry_stays_small() -> None:
    link = Link("127.0.0.1", 1, Conversation("a"))
    inbox = link._inbox = Inbox(10, link._squeeze)
    with inbox.hurry():
        for seq in range(1, 1001):
            inbox.put(Said(room="lobby", seq=seq, time="", from_="a", text="b"))
            inbox.put(EnteredEvent(room="lobby", online=1, who="c"))
            if seq == 500:
                inbox.put(Sent("id", "lobby", 0, "mine", action=False))
    inbox.end()
    told = list(link)

    assert told[-3:] == [
        Gap(room="lobby", range_from=6, range_to=500),
        Sent("id", "lobby", 0, "mine", action=False),
        Gap(room="lobby", range_from=501, range_to=1000),
    ]
    assert len(told) == 13


# --- Ending ----------------------------------------------------------------------------------------------------------


def test_close_waits_for_acks_and_says_goodbye(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port) as chat:
        for number in range(50):
            chat.say(str(number))

    assert len(server.chat.log) == 50
    assert isinstance(rich_json.request(server.heard.splitlines()[-1]), QuitRequest)
    assert not server.chat.peers
    with pytest.raises(LinkClosed):
        chat.say("too late")
    chat.close()


def test_who_closes_at_once_says_goodbye_all_the_same(server: FakeServer) -> None:
    connect("127.0.0.1", server.port).close()

    assert isinstance(rich_json.request(server.heard.splitlines()[-1]), QuitRequest)


def test_close_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch, server: FakeServer) -> None:
    monkeypatch.setattr(Link, "ack_s", 0.05)
    monkeypatch.setattr(Link, "goodbye_s", 0.05)

    def say_to_the_deaf() -> None:
        with connect("127.0.0.1", server.port) as chat:
            server.is_deaf = True
            chat.say("is anybody there?")
            chat.tell("bob", "psst")
            chat.who()
            chats.append(chat)

    chats: list[Link] = []
    with pytest.raises(Unacknowledged, match="2 messages were not acknowledged") as unacknowledged:
        say_to_the_deaf()
    server.is_deaf = False

    assert unacknowledged.value.texts == ["is anybody there?", "psst"]
    assert chats[0].unacknowledged() == ["is anybody there?", "psst"]
    chats[0].close()  # it was told once


def test_a_refusal_that_no_iteration_has_told_is_an_error_at_the_end(server: FakeServer) -> None:
    def tell_nobody(*, listen: bool) -> Link:
        with connect("127.0.0.1", server.port, listen=listen) as chat:
            chat.tell("nobody", "psst")
            assert chat.wait_acked(DEADLINE_S)
            while listen and not isinstance(chat.next(), Refused):
                pass
        return chat

    with pytest.raises(Unacknowledged) as error:
        tell_nobody(listen=False)
    assert str(error.value) == f"1 message was refused by 127.0.0.1:{server.port}: nobody is not here"
    assert (error.value.texts, error.value.refusals) == ([], ["nobody is not here"])
    tell_nobody(listen=True)


def test_an_error_under_way_is_not_replaced_by_what_was_not_acknowledged(
    monkeypatch: pytest.MonkeyPatch, server: FakeServer
) -> None:
    monkeypatch.setattr(Link, "ack_s", 0.05)
    monkeypatch.setattr(Link, "goodbye_s", 0.05)

    def fail() -> None:
        with connect("127.0.0.1", server.port) as chat:
            server.is_deaf = True
            chat.say("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as error:
        fail()
    server.is_deaf = False
    assert error.value.__notes__ == [
        f"1 message was not acknowledged by 127.0.0.1:{server.port} and may not have been said"
    ]


def test_close_while_the_consumer_waits_ends_the_iteration(server: FakeServer) -> None:
    chat = connect("127.0.0.1", server.port)
    seen = Listener(chat)
    seen.sees(Live)
    chat.close()
    seen.ends()

    assert seen.ended


def test_close_while_dialling_and_while_waiting_to_dial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Link, "retry_min_s", 100.0)
    monkeypatch.setattr(Link, "retry_max_s", 100.0)
    monkeypatch.setattr(Link, "ack_s", 0.05)
    monkeypatch.setattr(Link, "goodbye_s", 0.05)
    with FakeServer(hear) as server:
        silent = gevent.spawn(connect, "127.0.0.1", server.port, wait=True)
        wait_until(lambda: server.connections, "it waits for the welcome")
        silent.kill()
    waiting = connect("127.0.0.1", refusing_port(), wait=True)
    assert isinstance(next(waiting), Lost)
    waiting.close()


def test_two_may_close_at_once(server: FakeServer) -> None:
    chat = connect("127.0.0.1", server.port)
    gevent.joinall([gevent.spawn(chat.close), gevent.spawn(chat.close)], raise_error=True)

    assert chat.over


# --- Without the event loop, and with deadlines ----------------------------------------------------------------------


def received(sock: socket.socket, deadline_s: float = DEADLINE_S) -> bytes:
    """Return what comes to a server's socket, while no greenlet runs."""
    blocking = raw(sock)
    assert select.select([blocking], [], [], deadline_s)[0], "nothing was sent"
    return blocking.recv(65536)


@pytest.fixture
def by_hand(server: FakeServer) -> Iterator[list[socket.socket]]:
    """A server that lets a client in, and leaves the rest to the test."""
    socks: list[socket.socket] = []
    done = Event()

    def let_in(sock: socket.socket) -> None:
        peer = Peer(server.chat, sock.sendall)
        while peer.lineage is None:
            peer.feed(sock.recv(65536))
        socks.append(sock)
        done.wait()

    server._handler = let_in
    yield socks
    done.set()


def test_what_is_said_is_sent_at_once_even_if_no_greenlet_runs_after_it(
    monkeypatch: pytest.MonkeyPatch, server: FakeServer, by_hand: list[socket.socket]
) -> None:
    monkeypatch.setattr(Link, "ack_s", 0.05)
    monkeypatch.setattr(Link, "goodbye_s", 0.05)
    chat = connect("127.0.0.1", server.port)
    for text in ("one", "two"):
        chat.say(text)
        assert rich_json.request(received(by_hand[0]).splitlines()[-1]) == SayRequest(
            id=list(chat.conversation.pending)[-1], text=text
        )
    with pytest.raises(Unacknowledged):
        chat.close()


def test_what_the_kernel_does_not_take_is_sent_in_order_by_and_by(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port) as chat:
        assert chat._sock
        chat._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        server.is_deaf = True
        for number in range(200):  # 1.6 MB
            chat.say(f"{number} " + "x" * 8000)
        assert chat._owed
        server.is_deaf = False
        assert chat.wait_acked(DEADLINE_S)
    assert [said.text.split()[0] for said in server.chat.log] == [str(number) for number in range(200)]


def test_a_program_that_holds_the_event_loop_for_long_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, server: FakeServer
) -> None:
    monkeypatch.setattr(Link, "ping_s", 0.2)
    monkeypatch.setattr(Link, "answer_s", 0.2)
    with connect("127.0.0.1", server.port) as chat:
        for _ in range(3):
            time.sleep(0.6)
            gevent.sleep(0.05)
            assert chat.connected
    assert server.accepted == 1


def test_each_call_that_may_wait_takes_a_timeout(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port, timeout_s=DEADLINE_S) as chat:
        assert isinstance(chat.next(DEADLINE_S), Welcome)
        assert isinstance(chat.next(DEADLINE_S), Live)
        assert chat.next(0.01) is None
        server.is_deaf = True
        for number in range(256):
            chat.say(str(number))
        with pytest.raises(TimedOut, match="256 requests are not answered: that one was not sent"):
            chat.say("one more", timeout_s=0.01)
        calls: list[Callable[[], str]] = [
            lambda: chat.act("waves", timeout_s=0.01),
            lambda: chat.tell("bob", "psst", timeout_s=0.01),
            lambda: chat.take_nick("bob", timeout_s=0.01),
            lambda: chat.join("dev", timeout_s=0.01),
            lambda: chat.topic("new", timeout_s=0.01),
            lambda: chat.who(timeout_s=0.01),
            lambda: chat.rooms(timeout_s=0.01),
            lambda: chat.history(timeout_s=0.01),
            lambda: chat.search("word", timeout_s=0.01),
        ]
        for call in calls:
            with pytest.raises(TimedOut):
                call()
        assert not chat.wait_acked(0.01)
        with pytest.raises(Unacknowledged, match="256 messages"):
            chat.close(0.01)
        with pytest.raises(LinkClosed):
            chat.next()
        server.is_deaf = False
    assert issubclass(TimedOut, TimeoutError)


def test_a_server_that_says_nothing_takes_no_longer_than_the_timeout() -> None:
    with FakeServer(hear) as server, pytest.raises(ConnectFailed, match="no answer") as failed:
        connect("127.0.0.1", server.port, timeout_s=0.05)
    assert isinstance(failed.value, OSError)
    assert isinstance(failed.value, ConnectionError)


def test_a_program_that_asks_to_leave_has_left_and_does_not_come_back(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port) as chat:
        seen = Listener(chat)
        chat.say("bye")
        chat.ask(QuitRequest())
        seen.ends()
        assert [type(notice) for notice in seen.notices] == [Welcome, Live, Sent, Closing]
        with pytest.raises(LinkClosed):
            chat.say("still here?")
    assert server.accepted == 1


# --- The nick, the room and the token --------------------------------------------------------------------------------


def test_a_nick_that_was_taken_is_asked_for_again_now_and_then(
    monkeypatch: pytest.MonkeyPatch, server: FakeServer
) -> None:
    monkeypatch.setattr(Link, "ping_s", 0.02)
    server.chat.taken.add("alice")
    with connect("127.0.0.1", server.port, nick="alice") as chat:
        assert chat.nick == "127.0.0.1:5000"
        gevent.sleep(0.1)
        server.chat.taken.clear()
        wait_until(lambda: chat.nick == "alice", "the nick")


def test_a_nick_is_asked_for_again_when_its_holder_leaves(server: FakeServer) -> None:
    server.chat.taken.add("alice")
    with connect("127.0.0.1", server.port, nick="alice") as chat:
        wait_until(lambda: server.chat.peers, "the peer")
        server.chat.leaves("alice")
        wait_until(lambda: chat.nick == "alice", "the nick")


@pytest.mark.parametrize(
    ("nick", "room", "reason"), [("taken", "", "The nick taken is taken"), ("", "a b", "That is no room")]
)
def test_a_strict_link_fails_if_nick_or_room_is_not_granted(
    server: FakeServer, nick: str, room: str, reason: str
) -> None:
    server.chat.taken.add("taken")
    server.chat.bad_rooms.add("a b")
    with pytest.raises(ConnectFailed) as failed:
        connect("127.0.0.1", server.port, nick=nick, room=room, strict=True)
    assert (failed.value.reason, failed.value.final) == (reason, True)
    wait_until(lambda: not server.chat.peers, "it has left")
    assert b'"quit"' in server.heard


def test_a_strict_link_that_had_its_nick_waits_for_it_on_coming_back(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port, nick="ci", strict=True) as chat:
        seen = Listener(chat)
        chat.say("one")
        assert chat.wait_acked(DEADLINE_S)
        server.chat.new_log()
        server.chat.taken.add("ci")
        server.cut()
        chat.say("two")
        seen.sees(Lost, 3)
        assert not server.chat.log
        assert "The nick ci is taken" in {notice.reason for notice in seen.notices if isinstance(notice, Lost)}
        server.chat.taken.clear()
        server.chat.lineages.clear()
        assert chat.wait_acked(DEADLINE_S)
    assert [(said.from_, said.text) for said in server.chat.log] == [("ci", "two")]


def test_with_a_suffix_the_first_free_nick_is_taken(server: FakeServer) -> None:
    server.chat.taken |= {"ci", "ci-2"}
    with connect("127.0.0.1", server.port, nick="ci", strict=True, nick_suffix=True) as chat:
        assert chat.nick == "ci-3"
        chat.say("hi")
    assert [(said.from_, said.text) for said in server.chat.log] == [("ci-3", "hi")]


def test_suffixes_do_not_pile_up_over_connections(server: FakeServer) -> None:
    server.chat.taken |= {"ci", "ci-2"}
    with connect("127.0.0.1", server.port, nick="ci", nick_suffix=True) as chat:
        for number in range(3, 7):
            assert chat.nick == f"ci-{number}"
            server.chat.taken.add(chat.nick)
            server.chat.lineages.clear()
            server.cut()
            wait_until(lambda: chat.nick == f"ci-{number + 1}" and chat.connected, "another one")  # noqa: B023
        chat.say("hi")
    assert server.chat.log[-1].from_ == "ci-7"


def replace(server: FakeServer) -> None:
    peer = server.chat.peers[-1]
    peer.send(rich_json.lines([ClosingEvent(reason="You have connected again from elsewhere", code="replaced")]))
    peer.leave()


def test_a_link_that_was_replaced_connects_once_more_and_is_the_newest_then(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port, nick="alice") as chat:
        seen = Listener(chat)
        wait_until(lambda: server.chat.peers, "the peer")
        chat.say("one")
        replace(server)
        seen.sees(Back)
        chat.say("two")
        assert chat.wait_acked(DEADLINE_S)
        assert [type(notice) for notice in seen.notices].count(Lost) == 1
        assert not any(isinstance(notice, Closing) for notice in seen.notices)
    assert server.accepted == 2


def test_a_link_that_is_replaced_again_ends(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port, nick="alice") as chat:
        seen = Listener(chat)
        wait_until(lambda: server.chat.peers, "the peer")
        replace(server)
        seen.sees(Live, 2)
        wait_until(lambda: server.chat.peers, "the peer again")
        replace(server)
        seen.ends()
        assert seen.notices[-1] == Closing(reason="You have connected again from elsewhere")
        assert chat.over


def test_a_token_file_keeps_the_user_and_is_for_one_at_a_time(server: FakeServer, tmp_path: Path) -> None:
    path = str(tmp_path / "state" / "token")
    with connect("127.0.0.1", server.port, nick="bot", token_file=path) as chat:
        token = chat.token
        with connect("127.0.0.1", server.port, token_file=path) as second:
            assert second.token not in ("", token)
    assert (tmp_path / "state" / "token").stat().st_mode & 0o777 == 0o600
    with connect("127.0.0.1", server.port, token_file=path) as again:
        assert (again.token, again.nick) == (token, "bot")


def test_a_place_file_has_what_the_program_has_dealt_with(server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "place"

    def kept() -> ResumePoint | None:
        return PlaceFile(str(path)).load()

    assert kept() is None
    with connect("127.0.0.1", server.port, place_file=str(path)) as chat:
        for text in ("one", "two", "three"):
            server.chat.speaks(text)
        assert [type(chat.next(DEADLINE_S)) for _ in range(3)] == [Welcome, Live, Said]
        assert kept() == ResumePoint("epoch-0", 0)  # "one" is in hand
        assert isinstance(chat.next(DEADLINE_S), Said)
        assert kept() == ResumePoint("epoch-0", 1)
        chat.stop()
        assert list(chat) == []
        assert kept() == ResumePoint("epoch-0", 2)
    with connect("127.0.0.1", server.port, place_file=str(path)) as chat:
        seen = Listener(chat)
        seen.sees(Live)
        assert seen.texts == ["three"]
    path.write_text("no place")
    assert kept() is None


# --- Addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("host", "family"), [("::1", socket.AF_INET6), ("[::1]", socket.AF_INET6)])
def test_ipv6_is_dialled_with_or_without_brackets(host: str, family: int) -> None:
    with socket.socket(family) as listener:
        listener.bind(("::1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with dial(host, port) as sock:
            assert sock.getpeername()[:2] == ("::1", port)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert spelled(host, port) == f"[::1]:{port}"


def test_a_host_with_a_slash_is_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        dial(path, 0).close()


def test_the_second_address_of_a_name_is_tried_too(monkeypatch: pytest.MonkeyPatch, server: FakeServer) -> None:
    found = [(socket.AF_INET, 1, 6, "", ("127.0.0.1", port)) for port in (refusing_port(), server.port)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    dial("two.example", 1).close()


def test_a_host_may_have_its_port_with_it(server: FakeServer) -> None:
    with connect(f"127.0.0.1:{server.port}", nick="alice") as chat:
        assert chat.address == f"127.0.0.1:{server.port}"
    with pytest.raises(ConnectFailed, match=r"cannot connect to \[::1\]:1: "):
        connect("[::1]:1")


# --- Secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_that_came_among_too_many_wrong_ones_logs_in_when_the_server_allows_it(server: FakeServer) -> None:
    server.chat.accounts["alice"] = "right"
    server.chat.wait_s = 0.02
    with connect("127.0.0.1", server.port, nick="alice", secret="right") as chat:
        assert chat.conversation.login.account == ""
        server.chat.wait_s = 0
        wait_until(lambda: chat.conversation.login.account == "alice", "the link logs in")


def test_a_link_logs_in_on_each_connection(server: FakeServer) -> None:
    server.chat.accounts["alice"] = "right"
    with connect("127.0.0.1", server.port, nick="alice", secret="right") as chat:
        seen = Listener(chat)
        server.cut()
        seen.sees(Welcome, 2)
        assert [notice.account for notice in seen.notices if isinstance(notice, Welcome)] == ["alice", "alice"]


def test_where_nothing_may_be_said_without_it_a_wrong_secret_is_a_failure(server: FakeServer) -> None:
    server.chat.accounts["alice"] = "right"
    with pytest.raises(ConnectFailed, match="That is not the secret"):
        connect("127.0.0.1", server.port, nick="alice", secret="wrong", strict=True)
    assert not server.chat.log


def test_a_server_with_a_password_is_told_it_or_says_that_it_wants_one(server: FakeServer) -> None:
    server.chat.password = "open sesame"
    for password in ("", "guess"):
        with pytest.raises(ConnectFailed, match="wants a password") as refused:
            connect("127.0.0.1", server.port, password=password)
        assert refused.value.wants_password
    with connect("127.0.0.1", server.port, password="open sesame") as chat:
        seen = Listener(chat)
        server.cut()
        seen.sees(Welcome, 2)


def test_a_link_knows_whether_others_can_read_along(server: FakeServer) -> None:
    with connect("127.0.0.1", server.port) as chat:
        assert chat.is_private


def test_a_link_that_is_sent_elsewhere_comes_back_at_once(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gchat.client.link.reconnect.MOVED_AFTER_S", 0.0)
    with connect("127.0.0.1", server.port, nick="alice") as chat:
        listener = Listener(chat)
        wait_until(lambda: chat.connected, "it is connected")
        (peer,) = server.chat.peers
        peer.send(rich_json.lines([ClosingEvent(reason="come back at once", code="moving")]))
        server.cut()
        listener.sees(Back)
        (lost,) = [notice for notice in listener.notices if isinstance(notice, Lost)]
        assert lost.retry_in_s == 0
    listener.ends()
