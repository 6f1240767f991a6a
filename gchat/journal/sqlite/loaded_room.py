"""What is in memory of one room of the database."""

from __future__ import annotations

from gchat.journal.recent_messages import Tail
from gchat.journal.sqlite.queries import StoredRoom
from gchat.model.events import TopicIs


class LoadedRoom:
    """A room that is loaded: its last messages, and what else is known without asking the database."""

    __slots__ = ("first_seq", "id", "is_stored", "tail", "topic")

    def __init__(self, id_: int, found: StoredRoom | None) -> None:
        self.id = id_
        self.is_stored = found is not None
        self.first_seq = found.first_seq if found else 1
        self.tail = Tail(found.next_seq, found.tail) if found else Tail(1)
        self.topic = TopicIs(found.topic, found.topic_by) if found and found.topic else None
