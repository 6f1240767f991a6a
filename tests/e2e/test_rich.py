"""The rich dialect from outside: raw lines of JSON against a real server, beside users of nc."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import clustered
from tests.e2e.crowd import Crowd
from tests.e2e.harness import PROMPT, Server, wait_until
from tests.e2e.rich_user import RichUser, joins


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(limits_messages_per_s=0) as server:
        yield server


# --- The hello -------------------------------------------------------------------------------------------------------


def test_a_client_is_welcomed_with_all_that_it_needs(server: Server) -> None:
    with RichUser(server, nick="alice", room="dev") as alice:
        welcome = alice.sees("welcome")

        assert (welcome["nick"], welcome["room"], welcome["seq"], welcome["online"]) == ("alice", "dev", 0, 1)
        assert len(welcome["token"]) >= 22
        assert welcome["epoch"]
        assert welcome["limits"]["max_line_bytes"] == 8192
        assert alice.sees("live") == {"type": "live", "room": "dev", "seq": 0}


@pytest.mark.parametrize(
    "hello", [b"GCHAT/1\n", b"GCHAT/1\r\n", b"GCHAT/1 {}\n", b'GCHAT/1 {"unknown":[1,{"a":null}]}\n']
)
def test_all_of_a_hello_is_optional_and_what_is_unknown_is_ignored(server: Server, hello: bytes) -> None:
    with server.connect() as user:
        user.sends(hello)
        user.sees_bytes(b'{"type":"welcome"')


def test_a_hello_may_come_byte_by_byte_and_with_requests_behind_it(server: Server) -> None:
    with server.connect() as user, joins(server) as bob:
        for byte in b'GCHAT/1 {"nick":"alice"}\n{"type":"say","text":"at once"}\n':
            user.sends(bytes((byte,)))
        user.sees_bytes(b'"nick":"alice"')
        bob.sees("said", text="at once")
        user.sends(b'{"type":"ping","id":"x"}\n')
        user.sees_bytes(b'{"type":"pong","id":"x"}')


@pytest.mark.parametrize(
    "hello",
    [b"GCHAT/1 nope\n", b"GCHAT/1 []\n", b'GCHAT/1 {"nick":7}\n', b'GCHAT/1 {"token":"short"}\n', b"GCHAT/1 {\xff}\n"],
)
def test_a_hello_that_is_none_is_refused_with_the_reason(server: Server, hello: bytes) -> None:
    with server.connect() as user:
        user.sends(hello)
        user.sees_bytes(b'{"type":"refused","code":"bad_command","message":"Invalid hello; ')
        user.sees_bytes(b'{"type":"closing","reason":"Invalid hello; ')
        user.sees_bytes(b'"code":"bad_hello"}\n')
        user.sees_end()


def test_a_late_hello_that_is_none_is_refused_with_the_reason_too(server: Server) -> None:
    with server.join() as user:
        user.sends(b'GCHAT/1 {"replay":-1}\n')
        user.sees_bytes(b'"message":"Invalid hello; replay: expected a whole number from 0 to 1000 or null"}\n')
        user.sees_bytes(b'{"type":"closing","reason":"Invalid hello; replay: ')
        user.sees_end()


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (b'{"type":"tell","text":"hi"}', "to is missing: expected a text"),
        (b'{"type":"history","limit":"x"}', "limit: expected a whole number not below 1"),
        (rb'{"type":"say","text":"\ud800"}', r"not JSON: an escape such as \ud800 is half of a pair"),
        (b"hello", "not JSON: invalid character (byte 0)"),
    ],
)
def test_an_invalid_request_is_refused_in_plain_words(server: Server, request_: bytes, why: str) -> None:
    with server.connect() as user:
        user.sends(b"GCHAT/1\n" + request_ + b"\n")
        user.sees_bytes(b'"message":' + json.dumps(f"Invalid request; {why}").encode())


@pytest.mark.parametrize("version", [b"GCHAT/2 ", b"GCHAT/1.1 ", b"GCHAT/ "])
def test_a_hello_of_another_version_is_refused_and_not_said_to_the_room(server: Server, version: bytes) -> None:
    with server.join() as bob, server.connect() as user:
        user.sends(version + b'{"token":"0123456789abcdef"}\n')
        user.sees_bytes(b"this server speaks GCHAT/1")
        user.sees_end()
        bob.does_not_see(b"0123456789abcdef")


@pytest.mark.parametrize("first", [b"GCHAT is nice\n", b"G\n", b"gchat/1\n", b" GCHAT/1 is what I speak\n"])
def test_a_first_line_that_is_anything_else_is_said(server: Server, first: bytes) -> None:
    with server.join() as bob, server.connect() as user:
        user.sends(first)
        bob.sees_bytes(b"] " + first)
        user.sees_bytes(b"> Connected to the chat server")


def test_the_beginning_of_a_hello_that_never_comes_is_a_line_like_any_other(server: Server) -> None:
    with server.join() as bob, server.connect() as user:
        user.sends(b"GCH")
        user.sees_bytes(PROMPT)
        user.sends(b"AOS\n")
        bob.sees_bytes(b"] GCHAOS\n")


def test_a_hello_behind_other_lines_is_not_said_to_the_room_because_there_is_a_secret_in_it(server: Server) -> None:
    with server.join() as bob, server.join() as late:
        late.says("hello", 'GCHAT/1 {"token":"0123456789abcdef"}', ' GCHAT/1 {"token":"0123456789abcdef"}')
        late.sees("> Not sent: the hello of the rich dialect must be the first line")
        bob.does_not_see(b"0123456789abcdef")


def test_a_nick_or_a_room_that_cannot_be_had_is_refused_after_the_welcome(server: Server) -> None:
    with joins(server, "alice"), RichUser(server, nick="Alice", room="no/room") as other:
        assert other.sees("welcome")["nick"].startswith("127.0.0.1:")
        assert other.sees("refused")["code"] == "name_taken"
        assert other.sees("refused")["code"] == "bad_name"
        other.asks({"type": "ping", "id": "1"})
        other.sees("pong", id="1")


# --- Talking ---------------------------------------------------------------------------------------------------------


def test_rich_and_plain_users_hear_each_other_each_in_its_own_way(server: Server) -> None:
    with joins(server, "alice") as alice, server.join("bob") as bob:
        alice.sees("entered", room="lobby", online=2)
        alice.sees("renamed", nick="bob")
        alice.asks({"type": "say", "id": "a-1", "text": "hello"}, {"type": "act", "id": "a-2", "text": "waves"})
        bob.sees("[alice] hello")
        bob.sees("* alice waves")
        bob.says("hi", "/me nods", "/topic tea")
        said = alice.sees("said")
        assert (said["from"], said["text"], said["seq"], said["room"]) == ("bob", "hi", 3, "lobby")
        assert said["time"].endswith("Z")
        assert alice.sees("acted", text="nods")["seq"] == 4
        assert alice.sees("topic", text="tea")["seq"] == 5
        alice.asks({"type": "tell", "id": "t", "to": "bob", "text": "psst"})
        alice.sees("ack", id="t")
        bob.sees("[alice -> you] psst")
        bob.says("/reply yes")
        assert alice.sees("told")["text"] == "yes"
        alice.asks({"type": "nick", "nick": "alicia"}, {"type": "join", "room": "dev", "leave": "current"})
        alice.sees("named", nick="alicia")
        bob.sees("> alice is now alicia")
        alice.sees("joined", room="dev", online=1)
        alice.sees("live", room="dev")
        bob.sees("< The user alicia left")
        alice.asks({"type": "quit"})
        alice.sees("closing")
        alice.sees_end()


def test_an_ack_stands_where_the_message_stands_for_the_others(server: Server) -> None:
    with joins(server, "alice") as alice, joins(server, "bob") as bob, joins(server) as reader:
        for number in range(100):
            speaker = random.choice((alice, bob))
            speaker.says(f"line {number}", f"id-{number}")
        reader_sees = [reader.sees("said") for _ in range(100)]
        for user in (alice, bob):
            heard = [user.sees_any("said", "ack") for _ in range(100)]
            assert [event["seq"] for event in heard] == list(range(1, 101))
            for event in heard:
                text = reader_sees[event["seq"] - 1]["text"]
                assert (event["type"] == "said" and event["text"] == text) or f"line {event['id'][3:]}" == text


def test_a_repeated_id_gets_its_old_number_and_is_not_said_again(server: Server) -> None:
    with joins(server, "alice") as alice, server.join() as bob:
        alice.says("once", "x")
        alice.says("other", "y")
        alice.says("once", "x")
        alice.asks({"type": "act", "id": "y", "text": "again"})
        assert [alice.sees("ack")["seq"] for _ in range(3)] == [1, 2, 1]
        assert alice.sees("refused", id="y")["code"] == "id_reused"
        alice.asks(
            {"type": "tell", "to": bob.name, "id": "z", "text": "psst"},
            {"type": "tell", "to": bob.name, "id": "z", "text": "psst"},
        )
        assert alice.sees("ack", id="z")
        assert alice.sees("ack", id="z")
        alice.says("end")
        bob.sees_bytes(b"] end\n")
        assert bob.received.count(b"once") == 1
        assert bob.received.count(b"again") == 0
        assert bob.received.count(b"psst") == 1


def test_a_topic_that_is_asked_for_again_does_not_come_again(server: Server) -> None:
    with joins(server, "alice") as alice, joins(server, "bob") as bob:
        alice.asks({"type": "topic", "id": "t", "text": "first"})
        alice.sees("ack", id="t", seq=1)
        bob.asks({"type": "topic", "id": "t", "text": "second"})
        bob.sees("ack", id="t", seq=2)
        alice.asks({"type": "topic", "id": "t", "text": "first"}, {"type": "topic", "id": "what"})
        alice.sees("ack", id="t", seq=1)
        assert alice.sees("topic", id="what")["text"] == "second"
        with server.connect() as nc:
            nc.sees("> The topic is: second (set by bob)")


def test_a_private_message_that_was_refused_is_not_taken_for_told_when_it_is_sent_again(server: Server) -> None:
    with joins(server, "alice") as alice, joins(server, "bob") as bob:
        tell = {"type": "tell", "id": "t", "to": "bob", "text": "psst"}
        bob.user.resets()
        wait_until(lambda: "closed 2" in server.log, "bob is away")
        alice.asks(tell)
        assert alice.sees("refused", id="t")["code"] == "no_such_user"
        with joins(server, token=bob.events[0]["token"]) as again:
            alice.asks(tell, tell)
            alice.sees("ack", id="t")
            alice.sees("ack", id="t")
            assert again.sees("told")["text"] == "psst"
            again.asks({"type": "ping", "id": "f"})
            again.sees("pong", id="f")
            assert sum(event["type"] == "told" for event in again.events) == 1


def test_coming_back_again_and_again_does_not_let_one_say_more() -> None:
    with Server(limits_messages_per_s=5, limits_burst=20) as server, joins(server, "reader") as reader:
        token = ""
        for turn in range(6):
            hello: dict[str, Any] = {"token": token} if token else {}
            with RichUser(server, nick="alice", **hello) as alice:
                token = alice.sees("welcome")["token"]
                alice.sees("live")
                alice.asks(*({"type": "say", "text": f"{turn}"} for _ in range(20)))
        reader.asks({"type": "ping", "id": "f"})
        said = [event for event in reader.sees_up_to("pong", id="f") if event["type"] == "said"]
        assert len(said) < 60


def test_every_answer_has_the_id_of_what_was_asked(server: Server) -> None:
    with joins(server, "alice") as alice:
        for number, (asked, answered) in enumerate(
            [
                ({"type": "nick", "nick": "alix"}, "named"),
                ({"type": "join", "room": "dev"}, "joined"),
                ({"type": "who"}, "users"),
                ({"type": "rooms"}, "rooms"),
                ({"type": "topic"}, "topic"),
                ({"type": "history"}, "page"),
                ({"type": "ping"}, "pong"),
            ]
        ):
            alice.asks({**asked, "id": f"a-{number}"})
            alice.sees(answered, id=f"a-{number}")


def test_the_same_id_of_somebody_else_is_another_message(server: Server) -> None:
    with joins(server, "alice") as alice, joins(server, "bob") as bob:
        alice.says("mine", "1")
        alice.sees("ack", id="1", seq=1)
        bob.says("mine too", "1")
        bob.sees("ack", id="1", seq=2)


@pytest.mark.parametrize(
    "line",
    [
        b"nope",
        b"[]",
        b'{"type":"dance","id":"q"}',
        b'{"id":"q"}',
        b'{"type":"say","id":"q"}',
        b'{"type":"say","id":"q","text":7}',
        b'{"type":"say","id":"q","text":"  "}',
        b'{"type":"say","id":"q","text":"x","text',
        b'{"type":"say","id":"' + b"i" * 65 + b'","text":"x"}',
        b'{"type":"say","id":"\\u001b[2J","text":"x"}',
        b'{"type":"history","limit":-1}',
        b'{"type":"say","text":"\xff\xfe"}',
        b"{" * 4000,
        b'{"type":"say","text":"x","y":' + b"[" * 3000 + b"]" * 3000 + b"}",
        b'{"type":"say","text":"' + b"x" * 9000 + b'"}',
    ],
    ids=lambda line: line[:30].decode("latin-1"),
)
def test_what_is_no_request_is_refused_and_the_connection_lives(server: Server, line: bytes) -> None:
    with joins(server) as user, server.join() as bob:
        user.user.sends(line + b"\n")
        refused = user.sees("refused")
        assert refused["code"] in ("bad_command", "line_too_long")
        if b'"q"' in line and b'"text":"x","text' not in line:
            assert refused["id"] == "q"
        user.says("still here", "ok")
        user.sees("ack", id="ok")
        bob.sees_bytes(b"still here")


def test_what_may_be_said_in_one_line_of_nc_may_be_said_here_and_more_is_refused_by_name(server: Server) -> None:
    with joins(server, "alice") as alice, server.join() as nc:
        for number, text in enumerate(("x" * 8192, "\t\x01" * 4096, "€" * 2730)):
            alice.says(text, f"fits-{number}")
            alice.sees("ack", id=f"fits-{number}")
        nc.sees_bytes(b"[alice] " + b"x" * 8192 + b"\n")
        for kind, text in (("say", "x" * 8193), ("act", "€" * 2731), ("tell", "\U0001f600" * 2049)):
            alice.asks(
                {"type": "say", "id": "before", "text": "before"},
                {"type": kind, "id": f"long-{kind}", "text": text, "to": nc.name},
                {"type": "say", "id": "after", "text": "after"},
            )
            assert alice.sees("refused", id=f"long-{kind}")["code"] == "line_too_long"
        alice.says("end")
        nc.sees("[alice] end")
        assert b"x" * 8193 not in nc.received


def test_a_refusal_names_the_request(server: Server) -> None:
    with joins(server, "alice"), joins(server) as bob:
        bob.asks(
            {"type": "nick", "id": "n", "nick": "alice"},
            {"type": "tell", "id": "t", "to": "nobody", "text": "x"},
            {"type": "join", "id": "j", "room": "../../x"},
        )
        assert bob.sees("refused", id="n")["code"] == "name_taken"
        assert bob.sees("refused", id="t")["code"] == "no_such_user"
        assert bob.sees("refused", id="j")["code"] == "bad_name"


def test_nothing_that_a_terminal_obeys_comes_through_json_either(server: Server) -> None:
    evil = "a\u001b]52;c;aGk=\u0007\u009b2J\u202e\u2028\n[admin] b\u0000"
    with joins(server, "alice") as alice, joins(server) as bob, server.join() as nc:
        alice.asks({"type": "say", "text": evil}, {"type": "act", "text": evil}, {"type": "topic", "text": evil})
        for kind in ("said", "acted", "topic"):
            text = bob.sees(kind)["text"]
            assert all(line.isprintable() for line in text.split("\n")), text
        nc.sees("> alice set the topic: ")
        assert not set("\x1b\x9b\u202e\u2028\x00") & set(nc.received.decode())
        assert b"\n[admin]" not in nc.received


def test_who_and_rooms_and_history_are_answered_with_values(server: Server) -> None:
    with joins(server, "alice") as alice, server.join("bob", room="dev"), server.join("carol"):
        alice.asks({"type": "who"}, {"type": "rooms"})
        users = alice.sees("users")
        assert (users["users"], users["total"], users["you"]) == (["alice", "carol"], 2, "alice")
        rooms = alice.sees("rooms")["rooms"]
        assert {room["name"]: room["members"] for room in rooms} == {"lobby": 2, "dev": 1}
        alice.asks(*({"type": "say", "text": f"line {number}"} for number in range(1, 31)))

        def page(**asked: int) -> tuple[list[int], bool]:
            alice.asks({"type": "history", "id": "h", **asked})
            answer = alice.sees("page", id="h")
            return [event["seq"] for event in answer["events"]], answer["end"]

        assert page(limit=3) == ([28, 29, 30], False)
        assert page(before=28, limit=100) == (list(range(1, 28)), True)
        assert page(after=0, limit=4) == ([1, 2, 3, 4], False)
        assert page(after=27) == ([28, 29, 30], True)
        assert page(after=30) == ([], True)
        assert page(before=1) == ([], True)
        assert page(after=10**15) == ([], True)


# --- Coming back -----------------------------------------------------------------------------------------------------


def test_who_comes_back_gets_the_nick_and_what_was_missed_and_nobody_notices(server: Server) -> None:
    with server.join("bob") as bob, joins(server, "alice") as alice:
        welcome = alice.events[0]
        bob.says("seen")
        seen = alice.sees("said")["seq"]
        alice.user.resets()
        wait_until(lambda: "reset" in server.log or "ended" in server.log, "the server notices")
        bob.says("missed 1", "/me missed 2")
        after = {"epoch": welcome["epoch"], "seq": seen}
        with RichUser(server, token=welcome["token"], after=after) as again:
            assert again.sees("welcome")["nick"] == "alice"
            told = again.sees_up_to("live")
            assert [(event["type"], event["seq"]) for event in told] == [("said", 2), ("acted", 3)]
            again.says("here", "i")
            assert again.sees("ack")["seq"] == 4
            bob.sees("[alice] here")
            assert b"left" not in bob.received
            assert bob.received.count(b"entered") == 1


def test_the_ghost_of_who_comes_back_is_closed_at_once(server: Server) -> None:
    with server.join("bob") as bob, joins(server, "alice", room="lobby") as ghost:
        with joins(server, token=ghost.events[0]["token"]) as again:
            assert again.events[0]["nick"] == "alice"
            ghost.sees("closing")
            ghost.sees_end()
            bob.says("/msg alice psst")
            again.sees("told", text="psst")
            bob.says("/who")
            assert bob.sees("> In lobby").endswith("(2 users online): bob (you), alice")
        assert b"left" not in bob.received


def test_an_ack_that_was_lost_is_given_again_and_the_message_is_not_said_twice(server: Server) -> None:
    with server.join("bob") as bob, joins(server, "alice") as alice:
        alice.says("once", "i-1")
        bob.sees("[alice] once")
        alice.user.resets()
        with joins(server, token=alice.events[0]["token"]) as again:
            again.says("once", "i-1")
            assert again.sees("ack", id="i-1")["seq"] == 1
            again.says("twice", "i-2")
            bob.sees("[alice] twice")
            assert bob.received.count(b"once") == 1


def test_who_does_not_come_back_has_left_after_a_while(server: Server) -> None:
    with server.join("bob") as bob, joins(server, "alice") as alice:
        alice.user.resets()
        wait_until(lambda: "closed 2" in server.log, "the server notices")
        bob.says("/msg alice there?")
        bob.sees("> Not sent: alice has just lost the connection")
        bob.sees("< The user alice left (1 user online)", deadline_s=40)
        bob.says("/nick alice")
        bob.sees("> You are now alice")


def test_who_says_quit_has_left_at_once(server: Server) -> None:
    with server.join("bob") as bob, joins(server, "alice") as alice:
        alice.asks({"type": "quit"})
        bob.sees("< The user alice left (1 user online)", deadline_s=10)


def test_another_epoch_is_said_and_the_numbers_of_the_old_one_mean_nothing(server: Server) -> None:
    with joins(server, "bob") as bob:
        bob.asks(*({"type": "say", "text": f"line {number}"} for number in range(20)))
        bob.asks({"type": "ping", "id": "f"})
        bob.sees("pong", id="f")
        with RichUser(server, after={"epoch": "of-another-log", "seq": 5}, replay=3) as user:
            assert user.sees("welcome")["epoch"] == bob.events[0]["epoch"]
            assert [event["seq"] for event in user.sees_up_to("live")] == [18, 19, 20]


def test_what_is_gone_is_one_exact_gap() -> None:
    with (
        Server("127.0.0.1", "--memory", limits_messages_per_s=0, limits_room_log_bytes=20000) as server,
        joins(server, "bob") as bob,
    ):
        bob.asks(*({"type": "say", "text": f"{number:04}" + "x" * 200} for number in range(1, 501)))
        bob.asks({"type": "ping", "id": "f"})
        bob.sees("pong", id="f")
        after = {"epoch": bob.events[0]["epoch"], "seq": 7}
        with RichUser(server, after=after) as user:
            told = user.sees_up_to("live")[1:]
            gap = told.pop(0)
            assert (gap["type"], gap["from"]) == ("gap", 8)
            assert [event["seq"] for event in told] == list(range(gap["to"] + 1, 501))


def test_a_room_that_one_comes_back_to_tells_what_was_said_since(server: Server) -> None:
    with joins(server, "alice") as alice, joins(server, "bob") as bob:
        bob.says("first", "1")
        alice.sees("said", text="first")
        place = {"epoch": alice.events[0]["epoch"], "seq": 1}
        alice.asks({"type": "join", "room": "dev", "leave": "current"})
        alice.sees("live", room="dev")
        bob.says("second", "2")
        bob.says("third", "3")
        bob.sees("ack", id="3")
        alice.asks({"type": "join", "room": "lobby", "leave": "current", "after": place})
        assert alice.sees("joined", room="lobby")["seq"] == 3
        assert [event["text"] for event in alice.sees_up_to("live", room="lobby")] == ["second", "third"]


def test_catching_up_by_pages_goes_live_without_a_hole_or_a_repeat(server: Server) -> None:
    """Thousands of lines to read while others go on talking, in both dialects, and acks in their places."""
    with joins(server, "bob") as bob, Crowd(()) as crowd:
        bob.asks(*({"type": "say", "text": f"old {number} " + "x" * 100} for number in range(3000)))
        bob.asks({"type": "ping", "id": "f"})
        bob.sees("pong", id="f")
        after = {"epoch": bob.events[0]["epoch"], "seq": 0}
        users = [RichUser(server, receive_buffer=4096, after=after) for _ in range(5)]
        users[0].says("own", "own-1")
        for number in range(300):
            bob.says(f"new {number}", f"n-{number}")
        for user in users:
            crowd.users.append(user.user)
            crowd.resume(user.user)
        crowd.all_see(b"new 299")
        bob.says("end")
        crowd.all_see(b'"end"')
        for user in users:
            user._parse()
            numbers = [event["seq"] for event in user.events if event["type"] in ("said", "ack") and event["seq"]]
            assert numbers == list(range(1, len(numbers) + 1))
            assert len(numbers) == 3302


def test_a_client_cut_fifty_times_at_random_loses_nothing_and_doubles_nothing(server: Server) -> None:
    """What the client library does, by hand: keep the token and the place, send again what was not acknowledged."""
    rng = random.Random(7)
    heard: list[tuple[int, str]] = []
    pending: dict[str, str] = {}
    acked: dict[str, int] = {}
    token, epoch, seq, said = "", "", 0, 0
    with joins(server, "reader") as reader:
        for _ in range(50):
            hello: dict[str, Any] = {
                "nick": "alice",
                **({"token": token, "after": {"epoch": epoch, "seq": seq}} if token else {}),
            }
            with RichUser(server, **hello) as alice:
                welcome = alice.sees("welcome")
                token, epoch = welcome["token"], welcome["epoch"]
                for event in alice.sees_up_to("live"):
                    heard.append((event["seq"], event["text"]))
                    seq = event["seq"]
                for id_, text in pending.items():
                    alice.says(text, id_)
                for _ in range(rng.randrange(1, 8)):
                    said += 1
                    pending[f"id-{said}"] = f"text {said}"
                    alice.says(f"text {said}", f"id-{said}")
                for _ in range(rng.randrange(len(pending))):
                    ack = alice.sees("ack")
                    text = pending.pop(ack["id"])
                    acked[ack["id"]] = ack["seq"]
                    if ack["seq"] > seq:
                        heard.append((ack["seq"], text))
                        seq = ack["seq"]
                if rng.random() < 0.5:
                    alice.user.resets()
        with joins(server, token=token, after={"epoch": epoch, "seq": seq}) as alice:
            heard += [(event["seq"], event["text"]) for event in alice.events if event["type"] == "said"]
            for id_, text in pending.items():
                alice.says(text, id_)
            for id_ in pending:
                acked[id_] = alice.sees("ack", id=id_)["seq"]
        for number in range(1, said + 1):
            assert reader.sees("said")["text"] == f"text {number}"
        assert sorted(acked.values()) == list(range(1, said + 1))
        assert [seq for seq, _ in heard] == list(range(1, len(heard) + 1))
        assert [text for _, text in heard] == [f"text {number}" for number in range(1, len(heard) + 1)]


# --- Limits and the end ----------------------------------------------------------------------------------------------


def test_a_client_that_sends_too_fast_is_told_once_and_loses_nothing() -> None:
    with Server(limits_messages_per_s=50, limits_burst=5) as server, joins(server) as user, joins(server) as reader:
        user.asks(*({"type": "say", "id": str(number), "text": "x"} for number in range(30)))
        assert [user.sees("ack")["seq"] for _ in range(30)] == list(range(1, 31))
        assert [reader.sees("said")["seq"] for _ in range(30)] == list(range(1, 31))
        assert [event["messages_per_s"] for event in user.events if event["type"] == "slowed"] == [50]


def test_a_client_that_reads_too_slowly_is_told_of_one_gap_after_another_and_sees_the_rest_in_order() -> None:
    with (
        Server(limits_messages_per_s=0, limits_room_log_bytes=65536) as server,
        RichUser(server, receive_buffer=2048) as slow,
        joins(server) as bob,
    ):
        slow.sees("live")
        for number in range(3000):
            bob.asks({"type": "say", "text": f"{number} " + "x" * 400})
        bob.asks({"type": "say", "id": "end", "text": "end"})
        last = bob.sees("ack", id="end")["seq"]
        numbers: list[int] = []
        while not numbers or numbers[-1] < last:
            event = slow.sees_any("said", "gap")
            numbers += range(event["from"], event["to"] + 1) if event["type"] == "gap" else [event["seq"]]
        assert any(event["type"] == "gap" for event in slow.events)
        assert numbers == list(range(1, last + 1))


def test_when_the_server_stops_clients_are_told_also_those_that_have_not_opened_yet() -> None:
    with Server() as server, server.connect() as silent, joins(server) as user:
        assert server.stop() == 0
        closing = {"type": "closing", "reason": "The server is shutting down", "code": "shutdown"}
        if clustered.MODE:  # its users may come to the other nodes
            closing |= {"reason": "This server is about to stop; come back at once", "code": "moving"}
        assert user.sees("closing") == closing
        silent.sees_end()
        assert silent.received.endswith(b"> The server is shutting down\n")


def test_many_who_come_at_once_are_counted(server: Server) -> None:
    with joins(server, "alice") as alice:
        users = [server.connect() for _ in range(30)]
        for user in users:
            user.sees_bytes(PROMPT)
        counted = 0
        while counted < 30:
            counted += alice.sees("entered").get("count", 1)
        assert counted == 30
        for user in users:
            user.sock.close()
        while counted:
            counted -= alice.sees("left").get("count", 1)


def test_the_lines_are_json_that_any_program_can_read(server: Server) -> None:
    with joins(server, "zoë") as zoe, joins(server) as bob:
        zoe.says('quote " backslash \\ emoji 👩‍👩‍👧 ünïcode')
        assert bob.sees("said")["text"] == 'quote " backslash \\ emoji 👩‍👩‍👧 ünïcode'
        assert all(json.loads(line) for line in bob.user.received.splitlines())


def sockets(server: Server) -> int:
    paths = [path for node in server.with_twin for path in Path(f"/proc/{node.pid}/fd").iterdir()]
    return sum(os.path.realpath(path).rpartition("/")[2].startswith("socket:") for path in paths)


def test_a_hello_that_came_in_time_is_heard_also_when_the_server_was_held_up() -> None:
    with Server(server_greeting_delay_s=0.1) as server:
        before = sockets(server)
        users = [server.connect() for _ in range(20)]
        wait_until(lambda: sockets(server) >= before + 20, "all are accepted")
        for node in server.with_twin:
            node.process.send_signal(signal.SIGSTOP)
        for user in users:
            user.sends(b"GCHAT/1\n")
        time.sleep(0.2)  # what it is about: that the time passes
        for node in server.with_twin:
            node.process.send_signal(signal.SIGCONT)
        for user in users:
            user.sees_bytes(b"\n")
            assert user.received.startswith(b'{"type":"welcome"')
            user.sock.close()
