"""The rooms of a user side by side, and the private conversations: which of them is on the screen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gchat.client.room_view import PRIVATE, RoomView
from gchat.model.hello import ResumePoint
from gchat.model.lookalikes import folded

#: Private conversations beside the one on the screen; more, and one is dropped that has the fewest unread messages.
MAX_PRIVATE = 50


class RoomBar:
    """Rooms in the order in which the user has entered them, and private conversations. One of them is shown.

    `places` are up to where each room was on the screen, for the rooms that the user was in earlier.
    """

    def __init__(self, places: Mapping[str, ResumePoint]) -> None:
        self._known = {room: RoomView(room, place) for room, place in places.items()}
        self._nowhere = RoomView("")  # what a user has who is in no room
        self.listed: list[RoomView] = []
        self._shown = [self._nowhere]  # what was shown, the latest last

    @property
    def shown(self) -> RoomView:
        """What is on the screen; without a name if the user is in no room."""
        return self._shown[-1]

    @property
    def places(self) -> dict[str, ResumePoint]:
        """Up to where each room was on the screen."""
        return {view.name: view.place for view in self._known.values() if view.place}

    @property
    def title(self) -> str:
        """The name of what is shown, behind how many messages are for the user, or a star if others are unread."""
        mentions = sum(view.mentions for view in self.listed)
        mark = f"({mentions}) " if mentions else "* " if any(view.unread for view in self.listed) else ""
        return f"{mark}{self.shown.name} - gchat" if self.shown.name else f"{mark}gchat"

    def room(self, name: str) -> RoomView | None:
        """Return the room of this name, as a user may write it, if the user is in it."""
        return self._listed_as(name.removeprefix("#").lower())

    def opened(self, room: str) -> RoomView:
        """Return a room that the user is in, from now on if need be."""
        return self._listed_as(room) or self._added(self._known.setdefault(room, RoomView(room)))

    def private(self, nick: str) -> RoomView:
        """Return the conversation with one user, which begins if need be; its name is the nick as written last."""
        name = PRIVATE + nick
        found = [view for view in self.listed if view.partner and folded(view.name) == folded(name)]
        view = found[0] if found else self._added(RoomView(name))
        view.name = name
        others = [other for other in self.listed if other.partner and other is not view and other is not self.shown]
        if len(others) >= MAX_PRIVATE:
            self.close(min(others, key=lambda other: other.unread))
        return view

    def renamed(self, nick: str, new: str) -> None:
        """Go on with a user under another nick."""
        view = self._listed_as(PRIVATE + nick)
        if view and not self._listed_as(PRIVATE + new):
            view.name = PRIVATE + new

    def show(self, view: RoomView) -> None:
        """Have this on the screen."""
        self._shown = [*(other for other in self._shown if other is not view), view]

    def close(self, view: RoomView) -> None:
        """List a room no more; if it is shown, what was shown before it is from now on."""
        self.listed.remove(view)
        self._shown = [other for other in self._shown if other is not view]
        if not self.shown.name and self.listed:
            self.show(self.listed[0])

    def others_than(self, rooms: Iterable[str]) -> list[RoomView]:
        """Return the rooms that are listed beside these, without the private conversations."""
        known = set(rooms)
        return [view for view in self.listed if not view.partner and view.name not in known]

    def arrange(self, rooms: list[str]) -> None:
        """Have the rooms in this order, and behind them all else."""
        self.listed.sort(key=lambda view: rooms.index(view.name) if view.name in rooms else len(rooms))

    def at(self, number: int) -> RoomView | None:
        """Return the one with this number, from 1."""
        return self.listed[number - 1] if 0 < number <= len(self.listed) else None

    def beside(self, step: int) -> RoomView | None:
        """Return the one so many steps to the right of what is shown, in a circle."""
        if self.shown not in self.listed:
            return self.at(1)
        return self.listed[(self.listed.index(self.shown) + step) % len(self.listed)]

    def _listed_as(self, name: str) -> RoomView | None:
        return next((view for view in self.listed if view.name == name), None)

    def _added(self, view: RoomView) -> RoomView:
        self.listed.append(view)
        return view
