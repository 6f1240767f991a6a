"""Kept modes: those of every room that are not the usual ones, also while nobody is there and after a restart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from gchat.chat import masks
from gchat.chat.effects import Effect, SaveModes
from gchat.chat.room_modes import USUAL, Modes

#: The most that is kept, in characters of masks and the like, and what remains when the oldest were dropped. A room
#: counts ROOM_SIZE more, and these are about five thousand rooms: to look at them all takes 4 ms.
MAX_SIZE, DROPPED_TO, ROOM_SIZE = 2_000_000, 1_800_000, 400


class KeptModes(dict[str, Modes]):
    """The modes by room; a room that is not here has the usual ones.

    Rooms with modes can be made without end. When there are too many, those that nobody is in are dropped: first those
    of the network that takes most, the longest unchanged of them first. So a flood drives out itself.
    """

    def __init__(self, is_in_use: Callable[[str], bool]) -> None:
        super().__init__()
        self._is_in_use = is_in_use
        self._size = 0

    def __missing__(self, room: str) -> Modes:
        return USUAL

    def restore(self, kept: Mapping[str, Modes]) -> None:
        """Have what the previous run stored, or another node has, and nothing else."""
        self.clear()
        self.update(kept)
        self._size = sum(map(_size, self.values()))

    def keep(self, room: str, modes: Modes) -> list[Effect]:
        """Give a room these modes; return the effects by which they are stored, none if it has them."""
        if self[room] == modes:
            return []
        self._remove(room)
        if modes == USUAL:
            return [SaveModes(room, None)]
        self[room] = modes
        masks.prepare(modes.bans, modes.exceptions, modes.invitations)
        self._size += _size(modes)
        dropped = self._drop(room) if self._size > MAX_SIZE else []
        return [SaveModes(room, modes), *dropped]

    def _drop(self, newest: str) -> list[Effect]:
        """Make room for others; all rooms are looked at, which is why much is dropped at once."""
        sizes: Counter[str] = Counter()
        unused: dict[str, list[str]] = {}  # by network, the longest unchanged first
        for room, modes in self.items():
            sizes[modes.network] += _size(modes)
            if room != newest and not self._is_in_use(room):
                unused.setdefault(modes.network, []).append(room)
        dropped: list[Effect] = []
        for network, _ in sizes.most_common():
            for room in unused.get(network, ()):
                if self._size <= DROPPED_TO:
                    return dropped
                self._remove(room)
                dropped.append(SaveModes(room, None))
        return dropped

    def _remove(self, room: str) -> None:
        if (modes := self.pop(room, None)) is not None:
            self._size -= _size(modes)


def _size(modes: Modes) -> int:
    texts = (modes.key, *modes.bans, *modes.exceptions, *modes.invitations)
    return ROOM_SIZE + 40 * len(modes.ranks) + sum(map(len, texts))
