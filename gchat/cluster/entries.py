"""What nodes tell the engine, and what its feed tells them, as bytes and as values. Pure.

Items are msgpack arrays that decisions.lua reads; records, and what became of ids, are msgpack arrays that it writes.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from gchat.journal.journal import Outcome, Posting, Whisper
from gchat.journal.numbering import digest_of, ids_of
from gchat.model.events import TopicIs
from gchat.model.messages import Acted, Message, Numbered, Record, Said, TopicSet

#: The field behind an item that says what became of its ids; that of a step; that of a node that is gone; that of a
#: room that has another epoch. No room's name begins like these.
_IDS, _STEP, _GONE, _REBASED = b"\1", b"\2", b"\3", b"\4"

_KINDS: dict[type, str] = {Said: "said", Acted: "acted", TopicSet: "topic"}

#: A record, packed, begins with a byte, two numbers, and its kind; and how long a number is that begins with a byte.
_TOPIC = b"\xa5topic"
_NUMBER_SIZES = {0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xCB: 9}


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
    """One item of the feed: what became of a posting; or a step, a node that is gone, or a room with another epoch.

    Of a posting, `room` is "" for a private message; `last` is the number of the last message, 0 where nothing was new.
    """

    room: str = ""
    last: int = 0
    record: bytes = b""  # packed; empty where nothing was new
    ids: bytes = b""  # packed; empty where there were none
    step: bytes = b""  # as it was put
    gone: str = ""  # the node
    rebased: str = ""  # the room, whose epoch is named after the term now
    term: int = 0  # the run of the engine in which this was decided

    @property
    def sets_topic(self) -> bool:
        """Whether its record is of a topic; without decoding it."""
        if not self.record:
            return False
        at = 1
        for _ in range(2):
            at += _NUMBER_SIZES.get(self.record[at], 1)
        return self.record.startswith(_TOPIC, at)

    def outcome(self) -> Outcome:
        """Return the outcome. Raises msgspec.DecodeError: it is none."""
        record = unpacked(self.record) if self.record else None
        if not self.ids:
            return Outcome(record)
        ids = _decode_ids(self.ids)
        numbers = tuple(Numbered(id_, self.room, seq) if self.room else Numbered(id_) for id_, seq in ids.numbers)
        return Outcome(record, numbers, reused=ids.reused, is_first=ids.is_first)


class Entry(Struct, frozen=True, gc=False):
    """One entry of the feed: a batch of a node, in the order in which all nodes get it.

    `node` is "" where the engine itself found that nodes are gone.
    """

    number: int
    id: bytes
    node: str
    batch: int
    items: tuple[Fed, ...]
    term: int = 0  # the run of the engine in which it was put there


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


def packed_step(data: bytes) -> bytes:
    """Return an item of a batch that every node gets as it is, in its place among the others."""
    return b"\0" + data


def unpacked(data: bytes) -> Record:
    """Return a record. Raises msgspec.DecodeError: it is none."""
    found = _decode_record(data)
    message: Message
    if found.kind == "said":
        message = Said(found.name, found.texts, found.ids)
    else:
        kind = Acted if found.kind == "acted" else TopicSet
        message = kind(found.name, found.texts[0], found.ids[0] if found.ids else "")
    return Record(found.seq, found.ms / 1000, message)


def topic(data: bytes | None) -> TopicIs | None:
    """Return a topic; None if there is none, or it was cleared."""
    if data is None:
        return None
    text, name = _decode_topic(data)
    return TopicIs(text, name)


def entry(id_: bytes, fields: Sequence[bytes]) -> Entry:
    """Return an entry of the feed."""
    number, _, run = id_.partition(b"-")
    term, items = int(run), list[Fed]()
    at, end = 2, len(fields)
    while at < end:
        head, value = fields[at], fields[at + 1]
        at += 2
        if len(head) > 1:  # a room, perhaps none, and a number; any other is one byte
            room, _, last = head.rpartition(b"\0")
            ids = b""
            if at < end and fields[at] == _IDS:
                ids = fields[at + 1]
                at += 2
            items.append(Fed(room.decode(), int(last), value, ids, term=term))
        elif head == _STEP:
            items.append(Fed(step=value))
        elif head == _GONE:
            items.append(Fed(gone=value.decode()))
        else:
            items.append(Fed(rebased=value.decode(), term=term))
    return Entry(int(number), id_, fields[0].decode(), int(fields[1]), tuple(items), term)
