"""A file that keeps how far a user has seen each room of a server, so that next time it is known what is new."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from gchat.client.files import atomic_file
from gchat.model.hello import ResumePoint

#: The rooms that are kept at most; those that the user was in first are dropped.
MAX_ROOMS = 200

_MAX_BYTES = 100_000


class SeenFile:
    """The file at `path`, which need not be there. An error costs only the marks of what is new: the chat goes on."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._kept: dict[str, ResumePoint] = {}

    def load(self) -> dict[str, ResumePoint]:
        """Return the place in each room; of a damaged file none."""
        with suppress(OSError, msgspec.MsgspecError, ValueError), open(self._path, "rb") as file:
            self._kept = msgspec.json.decode(file.read(_MAX_BYTES), type=dict[str, ResumePoint])
        return dict(self._kept)

    def store(self, places: dict[str, ResumePoint]) -> None:
        """Keep these places, and those in other rooms."""
        others = {room: place for room, place in self._kept.items() if room not in places}
        kept = dict([*others.items(), *places.items()][-MAX_ROOMS:])
        if kept == self._kept:
            return
        with suppress(OSError):
            atomic_file.replace(self._path, msgspec.json.encode(kept))
            self._kept = kept
