"""A topic is set, shown and cleared, in every dialect, and what was cleared stays so after a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gchat.client import connect
from gchat.dialects.rich_events import TopicSetEvent
from tests.e2e.harness import PROMPT, Server
from tests.e2e.restarted import Restarted, kills
from tests.e2e.rich_user import joins


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One for all tests here, each in a room of its own."""
    with Server(limits_messages_per_s=0, history_replay_on_join=0) as server:
        yield server


def clears_with_nc(server: Server) -> None:
    with server.join("alice") as alice:
        alice.says("/topic -")
        alice.sees("> There is no topic")


def clears_with_the_library(server: Server) -> None:
    with connect("127.0.0.1", server.port, nick="alice") as chat:
        chat.topic("")
        next(event for event in chat if isinstance(event, TopicSetEvent) and not event.text)


def clears_with_json(server: Server) -> None:
    with joins(server, "alice") as alice:
        alice.asks({"type": "topic", "id": "t", "text": ""})
        alice.sees("ack", id="t")


CLEARS = [clears_with_nc, clears_with_the_library, clears_with_json]


@pytest.mark.parametrize("clears", CLEARS)
def test_a_cleared_topic_is_gone_for_everybody_and_for_newcomers_and_after_a_crash(
    restarted: Restarted, clears: Callable[[Server], None]
) -> None:
    with restarted.runs() as server, server.join("tom") as tom, joins(server, "eve") as eve:
        tom.says("/topic tea")
        eve.sees("topic", text="tea")
        tom.says("/rooms")
        tom.sees("> lobby (2 users online), you are here: tea")
        clears(server)
        tom.sees_bytes(b"> alice cleared the topic\n")
        assert eve.sees("topic")["text"] == ""
        topic_is_gone(server)
        kills(server)
    with restarted.runs() as server:
        topic_is_gone(server)


def topic_is_gone(server: Server) -> None:
    """Fail if a newcomer of any dialect is told of a topic."""
    with server.connect() as newcomer, joins(server) as rich:
        newcomer.sees_bytes(PROMPT)
        assert b"topic is" not in newcomer.received
        newcomer.says("/topic", "/rooms")
        newcomer.sees("> There is no topic")
        assert newcomer.sees("> lobby (").endswith(", you are here")
        assert not [event for event in rich.events if event["type"] == "topic" and "seq" not in event]
        rich.asks({"type": "topic", "id": "what"}, {"type": "rooms"})
        answer = rich.sees("topic", id="what")
        assert (answer["text"], answer.get("from", "")) == ("", "")
        assert "topic" not in rich.sees("rooms")["rooms"][0]


def test_a_topic_that_is_not_there_is_not_cleared_again(server: Server) -> None:
    with server.join("tom", "empty") as tom, joins(server, "eve", room="empty") as eve:
        tom.says("/topic -", "/topic tea", "/topic -", "/topic -")
        for answer in ("There is no topic", "The topic is: tea (set by tom)", "There is no topic", "There is no topic"):
            tom.sees(f"> {answer}")
        assert [eve.sees("topic")["text"] for _ in range(2)] == ["tea", ""]
        eve.asks({"type": "topic", "id": "t", "text": ""})
        assert eve.sees("topic", id="t")["text"] == ""
        eve.asks({"type": "say", "id": "s", "text": "end"})
        tom.sees("[eve] end")
        assert b"cleared" not in tom.received
        assert eve.sees("ack", id="s")["seq"] == 3


def test_an_invisible_topic_is_refused_and_the_old_one_stays(server: Server) -> None:
    with server.join("tom", "still") as tom, joins(server, "eve", room="still") as eve:
        tom.says("/topic tea")
        assert eve.sees("topic")["text"] == "tea"
        tom.says("/topic \u3164\u200b")
        assert tom.sees("> The topic is") == tom.sees("> The topic is") == "> The topic is: tea (set by tom)"
        eve.asks({"type": "topic", "id": "t", "text": "\u200b"}, {"type": "topic", "id": "what"})
        assert eve.sees("refused", id="t")["message"] == "The text is empty"
        assert eve.sees("topic", id="what")["text"] == "tea"
        assert b"cleared" not in tom.received


def test_a_minus_is_a_topic_in_json(server: Server) -> None:
    """Only people type a minus to clear it: a program says what it means."""
    with joins(server, room="minus") as eve, server.join("", "minus") as tom:
        eve.asks({"type": "topic", "id": "t", "text": "-"})
        tom.sees_bytes(b" set the topic: -\n")
        tom.says("/topic")
        tom.sees("> The topic is: - (set by ")


def test_what_users_do_cannot_be_mistaken_for_what_the_server_says(server: Server) -> None:
    with server.join("mallory", "marks") as mallory, server.join("", "marks") as reader:
        mallory.says("/me is now alice", "/me set the topic: x", "/topic x", "/nick alice")
        reader.sees_bytes(
            b"* mallory is now alice\n* mallory set the topic: x\n> mallory set the topic: x\n> mallory is now alice\n"
        )


@pytest.mark.parametrize("before", ["", " ", "\ufeff", "\u200e", "\u3000\u200b"])
@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("/msg\tear hunter2", "> No user named ear;"),
        ("／msg ear hunter2", "> No user named ear;"),
        ("/msg\u00a0ear hunter2", "> No user named ear;"),
        ("/ msg ear hunter2", "> Unknown command /;"),
    ],
)
def test_a_private_message_is_never_said_to_the_room(server: Server, before: str, command: str, answer: str) -> None:
    with server.join("", "private") as user, server.join("", "private") as reader:
        user.says(before + command)
        user.sees(answer)
        reader.does_not_see(b"hunter2")


def test_a_message_in_which_nothing_is_visible_is_not_said(server: Server) -> None:
    with server.join("", "blank") as user, server.join("", "blank") as reader, joins(server, room="blank") as rich:
        for blank in ("\u200b", "\ufeff", "\u00ad", "\u2800", "\u3164", "\u200d", "\u200f"):
            user.says(blank, f"/me {blank}")
            assert user.sees("> Missing") == "> Missing argument. Usage: /me TEXT"
            rich.asks({"type": "say", "id": "s", "text": blank}, {"type": "act", "id": "a", "text": blank})
            assert rich.sees("refused", id="s")["message"] == rich.sees("refused", id="a")["message"]
        user.says("done")
        reader.sees_bytes(b"done\n")
        assert reader.received.count(b"\n[127") == 1
