"""A file that keeps a program's place, so that it goes on there when it is started again."""

from __future__ import annotations

import msgspec

from gchat.client.files import atomic_file
from gchat.model.hello import ResumePoint


class PlaceFile:
    """The file at `path`, which need not be there."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._kept: ResumePoint | None = None

    def load(self) -> ResumePoint | None:
        """Return the place in the file; None if there is no file, or no place in it. Raises OSError."""
        try:
            with open(self._path, "rb") as file:
                self._kept = msgspec.json.decode(file.read(1000), type=ResumePoint)
        except (FileNotFoundError, msgspec.MsgspecError, ValueError):
            return None
        return self._kept

    def store(self, place: ResumePoint | None) -> None:
        """Keep `place`. Raises OSError: without it the program would do things again."""
        if place and place != self._kept:
            atomic_file.replace(self._path, msgspec.json.encode(place))
            self._kept = place
