"""What a room tells and what a user is told, as frozen values. How they look is the dialects' matter.

Three kinds: messages, which the journal numbers and keeps; presence, which rides the same stream without a number;
and answers, which one user gets. Names are nicks, or `host:port` of who has none. No text in them is trusted: a
dialect makes each fit for its wire.
"""

from __future__ import annotations

from msgspec import Struct

from gchat.protocol.errors import Code
from gchat.protocol.secret import HasToken

# --- Messages --------------------------------------------------------------------------------------------------------


class Said(Struct, frozen=True, gc=False):
    """Consecutive messages of one user: what one read brought, which is one message most of the time."""

    name: str
    texts: tuple[str, ...]
    ids: tuple[str, ...] = ()  # of each, by who said it; empty if none has one

    @property
    def count(self) -> int:
        """How many numbers they take."""
        return len(self.texts)

    @property
    def size(self) -> int:
        """How much text it is, in characters."""
        return sum(map(len, self.texts))


class Acted(Struct, frozen=True, gc=False):
    """What a user does."""

    name: str
    text: str
    id: str = ""
    count: int = 1

    @property
    def size(self) -> int:
        """How much text it is, in characters."""
        return len(self.text)


class TopicSet(Struct, frozen=True, gc=False):
    """A user gave the room another topic."""

    name: str
    text: str
    id: str = ""
    count: int = 1

    @property
    def size(self) -> int:
        """How much text it is, in characters."""
        return len(self.text)


Message = Said | Acted | TopicSet


class Record(Struct, frozen=True):
    """A message as the journal keeps it: it has the numbers from `seq` to `seq + message.count - 1`."""

    seq: int
    time: float  # seconds since the epoch, of the wall clock
    message: Message


class Numbered(Struct, frozen=True, gc=False):
    """Where the message with an id stands; what is no message has no room, and the number 0."""

    id: str
    room: str = ""
    seq: int = 0


# --- Presence --------------------------------------------------------------------------------------------------------


class Entered(Struct, frozen=True):
    """A user came into the room, which has `online` members now."""

    name: str
    online: int


class Left(Struct, frozen=True):
    """A user is gone from the room."""

    name: str
    online: int


class Renamed(Struct, frozen=True):
    """A user goes by another name."""

    old: str
    new: str


class Crowd(Struct, frozen=True):
    """Many came, or went, or took other names, at once: all those of one kind together."""

    kind: type[Entered | Left | Renamed]
    count: int
    online: int


Presence = Entered | Left | Renamed | Crowd


class Announced(Struct, frozen=True):
    """The operator says something to a whole room: in its place in the stream, and not kept."""

    text: str


# --- Answers ---------------------------------------------------------------------------------------------------------


class Welcome(HasToken, Struct, frozen=True):
    """The greeting; `online` counts the whole server. The rest is for programs."""

    online: int
    motd: str
    room: str
    session: int
    nick: str = ""
    token: str = ""
    limits: tuple[tuple[str, float], ...] = ()
    epoch: str = ""  # of the room's log, and its last number: the pump knows them
    seq: int = 0


class Ready(Struct, frozen=True):
    """The user may type: what was owed on entering has been said, up to number `seq`."""

    prompt: str
    seq: int = 0


class Joined(Struct, frozen=True):
    """You moved to this room."""

    room: str
    online: int
    epoch: str = ""
    seq: int = 0
    id: str = ""


class TopicIs(Struct, frozen=True):
    """The room's topic and who set it; both are empty where there is none."""

    text: str
    name: str
    id: str = ""


class Page(Struct, frozen=True):
    """Old messages, oldest first. `next` is the number to ask for to go on, None at the end."""

    records: tuple[Record, ...]
    next: int | None
    time: float  # now, by the wall clock: old messages of another day are shown with their date
    asked: bool  # whether the user asked for it; who did not is not told that there is nothing
    id: str = ""
    end: bool = True  # whether there are no more in the direction that was asked for


class Found(Struct, frozen=True):
    """The last messages of the room that have the words that were asked for, oldest first."""

    records: tuple[Record, ...]
    more: bool  # whether there may be older ones
    time: float  # now, by the wall clock
    id: str = ""


class Told(Struct, frozen=True):
    """A user says something to you only."""

    name: str
    text: str
    time: float


class Acknowledged(Struct, frozen=True):
    """What you asked with these ids is done."""

    numbers: tuple[Numbered, ...]


class Named(Struct, frozen=True):
    """You go by this name now."""

    name: str
    id: str = ""


class Users(Struct, frozen=True):
    """Who is in the room: the first of `total` names, and your own."""

    room: str
    names: tuple[str, ...]
    total: int
    you: str
    id: str = ""


class RoomList(Struct, frozen=True):
    """The largest rooms of `total`: name, members, topic; and the one that you are in."""

    rooms: tuple[tuple[str, int, str], ...]
    total: int
    here: str
    id: str = ""


class Pong(Struct, frozen=True):
    """The answer to a ping."""

    text: str


class HelpText(Struct, frozen=True):
    """What can be asked, in the words of the reader's own dialect; of one command if `verb` is not empty."""

    verb: str


class Refused(Struct, frozen=True):
    """What you asked for was not done."""

    code: Code
    message: str
    id: str = ""


class Slowed(Struct, frozen=True):
    """You send faster than is allowed, and are read more slowly."""

    messages_per_s: float


class Skipped(Struct, frozen=True):
    """You read too slowly: these messages, both included, were not sent to you."""

    first: int
    last: int


class Closing(Struct, frozen=True):
    """The connection is about to be closed, and why: in words, and for programs."""

    message: str
    code: str = ""


Answer = (
    Welcome
    | Ready
    | Joined
    | TopicIs
    | Page
    | Found
    | Told
    | Acknowledged
    | Named
    | Users
    | RoomList
    | Pong
    | HelpText
    | Refused
    | Slowed
    | Skipped
    | Closing
)

Event = Message | Record | Presence | Announced | Answer
