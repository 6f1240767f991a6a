"""All rooms, and the limits on opening more of them."""

from __future__ import annotations

from collections.abc import Collection

from gchat.chat.effects import DropRoom, Effect
from gchat.chat.kept_modes import KeptModes
from gchat.chat.limits import Limits
from gchat.chat.masks import Cloaks
from gchat.chat.networks import Network
from gchat.chat.room import Room
from gchat.model.errors import Code, Refusal


class RoomTable(dict[str, Room]):
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

    def open(self, name: str, network: Network, limits: Limits, leaving: Collection[Room]) -> tuple[Room, list[Effect]]:
        """Return the room of this name for a user of `network`, and the effects of making it if need be.

        The user is about to leave some rooms, whose places are free then if nobody else is there. Raises Refusal.
        """
        room = self.get(name)
        if room is not None and (room.members or name == self._lobby):
            return room, []
        used = {each for each in self.values() if each.members and not (each in leaving and len(each.members) == 1)}
        self._check_network(network, used, limits.rooms_per_network)
        dropped: list[Effect] = []
        if room is None:
            dropped = self._make_place(used, limits.max_rooms)
            room = self[name] = Room(name)
        room.network = network.name
        return room, dropped

    @staticmethod
    def _check_network(network: Network, used: Collection[Room], most: int | None) -> None:
        """Raise Refusal if users of the same network hold too many rooms open."""
        if network.is_exempt or most is None:
            return
        if sum(room.network == network.name for room in used) >= most:
            why = f"Too many rooms from your address: the limit is {most:,}; enter one that exists (/rooms)"
            raise Refusal(Code.TOO_MANY_ROOMS, why)

    def _make_place(self, used: Collection[Room], most: int) -> list[Effect]:
        """Drop the oldest empty rooms until there is a place for one more. Raises Refusal if all are in use."""
        spare = [room.name for room in self.values() if room.name != self._lobby and room not in used]
        if len(self) >= most and not spare:
            raise Refusal(Code.TOO_MANY_ROOMS, f"Too many rooms: there are {most:,} already; /rooms lists them")
        dropped = spare[: max(0, len(self) + 1 - most)]
        for name in dropped:
            del self[name]
        return [DropRoom(name) for name in dropped]
