"""Effects: what the core asks of the shell, as values. The shell carries them out in exactly their order.

That order keeps the promises cheaply: what is published before an Enter reaches the newcomer as history only, and
what is delivered between two messages stands between them on the wire.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from gchat.chat.accounts import Account
from gchat.chat.penalties import Penalty
from gchat.chat.room_modes import Modes
from gchat.chat.session import Seat
from gchat.model.commands import Excerpt, Proving
from gchat.model.errors import Refusal
from gchat.model.events import Answer, Closing, Joined, Movement, Ready, Refused, RoomList, RoomNotice, Welcome
from gchat.model.hello import ResumePoint
from gchat.model.messages import Message
from gchat.model.secret import HasSecrets


class CloseReason(StrEnum):
    """Why a connection ended: each has exactly one, logged once and counted."""

    QUIT = "quit"  # /quit, or the old clients' -1
    ENDED = "ended"  # end-of-file
    RESET = "reset"  # the connection broke
    STALLED = "stalled"  # read nothing for stall_timeout_s while something was owed
    FULL = "full"  # max_connections
    TOO_MANY = "too_many"  # connections_per_ip
    PROXY = "proxy"  # a trusted proxy that does not say whose connection it is
    FOREIGN = "foreign"  # not chat
    TLS = "tls"  # its handshake failed, or there was none where it is required
    PASSWORD = "password"  # noqa: S105  # it did not show that of the server
    BAD_HELLO = "bad_hello"  # an invalid one
    ENDLESS = "endless"  # no newline
    SHUTDOWN = "shutdown"
    MOVING = "moving"  # sent elsewhere, before the server stops
    NO_HISTORY = "no_history"  # the room's history cannot be read now
    PROBE = "probe"  # gone before it said a line or was announced: a port scan, a health check
    CRASHED = "crashed"  # a fault of the server
    REPLACED = "replaced"  # its user has come back on another connection
    KICKED = "kicked"  # by an operator of the server
    BANNED = "banned"


#: After these the user may be about to come back, because a lost connection is no goodbye.
MAY_RESUME = frozenset(
    {
        CloseReason.ENDED,
        CloseReason.RESET,
        CloseReason.STALLED,
        CloseReason.CRASHED,
        CloseReason.SHUTDOWN,
        CloseReason.MOVING,
    }
)


class Unheard(Struct, frozen=True, gc=False):
    """The session that says or does something, and those that ignore it and are not told."""

    by: int
    readers: tuple[int, ...]


class Publish(Struct, frozen=True, gc=False):
    """A message to a room: the journal numbers it, then everybody there but its sender, `session`, gets it.

    The sender gets the ids in it acknowledged at that place; what its `lineage` has said already is not said again. A
    message that no user says, as one of the admin endpoint, has no sender.
    """

    room: str
    session: int | None
    message: Message
    lineage: str = ""
    unheard: Unheard | None = None


class Arrive(Struct, frozen=True, gc=False):
    """A user has arrived: said a line, opened in the rich dialect, or stayed long enough."""

    session: int


class Presence(Struct, frozen=True, gc=False):
    """A change of presence in a room that now has `members`: all but `session` are told, soon, perhaps with others.

    What several rooms are told of it, `among` names all of them in each of the effects, which are in that order.
    """

    room: str
    session: int
    presence: Movement
    members: int
    unheard: Unheard | None = None
    among: tuple[str, ...] = ()


class Announce(Struct, frozen=True, gc=False):
    """A notice that everybody in a room but `session` gets at this place, and that is not stored."""

    room: str
    notice: RoomNotice
    session: int | None = None


class Deliver(Struct, frozen=True, gc=False):
    """An answer to one session, or a private message from the session `sender`; about a `room`, if it is about one.

    The sender of a private message is told if its reader does not read. With an `id`, the sender gets that
    acknowledged or refused. `seat` is the sender's, to whom the reader's next reply goes, and `receipt` is for the
    sender: both count only once the message is really shown. One that is `ignored` is not, but its sender sees no
    difference.
    """

    session: int
    answer: Answer
    sender: int | None = None
    id: str = ""
    room: str = ""
    seat: Seat | None = None
    receipt: Answer | None = None
    ignored: bool = False


class HearAgain(Struct, frozen=True, gc=False):
    """The session ignores these others no more, until it is named again in something Unheard."""

    session: int
    others: tuple[int, ...]


class SendRaw(Struct, frozen=True, gc=False):
    """Bytes for the program at the other end, not for its user: telnet's negotiation."""

    session: int
    data: bytes


class Enter(Struct, frozen=True, gc=False):
    """The session reads this room too, from here on.

    It gets the greeting first, with the place of the room's log filled in, then the topic, then the messages `after` a
    place, or if that is unknown the last `replay` messages, then `ready`.
    """

    session: int
    room: str
    greeting: Welcome | Joined
    replay: int = 0
    after: ResumePoint | None = None
    ready: Ready = Ready("")


