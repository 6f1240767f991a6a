"""What is posted of a room, and what is not."""

from __future__ import annotations

import json

import pytest

from gchat.hooks.message import HookMessage
from gchat.hooks.outgoing import LONGEST_PAUSE_S, answered, body_of, is_final, is_wanted, pause_s


def test_a_message_is_posted_with_the_names_that_slack_has_too() -> None:
    assert json.loads(body_of("said", "ops", 7, "alice", "!deploy \x1b[2J\nnow")) == {
        "type": "said",
        "room": "ops",
        "seq": 7,
        "from": "alice",
        "username": "alice",
        "text": "!deploy \\x1b[2J\nnow",
    }


# https://github.com/RocketChat/Rocket.Chat/issues/14723, https://github.com/matrix-org/matrix-hookshot/issues/966:
# an answer was posted again, and answered again, for ever.
def test_what_came_over_http_is_not_posted() -> None:
    assert is_wanted("alice", "hello", "")
    assert is_wanted("alice", "!deploy", "!")
    assert not is_wanted("alice", "deploy", "!")
    assert not is_wanted("ci (http)", "!deploy", "!")


def test_an_answer_may_say_something() -> None:
    assert answered("application/json", b'{"text":"done","username":"bot"}') == HookMessage("done", "bot")
    for media_type, body in (
        ("application/json", b"{}"),
        ("application/json", b'{"ok":true}'),
        ("application/json", b"{"),
        ("application/json", b'{"text":""}'),
        ("text/plain", b"ok"),
        ("text/html", b'{"text":"x"}'),
        ("", b""),
    ):
        assert answered(media_type, body) is None


@pytest.mark.parametrize(("failures", "pause"), [(1, 1), (2, 2), (3, 4), (7, LONGEST_PAUSE_S), (999, LONGEST_PAUSE_S)])
def test_pauses_grow_up_to_a_minute(failures: int, pause: float) -> None:
    assert pause_s(failures) == pause


def test_a_server_may_ask_for_a_longer_pause() -> None:
    assert pause_s(1, "30") == 30
    assert pause_s(1, "86400") == LONGEST_PAUSE_S
    for odd in ("", "-5", "Fri, 31 Dec 1999 23:59:59 GMT", "²", "0"):
        assert pause_s(1, odd) == 1


def test_only_what_may_change_is_tried_again() -> None:
    assert [status for status in (301, 400, 404, 408, 410, 425, 429, 500, 503) if is_final(status)] == [
        301,
        400,
        404,
        410,
    ]
