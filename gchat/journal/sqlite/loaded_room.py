"""The part of a room that is in memory."""

from __future__ import annotations

from gchat.journal.recent_messages import RecentMessages
from gchat.journal.sqlite.queries import StoredRoom
from gchat.model.events import TopicIs


class LoadedRoom:
    """A room that is loaded: its last messages, and what else is known without asking the database."""

    __slots__ = ("first_seq", "id", "is_stored", "recent", "topic")

    def __init__(self, id_: int, found: StoredRoom | None) -> None:
        self.id = id_
        self.is_stored = found is not None
        self.first_seq = found.first_seq if found else 1
        self.recent = RecentMessages(found.next_seq, found.recent) if found else RecentMessages(1)
        self.topic = TopicIs(found.topic, found.topic_by) if found and found.topic else None
