"""What the core asks of the shell, as values. The shell carries them out in exactly their order.

That order is what makes promises cheap: whatever is published before an Enter is the newcomer's as history only,
whatever is delivered between two messages stands between them on the wire.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from gchat.chat.session import Seat
from gchat.model.events import Announced, Answer, Joined, Movement, Ready, Welcome
from gchat.model.hello import ResumePoint
from gchat.model.messages import Message


class CloseReason(StrEnum):
    """Why a connection ended: each has exactly one, logged once and counted."""

    QUIT = "quit"  # /quit, or the old clients' -1
    ENDED = "ended"  # end-of-file
    RESET = "reset"  # the connection broke
    STALLED = "stalled"  # read nothing for stall_timeout_s while something was owed
    FULL = "full"  # max_connections
    TOO_MANY = "too_many"  # connections_per_ip
    FOREIGN = "foreign"  # not chat
    BAD_HELLO = "bad_opening"  # an invalid one
    ENDLESS = "endless"  # no newline
    SHUTDOWN = "shutdown"
    NO_HISTORY = "no_history"  # the room's history cannot be read now
    PROBE = "probe"  # gone before it said a line or was announced: a port scan, a health check
    CRASHED = "crashed"  # our fault
    REPLACED = "replaced"  # its user has come back on another connection
    KICKED = "kicked"  # by the operator
    BANNED = "banned"


#: After these the user may be about to come back: a lost line is no goodbye.
MAY_RESUME = frozenset({CloseReason.ENDED, CloseReason.RESET, CloseReason.STALLED, CloseReason.CRASHED})


class Publish(Struct, frozen=True, gc=False):
    """A message to a room: the journal gives it its number, then everybody there but `session` gets it.

    With ids, `session` gets them acknowledged at that place instead, and what `lineage` has said already is not said.
    """

    room: str
    session: int
    message: Message
    lineage: str = ""


class Arrive(Struct, frozen=True, gc=False):
    """The user of a session is here: it has said a line, opened in the rich dialect, or stayed long enough."""

    session: int


class Presence(Struct, frozen=True, gc=False):
    """Presence to a room of so many `members`: all but `session` are told, soon, perhaps together with others."""

    room: str
    session: int
    presence: Movement
    members: int


class Announce(Struct, frozen=True, gc=False):
    """Something that everybody in a room gets, and that is not kept."""

    room: str
    announced: Announced


class Deliver(Struct, frozen=True, gc=False):
    """Something that one session gets; if it does not read what it gets, `sender` (0: nobody) is told so instead.

    With an `id`, `sender` gets that acknowledged, or refused. A private message has the `seat` of its sender, to whom
    the reader's next reply goes, and perhaps a `receipt` for the sender: both count only once it is really shown.
    """

    session: int
    answer: Answer
    sender: int = 0
    id: str = ""
    seat: Seat | None = None
    receipt: Answer | None = None


class SendRaw(Struct, frozen=True, gc=False):
    """Bytes for the session's terminal program, not for its user: telnet's answers."""

    session: int
    data: bytes


class Enter(Struct, frozen=True, gc=False):
    """From here on the session gets what this room is told, and no other's.

    It gets the greeting first, with the place of the room's log filled in, and the topic, then what it missed `after`,
    or if that is unknown the last `replay` messages, then `ready`.
    """

    session: int
    room: str
    greeting: Welcome | Joined
    replay: int = 0
    after: ResumePoint | None = None
    ready: Ready = Ready("")


class ReadHistory(Struct, frozen=True, gc=False):
    """The session gets up to `limit` old messages of the room, as commands.History says."""

    session: int
    room: str
    start: int
    limit: int
    before: bool = False
    id: str = ""


class Search(Struct, frozen=True, gc=False):
    """The session gets the last messages of the room, `limit` at most, that have all the words of a text."""

    session: int
    room: str
    text: str
    limit: int
    id: str = ""


class DropRoom(Struct, frozen=True, gc=False):
    """The room is gone: what is kept of it may go."""

    room: str


class SavedSession(Struct, frozen=True):
    """The name and room of a user who may come back after a restart of the server."""

    name: str
    has_nick: bool
    room: str


class SaveSession(Struct, frozen=True, gc=False):
    """To be known after a restart: where the user of this lineage is, or that they have left."""

    lineage: str
    who: SavedSession | None


class Close(Struct, frozen=True, gc=False):
    """The session is over: once everything owed to it is sent, or a while has passed, its connection is closed."""

    session: int
    reason: CloseReason


Effect = (
    Publish
    | Arrive
    | Presence
    | Announce
    | Deliver
    | SendRaw
    | Enter
    | ReadHistory
    | Search
    | DropRoom
    | SaveSession
    | Close
)
