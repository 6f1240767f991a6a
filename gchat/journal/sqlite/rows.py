"""A message as the table has it: a row, made of a record and read as one, with a checksum.

SQLite has no checksum for the file itself; without ours, a bit that a disk has flipped would change what a user said.
"""

from __future__ import annotations

from binascii import crc32
from itertools import pairwise
from typing import Any

from gchat.journal.numbering import SEQ_BITS
from gchat.journal.sqlite.errors import Damaged
from gchat.model.messages import Acted, Message, Record, Said, TopicSet

#: key, time, kind, name, text, lineage, id, sum.
Row = tuple[int, float, int, str, str, str | None, str | None, int]

_Said = tuple[int, float, int, str, str]  # the first five of them

_KINDS: tuple[type[Message], ...] = (Said, Acted, TopicSet)

#: The columns that make a record.
COLUMNS = "messages.key, time, kind, name, messages.text, id, sum"

SEQ_MASK = (1 << SEQ_BITS) - 1

YEAR_2242 = float(2**33)  # not every number is a time that can be shown


def rows_of(room: int, record: Record, lineage: str) -> list[Row]:
    """Return a record as rows, one for each of its messages."""
    message, key, time = record.message, key_of(room, record.seq), float(record.time)
    if isinstance(message, Said) and not message.ids:  # a row each, without a call: a busy room makes thousands
        name = message.name
        middle = f" {time!r} 0  {name}\n"  # as in _sum
        return [
            (at, time, 0, name, text, None, None, crc32(f"{at}{middle}{text}".encode()))
            for at, text in enumerate(message.texts, key)
        ]
    if isinstance(message, Said):
        said = enumerate(zip(message.texts, message.ids, strict=True), key)
        return [_row((at, time, 0, message.name, text), lineage, id_) for at, (text, id_) in said]
    kind = _KINDS.index(type(message))
    return [_row((key, time, kind, message.name, message.text), lineage, message.id)]


def record_of(row: tuple[Any, ...]) -> Record:
    """Return a message that is read as COLUMNS. If it is damaged it is LOST, and its number is doubtful."""
    key, time, kind, name, text, id_, stored = row
    if _sum((key, time, kind, name, text), id_ or "") != stored:
        return Record(key & SEQ_MASK, time if isinstance(time, float) and 0 <= time < YEAR_2242 else 0.0, LOST)
    message: Message
    if kind == 0:
        message = Said(name, (text,), (id_,) if id_ else ())
    else:
        message = (Acted if kind == 1 else TopicSet)(name, text, id_ or "")
    return Record(key & SEQ_MASK, time, message)


def kind_of(stored: object) -> type[Message]:
    """Return the kind of message that a row says it is."""
    return _KINDS[stored] if isinstance(stored, int) and 0 <= stored < len(_KINDS) else Said


def gchat_says(text: str) -> Message:
    """Return a message of the server's own; no user can have that name."""
    return Said("(gchat)", (text,))


LOST = gchat_says("… this message is damaged and cannot be read")


def contiguous(records: list[Record]) -> list[Record]:
    """Return `records`. Raises Damaged if numbers are missing, or out of place."""
    for before, after in pairwise(records):
        if after.seq != before.seq + 1:
            raise Damaged(f"the file is damaged (message {after.seq} comes after {before.seq})")
    return records


def key_of(room: int, seq: int) -> int:
    """Return the key of a room's message."""
    return (room << SEQ_BITS) | seq


def keys_of(room: int, first: int) -> tuple[int, int]:
    """Return the keys of a room's messages from number `first` on: the first, and the last that there can be."""
    return key_of(room, first), key_of(room, SEQ_MASK)


def _row(said: _Said, lineage: str, id_: str) -> Row:
    own = (lineage, id_) if id_ else (None, None)
    return (*said, *own, _sum(said, id_))


def _sum(said: _Said, id_: str) -> int:
    key, time, kind, name, text = said
    return crc32(f"{key} {time!r} {kind} {id_} {name}\n{text}".encode())
