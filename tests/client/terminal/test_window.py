"""The title and the notifications of a terminal, with other users' words in them."""

from __future__ import annotations

import io
import re
from typing import cast

import pytest
from prompt_toolkit.data_structures import Size
from prompt_toolkit.output.vt100 import Vt100_Output

from gchat.client.attention import NotifyBy
from gchat.client.terminal.window import MAX_NOTE, MAX_TITLE, TerminalWindow


class Terminal(io.StringIO):
    encoding = "utf-8"

    def fileno(self) -> int:
        raise io.UnsupportedOperation


def window(term: str = "xterm-256color") -> tuple[TerminalWindow, Terminal]:
    terminal = Terminal()
    output = Vt100_Output(cast("io.TextIOWrapper", terminal), lambda: Size(24, 80))
    return TerminalWindow(output, term), terminal


def test_a_title_is_written_once_and_the_one_before_comes_back() -> None:
    shown, terminal = window()
    for title in ("lobby", "lobby", "(1) lobby"):
        shown.show_title(title)
    shown.restore_title()
    written = "\x1b[22;2t\x1b]2;lobby\x07\x1b]2;(1) lobby\x07\x1b]2;\x07\x1b[23;2t"
    assert terminal.getvalue() == written


def test_a_window_without_a_title_of_ours_is_left_alone() -> None:
    shown, terminal = window()
    shown.restore_title()
    assert terminal.getvalue() == ""


def test_a_console_that_knows_no_such_sequence_gets_none() -> None:
    shown, terminal = window("linux")
    shown.show_title("lobby")
    shown.notify(NotifyBy.OSC9, "hello")
    shown.restore_title()
    assert terminal.getvalue() == ""


EVIL = "4;1;50\x07\x1b]2;evil\x07\x1b\\\x9c\x9d\x9b2J\r\n\u202e\u200f\ue000\U000e0041 " + "x" * 500


@pytest.mark.parametrize(
    ("by", "begin"), [(NotifyBy.OSC9, "\x1b]9;gchat: "), (NotifyBy.OSC777, "\x1b]777;notify;gchat;")]
)
def test_other_users_words_are_text_and_nothing_else(by: NotifyBy, begin: str) -> None:
    shown, terminal = window()
    shown.notify(by, EVIL)
    found = re.fullmatch(re.escape(begin) + "(.*)\x07", terminal.getvalue())
    assert found
    assert found[1].isprintable()
    assert len(found[1]) == MAX_NOTE


def test_a_hostile_title_is_text_and_nothing_else() -> None:
    shown, terminal = window()
    shown.show_title(EVIL)
    found = re.fullmatch("\x1b\\[22;2t\x1b]2;(.*)\x07", terminal.getvalue())
    assert found
    assert found[1].isprintable()
    assert len(found[1]) == MAX_TITLE
