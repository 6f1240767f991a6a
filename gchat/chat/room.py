"""The rooms: each with its members and its topic."""

from __future__ import annotations

from gchat.chat.effects import DropRoom, Effect
from gchat.chat.limits import Limits
from gchat.chat.session import Session
from gchat.model.errors import Code, Refusal


class Room:
    """A room stays when its last member leaves, until its place is needed, because its history may be wanted again."""

    __slots__ = ("members", "name", "network", "topic", "topic_by", "topic_wanted")

    def __init__(self, name: str) -> None:
        self.name = name
        self.network = ""  # of the user who opened it
        self.members: dict[int, Session] = {}  # by session id, in the order in which they came
        self.topic = ""
        self.topic_wanted = ""  # what a user has asked to set it to; the log has it a moment later
        self.topic_by = ""

    def is_empty_without(self, user: Session) -> bool:
        """Return whether nobody is here, or nobody but `user`, who is about to leave."""
        return self.members.keys() <= {user.id}


class Rooms(dict[str, Room]):
    """All rooms by name. A room counts against the network of the user who opened it: entered it when it was empty."""

    def __init__(self, lobby: str) -> None:
        super().__init__({lobby: Room(lobby)})
        self._lobby = lobby  # counts against nobody, and always stays

    def open(self, name: str, user: Session, limits: Limits) -> tuple[Room, list[Effect]]:
        """Return the room of this name for `user`, made if need be, and what becomes of others. Raises Refusal."""
        room = self.get(name)
        if room is not None and (room.members or name == self._lobby):
            return room, []
        self._check_network(user, limits.rooms_per_network)
        forgotten: list[Effect] = []
        if room is None:
            forgotten = self._make_place(user, limits.max_rooms)
            room = self[name] = Room(name)
        room.network = user.network.name
        return room, forgotten

    def _check_network(self, user: Session, most: int) -> None:
        """Raise Refusal if users of the same network hold too many rooms open."""
        network = user.network
        if network.is_exempt or not most:
            return
        opened = [room for room in self.values() if room.network == network.name and not room.is_empty_without(user)]
        if len(opened) >= most:
            why = f"Too many rooms from your address: the limit is {most:,}; enter one that exists (/rooms)"
            raise Refusal(Code.TOO_MANY_ROOMS, why)

    def _make_place(self, user: Session, most: int) -> list[Effect]:
        """Drop empty rooms until there is a place for one more. Raises Refusal if all are in use."""
        if len(self) >= most and not self._spare(user):
            raise Refusal(Code.TOO_MANY_ROOMS, f"Too many rooms: there are {most:,} already; /rooms lists them")
        forgotten: list[Effect] = []
        while len(self) >= most and (spare := self._spare(user)):
            del self[spare.name]
            forgotten.append(DropRoom(spare.name))
        return forgotten

    def _spare(self, user: Session) -> Room | None:
        """Return the oldest room that is empty, or will be when `user` has left it; None if there is none."""
        return next((room for room in self.values() if room.name != self._lobby and room.is_empty_without(user)), None)
