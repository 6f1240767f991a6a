"""What a terminal sends, as keys and pastes: in one piece, in pieces, and with time between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.input.ansi_escape_sequences import ANSI_SEQUENCES
from prompt_toolkit.keys import Keys

from gchat.client.terminal.key_parser import ENTER_OF_BURST, HOLD_S, PASTE_KEY_S, PASTE_QUIET_S, QUICK_S, KeyParser

Pressed = list[tuple[str, str]]


def pressed(*texts: str, pause_s: float = 0.1, after_s: float = 10.0) -> Pressed:
    """Return the keys of texts that come with pauses between them, as a user of the parser gets them."""
    parser = KeyParser()
    keys = []
    now = 100.0
    for text in texts:
        if pause_s > 0.2:
            keys += parser.flush()
        if parser.wait_s is not None and parser.wait_s <= pause_s:
            keys += parser.feed("", now - pause_s + parser.wait_s)
        keys += parser.feed(text, now)
        now += pause_s
    keys += parser.feed("", now + after_s)
    keys += parser.flush()
    assert parser.wait_s is None
    return [(str(key.key.value if isinstance(key.key, Keys) else key.key), key.data) for key in keys]


def names(*texts: str, pause_s: float = 0.1) -> list[str]:
    return [name for name, _ in pressed(*texts, pause_s=pause_s)]


PASTE = Keys.BracketedPaste.value
BURST = ENTER_OF_BURST.value


# --- Keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("é世", ["é", "世"]),
        ("\x1b", ["escape"]),
        ("\x1b[", ["escape", "["]),
        ("\x1b\x1b", ["escape", "escape"]),
        ("\x1bf", ["escape", "f"]),
        ("\x1b\r", ["escape", "c-m"]),
        ("\x1b[A", ["up"]),
        ("\x1bOA", ["up"]),
        ("\x1b\x1b[A", ["escape", "up"]),
        ("\x1b[1;5D", ["c-left"]),
        ("\x1b[1;3A", ["escape", "up"]),
        ("\x1b[[A", ["f1"]),
        ("\x03\x04", ["c-c", "c-d"]),
        ("\x7f\x08", ["c-h", "c-h"]),
        ("\x9b\x85", []),
        ("\x1b]unfinished", []),
        ("\x1b]l\x03", ["escape", "]", "l", "c-c"]),
    ],
)
def test_a_key_is_a_key(text: str, keys: list[str]) -> None:
    assert names(text) == keys


@pytest.mark.parametrize(
    ("sequence", "keys"),
    [
        ("\x1b[13u", ["c-m"]),
        ("\x1b[13;5u", ["c-m"]),
        ("\x1b[13;3u", ["escape", "c-m"]),
        ("\x1b[27;5;13~", ["c-m"]),
        ("ab\x1b[27;2;78~cd", ["a", "b", "N", "c", "d"]),
        ("\x1b[57414u", ["c-m"]),
        ("\x1b[99;5u", ["c-c"]),
        ("\x1b[99;69u", ["c-c"]),  # caps lock
        ("\x1b[99::99;5:1u", ["c-c"]),
        ("\x1b[127u", ["c-h"]),
        ("\x1b[9u", ["c-i"]),
        ("\x1b[9;2u", ["s-tab"]),
        ("\x1b[27u", ["escape"]),
        ("\x1b[97u", ["a"]),
        ("\x1b[97;2u", ["A"]),
        ("\x1b[97;3u", ["escape", "a"]),
        ("\x1b[32;5u", ["c-@"]),
        ("\x1b[1092;5u", []),  # Ctrl and a letter that has no control character
        ("\x1b[49;5u", []),
        ("\x1b[27;6;49~", []),
        ("\x1b[97;9u", []),  # Super+A
        ("\x1b[97;33u", []),  # Meta+A
        ("\x1b[57400u", ["1"]),
        ("\x1b[57441u", []),
        ("\x1b[97;1:3u", []),
        ("\x1b[1114112u", []),
        ("\x1b[55296u", []),
        ("\x1b[" + "9" * 400 + "u", []),
    ],
)
def test_a_key_of_a_modern_protocol_is_the_key_of_old(sequence: str, keys: list[str]) -> None:
    assert names(sequence) == keys


@pytest.mark.parametrize("sequence", [each for each in ANSI_SEQUENCES if each[:2] in ("\x1b[", "\x1bO")])
def test_a_key_that_is_no_character_has_nothing_to_insert(sequence: str) -> None:
    assert all(data == "" for _, data in pressed(sequence))


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[I",
        "\x1b[O",
        "\x1b[12;40R",
        "\x1b[?62;c",
        "\x1b]11;rgb:0000/0000/0000\x1b\\",
        "\x1b]11;rgb:0000/0000/0000\x07",
        "\x1bP>|xterm(390)\x1b\\",
        "\x1b_Gi=1;OK\x1b\\",
        "\x1b[<35;1;1M",
        "\x1b[M !!",
        "\x1b[?2026;2$y",
        "\x1b[201~",
    ],
)
def test_what_is_no_key_is_swallowed_whole_and_in_pieces(sequence: str) -> None:
    assert names(f"a{sequence}b") == ["a", "b"]
    for at in range(1, len(sequence)):
        assert names("a", sequence[:at], sequence[at:], "b") == ["a", "b"]


# --- Pastes ----------------------------------------------------------------------------------------------------------


def test_a_bracketed_paste_is_one_key_wherever_it_is_cut() -> None:
    text = "\x1b[200~one\r\ttwo\x1b[A\x1b[201~x"
    for at in range(len(text)):
        assert pressed(text[:at], text[at:]) == [(PASTE, "one\r\ttwo\x1b[A"), ("x", "x")]


@pytest.mark.parametrize("pause_s", [0, QUICK_S / 2, HOLD_S * 2])
def test_enter_right_behind_a_bracketed_paste_is_a_key(pause_s: float) -> None:
    expected = [(PASTE, "one"), ("c-m", "\r")]
    assert pressed("\x1b[200~one\x1b[201~\r") == expected
    assert pressed("\x1b[200~one\x1b[201~", "\r", pause_s=pause_s) == expected


def test_a_bracketed_paste_may_be_slow() -> None:
    pieces = ["\x1b[200~one", "two", "\rthree\r", "four", "\x1b[20", "1~"]
    assert pressed(*pieces, pause_s=PASTE_QUIET_S * 0.9) == [(PASTE, "onetwo\rthree\rfour")]


def test_an_answer_that_comes_in_pieces_is_swallowed() -> None:
    for sequence in ("\x1b]11;rgb:0d0d/0f0f/1313\x1b\\", "\x1b[48;1R", "\x1bP>|tmux 3.3a\x1b\\"):
        for at in range(3, len(sequence)):
            assert names(sequence[:at], sequence[at:], "x", pause_s=0.3) == ["x"]
    assert names("\x1b[48;", "x", pause_s=2) == ["x"]


def test_a_paste_may_end_with_the_beginning_of_a_sequence() -> None:
    assert pressed("\x1b[200~a\x1b\x1b[201~b") == [(PASTE, "a\x1b"), ("b", "b")]
    assert pressed("\x1b[200~a\x1b[2\x1b[201~b") == [(PASTE, "a\x1b[2"), ("b", "b")]
    assert pressed("\x1b[200~a\x1b[20", "b", pause_s=2) == [(PASTE, "a"), ("b", "b")]


def test_a_paste_without_an_end_ends_by_itself() -> None:
    assert pressed("\x1b[200~one", "\r", pause_s=PASTE_QUIET_S + 0.1) == [(PASTE, "one"), ("c-m", "\r")]
    assert pressed("\x1b[200~one", "\x03", pause_s=PASTE_KEY_S + 0.1) == [(PASTE, "one"), ("c-c", "\x03")]
    assert pressed("\x1b[200~one", "\x1b[200~two\x1b[201~", pause_s=2) == [(PASTE, "one"), (PASTE, "two")]


def test_keys_that_are_held_down_do_not_keep_a_paste_without_an_end_open() -> None:
    assert ("c-c", "\x03") in pressed("\x1b[200~one", *["\x03"] * 40, pause_s=0.03)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("one\rtwo\r", [("o", "o"), ("n", "n"), ("e", "e"), (PASTE, "\rtwo"), (BURST, "\n")]),
        ("\tx\r\ny", [(PASTE, "\tx\r\ny")]),
        ("a\tb", [("a", "a"), (PASTE, "\tb")]),
        ("a\nb\x1b[31mc\x03", [("a", "a"), (PASTE, "\nbc")]),
        ("a\nb\n", [("a", "a"), (PASTE, "\nb"), (BURST, "\n")]),
    ],
)
def test_text_behind_enter_or_tab_at_once_is_a_paste(text: str, keys: Pressed) -> None:
    assert pressed(text) == keys
    for at in range(1, len(text)):
        assert pressed(text[:at], text[at:], pause_s=QUICK_S / 2) == keys
    assert pressed(*text, pause_s=QUICK_S / 2) == keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("hi\r", ["h", "i", "c-m"]),
        ("hi\ry", ["h", "i", "c-m", "y"]),
        ("hi\r\x04", ["h", "i", "c-m", "c-d"]),
        ("/hi\t", ["/", "h", "i", "c-i"]),
        ("\r\r", ["c-m", "c-m"]),
        ("\r\x1b[A\r", ["c-m", "up", "c-m"]),
        ("\t\t\r", ["c-i", "c-i", "c-m"]),
    ],
)
def test_enter_and_tab_at_the_end_of_what_comes_at_once_are_keys(text: str, keys: list[str]) -> None:
    assert names(text) == keys


def test_what_is_typed_by_hand_is_keys_without_delay() -> None:
    parser = KeyParser()
    for number, char in enumerate("a\rb c\r"):
        assert [key.data for key in parser.feed(char, number * 2 * QUICK_S)] == [char]
        assert parser.wait_s is None


def test_a_bracketed_paste_right_behind_a_line_is_a_key_and_a_paste() -> None:
    assert pressed("hi\r\x1b[200~one\x1b[201~") == [("h", "h"), ("i", "i"), ("c-m", "\r"), (PASTE, "one")]


def test_the_rest_of_a_paste_is_waited_for_a_moment() -> None:
    assert pressed("one\r", "two\r", pause_s=HOLD_S * 0.9)[3:] == [(PASTE, "\rtwo"), (BURST, "\n")]
    assert names("one\r", "two\r", pause_s=HOLD_S * 2) == ["o", "n", "e", "c-m", "t", "w", "o", "c-m"]


@given(st.lists(st.text(st.sampled_from("a\r\t\x03\x1b[]O20~1M;u<"), max_size=8), max_size=8), st.floats(0.0001, 3))
def test_whatever_comes_nothing_is_kept_for_ever(texts: list[str], pause_s: float) -> None:
    assert all(len(data) <= 80 for _, data in pressed(*texts, pause_s=pause_s))
