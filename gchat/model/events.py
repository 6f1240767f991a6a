"""Events: what a room or one user is told, as frozen values. The dialects decide how they look.

Messages, which the journal numbers and keeps; presence and notices, which ride the same stream without a number; and
answers, which one user gets. Names are nicks, or the `host:port` of a user without one. No text in them is trusted:
a dialect makes each fit for its wire.
"""

from __future__ import annotations

from msgspec import Struct

from gchat.model.errors import Code
from gchat.model.messages import Message, Numbered, Record
from gchat.model.modes import Change
from gchat.model.secret import HasSecrets

# --- Presence --------------------------------------------------------------------------------------------------------


class Entered(Struct, frozen=True):
    """A user entered the room, which now has `online` members."""

    name: str
    online: int


class Left(Struct, frozen=True):
    """A user left the room."""

    name: str
    online: int
    reason: str = ""  # in the user's own words, if any were given
    everywhere: bool = False  # whether the user is in no room any more


class Renamed(Struct, frozen=True):
    """A user has a new name."""

    old: str
    new: str


class Away(Struct, frozen=True):
    """A user is away for a reason, or without one is back."""

    name: str
    reason: str


class Crowd(Struct, frozen=True):
    """Many users did the same at once."""

    kind: type[Entered | Left | Renamed | Away]
    count: int
    online: int


Movement = Entered | Left | Renamed | Away | Crowd


# --- Notices to a room: they have a place in the stream, and are not stored ------------------------------------------


class Announced(Struct, frozen=True):
    """An announcement of the operator of the server, or something that the server itself tells."""

    text: str
    is_of_operator: bool = True


class ModeSet(Struct, frozen=True):
    """A user has changed the room's modes or ranks; without a name, users have ranks because of whom they are."""

    room: str
    by: str
    changes: tuple[Change, ...]


class Kicked(Struct, frozen=True):
    """A user was put out of the room, which now has `online` members; that user gets it as an answer."""

    room: str
    name: str
    by: str
    reason: str
    online: int


class LogRenewed(Struct, frozen=True):
    """The room has another log, called `epoch`, whose last number is `seq`.

    Of the old log, `count` messages that were shown are lost, numbers `first` to `last`; they are not in the new one.
    """

    room: str
    count: int
    first: int
    last: int
    online: int = 0
    epoch: str = ""
    seq: int = 0


RoomNotice = Announced | ModeSet | Kicked | LogRenewed


# --- Answers ---------------------------------------------------------------------------------------------------------


class Welcome(HasSecrets, Struct, frozen=True):
    """The greeting; `online` counts the users of the whole server. The rest is for programs."""

    online: int
    motd: str
    room: str
    session: int
    nick: str = ""
    token: str = ""
    limits: tuple[tuple[str, float], ...] = ()
    epoch: str = ""  # of the room's log, and its last number: the pump knows them
    seq: int = 0
    account: str = ""  # the one that the user is logged in to


class Ready(Struct, frozen=True):
    """The user may type: what was owed on entering has been sent, up to number `seq`."""

    prompt: str
    seq: int = 0


class Joined(Struct, frozen=True):
    """The user has entered this room, which is the current one now."""

    room: str
    online: int
    epoch: str = ""
    seq: int = 0
    id: str = ""


class Parted(Struct, frozen=True):
    """The user has left this room."""

    room: str
    id: str = ""


class TopicIs(Struct, frozen=True):
    """The room's topic and the name of the user who set it; both are empty without a topic."""

    text: str
    name: str
    id: str = ""


class Page(Struct, frozen=True):
    """Old messages, oldest first. `next` is the number to ask for to go on, None at the end."""

    records: tuple[Record, ...]
    next: int | None
    time: float  # now, by the wall clock: old messages of another day are shown with their date
    asked: bool  # whether the user asked for it; otherwise an empty page shows nothing
    id: str = ""
    end: bool = True  # whether there are no more in the requested direction


class Found(Struct, frozen=True):
    """The last messages of the room that match a search, oldest first."""

    records: tuple[Record, ...]
    more: bool  # whether there may be older ones
    time: float  # now, by the wall clock
    id: str = ""


