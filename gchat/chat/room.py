"""One room: its members and their ranks, the users invited to it, its topic."""

from __future__ import annotations

from typing import Protocol


class KnownUser(Protocol):
    """A seat, as far as a room knows it: a user, over all sessions that take each other over."""

    id: int

    @property
    def known_as(self) -> str:
        """The user's name."""


class Member(Protocol):
    """A session, as far as the room that it is in knows it."""

    id: int
    name: str

    @property
    def away(self) -> str:
        """See Session.away."""


class Room:
    """A room stays when its last member leaves, until its place is needed, because its history may be wanted again."""

    __slots__ = ("invited", "members", "name", "network", "ranks", "topic", "topic_by", "topic_wanted")

    def __init__(self, name: str) -> None:
        self.name = name
        self.network = ""  # of the user who opened it
        self.members: dict[int, Member] = {}  # by session id, in the order in which they entered
        self.ranks: dict[KnownUser, str] = {}  # of members: see model.modes
        self.invited: dict[KnownUser, None] = {}  # the longest invited first
        self.topic = ""
        self.topic_wanted = ""  # what a user has asked to set it to; the log has it a moment later
        self.topic_by = ""
