"""What a value with a secret in it shows of itself."""

from __future__ import annotations

import pytest

from gchat.dialects import rich_json
from gchat.dialects.rich_events import WelcomeEvent
from gchat.model import events
from gchat.model.hello import Hello

TOKEN = "0123456789abcdef-secret"

VALUES = [
    Hello(nick="alice", token=TOKEN),
    WelcomeEvent(
        server="s", session="1", token=TOKEN, nick="alice", room="lobby", epoch="e", seq=0, online=1, limits={}
    ),
    events.Welcome(online=1, motd="", room="lobby", session=1, nick="alice", token=TOKEN),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__module__ + type(value).__name__)
def test_a_token_is_in_no_text_of_a_value_alone_or_in_others(value: object) -> None:
    for text in (repr(value), str(value), f"{value}", f"{[value]}", repr({"a": (value,)})):
        assert TOKEN not in text
        assert "alice" in text
        assert "token='…'" in text


def test_a_token_that_is_not_there_is_not_hidden() -> None:
    assert "token=None" in repr(Hello())


def test_the_wire_has_the_token() -> None:
    hello = Hello(token=TOKEN)
    assert rich_json.hello(rich_json.hello_line(hello)) == hello


def test_a_token_of_the_wrong_form_is_not_in_the_error() -> None:
    with pytest.raises(ValueError, match="token: expected a welcome's token") as error:
        rich_json.hello(b'GCHAT/1 {"token":"hunter2 hunter2 hunter2"}')
    assert "hunter2" not in str(error.value)
