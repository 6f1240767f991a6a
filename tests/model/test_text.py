"""Text: what goes out does nothing to a terminal, and what people write comes through."""

from __future__ import annotations

import re
import unicodedata
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.model.text import (
    MAX_BLANKS,
    MAX_COMBINING_MARKS,
    MAX_INDENT,
    as_lines,
    is_blank,
    printable,
    printable_line,
    printable_lines,
    printable_text,
    split_word,
)

FURTHER = "    | "

# --- What may be shown -----------------------------------------------------------------------------------------------

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_STARTS = ("\x1b[", "\x9b")  # CSI
_STRINGS = [
    *product(("\x1b]", "\x9d"), ("0;title", "2;title", "8;;http://evil.example", "52;c;ZXZpbA==", "4;1;?", "10;?")),
    *product(("\x1bP", "\x90"), ("$qm", "+q544e", "1$tx", "q#0;2;0;0;0", "tmux;\x1b\x1b]52;c;x")),
    *product(("\x1b_", "\x9f", "\x1b^", "\x9e", "\x1bX", "\x98"), ("G;evil", "text")),
]
SEQUENCES = [
    *(f"{start}{n}{final}" for start in _STARTS for n in ("", "1", "31;1") for final in map(chr, range(0x40, 0x7F))),
    *(f"{start}?{mode}{how}" for start in _STARTS for mode in (25, 47, 1000, 1049, 2004) for how in "hl"),
    *(f"{start}{body}{end}" for start, body in _STRINGS for end in ("\x07", "\x1b\\", "\x9c", "")),
    *(f"\x1b{char}" for char in map(chr, range(0x20, 0x7F))),
    *map(chr, range(0x80, 0xA0)),
    *(f"{c}forged" for c in "\x00\x05\x07\x08\x0b\x0c\x0e\x0f\x18\x1a\x7f\r\n"),
    "\x1b[A\x1b[2K[server] you are banned",
    "\x1b[21t",
    "\x1b[6n",
    "\x1b]0;a\x07\x1b[31mred\x1b[0m",
]


def test_there_are_enough_terminal_escapes() -> None:
    assert len(set(SEQUENCES)) >= 500


def test_no_escape_reaches_a_terminal() -> None:
    for sequence in SEQUENCES:
        shown = printable(f"before{sequence}after")

        assert not CONTROL.search(shown), repr(sequence)
        assert shown.startswith("before"), repr(sequence)
        assert shown.endswith("after"), repr(sequence)
        assert printable_line(sequence).count(b"\n") == 1, repr(sequence)


def test_an_escape_split_over_two_messages_stays_harmless() -> None:
    for sequence in SEQUENCES:
        for at in range(1, len(sequence)):
            assert not CONTROL.search(printable(sequence[:at]) + printable(sequence[at:])), repr(sequence)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\0b", "a␀b"),
        ("a\tb", "a    b"),
        ("a\rb", r"a\x0db"),
        ("a\nb", r"a\x0ab"),
        ("\x7f", r"\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("a\ufffeb\U0010ffff", "a\ufffdb\ufffd"),
        ("soft\u00adhyphen", "softhyphen"),
        ("\ufeffbom", "bom"),
        ("\ud800", "\ufffd"),
    ],
)
def test_what_would_do_something_is_shown_or_dropped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("separator", list("\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029\r\n"))
def test_what_python_takes_for_the_end_of_a_line_cannot_forge_one(separator: str) -> None:
    line = printable_line(f"hello{separator}[alice] I did it").decode()

    assert line.splitlines() == [line[:-1]]
    assert separator not in line[:-1]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one", "one"),
        ("one\ntwo", "one\ntwo"),
        ("one\r\ntwo\r\n", "one\ntwo"),
        ("\n\n  one\n\n two\n\n", "  one\n\n two"),
        ("one\rtwo", "one\rtwo"),
        ("\n", ""),
    ],
)
def test_a_text_is_lines_with_lf_between_them(text: str, lines: str) -> None:
    assert as_lines(text) == lines


@pytest.mark.parametrize("separator", list("\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029\r"))
def test_only_lf_is_between_the_lines_of_a_text(separator: str) -> None:
    shown = printable_text(f"one\ntwo{separator}three")

    assert shown.splitlines() == ["one", printable(f"two{separator}three")]


BIDI = "\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u206a\u206f"
INVISIBLE = "\u200b\u180e\u2060\u2061\u2064\u034f\ufff9\ufffa\ufffb"


@pytest.mark.parametrize("char", [*BIDI, *INVISIBLE, *map(chr, range(0xE0001, 0xE0080, 9))], ids=ascii)
def test_what_reorders_or_hides_other_text_is_dropped(char: str) -> None:
    shown = printable(f"a{char}b")

    assert shown.replace("\ufffd", "") == "ab"


