"""Text: what may be shown on a user's terminal. Knows nothing of rooms and users.

`printable` is the one function that decides what may go out. Every dialect, the conversation on stdout and the log
send nothing that has not been through it (docs/threats.md, T5, T7, T8, T10).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_CLEAN_ASCII = bytes(range(0x20, 0x7F))


def _unsafe() -> dict[int, str]:
    """Return the characters that never go out as they are, each with its replacement, which may be empty.

    ZWJ, ZWNJ, LRM, RLM and variation selectors are not included: emoji, Persian and Hebrew need them. Nor are
    characters that change the letter before them (_STRAY).
    """
    table = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}  # C0, DEL, C1
    table[0x00] = "␀"
    table[0x09] = "    "
    table |= {0x2028: "\\u2028", 0x2029: "\\u2029"}  # line and paragraph separator
    noncharacters = [
        *range(0xFDD0, 0xFDF0),
        *(plane + low for plane in range(0, 0x110000, 0x10000) for low in (0xFFFE, 0xFFFF)),
    ]
    table |= dict.fromkeys(noncharacters, "\ufffd")
    table[0x2800] = " "  # the blank Braille pattern
    invisible = [0xAD, 0x34F, 0x61C, 0x200B, 0xFEFF]  # soft hyphen, grapheme joiner, ALM, ZWSP, BOM
    invisible += [*range(0x202A, 0x202F), *range(0x2060, 0x2070)]  # bidi embeddings, overrides, isolates; operators
    invisible += [*range(0xFFF0, 0xFFFC)]  # interlinear marks
    invisible += [0x115F, 0x1160, 0x3164, 0xFFA0]  # Hangul fillers
    invisible += [*range(0x13430, 0x13441), *range(0x1BCA0, 0x1BCA4)]  # format controls of hieroglyphs and shorthand
    invisible += [0x1D159, *range(0x1D173, 0x1D17B)]  # format controls of music
    return table | dict.fromkeys(invisible, "")


def _ranges(codes: Iterable[int]) -> str:
    r"""Return these characters as ranges of a regular expression's class: one by one they cost 9 us a character."""
    found: list[list[int]] = []
    for code in sorted(codes):
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in found)


# Those that are thousands are not in the table, because that stays in memory: tags, and the rest of plane 14's
# invisibles, are dropped; a surrogate becomes U+FFFD.
_TAGS, _SURROGATES = [*range(0xE0000, 0xE0100), *range(0xE01F0, 0xE1000)], range(0xD800, 0xE000)
_TAG, _SURROGATE = (re.compile(f"[{_ranges(codes)}]") for codes in (_TAGS, _SURROGATES))
_SHOWN = _unsafe()
_UNSAFE = re.compile(f"[{_ranges((*_SHOWN, *_TAGS, *_SURROGATES))}]")
# Those of them that str.isprintable, which is fast, accepts.
_UNSAFE_LETTER = re.compile(f"[{_ranges(code for code in _SHOWN if chr(code).isprintable())}]")

# Mongolian variation selectors and vowel separator, and Khmer vowels without a shape: they change the letter before
# them; without one they only hide.
_STRAY = re.compile(r"[\u180b-\u180f](?<![\u1820-\u18aa].)|[\u17b4\u17b5](?<![\u1780-\u17b3\u17b6-\u17d3].)")

# Characters that go out, because text needs them, and show nothing by themselves: joiners, direction marks, variation
# selectors, and those that change Mongolian and Khmer letters.
_UNSEEN = [*range(0x200C, 0x2010), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]
_UNSEEN += [*range(0x180B, 0x1810), 0x17B4, 0x17B5]
_SPACES = [code for code in range(0x3001) if chr(code).isspace()]
_BLANKS = _ranges({*_SPACES, *_UNSEEN, *_TAGS, *(code for code, shown in _SHOWN.items() if not shown.strip())})
del _TAGS, _SURROGATES
BLANK = re.compile(f"[{_BLANKS}]")
_VISIBLE = re.compile(f"[^{_BLANKS}]")

#: The most blanks in a row that the plain dialect relays inside a text, and at its start, where code is indented. More
#: would push the rest of it to the next row of a terminal, where it looks like another line.
MAX_BLANKS, MAX_INDENT = 8, 16

