"""The state of one connected user."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gchat.chat.room import Room


class Session:
    """One connected user: who they are, and where. Only the registry changes it."""

    __slots__ = ("address", "correspondent", "has_nick", "id", "keys", "messages", "name", "room")

    def __init__(self, id_: int, address: str, room: Room) -> None:
        self.id = id_
        self.address = address  # host:port, as text; the name of who has no nick
        self.name = address
        self.has_nick = False
        self.keys: frozenset[str] = frozenset((address,))  # see text.name_keys
        self.room = room
        self.correspondent = 0  # the id of the session that told us something last: whom /reply answers
        self.messages = 0
