"""Ignoring a user, from outside: nothing of what that user says comes, and nobody else sees a difference."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Server, User
from tests.e2e.rich_user import joins


@pytest.fixture(params=["", "server_all_in_slices.py"], ids=["small rooms", "large rooms"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    script = Path(__file__).parent / request.param if request.param else None
    environment = {"TEST_WRITE_S": "0"} if script else {}
    with Server(script=script, environment=environment, limits_messages_per_s=0) as server:
        yield server


def talks(user: User, *names: str) -> None:
    user.says("alpha", "/me beta", "gamma", *(f"/msg {name} delta" for name in names))


def test_what_an_ignored_user_says_and_does_does_not_come(server: Server) -> None:
    with server.join("alice") as alice, server.join("carol") as carol, server.join("bob") as bob:
        alice.sees_bytes(b"is now bob\n")
        alice.says("/ignore bob", "/ping ignored")
        alice.sees("> You are not shown what bob says any more; /unignore bob ends it")
        alice.sees("> pong ignored")
        before = len(alice.received)
        talks(bob, "alice", "carol")
        carol.sees("[bob] alpha")
        carol.sees("* bob beta")
        carol.sees("[bob] gamma")
        carol.sees("[bob -> you] delta")
        carol.says("heard")
        alice.sees("[carol] heard")
        bob.says("/nick rob", "/away at lunch", "epsilon")
        carol.sees("[rob] epsilon")
        alice.says("/history", "/search gamma", "/reply what", "/ping fence")
        alice.sees("> pong fence")
        bob.closes()
        carol.sees("< The user rob left")
        carol.says("gone")
        alice.sees("[carol] gone")
        heard = alice.received[before:]
        for word in (b"alpha", b"beta", b"gamma", b"delta", b"epsilon", b"rob", b"bob", b"lunch"):
            assert word not in heard, heard
        assert b"> Nothing found" in heard
        assert b"> Nobody has sent you a private message" in heard
        alice.says("/unignore rob", "/history")
        alice.sees("> You are shown again what rob says")
        alice.sees_bytes(b"[bob] alpha\n")


def test_an_ignored_user_sees_no_difference(server: Server) -> None:
    with server.join("alice") as alice, joins(server, "bob") as bob:
        alice.says("/ignore bob")
        alice.sees("> You are not shown what bob says any more")
        bob.asks({"type": "tell", "to": "alice", "text": "psst", "id": "t"}, {"type": "say", "text": "hi", "id": "s"})
        assert bob.sees("ack") == {"type": "ack", "id": "t"}
        assert bob.sees("ack") == {"type": "ack", "id": "s", "room": "lobby", "seq": 1}
        alice.says("hello")
        bob.sees("said", text="hello", seq=2)
        alice.does_not_see(b"psst")


def test_an_ignored_user_among_others_who_all_talk_is_left_out_in_each_turn(server: Server) -> None:
    with server.join("alice") as alice, server.join("carol") as carol, server.join("bob") as bob:
        alice.sees_bytes(b"is now bob\n")
        alice.says("/ignore bob", "/ping ignored")
        alice.sees("> pong ignored")
        before = len(alice.received)
        for number in range(200):
            bob.says(f"bad {number}")
            carol.says(f"good {number}")
            if number % 7 == 0:
                alice.says(f"own {number}", "/ping x")
        alice.sees("[carol] good 199")
        lines = [line for line in alice.received[before:].decode().splitlines() if "pong" not in line]
        assert lines == [f"[carol] good {number}" for number in range(200)]


def test_on_entering_a_room_old_messages_of_an_ignored_user_are_not_shown(server: Server) -> None:
    with server.join("alice") as alice, server.join("bob", "dev") as bob, server.join("carol", "dev") as carol:
        bob.says("bad")
        carol.sees("[bob] bad")
        carol.says("good\n")
        bob.sees("[carol] good")
        alice.says("/ignore bob", "/join dev", "/ping fence")
        alice.sees_bytes(b"[carol] good\n")
        alice.sees("> pong fence")
        assert b"bad" not in alice.received
        with server.join("dora", "dev") as dora:
            assert b"[bob] bad" in dora.received, "what others are shown is not changed by that"


def test_what_an_ignored_operator_does_to_the_room_is_shown_and_what_it_says_is_not(server: Server) -> None:
    with server.join("bob", "dev") as bob, server.join("alice", "dev") as alice, server.join("carol", "dev") as carol:
        bob.sees_bytes(b"alice")
        alice.says("/ignore bob", "/ping ignored")
        alice.sees("> pong ignored")
        for number in range(20):
            bob.says(f"bad {number}", "/op carol", f"bad {number}, too", "/deop carol")
            carol.sees(f"[bob] bad {number}, too")
            carol.says(f"good {number}")
            alice.sees("> bob made carol an operator of dev")
            alice.sees_bytes(f"[carol] good {number}\n".encode())
        assert b"bad" not in alice.received
        assert alice.received.count(b"> bob made carol an operator of dev\n") == 20


# In https://github.com/Frug/AJAX-Chat/issues/128 a new nick was enough to be heard again; in
# https://github.com/Cockatrice/Cockatrice/issues/2278 what an ignored user had said came back with the old messages.
def test_what_an_ignored_user_said_under_any_name_does_not_come_back_with_old_messages(server: Server) -> None:
    with server.join("alice") as alice, server.join("bob") as bob, server.join("carol") as carol:
        alice.says("/ignore bob", "/ping ignored")
        alice.sees("> pong ignored")
        for name in ("rob", "bobby", "robert"):
            bob.says(f"/nick {name}", f"bad as {name}")
            carol.sees(f"[{name}] bad as {name}")
        carol.says("good")
        alice.sees("[carol] good")
        alice.says("/history", "/search bad", "/part", "/join lobby", "/ping fence")
        alice.sees("> pong fence")
        assert b"bad as" not in alice.received
        bob.closes()
        carol.sees("< The user robert left")
        with server.join("bobby") as other:
            other.says("I only have that name now")
            alice.sees("[bobby] I only have that name now")
