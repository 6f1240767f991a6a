"""The commands of the screen, and the help."""

from __future__ import annotations

import pytest

from gchat.client.action import Show
from gchat.client.attention import BellAt, NotifyBy
from gchat.client.own_commands import (
    COMMANDS,
    ClearScreen,
    Converse,
    OwnCommand,
    Prove,
    SetBell,
    SetNotify,
    SetPresence,
    ShowHelp,
    ShowMention,
    entered,
    help_texts,
    without_secrets,
)
from gchat.dialects.rich_requests import QuitRequest, SayRequest, TellRequest, WhoRequest
from gchat.model import commands


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/clear", ClearScreen()),
        ("/query bob", Converse("bob", "")),
        (" ／QUERY bob  hi there", Converse("bob", "hi there")),
        ("/query", Converse("", "")),
        ("/last", ShowMention()),
        ("/bell", SetBell(None)),
        ("/bell ALL", SetBell(BellAt.ALL)),
        ("/notify osc9", SetNotify(NotifyBy.OSC9)),
        ("/presence", SetPresence(None)),
        ("/presence off", SetPresence(False)),
        ("/presence ON", SetPresence(True)),
        ("/help", ShowHelp("")),
        ("/help /Msg", ShowHelp("msg")),
    ],
)
def test_a_command_of_the_screen_is_carried_out_here(line: str, command: OwnCommand) -> None:
    assert entered(line, "") == command


def test_all_other_lines_are_what_they_are_everywhere() -> None:
    assert entered("hello", "") == SayRequest(text="hello")
    assert entered("/reply hi", "bob") == TellRequest(to="bob", text="hi")
    assert entered("//clear", "") == SayRequest(text="/clear")
    assert entered("/w bob psst", "") == entered("/tell bob psst", "") == TellRequest(to="bob", text="psst")
    assert entered("/exit", "") == QuitRequest()
    assert entered("/names", "") == WhoRequest()
    assert entered(" ", "") is None
    assert entered("/clear all", "") == Show(("Unexpected argument. Usage: /clear",))
    assert entered("/presence maybe", "") == Show(("Expected on or off. Usage: /presence [on|off]",))
    assert entered("/bell loud", "") == Show(
        ("Expected one of off, mention, all. Usage: /bell [off|mention|all]",),
    )


def test_the_help_fits_a_screen_of_80_by_24_below_what_was_typed() -> None:
    rows = help_texts("", 78)
    assert len(rows) <= 21
    assert max(map(len, rows)) <= 78
    text = "\n".join(rows)
    for command in COMMANDS.values():
        assert command.usage in text
    for key in ("Tab", "Alt+Enter", "Ctrl+C", "Ctrl+R"):
        assert key in text


def test_the_help_on_a_narrow_screen_is_one_column_and_on_a_wide_one_is_shorter() -> None:
    assert max(len(row) for row in help_texts("", 38)[1 : len(COMMANDS)]) <= 38
    assert len(help_texts("", 118)) < len(help_texts("", 78))


def test_no_command_is_left_out_of_the_help_in_any_width() -> None:
    for width in range(1, 200):
        words = " ".join(help_texts("", width)).split()
        assert {f"/{name}" for name in COMMANDS} <= set(words)


def test_the_help_on_one_command_is_a_line() -> None:
    assert help_texts("clear", 78) == ["/clear: clear the screen"]
    assert help_texts("nick", 78) == ["/nick NAME: take a name"]
    assert help_texts("w", 78) == ["/msg NAME TEXT: send a private message (also /tell, /w)"]
    assert help_texts("nosuch", 78) == ["Unknown command /nosuch; type /help for the list, or //nosuch to say it"]


@pytest.mark.parametrize(
    ("typed", "remembered"),
    [
        ("/login alice hunter2", "/login alice"),
        ("  /LOGIN  alice   correct horse ", "/login alice"),
        ("／login alice hunter2", "/login alice"),
        ("\u200b/login alice hunter2", "/login alice"),
        ("/register hunter2", "/register"),
        ("/passwd hunter2 hunter3", "/passwd"),
        ("/unregister hunter2", "/unregister"),
        ("hello\n/login alice hunter2\nbye", "hello\n/login alice\nbye"),
        ("//login alice hunter2", "//login alice hunter2"),
        ("say /login alice hunter2", "say /login alice hunter2"),
        ("/msg NickServ identify hunter2", "/msg NickServ"),
        ("/query nickserv identify alice hunter2", "/query NickServ"),
        ("/msg bob nickserv", "/msg bob nickserv"),
        ("/join dev", "/join dev"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_what_was_typed_is_remembered_without_secrets(typed: str, remembered: str) -> None:
    assert without_secrets(typed) == remembered


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("/login", commands.Login("")),
        ("/login alice", commands.Login("alice")),
        ("/login alice correct horse", commands.Login("alice", "correct horse")),
        ("/register", commands.Register()),
        ("/passwd", commands.Passwd()),
        ("/unregister", commands.Unregister()),
    ],
)
def test_a_command_with_a_secret_is_asked_about_before_it_is_sent(typed: str, command: commands.Proving) -> None:
    assert entered(typed, "") == Prove(command)
