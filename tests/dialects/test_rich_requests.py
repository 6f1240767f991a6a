"""A command on its way to the server: what a client makes of it is what the server carries out."""

from __future__ import annotations

import pytest

from gchat.dialects import rich, rich_json, slash
from gchat.dialects.rich_requests import (
    AnyRequest,
    HistoryRequest,
    JoinRequest,
    SearchRequest,
    TopicRequest,
    command_of,
    request_of,
)
from gchat.model import commands
from gchat.model.hello import ResumePoint


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "/me waves",
        "/msg bob psst",
        "/nick alice",
        "/join dev",
        "/join dev tea",
        "/kick bob spam",
        "/invite bob",
        "/mode",
        "/mode +k tea",
        "/op bob",
        "/ban bob 10m spam",
        "/ban 10.0.0.0/8 force",
        "/unban bob",
        "/bans",
        "/mute bob 2h spam",
        "/unmute 7",
        "/kill bob spam",
        "/announce tea",
        "/topic",
        "/topic -",
        "/topic tea",
        "/who",
        "/rooms",
        "/search tea",
        "/ping",
        "/quit",
    ],
)
def test_the_server_carries_out_what_was_typed(line: str) -> None:
    command = slash.parse(line)
    assert command is not None

    assert rich.decode([rich_json.lines([request_of(command)])], 8192) == [
        commands.Ping("") if line == "/ping" else command
    ]


def test_every_request_is_a_command_but_to_say_something() -> None:
    needed = {
        "text": "x",
        "to": "bob",
        "name": "bob",
        "nick": "alice",
        "room": "dev",
        "whom": "bob",
        "which": "7",
        "secret": "x",
        "new": "x",
    }
    for kind in AnyRequest.__args__:
        if kind.__name__ != "SayRequest":
            fields = {name: value for name, value in needed.items() if name in kind.__struct_fields__}
            command = command_of(kind(**fields, id="7"))
            assert getattr(command, "id", "7") == "7"


def test_a_field_that_is_not_given_has_its_default() -> None:
    place = ResumePoint("e", 4)
    assert command_of(JoinRequest(room="dev", after=place, id="1")) == commands.Join("dev", place, id="1")
    assert command_of(JoinRequest(room="dev")) == commands.Join("dev")
    assert command_of(TopicRequest()) == commands.Topic()
    assert command_of(SearchRequest(text="tea")) == commands.Search("tea", 20)
    assert request_of(commands.Search("tea", 5)) == SearchRequest(text="tea", limit=5)
    assert request_of(commands.Topic("")) == TopicRequest(text="")


@pytest.mark.parametrize(
    ("line", "request_"), [("/history -5", HistoryRequest(limit=5)), ("/history 5", HistoryRequest(after=4))]
)
def test_old_messages_are_asked_for_by_their_count_or_their_number(line: str, request_: HistoryRequest) -> None:
    command = slash.parse(line)
    assert command is not None
    assert request_of(command) == request_