@pytest.mark.parametrize(
    "text",
    [
        'plain text, with ~ and \\ and "quotes"',
        "Grüße, naïve café, Ελληνικά, Русский, Tiếng Việt",
        "👩‍👩‍👧 👍🏽 ❤️ 1️⃣ 🏳️‍🌈",
        "🇩🇪 🇯🇵 🇧🇷",
        "السلام عليكم ورحمة الله، كَيْفَ حَالُكَ؟",
        "می‌خواهم",
        "שָׁלוֹם עֲלֵיכֶם",
        "אבג\u200e (abc) \u200fדהו",
        "नमस्ते दुनिया, क्षत्रिय",
        "สวัสดีชาวโลก น้ำ ที่นี่",
        "你好，世界 こんにちは 안녕하세요　全角",
        "葛󠄀城市",
        "p̄ẹ̀ a\u0301\u0302\u0303\u0304",
        "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋ ½ ✓ ─│┌",
    ],
)
def test_what_people_write_comes_through_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert printable_line(text) == text.encode() + b"\n"


INVISIBLE_LETTERS = [
    *"\u115f\u1160\u3164\uffa0\u180b\u180c\u180d\u180e\u180f\u17b4\u17b5\U00013430\U00013438\U0001d159",
    *"\U0001bca0\U0001bca3\U0001d173\U0001d17a",
]


@pytest.mark.parametrize("char", INVISIBLE_LETTERS, ids=ascii)
def test_an_invisible_letter_is_dropped(char: str) -> None:
    assert printable(f"a{char}b{char}{char}") == "ab"
    assert printable(char) == ""


def test_a_blank_braille_pattern_is_a_space() -> None:
    assert printable("⠁\u2800⠃") == "⠁ ⠃"


@pytest.mark.parametrize("text", ["ᠠ\u180bᠨ", "ᠠ\u180f", "ᠨ\u180eᠠ", "ក\u17b4", "ក\u17b5ក"], ids=ascii)
def test_what_changes_a_mongolian_or_khmer_letter_stays_behind_it_and_only_once(text: str) -> None:
    assert printable(text) == text
    invisible = next(char for char in text if char in INVISIBLE_LETTERS)
    assert printable(text.replace(invisible, invisible * 3)) == text


# --- Marks -----------------------------------------------------------------------------------------------------------

JOINERS = ["", "\u200d", "\u200c", "\u200e", "\ufe0f", "\u200b", "\u034f", "\U000e0100"]


@pytest.mark.parametrize("mark", ["\u0301", "\u0489", "\u20dd", "\u0e49", "\u064e", "\u1ab0", "\U0001e130"], ids=ascii)
@pytest.mark.parametrize("joiner", JOINERS, ids=ascii)
def test_a_tower_of_marks_is_cut_and_its_base_stays(joiner: str, mark: str) -> None:
    for base in ("a", "ж", "😀", "", "ᄀ"):
        for run in (1, MAX_COMBINING_MARKS, MAX_COMBINING_MARKS + 1, 50):
            shown = printable(f"x {base}" + (mark * run + joiner) * 60 + " end")

            assert shown.startswith(f"x {base}"), (base, run)
            assert shown.endswith(" end"), (base, run)
            assert 1 <= shown.count(mark) <= MAX_COMBINING_MARKS, (base, run)


def test_as_many_marks_as_are_allowed_stay_on_each_letter() -> None:
    text = ("a" + "\u0301" * MAX_COMBINING_MARKS + "b" + "\u0323" * MAX_COMBINING_MARKS) * 3

    assert printable(text) == text


# --- Any text --------------------------------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters() | st.sampled_from("\x1b\x9b\n\r\0\u0301\u200d\u202ea "), max_size=40)


@settings(max_examples=400, deadline=None)
@given(ANY_TEXT)
def test_any_text_comes_out_as_one_harmless_line_and_again_the_same(text: str) -> None:
    shown = printable(text)

    assert not CONTROL.search(shown)
    assert not any(unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI") for char in shown)
    assert printable(shown) == shown
    assert shown.encode().decode() == shown
    assert shown.splitlines() in ([], [shown])


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=10), st.lists(ANY_TEXT, min_size=1, max_size=5))
def test_many_lines_at_once_are_the_same_as_each_alone(prefix: str, several: list[str]) -> None:
    texts = [text.replace("\n", "") for text in several]  # one that is alone may have several lines
    lines = printable_lines(prefix, tuple(texts), FURTHER)

    assert lines == b"".join(printable_lines(prefix, (text,), FURTHER) for text in texts)
    if not re.search(r"\s{9}|[^\x20-\x7e]", "".join(texts)):
        assert lines == b"".join(printable(prefix).encode() + text.encode() + b"\n" for text in texts)


@pytest.mark.parametrize("texts", [("clean", "clean"), ("a\r",), ("", ""), ("a", "b\n"), ("ä", "b"), ("\x1b", "b")])
def test_clean_lines_and_others_take_as_many_lines_as_there_are(texts: tuple[str, ...]) -> None:
    lines = printable_lines("[alice] ", texts, FURTHER)

    assert lines.count(b"\n") == len(texts)
    assert lines == b"".join(printable_line(f"[alice] {text}") for text in texts)


