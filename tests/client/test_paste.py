"""Several lines at once: what is asked, and what is sent."""

from __future__ import annotations

import pytest

from gchat.client.paste import actions, expanded, question, visible_lines
from gchat.dialects.rich_requests import SayRequest, TellRequest


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one", ["one"]),
        ("one\ntwo\n", ["one", "two"]),
        ("one\r\ntwo\rthree", ["one", "two", "three"]),
        ("\n\n  \n one \n\n", [" one "]),
        ("a\x0bb\u2028c", ["a\x0bb\u2028c"]),
        ("", []),
    ],
)
def test_a_paste_is_its_lines_without_the_blank_ones(text: str, lines: list[str]) -> None:
    assert visible_lines(text) == lines


@pytest.mark.parametrize("line", ["hello", "/msg ear x", "/nosuch"])
def test_one_line_is_not_asked_for(line: str) -> None:
    assert question([line]) == ""
    assert question([line], unread=True) == ""
    assert expanded([line]) == [line]


def test_a_few_lines_are_asked_for_only_if_nobody_has_seen_them() -> None:
    lines = ["one", "two"]
    assert question(lines) == ""
    assert question(lines, unread=True) == "Send these 2 lines? (y/n)"
    assert question(["line"] * 6) == "Send these 6 lines? (y/n)"
    assert actions(lines, "") == [SayRequest(text="one"), SayRequest(text="two")]


@pytest.mark.parametrize(
    ("first", "head"),
    [
        ("/msg ear one", "/msg ear"),
        (" /MSG   ear  one", "/msg ear"),
        ("／msg ear one", "/msg ear"),
        ("\ufeff/me one", "/me"),
        ("/reply\u3000one", "/reply"),
    ],
)
def test_a_command_that_says_something_is_repeated_for_each_line(first: str, head: str) -> None:
    lines = [first, "/two", "three"]
    assert question(lines) == f"Send 3 lines with {head}? (y/n)"
    assert expanded(lines) == [f"{head} one", f"{head} /two", f"{head} three"]


def test_a_command_without_a_text_takes_the_next_lines() -> None:
    assert question(["/msg ear ", "two"]) == "Send 1 line with /msg ear? (y/n)"
    assert actions(["/msg ear", "two", "three"], "") == [
        TellRequest(to="ear", text="two"),
        TellRequest(to="ear", text="three"),
    ]
    assert actions(["/reply", "two"], "bob") == [TellRequest(to="bob", text="two")]


@pytest.mark.parametrize(
    "lines", [["/join dev", "two"], ["one", " /msg ear two"], ["one", "／topic x"], ["/msg", "ear x"]]
)
def test_other_commands_among_lines_are_asked_for_and_said(lines: list[str]) -> None:
    assert question(lines) == "Send these 2 lines as text, without running the commands in them? (y/n)"
    assert question(lines, runs=True) == "Send these 2 lines and run the commands in them? (y/n)"
    assert actions(lines, "") == [SayRequest(text=line) for line in lines]


def test_two_slashes_are_no_command() -> None:
    assert question(["one", "//two"]) == ""
