"""What a user can ask, as frozen values. How it is written on the wire is the dialects' matter, who may is chat's."""

from __future__ import annotations

from msgspec import Struct

from gchat.protocol.errors import Refusal
from gchat.protocol.wire import After


class Asked(Struct, frozen=True, kw_only=True):
    """What every command has: the asker's own id for it, if there is one, which comes back in the answer."""

    id: str = ""


class Say(Struct, frozen=True, gc=False):
    """Say lines to one's room; all the lines of one read together, because that is what makes them cheap."""

    texts: tuple[str, ...]
    ids: tuple[str, ...] = ()  # of each; empty if none has one


class Act(Asked, frozen=True):
    """Tell one's room what one does: /me."""

    text: str


class Tell(Asked, frozen=True):
    """Say something to one user only."""

    to: str
    text: str


class Reply(Struct, frozen=True):
    """Answer the last private message."""

    text: str


class Nick(Asked, frozen=True):
    """Take a nick."""

    nick: str


class Join(Asked, frozen=True):
    """Leave one's room for another."""

    room: str
    after: After | None = None  # what was seen of it before


class Topic(Asked, frozen=True):
    """Set the room's topic, or clear it with an empty text, or without a text ask for it."""

    text: str | None = None


class Who(Asked, frozen=True):
    """Ask who is in one's room."""


class Rooms(Asked, frozen=True):
    """Ask which rooms there are."""


class History(Asked, frozen=True):
    """Ask for old messages of one's room, from number `start` on; below 0, from so many back.

    With `before`, those before `start`, and the last ones of them if they are too many; 0 is the end.
    """

    start: int
    limit: int = 0  # 0: as many as one answer holds
    before: bool = False


class Search(Asked, frozen=True):
    """Ask for old messages of one's room that have all these words."""

    text: str
    limit: int = 0  # 0: as many as one answer holds


class Ping(Struct, frozen=True):
    """Ask for an answer, with the same text."""

    text: str


class Help(Struct, frozen=True):
    """Ask what can be asked; of one command, or of all with an empty name."""

    verb: str


class Quit(Struct, frozen=True):
    """Leave."""


class Mistake(Asked, frozen=True):
    """What a dialect could not understand: it stands among the commands so that it is answered in its place."""

    refusal: Refusal


Command = Say | Act | Tell | Reply | Nick | Join | Topic | Who | Rooms | History | Search | Ping | Help | Quit | Mistake
