"""Several lines at once: what is asked, and what is sent."""

from __future__ import annotations

import pytest

from gchat.client import paste
from gchat.client.paste import Question, actions, as_one, expanded, visible_lines, whole_lines
from gchat.dialects.rich_requests import ActRequest, AnyRequest, SayRequest, TellRequest


def question(lines: list[str], **how: bool) -> str:
    return str(paste.question(lines, **how) or "")


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


# --- As one message --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("\n def f():\r\n    pass\n\n  f()\n \n", SayRequest(text=" def f():\n    pass\n\n  f()")),
        ("//etc\n//x", SayRequest(text="/etc\n//x")),
        ("/join dev\ntwo", SayRequest(text="/join dev\ntwo")),
        ("/msg bob one\n\n two", TellRequest(to="bob", text="one\n\n two")),
        ("/msg bob\n\none\n/two", TellRequest(to="bob", text="one\n/two")),
        ("/reply one\ntwo", TellRequest(to="ear", text="one\ntwo")),
        ("／me one\ntwo", ActRequest(text="one\ntwo")),
        ("\n".join(["x"] * 100), SayRequest(text="\n".join(["x"] * 100))),
    ],
)
def test_several_lines_are_one_message(text: str, request_: AnyRequest) -> None:
    assert as_one(text, "ear", 1000) == request_


@pytest.mark.parametrize("text", ["\n".join(["x"] * 101), "x" * 999 + "\nx"])
def test_what_is_too_much_for_one_message_is_none(text: str) -> None:
    assert as_one(text, "", 1000) is None


def test_a_message_of_many_lines_is_asked_for_and_may_be_sent_line_by_line() -> None:
    either = "(y/n, l: line by line)"
    assert question(["x"] * 5, together=True) == ""
    assert question(["x"] * 7, together=True) == f"Send these 7 lines as one message? {either}"
    assert question(["x"] * 2, together=True, unread=True) == f"Send these 2 lines as one message? {either}"
    assert question(["/msg ear one", "two"], together=True) == ""
    assert question(["/msg ear one", "two"], together=True, unread=True) == (
        f"Send 2 lines as one message with /msg ear? {either}"
    )
    assert question(["one", "/msg ear two"], together=True) == (
        f"Send these 2 lines as text, without running the commands in them? {either}"
    )


def test_blank_lines_between_others_stay() -> None:
    assert whole_lines("\n\na\n\nb\n \n") == ["a", "", "b"]
    assert whole_lines(" \n") == []
    assert str(Question("Really?")) == "Really? (y/n)"
