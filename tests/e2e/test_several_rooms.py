"""Several rooms at once: rich users in many, beside plain ones in one or in none."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.admin_client import Operator, open_to_the_operator
from tests.e2e.harness import Server
from tests.e2e.restarted import Restarted, kills
from tests.e2e.rich_user import RichUser, joins


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(limits_messages_per_s=0) as server:
        yield server


def rooms(*names: str) -> list[dict[str, str]]:
    return [{"room": name} for name in names]


def test_a_rich_user_hears_every_room_and_speaks_in_each(server: Server) -> None:
    with RichUser(server, nick="alice", rooms=rooms("lobby", "dev")) as alice, server.join("bob") as bob:
        assert alice.sees("welcome")["room"] == "lobby"
        alice.sees("live", room="lobby")
        assert alice.sees("joined")["room"] == "dev"
        alice.sees("live", room="dev")
        alice.asks({"type": "join", "room": "#Ops", "id": "j"})
        assert alice.sees("joined", room="ops")["id"] == "j"
        alice.sees("live", room="ops")
        for room in ("lobby", "dev", "ops"):
            if room != "lobby":
                bob.says(f"/join {room}")
            bob.says(f"from bob in {room}")
            assert alice.sees("said")["room"] == room
            alice.asks({"type": "say", "text": f"to {room}", "room": room.upper(), "id": room})
            assert alice.sees("ack", id=room) == {"type": "ack", "id": room, "room": room, "seq": 2}
            bob.sees(f"[alice] to {room}")
        alice.says("to the current one")
        bob.sees("[alice] to the current one")


def test_what_is_asked_about_a_room_is_answered_about_that_room(server: Server) -> None:
    with joins(server, "alice", rooms=rooms("dev", "lobby")) as alice:
        alice.sees("live")
        alice.asks(
            {"type": "topic", "text": "bugs", "room": "dev", "id": "t"},
            {"type": "act", "text": "nods", "room": "dev", "id": "a"},
        )
        assert alice.sees("ack", id="a") == {"type": "ack", "id": "a", "room": "dev", "seq": 2}
        alice.asks(
            {"type": "topic", "room": "dev"},
            {"type": "who", "room": "dev"},
            {"type": "history", "room": "dev"},
            {"type": "search", "text": "nods", "room": "dev"},
            {"type": "history"},
        )
        assert alice.sees("topic", room="dev")["text"] == "bugs"
        assert alice.sees("users")["room"] == "dev"
        assert [event["type"] for event in alice.sees("page")["events"]] == ["topic", "acted"]
        assert alice.sees("found")["room"] == "dev"
        assert alice.sees("page", room="lobby")["events"] == []


def test_the_list_of_rooms_tells_what_is_unread(server: Server) -> None:
    with joins(server, "alice", room="dev") as alice, server.join("bob") as bob, server.join("carol"):
        bob.says("one", "two")
        alice.says("here", "h")
        alice.sees("ack", id="h")
        bob.says("/ping up")
        bob.sees("> pong up")
        alice.asks({"type": "rooms"})

        assert alice.sees("rooms")["rooms"] == [
            {"name": "dev", "members": 1, "seq": 1, "here": True},
            {"name": "lobby", "members": 2, "seq": 2},
        ]


def test_who_parts_hears_no_more_of_the_room_and_the_others_are_told_why(server: Server) -> None:
    with joins(server, "alice", rooms=rooms("lobby", "dev")) as alice, server.join("bob") as bob:
        alice.sees("live")
        alice.asks({"type": "part", "room": "lobby", "reason": "tea\u001b[2J", "id": "p"})
        assert alice.sees("parted") == {"type": "parted", "room": "lobby", "id": "p"}
        bob.sees(r"< The user alice left (1 user online): tea\x1b[2J")
        bob.says("to nobody")
        alice.asks(
            {"type": "say", "text": "x", "room": "lobby", "id": "r"}, {"type": "part"}, {"type": "say", "text": "y"}
        )
        assert alice.sees("refused", id="r")["code"] == "not_in_room"
        alice.sees("parted", room="dev")
        assert alice.sees("refused")["message"] == "You are in no room; /join ROOM enters one"
        alice.asks({"type": "join", "room": "lobby"})
        assert alice.sees("said")["text"] == "to nobody", "it is history"
        assert "said" not in {event["type"] for event in alice.unseen}


def test_join_may_move_as_it_does_for_plain_users(server: Server) -> None:
    with joins(server, "alice") as alice, server.join("bob") as bob:
        alice.asks({"type": "join", "room": "dev", "leave": "current"})
        bob.sees("< The user alice left (1 user online)")
        alice.sees("live", room="dev")
        alice.asks({"type": "join", "room": "dev"})
        assert alice.sees("refused")["message"] == "You are already in dev"


def test_a_plain_user_in_no_room_is_told_how_to_come_back(server: Server) -> None:
    with server.join("alice") as alice, server.join("bob") as bob:
        alice.says("/part dev")
        alice.sees("> You are not in dev; enter it first (/join dev)")
        alice.says("/part")
        alice.sees("> You have left lobby; /join ROOM enters another, or this one again")
        bob.sees("< The user alice left (1 user online)")
        for line in ("hello?", "/me waves", "/who", "/topic", "/history", "/search x", "/part"):
            alice.says(line)
            alice.sees("> You are in no room; /join ROOM enters one")
        alice.says("/msg bob still here", "/rooms")
        bob.sees("[alice -> you] still here")
        alice.sees("> lobby (1 user online)")
        bob.says("to the room")
        alice.says("/join lobby")
        alice.sees("> You are now in lobby (2 users online)")
        alice.sees_bytes(b"[bob] to the room\n")
        alice.says("back")
        bob.sees("[alice] back")
        assert b"hello?" not in bob.received


# In https://github.com/element-hq/element-web/issues/1769 and https://github.com/Harshall25/ChatPulse/issues/5 what a
# user said while rooms were entered and left went to another room than the user meant.
def test_what_is_said_while_rooms_are_entered_and_left_goes_where_it_was_meant(tmp_path: Path) -> None:
    restarted = Restarted(tmp_path / "gchat.db")
    names = ("dev", "ops", "tea")
    with restarted.runs() as server, joins(server, "bob", rooms=rooms(*names)) as bob:
        for name in names:
            bob.asks({"type": "say", "room": name, "text": "old", "id": name})
            bob.sees("ack", id=name)
    with restarted.runs() as server, joins(server, "bob", rooms=rooms("lobby", *names)) as bob:
        read = {bob.sees("live")["room"] for _ in names}  # in the order in which they are loaded
        assert read == {*names}
        with joins(server, "alice") as alice:
            for name in names:  # in one packet each, while the room is being loaded
                alice.asks(
                    {"type": "join", "room": name},
                    {"type": "part", "room": name},
                    {"type": "say", "room": name, "text": "too late", "id": f"late-{name}"},
                    {"type": "say", "text": "in the lobby", "id": f"lobby-{name}"},
                    {"type": "join", "room": name},
                    {"type": "say", "text": f"for {name}", "id": f"here-{name}"},
                    {"type": "say", "room": "lobby", "text": "in the lobby", "id": f"named-{name}"},
                    {"type": "part"},
                )
            for name in names:
                assert alice.sees("refused", id=f"late-{name}")["code"] == "not_in_room"
                alice.sees("ack", id=f"lobby-{name}", room="lobby")
                alice.sees("ack", id=f"here-{name}", room=name)
                alice.sees("ack", id=f"named-{name}", room="lobby")
                alice.sees("parted", room=name)
        bob.asks({"type": "ping", "id": "end"})
        said = [(event["room"], event["text"]) for event in bob.sees_up_to("pong") if event["type"] == "said"]
    for name in names:
        assert [text for room, text in said if room == name] == [f"for {name}"]
    assert [text for room, text in said if room == "lobby"] == ["in the lobby"] * 6


# In https://github.com/mammon-ircd/mammon/pull/19 a user who joined twice was there twice, and heard everything twice.
def test_a_room_that_is_asked_for_twice_is_entered_once(server: Server) -> None:
    with server.join("bob", "dev") as bob, joins(server, "alice", rooms=rooms("dev", "#Dev", "ops", "DEV")) as alice:
        alice.sees("live")
        alice.asks({"type": "join", "room": "Dev", "id": "j"})
        assert alice.sees("refused", id="j")["message"] == "You are already in dev"
        bob.says("once", "/who", "/ping fence")
        bob.sees("> In dev (2 users online): bob (you), alice")
        bob.sees("> pong fence")
        alice.sees("said", text="once")
        alice.asks({"type": "ping", "id": "end"})
        assert not [event for event in alice.sees_up_to("pong") if event["type"] == "said"]
        alice.asks({"type": "part", "room": "dev"}, {"type": "part", "room": "#dev", "id": "p"})
        assert alice.sees("refused", id="p")["code"] == "not_in_room"
        bob.says("gone?", "/who")
        bob.sees("> In dev (1 user online): bob (you)")
    assert bob.received.count(b"New user alice entered") == 1


# In https://github.com/kvirc/KVIrc/issues/20 and https://github.com/aatxe/irc/issues/55 a user who came back was only
# in the rooms of the settings; in https://github.com/flackr/circ/issues/6 also in one that the user had left before.
def test_a_user_who_comes_back_is_in_all_rooms_that_were_not_left_and_is_still_their_operator(server: Server) -> None:
    with server.join("bob", "dev") as bob:
        with joins(server, "alice", room="lobby") as alice:
            token = alice.events[0]["token"]
            for name in ("ops", "tea", "dev"):
                alice.asks({"type": "join", "room": name})
                alice.sees("live", room=name)
            alice.asks({"type": "nick", "nick": "alicia"}, {"type": "part", "room": "lobby"})
            alice.asks({"type": "mode", "room": "ops", "change": "+k tea", "id": "k"})
            alice.sees("ack", id="k")
            alice.user.resets()
        with RichUser(server, token=token) as alice, joins(server, "mallory", room="ops") as mallory:
            entered = {alice.sees("live")["room"] for _ in ("ops", "tea", "dev")}  # as they are loaded
            assert entered == {"ops", "tea", "dev"}
            alice.asks({"type": "rooms"}, {"type": "mode", "room": "ops", "change": "-k", "id": "m"})
            assert {room["name"] for room in alice.sees("rooms")["rooms"] if room.get("here")} == {"ops", "tea", "dev"}
            alice.sees("ack", id="m")
            bob.says("welcome back")
            alice.sees("said", room="dev", text="welcome back")
            assert not [event for event in mallory.events if event.get("room") == "ops"]
        bob.does_not_see(b"left")


def test_who_wants_no_room_is_welcomed_all_the_same(server: Server) -> None:
    with joins(server, "alice", rooms=[]) as alice, server.join("bob") as bob:
        assert alice.events[0]["room"] == ""
        alice.asks({"type": "join", "room": "lobby"})
        alice.sees("live", room="lobby")
        bob.says("hello")
        alice.sees("said", text="hello")


def test_a_user_is_in_fifty_rooms_and_no_more(server: Server) -> None:
    names = [f"room{number}" for number in range(60)]
    with RichUser(server, nick="alice", rooms=rooms(*names)) as alice:
        assert alice.sees("refused")["code"] == "too_many_rooms", "one answer, however many it named"
        alice.asks({"type": "rooms"})
        assert sum(room["here"] for room in alice.sees("rooms")["rooms"]) == 50


def test_who_reads_too_slowly_is_told_of_each_room_exactly_what_was_missed() -> None:
    names = ("lobby", "dev", "ops")
    few = Server(limits_messages_per_s=0, limits_room_log_bytes=16384, limits_send_buffer_bytes=4096)
    with few as server, joins(server, "bob", rooms=rooms(*names)) as bob:
        bob.sees("live", room="ops")
        with RichUser(server, nick="alice", rooms=rooms(*names, "end"), receive_buffer=4096) as alice:
            assert {alice.sees("live")["room"] for _ in range(4)} == {*names, "end"}
            for number in range(100):
                bob.asks(*({"type": "say", "room": name, "text": f"{number} {'x' * 2000}"} for name in names))
            for name in names:
                bob.asks({"type": "say", "room": name, "text": "the last", "id": f"last-{name}"})
                bob.sees("ack", id=f"last-{name}")
            alice.asks({"type": "say", "room": "end", "text": "the end", "id": "end"})
            told = alice.sees_up_to("ack", id="end")

    for name in names:
        numbers: list[int] = []
        for event in told:
            if event["type"] == "gap" and event["room"] == name:
                numbers += range(event["from"], event["to"] + 1)
            elif event["type"] == "said" and event["room"] == name:
                numbers.append(event["seq"])
        assert numbers == list(range(1, 102))
    assert {event["room"] for event in told if event["type"] == "gap"} == set(names)


def test_the_operator_sees_all_rooms_of_a_user() -> None:
    with open_to_the_operator() as server, joins(server, "alice", rooms=rooms("dev", "ops")) as alice:
        alice.sees("live")
        (user,) = Operator(server).asks("GET", "/users")["users"]

        assert (user["room"], user["rooms"]) == ("ops", ["dev", "ops"])


def test_three_rooms_are_resumed_through_restarts_with_nothing_lost_or_twice(tmp_path: Path) -> None:
    restarted, rnd = Restarted(tmp_path / "gchat.db"), random.Random(12)
    names = ("lobby", "dev", "ops")
    said = dict.fromkeys(names, 0)  # messages, of everybody
    heard: dict[str, list[int]] = {name: [] for name in names}  # numbers, of others and acknowledged
    epochs: dict[str, str] = {}
    token: dict[str, Any] = {}

    def speak(user: RichUser, messages: int) -> None:
        """Say as many in rooms by chance, and wait until all are stored."""
        for _ in range(messages):
            room = rnd.choice(names)
            said[room] += 1
            user.asks({"type": "say", "text": "x", "room": room, "id": f"{room}-{said[room]}"})
        user.asks({"type": "say", "text": "fence", "room": "lobby", "id": f"lobby-{said['lobby'] + 1}"})
        said["lobby"] += 1
        user.sees("ack", id=f"lobby-{said['lobby']}")

    for kill in (True, False, True, False):
        with restarted.runs() as server, joins(server, "bob", rooms=rooms(*names)) as bob:
            bob.sees("live", room="ops")
            speak(bob, 60)
            asked = [
                {"room": name, "after": {"epoch": epochs[name], "seq": len(heard[name])}}
                if name in epochs
                else {"room": name}
                for name in rnd.sample(names, 3)
            ]
            with RichUser(server, nick="alice", rooms=asked, replay=1000, **token) as alice:
                token["token"] = alice.sees("welcome")["token"]
                speak(bob, 60)
                assert {alice.sees("live")["room"] for _ in asked} == {*names}  # as they are loaded
                speak(alice, 20)
                speak(bob, 60)
                alice.asks({"type": "ping", "id": "all"})
                alice.sees("pong")
                for event in alice.events:
                    if event["type"] in ("welcome", "joined"):
                        epochs[event["room"]] = event["epoch"]
                    elif event["type"] in ("said", "ack"):
                        heard[event["room"]].append(event["seq"])
                if kill:
                    kills(server)

    assert heard == {name: list(range(1, said[name] + 1)) for name in names}
