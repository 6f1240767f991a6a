"""One room: its members and its topic."""

from __future__ import annotations

from typing import Protocol


class Member(Protocol):
    """A session, as far as the room that it is in knows it."""

    id: int
    name: str

    @property
    def away(self) -> str:
        """See Session.away."""


class Room:
    """A room stays when its last member leaves, until its place is needed, because its history may be wanted again."""

    __slots__ = ("members", "name", "network", "topic", "topic_by", "topic_wanted")

    def __init__(self, name: str) -> None:
        self.name = name
        self.network = ""  # of the user who opened it
        self.members: dict[int, Member] = {}  # by session id, in the order in which they entered
        self.topic = ""
        self.topic_wanted = ""  # what a user has asked to set it to; the log has it a moment later
        self.topic_by = ""