class Leave(Struct, frozen=True, gc=False):
    """The session reads this room no more; what it is still owed of that goes out, or is one skip."""

    session: int
    room: str


class ReadHistory(Struct, frozen=True, gc=False):
    """The session gets a page of the room's old messages: of this excerpt, `limit` at most."""

    session: int
    room: str
    excerpt: Excerpt
    limit: int
    id: str = ""


class Search(Struct, frozen=True, gc=False):
    """The session gets the last messages of the room, `limit` at most, that contain all words of a text."""

    session: int
    room: str
    text: str
    limit: int
    id: str = ""


class ListRooms(Struct, frozen=True, gc=False):
    """The session gets this list, with the last number of each room filled in."""

    session: int
    rooms: RoomList


class DropRoom(Struct, frozen=True, gc=False):
    """The room no longer exists: drop what is held in memory for it."""

    room: str


class Rebased(Struct, frozen=True, gc=False):
    """The journal has another log for the room, without `lost` messages that were shown, numbers `first` to `last`.

    All who read the room are told at this place, and go on in the new log, whose numbers may be lower. `members` are in
    the room.
    """

    room: str
    lost: int
    first: int
    last: int
    members: int = 0


class SavedSession(Struct, frozen=True):
    """The name and the rooms of a user who may come back after a restart of the server, and why they are away."""

    name: str
    has_nick: bool
    room: str = ""  # the only one, as it was stored while a user was in one
    rooms: tuple[str, ...] = ()  # in the order in which they were entered
    away: str = ""
    account: str = ""  # its name


class SaveSession(Struct, frozen=True, gc=False):
    """Store for the next run where the user of this lineage is, or with None that the user has gone."""

    lineage: str
    who: SavedSession | None


class SaveAccount(Struct, frozen=True, gc=False):
    """Store an account for the next run, or with None that there is none of this name."""

    name: str
    account: Account | None


class CheckSecret(HasSecrets, Struct, frozen=True, gc=False):
    """Find out whether a secret has this hash, if there is one, and what the hash of a new one is, if there is one.

    The verdict goes to `logins.concluded`. Until then no further command of the session is carried out.
    """

    session: int
    asked: Proving
    secret: str = ""
    hash: str = ""
    new: str = ""


class Verdict(HasSecrets, Struct, frozen=True, gc=False):
    """What became of CheckSecret."""

    is_right: bool = False
    hash: str = ""  # of the new secret
    lineage: str = ""  # one that nobody has, for a new account
    refusal: Refusal | None = None  # why nothing was found out


class SaveModes(Struct, frozen=True, gc=False):
    """Store the modes of a room for the next run, or with None that they are the usual ones."""

    room: str
    modes: Modes | None


class SavePenalties(Struct, frozen=True, gc=False):
    """Store all bans, or all mutes, for the next run."""

    kind: Literal["bans", "mutes"]
    penalties: tuple[Penalty, ...]


class SaveOperators(Struct, frozen=True, gc=False):
    """Store for the next run which accounts are operators beside those in the configuration."""

    accounts: tuple[str, ...]


class SaveNote(Struct, frozen=True, gc=False):
    """Store for the next run a note of operators that the core does not read; b"" deletes it."""

    kind: str
    key: str
    value: bytes


class Audited(Struct, frozen=True):
    """What an operator did, on the server as a whole: it is logged, and kept for the audit."""

    time: float  # in seconds since the epoch
    actor: str  # the account of an operator, or the name of a token
    via: Literal["chat", "http"]
    action: str
    target: str
    reason: str = ""
    until: float = 0.0  # 0: for ever, or it does not last
    number: int = 0  # which it has for all processes that share an audit; 0: the next one


class Close(Struct, frozen=True, gc=False):
    """The session is over: its connection is closed once everything owed to it is sent, or a while has passed."""

    session: int
    reason: CloseReason


Effect = (
    Publish
    | Arrive
    | Presence
    | Announce
    | Deliver
    | HearAgain
    | SendRaw
    | Enter
    | Leave
    | ReadHistory
    | Search
    | ListRooms
    | DropRoom
    | Rebased
    | SaveSession
    | SaveModes
    | SavePenalties
    | SaveOperators
    | SaveNote
    | Audited
    | SaveAccount
    | CheckSecret
    | Close
)


def refused(session: int, refusal: Refusal, id_: str = "") -> Effect:
    """Return the effect that tells the user of a session why the request with this id was refused."""
    return Deliver(session, Refused(refusal.code, refusal.message, id_, refusal.retry_after_s))


def closed(session: int, reason: CloseReason, farewell: str = "") -> list[Effect]:
    """Return the effects that close the connection of a session, with a last line if there is one."""
    farewells: list[Effect] = [Deliver(session, Closing(farewell, reason.value))] if farewell else []
    return [*farewells, Close(session, reason)]
