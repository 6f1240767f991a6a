"""Search: words are found in any case, with or without accents; `depl*` finds all words that begin like that.

A text is cut into tokens here, and both journals compare these: the one on disk has its index made of them.

- A run of letters and digits is a token.
- In scripts that put no spaces between words, every character is one; so is every Hangul syllable, because particles
  are attached to words there.
- A symbol, an emoji or a punctuation mark is one, so that `c++` does not find every c. Asterisks and quotation marks
  are none: they are what people type around the words of a query.

A word of a query that is several tokens is found where they follow each other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from gchat.journal.parts import TooMuch
from gchat.model.messages import Record, Said
from gchat.model.text import thinned

#: A shorter beginning would be that of too many words to go through (measured, a million messages: 0.3 s).
MIN_BEGINNING = 3

#: Beginnings in one query: the index has no list of the messages of each, and makes it for every search.
MAX_BEGINNINGS = 3

#: Thai to Myanmar, Hangul, Khmer, Tai Le to Balinese, Chinese, Japanese, Yi, Javanese.
_UNSPACED = re.compile(
    "[\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\u2e80-\u2fdf\u3005-\u3007"
    "\u3021-\u3029\u3031-\u3035\u3040-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf"
    "\ua960-\ua9df\uaa60-\uaadf\uac00-\ud7ff\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff]"
)

#: Marks of these combining classes are parts of a letter in the scripts of India. Others are accents and vowel points.
_LETTER_LIKE = (0, 7, 9)

#: Punctuation that keyboards and phones put in place of what is meant.
_SAME = {**dict.fromkeys("‘’ʼ´`", "'"), **dict.fromkeys("‐‑‒–—―−", "-")}

#: What a sentence has around its words; a query has it by habit.
_AROUND = ".,;:!?…()[]{}<>¿¡。、，！？"

_IGNORED = frozenset('*"“”„«»')


def prepared(text: str) -> str:
    """Return the tokens of a text with spaces around them. In a token nothing but letters and digits is ASCII."""
    if text.isascii():  # much faster
        return text.translate(_ASCII)
    return "".join(map(_compared, unicodedata.normalize("NFKC", thinned(text))))


def tokens(text: str) -> list[str]:
    """Return the tokens of a text."""
    return prepared(text).split()


@lru_cache(16384)
def _compared(char: str) -> str:
    """Return a character as it is in a token; with spaces around it if it is a token by itself."""
    category = unicodedata.category(char)
    kind = category[0]
    if kind in "LMN" and _UNSPACED.match(char):
        return f" {char} "
    if kind == "M":
        return char if _is_letter_like(char, category) else ""
    if kind in "PS":
        char = _SAME.get(char, char)
        if char in _IGNORED:
            return " "
        return f" {chr(ord(char) + 0xFEE0) if char.isascii() else char} "  # as a full-width character
    if kind not in "LN" and category != "Co":
        return " "
    base = unicodedata.normalize("NFD", char)[0]
    if base.isascii():
        return base.lower()
    folded = char.casefold()
    return folded if len(folded) == 1 else char.lower()


def _is_letter_like(mark: str, category: str) -> bool:
    is_variation = "\ufe00" <= mark <= "\ufe0f"
    return category != "Me" and not is_variation and unicodedata.combining(mark) in _LETTER_LIKE


_ASCII = {code: _compared(chr(code)) for code in range(128)}


def fts_query(text: str) -> str:
    """Return an FTS5 query for messages with all of these words; "" if there is none. Nothing in it is an operator.

    Raises TooMuch.
    """
    return " ".join(f'"{" ".join(phrase)}"' + "*" * is_open for phrase, is_open in _wanted(text))


def matching(records: Sequence[Record], text: str, is_late: Callable[[], bool]) -> Iterator[Record]:
    """Return the messages that have all of these words, newest first, each as a record of its own.

    Raises TooMuch, when it is late.
    """
    wanted = [f" {' '.join(phrase)}" + ("" if is_open else " ") for phrase, is_open in _wanted(text)]
    for record in reversed(records) if wanted else ():
        for single in record.each(last_first=True):
            if is_late():
                raise TooMuch
            message = single.message
            words = f" {' '.join(tokens(message.texts[0] if isinstance(message, Said) else message.text))} "
            if all(phrase in words for phrase in wanted):
                yield single


def _wanted(text: str) -> list[tuple[tuple[str, ...], bool]]:
    """Return the words of a query, each once, as its tokens, and whether the last of these may go on.

    Raises TooMuch.
    """
    words = [(word, tuple(tokens(word.strip(_AROUND)) or tokens(word))) for word in text.split()]
    wanted = dict.fromkeys(
        (phrase, word.endswith("*") and len(phrase[-1]) >= MIN_BEGINNING) for word, phrase in words if phrase
    )
    if sum(is_open for _, is_open in wanted) > MAX_BEGINNINGS:
        raise TooMuch(f"Too much to search: at most {MAX_BEGINNINGS} words may end in *")
    return list(wanted)
