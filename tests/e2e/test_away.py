"""Being away, from outside: who sees it, and how."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.admin_client import Operator, open_to_the_operator
from tests.e2e.harness import Server
from tests.e2e.restarted import Restarted
from tests.e2e.rich_user import joins


def test_plain_and_rich_users_see_who_is_away_and_who_writes_to_them_is_told_once() -> None:
    with (
        Server(limits_messages_per_s=0) as server,
        server.join("bob") as bob,
        server.join("alice") as alice,
        joins(server, "carol") as carol,
    ):
        bob.says("/away at \x1b[2Jlunch")
        bob.sees("> You are away: at \\x1b[2Jlunch; /back ends it")
        alice.sees("> bob is away: at \\x1b[2Jlunch")
        assert carol.sees("away") == {"type": "away", "room": "lobby", "who": "bob", "reason": "at \\x1b[2Jlunch"}
        alice.says("/who", "/names", "/msg bob psst", "/w bob again")
        for _ in range(2):
            alice.sees("> In lobby (3 users online): bob (away: at \\x1b[2Jlunch), alice (you), carol")
        alice.sees("> bob is away: at ")
        bob.sees("[alice -> you] again")
        alice.does_not_see(b"is away")
        carol.asks({"type": "tell", "to": "bob", "text": "hi", "id": "t"}, {"type": "who"})
        carol.sees("ack", id="t")
        assert carol.sees("done")["message"].startswith("bob is away: ")
        assert carol.sees("users")["away"] == {"bob": "at \\x1b[2Jlunch"}
        bob.says("still here", "/back")
        alice.sees("[bob] still here")
        alice.sees("> bob is back")
        assert carol.sees("away") == {"type": "away", "room": "lobby", "who": "bob"}


def test_the_operator_sees_who_is_away() -> None:
    with open_to_the_operator() as server, joins(server, "bob") as bob:
        bob.asks({"type": "away", "reason": "at lunch", "id": "a"})
        bob.sees("done", id="a")
        (user,) = Operator(server).asks("GET", "/users")["users"]
        assert user["away"] == "at lunch"


def test_a_user_who_comes_back_after_a_restart_is_still_away(tmp_path: Path) -> None:
    restarted = Restarted(tmp_path / "history.db")
    with restarted.runs() as server, joins(server, "bob") as bob:
        token = bob.events[0]["token"]
        bob.asks({"type": "away", "reason": "at lunch", "id": "a"})
        bob.sees("done", id="a")
    with restarted.runs() as server, joins(server, token=token) as bob:
        bob.asks({"type": "who"})
        assert bob.sees("users")["away"] == {"bob": "at lunch"}


def test_many_who_go_away_at_once_are_told_together() -> None:
    with Server(limits_messages_per_s=0, limits_connections_per_network=0) as server, server.join("alice") as alice:
        users = [joins(server, f"user-{number}") for number in range(30)]
        alice.says("/ping here")
        alice.sees("> pong here")
        before = len(alice.received)
        for user in users:
            for reason in ("one", "two", "", "three"):
                user.asks({"type": "away", "reason": reason})
        for user in users:
            user.sees("done", message="You are away: three; /back ends it")
        alice.says("/who")
        alice.sees("> In lobby (31 users online)")
        told = [line for line in alice.received[before:].decode().splitlines() if "away" in line]
        assert len(told) < 60, "120 changes, told together"
        for user in users:
            user.user.sock.close()
