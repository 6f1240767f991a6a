"""Commands as people type them: which lines are commands, how their arguments are cut, and what is no text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.dialects.slash import SLASHES, help_lines, parse, without_commands
from gchat.model import commands
from gchat.model.errors import Refusal
from gchat.model.text import is_blank

#: White space, and characters that nobody sees: byte order mark, zero-width space, joiners, direction marks, soft
#: hyphen, variation selectors, Hangul fillers, the blank Braille pattern.
BLANKS = [" ", "  ", "\t", "\u00a0", "\u3000", "\u2003", "\ufeff", "\u200b", "\u00ad", "\u3164", "\u2800", "\u115f"]
BLANKS += ["\u200c", "\u200d", "\u200e", "\u200f", "\u2060", "\u180e", "\ufe0f", "\u034f", "\u17b4"]
WHITE = ["\t", " \t ", "\u00a0", "\u3000", "\u2003", "\u2028", "\x0b"]


def message(line: str) -> str:
    """Return what the person is told who typed a line that makes no sense."""
    mistake = parse(line)
    assert isinstance(mistake, commands.Mistake)
    return mistake.refusal.message


# --- Which lines are commands ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", *BLANKS, "\ufeff \u3000", "\u3000\ufeff", " \u200b\t"])
@pytest.mark.parametrize("slash", ["/", "／"])
def test_a_line_whose_first_visible_character_is_a_slash_is_a_command(before: str, slash: str) -> None:
    assert parse(f"{before}{slash}msg ear hunter2") == commands.Tell("ear", "hunter2")


@pytest.mark.parametrize(
    "line", ["a /nick b", "http://x", "今日／明日", "-/nick", "\x1b/nick", "\0/nick", ".//x", "\\/x"]
)
def test_a_line_with_something_visible_before_the_slash_is_said_as_it_is(line: str) -> None:
    assert parse(line) == commands.Say((line,))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("//", "/"),
        ("///", "//"),
        ("//etc/passwd", "/etc/passwd"),
        ("//nick bob ", "/nick bob "),
        ("  //nick bob", "/nick bob"),
        ("\ufeff//x", "/x"),
        ("／／x", "／x"),
        ("/／x", "／x"),
        ("／/x", "/x"),
    ],
)
def test_two_slashes_say_one(line: str, text: str) -> None:
    assert parse(line) == commands.Say((text,))
    assert without_commands(line) == text


@pytest.mark.parametrize(
    "line",
    ["/usr/bin/ls", "/", "/whose is it", "/ who", "/ /msg foo bar", " /etc/motd", "a /who", "/* a comment */", ""],
)
def test_without_commands_a_line_that_names_none_of_them_is_said_as_it_is(line: str) -> None:
    assert without_commands(line) == line


@pytest.mark.parametrize("line", ["/who", "/msg bob secret", " \ufeff/ME waves", "／nick 太郎", "/topic", "/quit now"])
def test_without_commands_a_line_that_is_one_is_refused(line: str) -> None:
    with pytest.raises(Refusal, match="is a command, and commands do not work in a pipe"):
        without_commands(line)


@pytest.mark.parametrize("line", ["/ nick bob", "/ /msg ear hunter2", "/\tmsg ear hunter2", "／　msg ear hunter2", "/"])
def test_a_slash_with_a_space_behind_it_is_neither_a_command_nor_said(line: str) -> None:
    assert message(line) == "Unknown command /; type /help for the list, or // to say it"


@pytest.mark.parametrize("blank", [*BLANKS, "", "\u3164\u200b ", "\ufeff\ufeff"])
def test_a_line_in_which_nothing_is_visible_asks_for_nothing(blank: str) -> None:
    assert parse(blank) is None


@pytest.mark.parametrize(
    "name", ["nick", "NICK", "Nick", "ｎｉｃｋ", "ＮＩＣＫ", "ni\u200bck", "\u200bnick", "nick\ufeff"]
)
def test_the_name_of_a_command_has_neither_case_nor_width_nor_invisible_characters(name: str) -> None:
    assert parse(f"/{name} 太郎") == commands.Nick("太郎")
    assert parse(f"/help /{name}") == commands.Help("nick")


# --- Arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("white", WHITE)
def test_any_white_space_separates_a_command_from_its_arguments(white: str) -> None:
    assert parse(f"/nick{white}bob") == commands.Nick("bob")
    assert parse(f"/nick{white}bob{white}") == commands.Nick("bob")
    assert parse(f"/msg{white}bob{white}psst{white}you") == commands.Tell("bob", f"psst{white}you")
    assert parse(f"/who{white}") == commands.Who()


def test_a_space_typed_with_alt_on_a_mac_separates_too() -> None:
    assert parse("/join\u00a0#foo") == commands.Join("#foo", leave="current")


@pytest.mark.parametrize(
    "text", ["identify ;;;;;;", "identify pass;more", 'say "x', "a\\ b", "$(date) `x`", "-- --help"]
)
def test_a_private_message_is_sent_as_it_was_typed(text: str) -> None:
    assert parse(f"/msg NickServ {text}") == commands.Tell("NickServ", text)


def test_a_full_width_command_is_typed_without_leaving_the_input_method() -> None:
    assert parse("／nick 太郎") == commands.Nick("太郎")
    assert parse("／ｍｓｇ　太郎　こんにちは") == commands.Tell("太郎", "こんにちは")


@pytest.mark.parametrize("blank", ["", *BLANKS])
@pytest.mark.parametrize("command", ["nick", "join", "me", "msg", "msg bob", "reply", "search"])
def test_an_argument_in_which_nothing_is_visible_is_missing(command: str, blank: str) -> None:
    usage = SLASHES[command.split(maxsplit=1)[0]].usage

    assert message(f"/{command} {blank}") == f"Missing argument. Usage: {usage}"


@pytest.mark.parametrize("blank", ["", *BLANKS])
def test_a_command_without_arguments_takes_an_invisible_one_for_none(blank: str) -> None:
    assert parse(f"/who {blank}") == commands.Who()
    assert parse(f"/history {blank}") == commands.History(commands.Last(20))
    assert parse(f"/topic {blank}") == commands.Topic()
    assert parse(f"/help {blank}") == commands.Help("")


def test_a_minus_clears_the_topic_and_nothing_else_does() -> None:
    assert parse("/topic -") == parse("/topic  - ") == commands.Topic("")
    assert parse("/topic") == commands.Topic(None)
    for text in ("--", "-1", "- tea", "–", "/topic -"):
        assert parse(f"/topic {text}") == commands.Topic(text)


@pytest.mark.parametrize(
    ("typed", "excerpt"),
    [
        ("1", commands.From(1)),
        ("007", commands.From(7)),
        ("-5", commands.Last(5)),
        ("9" * 15, commands.From(10**15 - 1)),
    ],
)
def test_history_begins_at_a_number_or_so_many_messages_back(typed: str, excerpt: commands.Excerpt) -> None:
    assert parse(f"/history {typed}") == commands.History(excerpt)


@pytest.mark.parametrize("typed", ["0", "-0", "x", "-", "--1", "1.5", "+5", "²", "٣", "1 2"])
def test_history_from_something_else_is_refused(typed: str) -> None:
    assert message(f"/history {typed}") == "Expected a number other than 0. Usage: /history [FROM | -COUNT]"


@pytest.mark.parametrize("typed", ["9" * 16, "-" + "1" * 16, "0" * 20 + "1", "9" * 5000])
def test_history_from_a_number_with_too_many_digits_is_refused(typed: str) -> None:
    assert message(f"/history {typed}") == "Number too large. Usage: /history [FROM | -COUNT]"


# --- What is promised of every line ----------------------------------------------------------------------------------

LINES = st.lists(st.one_of(st.text(max_size=4), st.sampled_from(["/", "／", *SLASHES, *BLANKS]))).map("".join)


@settings(max_examples=500, deadline=None)
@given(LINES)
def test_no_line_is_an_error_and_only_visible_texts_are_sent(line: str) -> None:
    match parse(line):
        case None:
            assert is_blank(line)
        case commands.Say(texts=(text,)):
            assert not is_blank(text)
            assert text == line or text[0] in "/／"
        case commands.Act(text=text) | commands.Reply(text=text) | commands.Tell(text=text):
            assert not is_blank(text)
        case commands.Topic(text=text):
            assert not text or not is_blank(text)
        case commands.Mistake(refusal=refusal):
            assert len(refusal.message) < 200


# --- Help ------------------------------------------------------------------------------------------------------------


def test_help_fits_a_terminal_with_the_mark_of_the_server_before_it() -> None:
    assert max(map(len, help_lines(""))) + len("> ") <= 80


def test_help_on_what_is_no_command_says_so_briefly() -> None:
    assert help_lines("x" * 100) == [
        f"Unknown command /{'x' * 20}…; type /help for the list, or //{'x' * 20}… to say it"
    ]
