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


# In https://github.com/communi/communi-desktop/issues/31 and https://github.com/colloquy/colloquy/issues/1762 each
# message to a user who was away was answered with the same notice.
def test_who_writes_on_is_not_told_again_whatever_becomes_of_the_connections() -> None:
    with Server(limits_messages_per_s=0) as server, server.join("alice", "dev") as alice:
        with joins(server, "bob") as bob, joins(server, "carol", room="dev") as carol:
            tokens = bob.events[0]["token"], carol.events[0]["token"]
            bob.asks({"type": "away", "reason": "at lunch", "id": "a"})
            bob.sees("done")
            alice.says("/msg bob one", "/msg bob two")
            alice.sees("> bob is away: at lunch")
            carol.asks({"type": "tell", "to": "bob", "text": "hi", "id": "t"}, {"type": "ping", "id": "p"})
            assert [event["type"] for event in carol.sees_up_to("pong")].count("done") == 1
            for user in (bob, carol):
                user.user.resets()
        with joins(server, token=tokens[0]) as bob, joins(server, token=tokens[1]) as carol:
            bob.asks({"type": "nick", "nick": "rob"}, {"type": "away", "reason": "at lunch"}, {"type": "ping"})
            bob.sees("pong")
            alice.says("/msg rob three")
            alice.does_not_see(b"is away: at lunch")
            carol.asks({"type": "tell", "to": "rob", "text": "hi", "id": "u"}, {"type": "ping", "id": "p"})
            assert [event["type"] for event in carol.sees_up_to("pong")] == ["ack"]
            bob.asks({"type": "away"}, {"type": "away", "reason": "at tea"}, {"type": "ping"})
            bob.sees("pong")
            alice.says("/msg rob four")
            alice.sees("> rob is away: at tea")


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
