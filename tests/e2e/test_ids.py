"""Ids of requests, as bots use them: an id has one meaning, and nothing is acknowledged that was not done."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.harness import Server
from tests.e2e.restarted import Restarted, kills
from tests.e2e.rich_user import RichUser, joins

SAID = {"type": "say", "text": "a"}
REQUESTS: list[dict[str, Any]] = [
    SAID,
    {"type": "say", "text": "b"},
    {"type": "act", "text": "a"},
    {"type": "topic", "text": "a"},
    {"type": "tell", "to": "bob", "text": "a"},
    {"type": "tell", "to": "carol", "text": "a"},
    {"type": "invite", "name": "bob", "room": "dev"},
    {"type": "invite", "name": "bob", "room": "ops"},
]


@pytest.mark.parametrize("store", [(), ("--memory",)])
def test_a_bot_that_counts_from_one_again_is_told_and_what_is_new_is_said(store: tuple[str, ...]) -> None:
    with Server("127.0.0.1", *store) as server, server.join("bob") as bob:
        with joins(server, "bot") as bot:
            token = bot.events[0]["token"]
            for number in range(1, 4):
                bot.says(f"first {number}", str(number))
            assert bot.sees("ack", id="3")["seq"] == 3
        with RichUser(server, token=token, replay=0) as bot:
            bot.sees("live")
            for number in range(1, 5):
                bot.says(f"second {number}", str(number))
            answers = sorted((bot.sees_any("refused", "ack") for _ in range(4)), key=lambda answer: str(answer["id"]))
            assert [(answer["id"], answer.get("code", "")) for answer in answers] == [
                ("1", "id_reused"),
                ("2", "id_reused"),
                ("3", "id_reused"),
                ("4", ""),
            ]
            assert "new id" in answers[0]["message"]
            assert "\n" not in answers[0]["message"]
            bot.says("first 2", "2")
            assert bot.sees("ack", id="2")["seq"] == 2
        bob.sees("[bot] second 4")
        assert b"second 1" not in bob.received
        assert bob.received.count(b"first 2") == 1


@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_said_done_told_and_set_shares_one_space_of_ids(at_once: bool) -> None:
    with Server(limits_messages_per_s=0) as server, server.join("bob") as bob, server.join("carol"):
        pairs = [(first, second) for first in REQUESTS for second in REQUESTS]
        with joins(server, "alice", rooms=[{"room": room} for room in ("dev", "ops", "lobby")]) as alice:
            for number, (first, second) in enumerate(pairs):
                both = ({"id": f"p{number}", **first}, {"id": f"p{number}", **second})
                if at_once:
                    alice.asks(*both)
                    answers = [alice.sees_any("ack", "refused", id=f"p{number}") for _ in both]
                else:
                    answers = []
                    for request in both:
                        alice.asks(request)
                        answers.append(alice.sees_any("ack", "refused", id=f"p{number}"))
                assert answers[0]["type"] == "ack", (first, second)
                if first == second:
                    assert answers[1] == answers[0]
                else:
                    assert answers[1].get("code") == "id_reused", (first, second)
        bob.says("/ping done")
        bob.sees("> pong done")
        # Each request was carried out once for each pair that it came first in.
        assert bob.received.count(b"[alice] b\n") == len(REQUESTS)
        assert bob.received.count(b"[alice -> you] a\n") == len(REQUESTS)
        assert bob.received.count(b"alice invites you to ops") == len(REQUESTS)


def test_an_id_keeps_its_meaning_over_a_crash(restarted: Restarted) -> None:
    with restarted.runs() as server, joins(server, "bot") as bot:
        token = bot.events[0]["token"]
        bot.says("first", "1")
        bot.sees("ack", id="1")
        kills(server)
    with restarted.runs() as server, RichUser(server, token=token) as bot:
        bot.sees("live")
        bot.asks({"type": "act", "text": "first", "id": "1"}, {"type": "tell", "to": "bot", "text": "x", "id": "1"})
        assert [bot.sees("refused", id="1")["code"] for _ in range(2)] == ["id_reused"] * 2
        bot.says("first", "1")
        assert bot.sees("ack", id="1")["seq"] == 1
        with joins(server, "bob") as bob:
            assert [(event["seq"], event["text"]) for event in bob.events if "text" in event] == [(1, "first")]
