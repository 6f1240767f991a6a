"""Texts of several lines: each has one number and one ack, and its lines stay together, whoever reads them and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.admin_client import Operator, open_to_the_operator
from tests.e2e.harness import Server, wait_until
from tests.e2e.restarted import Restarted
from tests.e2e.rich_user import RichUser, joins

CODE = "see:\n  if tea:\n\n[carol] drink()"
LINES = b"see:\n    |   if tea:\n    | \n    | [carol] drink()\n"


def test_a_text_of_several_lines_has_one_number_and_one_ack_and_its_lines_stay_together(tmp_path: Path) -> None:
    restarted = Restarted(tmp_path / "history.db")
    with restarted.runs() as server, joins(server, "alice") as alice, server.join("bob") as bob:
        alice.asks(
            {"type": "say", "id": "1", "text": CODE},
            {"type": "say", "id": "2", "text": "after"},
            {"type": "act", "id": "3", "text": "waves\nand goes"},
            {"type": "tell", "id": "4", "to": "bob", "text": "psst\nhush"},
            {"type": "say", "id": "1", "text": CODE},
        )
        assert [alice.sees("ack", id=id_).get("seq") for id_ in "12341"] == [1, 2, 3, None, 1]
        bob.sees_bytes(b"[alice] " + LINES + b"[alice] after\n* alice waves\n    | and goes\n")
        bob.sees_bytes(b"[alice -> you] psst\n    | hush\n")
        wait_until(lambda: "[alice] see:\n    |   if tea:\n" in server.shown, "the operator sees it too")
    with restarted.runs() as server, server.join() as carol, RichUser(server, after={"epoch": "", "seq": 0}) as dave:
        assert b"[alice] " + LINES in carol.received, "on entering"
        carol.says("/history 1", "/search drink")
        carol.sees_bytes(b"[alice] " + LINES)
        carol.sees_bytes(b"#1 ")
        carol.sees_bytes(b"[alice] " + LINES)
        assert dave.sees("said", seq=1)["text"] == CODE
        dave.asks({"type": "history", "limit": 10}, {"type": "search", "text": "drink"})
        assert [event["text"] for event in dave.sees("page")["events"]] == [CODE, "after", "waves\nand goes"]
        assert [event["text"] for event in dave.sees("found")["events"]] == [CODE]


def test_a_text_of_too_many_lines_is_refused_and_one_that_is_long_is_paid_for() -> None:
    def say(id_: str, lines: int) -> dict[str, Any]:
        return {"type": "say", "id": id_, "text": "\n".join(["x"] * lines)}

    with Server() as server, joins(server, "alice") as alice:
        alice.asks(say("many", 101), say("most", 100), {"type": "ping", "id": "p"})
        assert alice.sees("refused", id="many")["code"] == "too_many_lines"
        heard = alice.sees_up_to("pong", id="p")
        assert [event["type"] for event in heard] == ["ack"], "at once"
        alice.asks(say("more", 100))
        alice.sees("slowed")
        alice.sees("ack", id="more")


def test_a_slow_reader_misses_messages_and_not_lines_of_them() -> None:
    text = "\n".join(["x" * 60] * 9)
    with (
        Server(limits_messages_per_s=0, limits_room_log_bytes=65536) as server,
        server.connect(receive_buffer=65536) as slow,
        joins(server, "alice") as alice,
    ):
        slow.sees_bytes(b"[You] ")
        alice.asks(*({"type": "say", "id": str(number), "text": f"{number}\n{text}"} for number in range(900)))
        alice.sees("ack", id="899")
        slow.says("/ping fence")
        slow.sees("> pong fence")
        lines = [line for line in slow.received.decode().splitlines() if line.startswith(("[alice]", "    |", "> …"))]
        parts = "\n".join(lines).replace("\n    | ", "\v").split("\n")

    skipped = [part for part in parts if part.startswith("> …")]
    heard = [part for part in parts if part not in skipped]
    assert {part.count("\v") for part in heard} == {9}, "all of a message, or nothing"
    assert skipped
    told = sum(int(part.split()[2].replace(",", "")) for part in skipped)
    assert len(heard) + told == 900, "each notice counts messages"


@pytest.mark.parametrize("lines", [100, 101])
def test_a_program_without_a_connection_says_several_lines_too(lines: int) -> None:
    text = "\n".join(map(str, range(lines)))
    with open_to_the_operator() as server, server.join("bob") as bob:
        operator = Operator(server)
        if lines > 100:
            why = operator.is_refused(422, "POST", "/rooms/lobby/messages", **{"from": "ci", "text": text})
            assert why == "The text has 101 lines; at most 100 are accepted"
            return
        assert operator.asks("POST", "/rooms/lobby/messages", **{"from": "ci", "text": f"{text}\r\n"})["seq"] == 1
        bob.sees_bytes(b"[ci (http)] 0\n    | 1\n    | 2\n")
        (message,) = operator.asks("GET", "/rooms/lobby/messages?after=0&limit=9")["messages"]
        assert message["text"] == text


# In https://github.com/ergochat/ergo/issues/610 a CR in a text, and in https://github.com/thoj/go-ircevent/issues/127
# and https://github.com/circuits/circuits/pull/254 a line end in any argument, let a user write lines of other people.
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\u2028", "\x85", "\v", "\x1c"])
def test_no_text_of_a_user_begins_a_line_of_somebody_else(end: str) -> None:
    text = f"evil{end}[bob] I resign"
    with Server(limits_messages_per_s=0) as server, server.join("carol", "dev") as carol:
        with joins(server, "eve", room="dev") as eve, server.join("dave", "dev") as dave:
            carol.says("/op eve")
            eve.sees("mode", change="+o eve")
            for request in (
                {"type": "say", "text": text},
                {"type": "act", "text": text},
                {"type": "tell", "to": "carol", "text": text},
                {"type": "topic", "text": text},
                {"type": "away", "reason": text},
                {"type": "nick", "nick": text},
                {"type": "mode", "change": f"+b evil{end}[bob]"},
                {"type": "invite", "name": text},
                {"type": "kick", "name": "dave", "reason": text},
                {"type": "join", "room": text},
                {"type": "part", "reason": text, "id": "p"},
            ):
                eve.asks(request)
            eve.sees("parted", id="p")
            dave.sees("> eve put you out of dev: evil")
            carol.sees("< The user eve left")
        carol.says("/topic", "/history", "/who", "/rooms", "/mode +b", "/ping fence")
        carol.sees("> pong fence")
        heard = carol.received.decode() + server.shown
    assert "I resign" in heard
    assert not [line for line in heard.splitlines() if line.startswith("[bob")]