_TOO_MANY_SPACES = " " * (MAX_BLANKS + 1)
_BLANK_RUN = re.compile(f"[{_BLANKS}]{{{MAX_BLANKS + 1},}}")

#: The most lines of one text: a screen or four.
MAX_LINES = 100

#: Marks on one base character before the rest is dropped; real orthographies need four at most (docs/threats.md, T8).
MAX_COMBINING_MARKS = 8

# Longer runs of characters that are neither letters, digits, spaces nor ASCII: only these can have too many marks.
_MARK_RUN = re.compile(rf"[^\w\s\x00-\x7f]{{{MAX_COMBINING_MARKS + 1},}}")


def printable(text: str) -> str:
    r"""Return `text` fit to be shown: one line, no control, no invisible formatting, no tower of combining marks.

    Characters that would act on a terminal are shown instead (ESC as ``\x1b``, NUL as ``␀``), invisible ones that
    reorder or hide other text are dropped, and a noncharacter becomes U+FFFD.
    """
    if text.isascii() and text.isprintable():
        return text
    if (_UNSAFE_LETTER if text.isprintable() else _UNSAFE).search(text):
        text = (text if text.isascii() else _TAG.sub("", _SURROGATE.sub("\ufffd", text))).translate(_SHOWN)
    return text if text.isascii() else thinned(_STRAY.sub("", text))


def printable_text(text: str) -> str:
    """Return a text of several lines fit to be shown: each of them printable, with LF between them."""
    return "\n".join(map(printable, text.split("\n"))) if "\n" in text else printable(text)


def as_lines(text: str) -> str:
    """Return `text` with LF between its lines, which CR LF may have been too, and none before or after them."""
    return text.replace("\r\n", "\n").strip("\n")


def thinned(text: str) -> str:
    """Return `text` without the marks that no letter needs, which also make normalizing slow."""
    return _MARK_RUN.sub(_thinned, text)


def is_blank(text: str) -> bool:
    """Return whether nothing in `text` can be seen."""
    return _VISIBLE.search(text) is None


def split_word(text: str) -> tuple[str, str]:
    """Return the first word of `text` and the rest of it, without surrounding white space of any kind."""
    word, *rest = text.split(maxsplit=1) or [""]
    return word, rest[0].rstrip() if rest else ""


def printable_line(text: str) -> bytes:
    """Return `text` as one line to send: printable, without long blanks, UTF-8, ended by LF."""
    return _bounded(printable(text), MAX_BLANKS).encode() + b"\n"


def printable_lines(prefix: str, texts: tuple[str, ...], further: str) -> bytes:
    """Return each of `texts` behind `prefix` as a line to send: printable_line for many, at the cost of one.

    A text that is alone may have several lines: all but the first are behind `further`. Lines may be indented. The loop
    over them is the C code of join and translate, because this is the inside of the fan-out. (`in` is asked of the
    text, because of bytes it is three times as dear.)
    """
    between = "\n" + prefix
    text = f"{prefix}{between.join(texts)}\n"
    if text.isascii() and _TOO_MANY_SPACES not in text:
        encoded = text.encode()
        if encoded.translate(None, _CLEAN_ASCII) == b"\n" * len(texts):
            return encoded
    prefix = printable(prefix)
    lines, behind = (texts, prefix) if len(texts) > 1 else (texts[0].split("\n"), further)
    shown = f"\n{behind}".join([_bounded(printable(line), MAX_INDENT) for line in lines])
    return f"{prefix}{shown}\n".encode()


def _bounded(text: str, indent: int) -> str:
    """Return `text` with at most `indent` blanks at its start, and at most MAX_BLANKS in a row elsewhere."""
    if not (_TOO_MANY_SPACES in text if text.isascii() else _BLANK_RUN.search(text)):
        return text
    return _BLANK_RUN.sub(lambda run: " " * (MAX_BLANKS if run.start() else min(indent, len(run[0]))), text)


def _thinned(match: re.Match[str]) -> str:
    kept = []
    marks = 0
    for char in match[0]:
        category = unicodedata.category(char)
        if category in ("Mn", "Me") or unicodedata.combining(char):
            marks += 1
            if marks > MAX_COMBINING_MARKS:
                continue
        elif category != "Cf":  # a joiner between marks is no base for more of them
            marks = 0
        kept.append(char)
    return "".join(kept)
