"""All rooms, and the limits on opening more of them."""

from __future__ import annotations

from gchat.chat.effects import DropRoom, Effect
from gchat.chat.kept_modes import KeptModes
from gchat.chat.limits import Limits
from gchat.chat.masks import Cloaks
from gchat.chat.room import Member, Room
from gchat.model.errors import Code, Refusal


class Rooms(dict[str, Room]):
    """All rooms by name. A room counts against the network of the user who opened it: entered it when it was empty."""

    def __init__(self, lobby: str) -> None:
        super().__init__({lobby: Room(lobby)})
        self._lobby = lobby  # counts against no network, and always stays
        self.modes = KeptModes(lambda name: name in self and bool(self[name].members))
        self.cloaks = Cloaks(b"")

    @property
    def lobby(self) -> str:
        """The room that always stays, and that nobody is an operator of."""
        return self._lobby

    def open(self, name: str, user: Member, limits: Limits) -> tuple[Room, list[Effect]]:
        """Return the room of this name for `user`, made if need be, and the effects of making it. Raises Refusal."""
        room = self.get(name)
        if room is not None and (room.members or name == self._lobby):
            return room, []
        self._check_network(user, limits.rooms_per_network)
        dropped: list[Effect] = []
        if room is None:
            dropped = self._make_place(user, limits.max_rooms)
            room = self[name] = Room(name)
        room.network = user.network.name
        return room, dropped

    def _check_network(self, user: Member, most: int | None) -> None:
        """Raise Refusal if users of the same network hold too many rooms open."""
        network = user.network
        if network.is_exempt or most is None:
            return
        opened = [room for room in self.values() if room.network == network.name and not room.is_empty_without(user)]
        if len(opened) >= most:
            why = f"Too many rooms from your address: the limit is {most:,}; enter one that exists (/rooms)"
            raise Refusal(Code.TOO_MANY_ROOMS, why)

    def _make_place(self, user: Member, most: int) -> list[Effect]:
        """Drop empty rooms until there is a place for one more. Raises Refusal if all are in use."""
        if len(self) >= most and not self._spare(user):
            raise Refusal(Code.TOO_MANY_ROOMS, f"Too many rooms: there are {most:,} already; /rooms lists them")
        dropped: list[Effect] = []
        while len(self) >= most and (spare := self._spare(user)):
            del self[spare.name]
            dropped.append(DropRoom(spare.name))
        return dropped

    def _spare(self, user: Member) -> Room | None:
        """Return the oldest room that is empty, or will be when `user` has left it; None if there is none."""
        return next((room for room in self.values() if room.name != self._lobby and room.is_empty_without(user)), None)
