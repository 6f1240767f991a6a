"""What nodes tell the engine, and what its feed tells them, as bytes and as values. Pure.

Items are msgpack arrays that decisions.lua reads; records, and what became of ids, are msgpack arrays that it writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from gchat.journal.journal import Outcome, Posting, Whisper
from gchat.journal.numbering import digest_of, ids_of
from gchat.model.events import TopicIs
from gchat.model.messages import Acted, Message, Numbered, Record, Said, TopicSet

#: The field behind an item that says what became of its ids.
_IDS = b"\1"

_KINDS: dict[type, str] = {Said: "said", Acted: "acted", TopicSet: "topic"}


class _StoredRecord(Struct, array_like=True, frozen=True, gc=False):
    """A record as it is in a room's stream; `ids` are of each text, or none has one."""

    seq: int
    ms: int
    kind: str
    name: str
    texts: tuple[str, ...]
    ids: tuple[str, ...]


class _Ids(Struct, array_like=True, frozen=True, gc=False):
    """What became of the ids of an item."""

    numbers: tuple[tuple[str, int], ...]
    reused: tuple[str, ...]
    is_first: bool


class Fed(Struct, frozen=True, gc=False):
    """One item of the feed: what became of a posting.

    `room` is "" for a private message, and `last` the number of the last message, 0 where nothing was new.
    """

    room: str
    last: int
    record: bytes  # packed; empty where nothing was new
    ids: bytes = b""  # packed; empty where there were none

    def outcome(self) -> Outcome:
        """Return the outcome. Raises msgspec.DecodeError: it is none."""
        record = unpacked(self.record) if self.record else None
        if not self.ids:
            return Outcome(record)
        ids = _decode_ids(self.ids)
        numbers = tuple(Numbered(id_, self.room, seq) if self.room else Numbered(id_) for id_, seq in ids.numbers)
        return Outcome(record, numbers, reused=ids.reused, is_first=ids.is_first)


class Entry(Struct, frozen=True, gc=False):
    """One entry of the feed: a batch of a node, in the order in which all nodes get it."""

    number: int
    id: bytes
    node: str
    batch: int
    items: tuple[Fed, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode_record = msgspec.msgpack.Decoder(_StoredRecord).decode
_decode_topic = msgspec.msgpack.Decoder(tuple[str, str]).decode
_decode_ids = msgspec.msgpack.Decoder(_Ids).decode


def packed(posting: Posting | Whisper) -> bytes:
    """Return an item of a batch."""
    if isinstance(posting, Whisper):
        digest = digest_of(Whisper, f"{posting.to} {posting.room}", posting.text)
        return _encode(("whisper", posting.lineage, posting.id, digest))
    message, room = posting.message, posting.room
    texts = message.texts if isinstance(message, Said) else (message.text,)
    ids = ids_of(message)
    digests = [digest_of(type(message), room, text) for text in texts] if ids else ()
    return _encode(("message", room, posting.lineage, _KINDS[type(message)], message.name, texts, ids, digests))


def unpacked(data: bytes) -> Record:
    """Return a record. Raises msgspec.DecodeError: it is none."""
    found = _decode_record(data)
    return Record(found.seq, found.ms / 1000, _message(found))


def _message(found: _StoredRecord) -> Message:
    if found.kind == "said":
        return Said(found.name, found.texts, found.ids)
    kind = Acted if found.kind == "acted" else TopicSet
    return kind(found.name, found.texts[0], found.ids[0] if found.ids else "")


def topic(data: bytes | None) -> TopicIs | None:
    """Return a topic; None if there is none, or it was cleared."""
    if data is None:
        return None
    text, name = _decode_topic(data)
    return TopicIs(text, name)


def entry(id_: bytes, fields: Sequence[bytes]) -> Entry:
    """Return an entry of the feed."""
    return Entry(int(id_.partition(b"-")[0]), id_, fields[0].decode(), int(fields[1]), tuple(_items(fields)))


def _items(fields: Sequence[bytes]) -> Iterator[Fed]:
    at, end = 2, len(fields)
    while at < end:
        room, _, last = fields[at].rpartition(b"\0")
        has_ids = at + 2 < end and fields[at + 2] == _IDS
        yield Fed(room.decode(), int(last), fields[at + 1], fields[at + 3] if has_ids else b"")
        at += 4 if has_ids else 2