class Told(Struct, frozen=True):
    """A private message."""

    name: str
    text: str
    time: float


class Done(Struct, frozen=True):
    """A request was carried out, which the message says in a sentence. Most requests have an answer of their own."""

    message: str
    id: str = ""


class Acknowledged(Struct, frozen=True):
    """The requests with these ids are done."""

    numbers: tuple[Numbered, ...]


class Named(Struct, frozen=True):
    """The user has this new name."""

    name: str
    id: str = ""


class AccountIs(Struct, frozen=True):
    """The account that the user is logged in to from now on; "" if none."""

    name: str


class SecretWanted(Struct, frozen=True):
    """The user's next line is taken for a secret: what it is to be, as a sentence."""

    message: str


class Users(Struct, frozen=True):
    """The members of the room: the first of `total` names, and the reader's own; and why some of these are away."""

    room: str
    names: tuple[str, ...]
    total: int
    you: str
    id: str = ""
    away: tuple[tuple[str, str], ...] = ()  # name, reason, of which the end may be left out


class RoomListed(Struct, frozen=True):
    """A room in a list."""

    name: str
    members: int
    topic: str
    here: bool  # whether the reader is in it
    seq: int = 0  # the number of its last message: the pump knows it


class RoomList(Struct, frozen=True):
    """The rooms that the reader is in, and the largest of all `total`."""

    rooms: tuple[RoomListed, ...]
    total: int
    id: str = ""


class ModesAre(Struct, frozen=True):
    """The modes of a room, as `+lnt 20`, and the members with a rank; the key is only for operators."""

    room: str
    modes: str
    key: str = ""
    operators: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    id: str = ""


class ListIs(Struct, frozen=True):
    """The masks in one of a room's lists, which has this letter: see model.modes."""

    room: str
    letter: str
    masks: tuple[str, ...]
    id: str = ""


class PenaltyListed(Struct, frozen=True):
    """A ban from the server or a mute, and what it is of: nicks, accounts, addresses and networks."""

    id: int
    whom: tuple[str, ...]
    reason: str
    until: float  # 0: for ever
    by: str


class BansAre(Struct, frozen=True):
    """The bans from the server and the mutes, the newest of each; `more` is how many others there are."""

    bans: tuple[PenaltyListed, ...]
    mutes: tuple[PenaltyListed, ...]
    more: int = 0
    id: str = ""


class Invited(Struct, frozen=True):
    """The user may enter a room, because another one wishes it."""

    room: str
    by: str


class Pong(Struct, frozen=True):
    """The answer to a ping."""

    text: str


class HelpText(Struct, frozen=True):
    """Help in the reader's own dialect, on one command if `verb` is not empty."""

    verb: str


class Refused(Struct, frozen=True):
    """A request was not carried out."""

    code: Code
    message: str
    id: str = ""
    retry_after_s: float = 0.0  # 0: it is not a matter of time


class Slowed(Struct, frozen=True):
    """The user sends faster than a limit, and is read more slowly.

    The limit is `bytes_per_s` if there is one, else `messages_per_s`; with `together` it is that of all users from the
    same network.
    """

    messages_per_s: float
    bytes_per_s: float | None = None
    together: bool = False


class Skipped(Struct, frozen=True):
    """The user reads too slowly: these messages, both included, were not sent."""

    first: int
    last: int


class Closing(Struct, frozen=True):
    """The connection is about to be closed: the reason for people, and a code for programs."""

    message: str
    code: str = ""


Answer = (
    Welcome
    | Ready
    | Joined
    | Parted
    | TopicIs
    | Page
    | Found
    | Told
    | Done
    | Acknowledged
    | Named
    | AccountIs
    | SecretWanted
    | Users
    | RoomList
    | ModesAre
    | ListIs
    | BansAre
    | Invited
    | ModeSet
    | Kicked
    | Pong
    | HelpText
    | Refused
    | Slowed
    | Skipped
    | Closing
)

Event = Message | Record | Movement | RoomNotice | Answer
