"""A history in an SQLite file, moved into an engine that nobody has used: rooms, messages, topics and notes.

Messages keep their numbers and times. The history is another one all the same: epochs change, so programs that come
back enter anew. Ids that users gave to messages are not moved: nobody repeats a message from before the move.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec
from msgspec import Struct

from gchat.cluster.engine_connection import EngineConnection, Word
from gchat.journal.journal import JournalError
from gchat.journal.sqlite.backup import exported, kept_notes, kept_rooms
from gchat.model.messages import Record, Said, TopicSet

#: Commands of which the answer is waited for together.
_AT_ONCE = 500

#: How long these may take: each is on the disk before it is answered.
_TIMEOUT_S = 30.0

#: The first term of an engine; see decisions.lua.
_TERM = 1

_encode = msgspec.msgpack.encode


class EngineUsed(JournalError):
    """The engine has a history already."""


class Opener(Protocol):
    """Where a connection to the engine comes from."""

    def connect(self, *, is_for_reading: bool) -> EngineConnection:
        """Return a new connection. Waits. Raises EngineLost, EngineRefused."""


class Moved(Struct):
    """How much was moved."""

    rooms: int = 0
    messages: int = 0
    notes: int = 0


def move_history(path: str, engine: Opener, namespace: str) -> Moved:
    """Move the history at `path` into the engine. Waits. Raises JournalError, EngineUsed among them.

    If it is cut short, the engine has a part of it, and is not taken for one that nobody has used.
    """
    connection = engine.connect(is_for_reading=False)
    try:
        prefix = f"{{{namespace}}}"
        for key in ("engine", "rooms", "heads"):
            if connection.call("EXISTS", f"{prefix}:{key}", timeout_s=_TIMEOUT_S):
                raise EngineUsed("it has a history already; empty it, or choose another cluster.namespace")
        moved = Moved()
        _carry_out(connection, _commands(path, prefix, moved))
        return moved
    finally:
        connection.close()


def _commands(path: str, prefix: str, moved: Moved) -> Iterator[tuple[Word, ...]]:
    for kind, key, value in kept_notes(path):
        moved.notes += 1
        yield "HSET", f"{prefix}:notes:{kind}", key, value
    for number, room in enumerate(kept_rooms(path)):
        last = 0
        for record in exported(path, room.name):
            last = record.seq
            moved.messages += 1
            yield "XADD", f"{prefix}:room:{room.name}", f"{record.seq}-{_TERM}", "r", packed_record(record)
        if not last:  # all of it was deleted: numbers go on, but there is nothing to number them by
            continue
        moved.rooms += 1
        yield "HSET", f"{prefix}:heads", room.name, last
        yield "ZADD", f"{prefix}:rooms", number, room.name
        if room.topic:
            yield "HSET", f"{prefix}:topics", room.name, _encode((room.topic, room.topic_by))


def packed_record(record: Record) -> bytes:
    """Return a record of a single message as decisions.lua writes one."""
    message = record.message
    kind = "said" if isinstance(message, Said) else "topic" if isinstance(message, TopicSet) else "acted"
    texts = message.texts if isinstance(message, Said) else (message.text,)
    return _encode((record.seq, int(record.time * 1000), kind, message.name, texts, ()))


def _carry_out(connection: EngineConnection, commands: Iterator[tuple[Word, ...]]) -> None:
    """Have commands carried out, many at a time. Raises JournalError."""
    asked = []
    for command in commands:
        asked.append(connection.ask(*command, timeout_s=_TIMEOUT_S))
        if len(asked) == _AT_ONCE:
            for answer in asked:
                answer.get()
            asked.clear()
    for answer in asked:
        answer.get()
