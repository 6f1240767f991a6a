"""What people enter: messages, commands and mistakes."""

from __future__ import annotations

import pytest

from gchat.client.action import Show, action_of
from gchat.dialects.rich_requests import (
    ActRequest,
    AnyRequest,
    HistoryRequest,
    JoinRequest,
    NickRequest,
    PartRequest,
    PingRequest,
    QuitRequest,
    RoomsRequest,
    SayRequest,
    SearchRequest,
    TellRequest,
    TopicRequest,
    WhoRequest,
)
from gchat.dialects.slash import SLASHES


def shown(text: str, reply_to: str = "") -> str:
    """Return the one line that the person sees instead of anything being sent."""
    action = action_of(text, reply_to)
    assert isinstance(action, Show)
    (line,) = action.lines
    return line


# --- Messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["hello", " hello ", "a /nick b", "-1", "grüße 世界", "[x] y", "#1"])
def test_a_line_is_a_message_as_it_is(text: str) -> None:
    assert action_of(text) == SayRequest(text=text)


@pytest.mark.parametrize("text", ["", " ", "\t", "\u3000"])
def test_a_blank_line_is_nothing(text: str) -> None:
    assert action_of(text) is None


def test_two_slashes_say_one() -> None:
    assert action_of("//etc/passwd") == SayRequest(text="/etc/passwd")
    assert action_of("//") == SayRequest(text="/")
    assert action_of("///") == SayRequest(text="//")


# --- Commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("/nick alice", NickRequest(nick="alice")),
        ("/NICK  alice ", NickRequest(nick="alice")),
        ("/who", WhoRequest()),
        ("/rooms ", RoomsRequest()),
        ("/join dev", JoinRequest(room="dev", leave="current")),
        ("/part", PartRequest()),
        ("/me waves  twice", ActRequest(text="waves  twice")),
        ("/msg bob  psst, you", TellRequest(to="bob", text="psst, you")),
        ("/topic", TopicRequest()),
        ("/topic of the day", TopicRequest(text="of the day")),
        ("/topic -", TopicRequest(text="")),
        ("/ping", PingRequest()),
        ("/quit", QuitRequest()),
        ("/quit for today", QuitRequest()),
        ("/history", HistoryRequest(limit=20)),
        ("/history 1200", HistoryRequest(after=1199, limit=100)),
        ("/history 1", HistoryRequest(after=0, limit=100)),
        ("/history -5", HistoryRequest(limit=5)),
        ("/search tea cak*", SearchRequest(text="tea cak*")),
    ],
)
def test_a_command_asks(text: str, request_: AnyRequest) -> None:
    assert action_of(text) == request_


def test_a_reply_goes_to_who_told_us_something() -> None:
    assert action_of("/reply yes", "127.0.0.1:5000") == TellRequest(to="127.0.0.1:5000", text="yes")
    assert shown("/reply yes") == "Nobody has sent you a private message yet; /msg NAME TEXT sends one"
    assert "/reply TEXT" in shown("/reply", "bob")


@pytest.mark.parametrize("text", ["/nick", "/join ", "/me", "/msg", "/msg bob", "/msg bob  ", "/who am I", "/rooms 1"])
def test_a_command_with_wrong_arguments_shows_how_to_type_it(text: str) -> None:
    name = text[1:].split(maxsplit=1)[0]
    assert shown(text).endswith(f" argument. Usage: {SLASHES[name].usage}")


@pytest.mark.parametrize("number", ["x", "0", "-0", "--1", "1.5", "²", "٣", "-", "1 2", "9" * 400])
def test_history_wants_a_number(number: str) -> None:
    assert shown(f"/history {number}").endswith(". Usage: /history [FROM | -COUNT]")


@pytest.mark.parametrize("text", ["/nosuch thing", "/", "/ x", "/etc/passwd", "/\x1b[2J", "/" + "x" * 5000])
def test_an_unknown_command_is_not_sent_and_gets_one_line_with_a_hint(text: str) -> None:
    line = shown(text)
    assert line.startswith("Unknown command /")
    assert "/help" in line
    assert line.isprintable()
    assert len(line) < 120


# --- Help ------------------------------------------------------------------------------------------------------------


def test_help_lists_every_command_from_the_table() -> None:
    action = action_of("/help")
    assert isinstance(action, Show)
    for verb, line in zip(SLASHES.values(), action.lines, strict=False):
        assert line.startswith(verb.usage)
        assert line.endswith(verb.help)
    assert action.lines[-1].startswith("//TEXT")


def test_help_for_one_command_is_one_line() -> None:
    assert shown("/help /NICK") == "/nick NAME: take a name"
    assert shown("/help nosuch") == "Unknown command /nosuch; type /help for the list, or //nosuch to say it"


def test_every_command_of_the_table_asks_or_shows_something() -> None:
    for name in SLASHES:
        found = [action_of(line, "bob") for line in (f"/{name}", f"/{name} 5", f"/{name} bob hello")]
        assert any(not isinstance(action, Show) for action in found) or name == "help"
