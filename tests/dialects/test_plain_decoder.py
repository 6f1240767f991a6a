"""Secrets that are typed as a line of their own: nobody hears them, in whatever pieces they come."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchat.dialects.plain_decoder import PlainDecoder
from gchat.model import commands
from gchat.model.commands import AskSecret, Command, Login, Passwd, Register, Say, Unregister, Who
from gchat.model.errors import LineTooLong
from tests.dialects.test_command_decoder import each, hears

SECRET, NEW = "tea4two!", "tea4three"
LOGIN = Login("alice", SECRET, leave="current")


def asked(packets: Iterable[bytes], *, ends: bool = False) -> list[Command]:
    """Return what is carried out, without the questions."""
    heard = hears(PlainDecoder(100), packets, ends=ends)
    return [command for command in heard.asked if not isinstance(command, AskSecret)]


@pytest.mark.parametrize(
    ("typed", "carried_out"),
    [
        (f"/login alice\n{SECRET}\nhello\n", [LOGIN, Say(("hello",))]),
        (f"hi\n/login alice\r\n{SECRET}\r\nhello\r\n", [Say(("hi",)), LOGIN, Say(("hello",))]),
        (f"/register\n{SECRET}\n", [Register(secret=SECRET)]),
        (f"/unregister\n{SECRET}\n", [Unregister(secret=SECRET)]),
        (f"/passwd\n{SECRET}\n{NEW}\nhello\n", [Passwd(SECRET, NEW), Say(("hello",))]),
        (f"/login alice\n/login alice\n{SECRET}\n", [LOGIN]),
        ("/login alice\nwith spaces in it\n", [Login("alice", "with spaces in it", leave="current")]),
        ('/login alice\nGCHAT/1 {"nick":"x"}\n', [Login("alice", 'GCHAT/1 {"nick":"x"}', leave="current")]),
        ("/login alice\n-1\n", [Login("alice", "-1", leave="current")]),
        (f"/login alice\n{SECRET[:-1]}x\x7f!\n", [LOGIN]),
    ],
)
def test_the_next_line_is_the_secret_however_it_is_split(typed: str, carried_out: list[Command]) -> None:
    data = typed.encode()
    for packets in ([data], each(data), *([data[:at], data[at:]] for at in range(1, len(data)))):
        assert [part for command in asked(packets) for part in _single(command)] == [
            part for command in carried_out for part in _single(command)
        ]


def _single(command: Command) -> list[Command]:
    return [Say((text,)) for text in command.texts] if isinstance(command, Say) else [command]


def test_the_question_comes_only_where_the_secret_has_not() -> None:
    decoder = PlainDecoder(100)
    assert [*decoder.take(10, b"hi\n/login alice\n")[1], *decoder.take(10)[1]] == [
        Say(("hi",)),
        AskSecret(Login("alice", leave="current")),
    ]
    assert decoder.replies.startswith(b"\xff\xfb\x01"), "telnet is asked to show nothing"
    assert decoder.take(10, f"{SECRET}\n".encode())[1] == [LOGIN]


def test_an_empty_line_is_no_secret_and_the_next_one_is_said() -> None:
    mistake, hello = asked([b"/login alice\n\nhello\n"])
    assert isinstance(mistake, commands.Mistake)
    assert hello == Say(("hello",))


def test_a_command_ends_the_question_which_is_told_and_the_next_line_is_said() -> None:
    for packets in ([b"/login alice\n/who\nhello\n"], [b"/login alice\n", b"/who\n", b"hello\n"]):
        mistake, who, hello = asked(packets)
        assert isinstance(mistake, commands.Mistake)
        assert (who, hello) == (Who(), Say(("hello",)))


def test_a_secret_before_the_end_of_the_stream_counts() -> None:
    assert asked([f"/login alice\n{SECRET}".encode()], ends=True) == [LOGIN]


def test_of_a_secret_that_is_too_long_nothing_is_said() -> None:
    decoder = PlainDecoder(100)
    decoder.take(10, b"/login alice\n")
    with pytest.raises(LineTooLong):
        decoder.take(10, b"x" * 200)
    decoder.take(10)
    assert decoder.take(10, b"xxx\nhello\n")[1] == [Say(("hello",))]


@pytest.mark.parametrize(
    "hello", ['GCHAT/1 {"token":"x"}', 'gchat/1 {"token":"x"}', 'Gchat/1\t{"token":"x"}', " GCHAT/1{}"]
)
@pytest.mark.parametrize("before", ["", "hi\n"])
def test_a_hello_behind_the_first_line_is_refused_and_not_said_in_any_case(hello: str, before: str) -> None:
    first, mistake, last = asked([f"first\n{before}".encode(), f"{hello}\nhi\n".encode()])[-3:]
    assert isinstance(first, Say)
    assert isinstance(mistake, commands.Mistake)
    assert last == Say(("hi",))


@pytest.mark.parametrize("line", ["GCHAT/" * 15, "GCHAT/" * 15 + " ", "say GCHAT/1 {}", "GCHAT/1 a {"])
def test_what_only_looks_like_a_hello_is_said_and_looked_through_once(line: str) -> None:
    """A search that began again at each GCHAT/ took 67 ms for 8 KB of the first."""
    assert asked([b"first\n", f"{{\n{line}\n".encode()])[-1] == Say(("{", line))


LINES = st.sampled_from(
    (
        "/login alice",
        "/register",
        "/passwd",
        "/unregister",
        "/who",
        "hello",
        "",
        f"/login alice {SECRET}",
        "/login",
        "//x",
    )
)


@given(st.lists(LINES, max_size=6), st.sampled_from(("/login alice", "/register", "/passwd", "/unregister")), st.data())
def test_after_any_lines_and_however_it_is_split_no_secret_is_said(
    before: list[str], verb: str, data: st.DataObject
) -> None:
    stream = "\n".join([*before, "/who", verb, SECRET, "end", ""]).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    packets = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    for command in asked([packet for packet in packets if packet]):
        if isinstance(command, Say):
            assert SECRET not in command.texts
