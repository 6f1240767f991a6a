"""Limits that cannot be walked around: each test is an attack by users who have nothing but connections."""

from __future__ import annotations

import time

from tests.e2e.harness import Server
from tests.e2e.rich_user import joins

# --- Replies go to the person who was read ---------------------------------------------------------------------------


def test_a_repeated_private_message_does_not_redirect_a_reply() -> None:
    with Server() as server, server.join("bob") as bob, server.join("alice") as alice, joins(server, "mallory") as evil:
        evil.asks({"type": "tell", "to": "bob", "text": "psst", "id": "1"})
        evil.sees("ack", id="1")
        bob.sees("[mallory -> you] psst")
        alice.says("/msg bob lunch?")
        bob.sees("[alice -> you] lunch?")
        evil.asks({"type": "tell", "to": "bob", "text": "psst", "id": "1"})
        evil.sees("ack", id="1")

        bob.says("/reply yes")

        alice.sees("[bob -> you] yes")
        bob.sees("> Your reply went to alice")
        evil.asks({"type": "ping", "id": "fence"})
        assert not [event for event in evil.sees_up_to("pong", id="fence") if event["type"] == "told"]


def test_a_private_message_that_is_refused_does_not_redirect_a_reply() -> None:
    with (
        Server(limits_messages_per_s=0) as server,
        server.connect(receive_buffer=2048) as bob,
        server.join("alice") as alice,
        joins(server, "mallory") as evil,
    ):
        bob.says("/nick bob")
        bob.sees("> You are now bob")
        alice.says("/msg bob lunch?")
        bob.sees("[alice -> you] lunch?")
        for id_ in range(1000):  # bob reads nothing now, until one is refused for that
            evil.asks({"type": "tell", "to": "bob", "text": "x" * 8000, "id": str(id_)})
            if evil.sees_any("ack", "refused", id=str(id_))["type"] == "refused":
                break
        shown = id_
        alice.says("/msg bob you there?")
        alice.sees("> Not sent: bob does not read")
        for _ in range(shown):
            bob.sees("[mallory -> you]")

        bob.says("/reply who are you?")

        evil.sees("told", text="who are you?")
        bob.sees("> Your reply went to mallory")


# --- Names -----------------------------------------------------------------------------------------------------------


def test_a_recipient_of_many_thousand_marks_holds_nobody_up() -> None:
    hostile = "a" + "\u0301" * 12_000 + "\u0323" * 12_000  # to normalize it takes a second
    with Server(limits_messages_per_s=0) as server, server.join("ping") as other, joins(server, "mallory") as evil:
        began = time.monotonic()
        for id_ in range(20):
            evil.user.sends(f'{{"type":"tell","to":"{hostile}","text":"x","id":"{id_}"}}\n'.encode())
        for id_ in range(20):
            other.says("/ping x")
            other.sees("> pong x")
            assert evil.sees("refused", id=str(id_), deadline_s=5)["code"] == "no_such_user"
        assert time.monotonic() - began < 10
