"""What a search looks for: words, in any case, with or without the accents of Latin; `depl*` is what begins so.

Tokens are what SQLite's `unicode61 remove_diacritics 2` makes: runs of letters and digits. A word of the query that is
several of them, as `foo-bar`, is found where they stand in a row.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from gchat.protocol.events import Record, Said

#: A shorter beginning would be that of too many words to go through (measured, a million messages: 0.3 s).
MIN_BEGINNING = 3

#: The accents of Latin letters. Where one stands by itself it is nothing; any other mark separates, as a space does.
_ACCENT = re.compile("[\u0300-\u0304\u0306-\u030c\u030f\u0311\u031b\u0323-\u0328\u032d\u032e\u0330\u0331]")

#: Where FTS5 would take the query for ended, and what is no Unicode; neither is a letter.
_UNQUOTABLE = re.compile("[\0\ud800-\udfff]")


def tokens(text: str) -> list[str]:
    """Return the words of a text, as they are compared."""
    if text.isascii():  # much faster, and the memory journal looks at all that it has
        return text.translate(_ASCII).split()
    return "".join(map(_compared, text)).split()


@lru_cache(4096)
def _compared(char: str) -> str:
    """Return what a character is in a token; a space if it is in none."""
    if _ACCENT.match(char):
        return ""
    if unicodedata.category(char)[0] not in "LN" and unicodedata.category(char) != "Co":
        return " "
    base = unicodedata.normalize("NFD", char)[0]
    if base.isascii():
        return base.lower()
    folded = char.casefold()
    return folded if len(folded) == 1 else char.lower()  # FTS5 folds each by itself: ß stays what it is


_ASCII = {code: _compared(chr(code)) for code in range(128)}


def fts_query(text: str) -> str:
    """Return an FTS5 query for messages with all of these words; "" if there is none. Nothing in it is an operator."""
    found = []
    for word in text.split():
        if phrase := tokens(word):
            quoted = _UNQUOTABLE.sub(" ", word).rstrip("*").replace('"', '""')
            found.append(f'"{quoted}"' + ("*" if _is_open(word, phrase) else ""))
    return " ".join(found)


def matching(records: Sequence[Record], text: str, limit: int) -> list[Record]:
    """Return the last `limit` messages that have all of these words, oldest first, each as a record of its own."""
    wanted = [
        f" {' '.join(phrase)}" + ("" if _is_open(word, phrase) else " ")
        for word in text.split()
        if (phrase := tokens(word))
    ]
    found: list[Record] = []
    if not wanted:
        return found
    for record in reversed(records):
        texts = record.message.texts if isinstance(record.message, Said) else (record.message.text,)
        for at in reversed(range(len(texts))):
            words = f" {' '.join(tokens(texts[at]))} "
            if all(phrase in words for phrase in wanted):
                found.append(_single(record, at))
                if len(found) == limit:
                    return found[::-1]
    return found[::-1]


def _is_open(word: str, phrase: list[str]) -> bool:
    """Return whether a word of a query is the beginning of others too."""
    return word.endswith("*") and len(phrase[-1]) >= MIN_BEGINNING


def _single(record: Record, at: int) -> Record:
    """Return one message of a record as a record of its own."""
    message = record.message
    if not isinstance(message, Said):
        return record
    id_ = message.ids[at] if message.ids else ""
    return Record(record.seq + at, record.time, Said(message.name, (message.texts[at],), (id_,) if id_ else ()))