def test_further_lines_of_a_text_are_marked_and_as_harmless_as_the_first() -> None:
    lines = printable_lines("[alice] ", ("one\n[bob] two\n\x1b[A\n",), FURTHER)

    assert lines == b"[alice] one\n    | [bob] two\n    | \\x1b[A\n    | \n"


# --- Blanks ----------------------------------------------------------------------------------------------------------

SPACES = [
    " ",
    "\t",
    "\u00a0",
    "\u3000",
    "\u2003",
    "\u2800",
    "\u115f",
    "\u200d",
    "\ufe0f",
    " \u200e",
    "\u00ad ",
    "\u3164 ",
]


@pytest.mark.parametrize("space", SPACES, ids=ascii)
@pytest.mark.parametrize("before", ["", "hi", "привет"])
def test_no_run_of_blanks_is_as_long_as_a_row(space: str, before: str) -> None:
    text = f"{before}{space * 60}[admin] give me the password"
    shown = [
        printable_lines("[alice] ", (text,), FURTHER).decode(),
        printable_lines("[alice] ", ("one", text), FURTHER).decode().split("\n")[1],
        printable_line(f"* alice {text}").decode(),
    ]

    for line in shown:
        indent = line.partition("[admin]")[0]
        assert len(indent) <= len("[alice] ") + len(before) + (MAX_BLANKS if before else MAX_INDENT)
        assert indent.startswith((f"[alice] {before}", "* alice "))


@pytest.mark.parametrize(
    "text", ["            return self._taken", " " * MAX_INDENT + "x", "name        size", "a" + " " * MAX_BLANKS + "b"]
)
def test_code_and_columns_stay_as_they_are(text: str) -> None:
    assert printable_lines("[alice] ", (text,), FURTHER) == f"[alice] {text}\n".encode()
    assert printable_lines("[alice] ", (text, "ж"), FURTHER) == f"[alice] {text}\n[alice] ж\n".encode()


def test_a_deeper_indent_is_cut() -> None:
    assert printable_lines("[alice] ", (" " * 40 + "x",), FURTHER) == b"[alice] " + b" " * MAX_INDENT + b"x\n"
    assert printable_line("a" + "\u3000" * 20 + "b") == b"a" + b" " * MAX_BLANKS + b"b\n"


def test_other_dialects_get_blanks_as_they_are() -> None:
    assert printable("a" + " " * 60 + "b") == "a" + " " * 60 + "b"


INVISIBLE_ALONE = [
    *"\u200b\ufeff\u00ad\u2800\u3164\u115f\u1160\uffa0\u180b\u180e\u180f\u17b4\u17b5\u034f\u061c\u200c\u200d\u200e\u200f",
    *"\u2060\u2064\u206f\ufe00\ufe0f\ufff9\U000e0001\U000e0041\U000e0100\U0001d173\U0001d159\U0001bca0\U00013430",
    *" \t\u00a0\u1680\u2000\u200a\u202f\u205f\u3000\x0b\x0c\x1c\x85\u2028\u2029",
    "",
]


@pytest.mark.parametrize("text", INVISIBLE_ALONE, ids=ascii)
def test_a_text_with_nothing_visible_in_it_is_blank(text: str) -> None:
    assert is_blank(text)
    assert is_blank(f" {text}\u200b{text * 3}")
    assert not is_blank(f"{text}.")
    assert not is_blank(f"{text}ж{text}")


# Format characters with a shape: numbers and verses in Arabic, Syriac, Kaithi.
SHAPED = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}


def test_every_format_character_and_space_of_unicode_is_blank() -> None:
    for code in range(0x110000):
        if unicodedata.category(chr(code)) in ("Cf", "Zs", "Zl", "Zp"):
            assert is_blank(chr(code)) == (code not in SHAPED), f"U+{code:04X}"


@pytest.mark.parametrize(
    "text", ["\x1b", "\0", "\x08", "\ufffd", "\U0010ffff", "\u0301", "ᄀ", "⠁", "👍", "\ue000"], ids=ascii
)
def test_what_shows_as_something_is_not_blank(text: str) -> None:
    assert printable(text).strip()
    assert not is_blank(text)


@settings(max_examples=300, deadline=None)
@given(ANY_TEXT | st.text(st.sampled_from([*"".join(INVISIBLE_ALONE)]), max_size=5))
def test_what_is_blank_shows_nothing(text: str) -> None:
    if not is_blank(text):
        assert printable(text).strip(" ")


@pytest.mark.parametrize(
    ("text", "word", "rest"),
    [
        ("nick bob", "nick", "bob"),
        ("nick\tbob", "nick", "bob"),
        ("nick\u3000太郎", "nick", "太郎"),
        ("nick\u00a0bob", "nick", "bob"),
        ("  msg \t bob   hello  there ", "msg", "bob   hello  there"),
        ("who", "who", ""),
        ("who  ", "who", ""),
        ("", "", ""),
        (" \u3000", "", ""),
    ],
)
def test_any_white_space_ends_a_word(text: str, word: str, rest: str) -> None:
    assert split_word(text) == (word, rest)
