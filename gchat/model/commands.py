"""Requests of users, as frozen values. The dialects decide how they are written, chat decides what is allowed."""

from __future__ import annotations

from msgspec import Struct

from gchat.model.errors import Refusal
from gchat.model.hello import ResumePoint


class Asked(Struct, frozen=True, kw_only=True):
    """What every command has: an id chosen by the client, which comes back in the answer."""

    id: str = ""


class Say(Struct, frozen=True, gc=False):
    """Say lines to the room. All lines of one read are one command, which makes them cheap."""

    texts: tuple[str, ...]
    ids: tuple[str, ...] = ()  # of each; empty if none has one


class Act(Asked, frozen=True):
    """Tell the room of an action: /me."""

    text: str


class Tell(Asked, frozen=True):
    """Send a private message."""

    to: str
    text: str


class Reply(Struct, frozen=True):
    """Answer the last private message."""

    text: str


class Nick(Asked, frozen=True):
    """Take a nick."""

    nick: str


class Join(Asked, frozen=True):
    """Move to another room."""

    room: str
    after: ResumePoint | None = None  # the place up to which the user has seen it


class Topic(Asked, frozen=True):
    """Set the room's topic, clear it with an empty text, or ask for it without a text."""

    text: str | None = None


class Who(Asked, frozen=True):
    """Ask for the members of the room."""


class Rooms(Asked, frozen=True):
    """Ask for the list of rooms."""


class History(Asked, frozen=True):
    """Ask for old messages of the room from number `start` on; a negative `start` counts back from the end.

    With `before`, ask for the last ones before `start`; 0 is the end.
    """

    start: int
    limit: int = 0  # 0: as many as one answer holds
    before: bool = False


class Search(Asked, frozen=True):
    """Ask for old messages of the room with all of these words."""

    text: str
    limit: int = 0  # 0: as many as one answer holds


class Ping(Struct, frozen=True):
    """Ask for an answer with the same text."""

    text: str


class Help(Struct, frozen=True):
    """Ask for help on one command, or on all with an empty name."""

    verb: str


class Quit(Struct, frozen=True):
    """Leave."""


class Mistake(Asked, frozen=True):
    """A line that a dialect could not understand: it is among the commands to be answered in order."""

    refusal: Refusal


Command = Say | Act | Tell | Reply | Nick | Join | Topic | Who | Rooms | History | Search | Ping | Help | Quit | Mistake
