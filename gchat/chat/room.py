"""One room: its members and its topic."""

from __future__ import annotations

from gchat.chat.session import Session


class Room:
    """A room stays when its last member leaves, until its place is needed, because its history may be wanted again."""

    __slots__ = ("members", "name", "topic", "topic_by", "topic_wanted")

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[int, Session] = {}  # by session id, in the order in which they came
        self.topic = ""
        self.topic_wanted = ""  # what a user has asked to set it to; the log has it a moment later
        self.topic_by = ""
