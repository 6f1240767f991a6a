"""What people are told of a value that is not valid: never msgspec's own words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from gchat.dialects.rich_events import AnyEvent
from gchat.dialects.rich_requests import AnyRequest
from gchat.model.expectation import expected, explained
from gchat.model.hello import Hello

TYPES = (
    '"say", "act", "tell", "nick", "join", "part", "topic", "who", "away", "rooms", "kick", "invite", "mode", '
    '"kill", "ban", "unban", "bans", "mute", "unmute", "announce", '
    '"history", "search", "register", "login", "logout", "passwd", "unregister", "ping" or "quit"'
)


class Order(Struct, forbid_unknown_fields=True):
    """Something with fields."""

    kind: Literal["tea", "milk"]
    cups: Annotated[int, Meta(ge=1, le=9)] = 1
    note: Annotated[str, Meta(min_length=1)] = "-"


def why(kind: Any, data: bytes) -> str:
    with pytest.raises((ValueError, RecursionError)) as error:
        msgspec.json.decode(data, type=kind)
    return explained(error.value, kind, data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[]", "expected an object"),
        (b"{}", 'kind is missing: expected "milk" or "tea"'),
        (b'{"kind":"coffee"}', 'kind: expected "milk" or "tea"'),
        (b'{"kind":"tea","cups":"two"}', "cups: expected a whole number from 1 to 9"),
        (b'{"kind":"tea","cups":1e9}', "cups: expected a whole number from 1 to 9"),
        (b'{"kind":"tea","note":""}', "note: expected a text that is not empty"),
        (b'{"kind":"tea","sugar":1}', "sugar: unknown field; expected one of kind, cups, note"),
        (b'{"kind":"tea"', "not JSON: its end is missing"),
        (b'{"kind" "tea"}', "not JSON: expected ':' (byte 8)"),
        (b'{"kind":"tea","note":"\xff"}', "the text is not UTF-8"),
    ],
)
def test_a_struct(data: bytes, said: str) -> None:
    assert why(Order, data) == said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"type":"shout","text":"hi"}', f"type: expected {TYPES}"),
        (b'{"text":"hi"}', f"type is missing: expected {TYPES}"),
        (b'{"type":7}', f"type: expected {TYPES}"),
        (b'{"type":"tell","text":"hi"}', "to is missing: expected a text"),
        (b'{"type":"topic","text":7}', "text: expected a text or null"),
        (b'{"type":"join","room":"a","after":{"seq":1}}', "after.epoch is missing: expected a text"),
        (
            b'{"type":"join","room":"a","after":{"epoch":"x","seq":-1}}',
            "after.seq: expected a whole number not below 0",
        ),
        (b'{"type":"say","text":"hi","id":"a b"}', "id: expected at most 64 visible ASCII characters"),
        (rb'{"type":"say","text":"\ud800"}', r"not JSON: an escape such as \ud800 is half of a pair"),
        (rb'{"type":"say","text":"\ud83dx"}', r"not JSON: an escape such as \ud800 is half of a pair"),
    ],
)
def test_one_of_several_structs(data: bytes, said: str) -> None:
    assert why(AnyRequest, data) == said


def test_a_field_in_a_list() -> None:
    """msgspec/msgspec#264: the place is told as `$.files[0].content`."""
    assert why(AnyEvent, b'{"type":"rooms","rooms":[{"name":7}],"total":1}') == "rooms[0].name: expected a text"
    assert why(AnyEvent, b'{"type":"rooms","rooms":7,"total":1}') == "rooms: expected a list"


def test_a_field_of_any_length_makes_a_short_sentence_and_no_value_is_in_it() -> None:
    assert len(why(Order, b'{"kind":"tea","%s":1}' % (b"x" * 10000))) < 100
    assert "hunter2" not in why(Hello, b'{"token":"hunter2"}')
    assert "hunter2" not in why(AnyRequest, b'{"type":"hunter2"}')


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (bool, "true or false"),
        (float, "a number"),
        (Annotated[float, Meta(gt=0, le=5)], "a number above 0, at most 5"),
        (Annotated[int, Meta(le=5)], "a whole number not above 5"),
        (Annotated[str, Meta(max_length=4000)], "a text of at most 4,000 characters"),
        (Annotated[str, Meta(min_length=1, max_length=9)], "a text of 1 to 9 characters"),
        (Annotated[str, Meta(pattern="^x$", title="an x")], "an x"),
        (Literal["a", "b", "c"], '"a", "b" or "c"'),
        (Literal["a"], '"a"'),
        (list[int], "a list"),
        (bytes, "another value"),
    ],
)
def test_a_type_in_words(kind: Any, words: str) -> None:
    assert expected(kind) == words
