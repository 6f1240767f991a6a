"""The lines of the rich dialect, as typed values: one JSON object each. One definition for the server and its clients.

Rules, for both sides:
1. A field that is not known is ignored; one that has its default may be left out.
2. A type that is not known is refused by the server, and ignored by a client: `event` returns None for it.
3. `seq` is per room and rises by one; `id` is the client's own, and comes back in the answer.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct, ValidationError, json

from gchat.protocol.secret import HasToken

#: What a client's first line begins with, of any version, and of ours. A JSON object may follow: an Opening.
ANY_OPENING, OPENING = b"GCHAT/", b"GCHAT/1"

#: Visible ASCII: it is shown to others, and stands in logs.
Id = Annotated[str, Meta(max_length=64, pattern=r"^[!-~]*\Z")]
Seq = Annotated[int, Meta(ge=0)]

#: Too short a token could be guessed, and it is worth a nick.
Token = Annotated[str, Meta(min_length=16, max_length=64, pattern=r"^[A-Za-z0-9_-]+\Z")]


class After(Struct, frozen=True):
    """A place in a room's log: everything after it is wanted. Another epoch is another log."""

    epoch: str
    seq: Seq


class Opening(HasToken, Struct, frozen=True, omit_defaults=True):
    """What a client says of itself in its first line."""

    nick: str = ""
    room: str = ""
    token: Token | None = None  # from an earlier welcome: its nick is taken back, and its ghost closed
    after: After | None = None
    replay: Annotated[int, Meta(ge=0, le=1000)] | None = None  # messages to begin with, if not `after` something


# --- From the client -------------------------------------------------------------------------------------------------


class Request(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type", tag=str.lower):
    """Something that a client asks."""

    id: Id = ""


class Say(Request, frozen=True):
    """Say something in the room. With an id it is acknowledged, and the same id again is not said again."""

    text: str


class Act(Request, frozen=True):
    """The same, of what one does: /me."""

    text: str


class Tell(Request, frozen=True):
    """Say something to one user only."""

    to: str
    text: str


class Nick(Request, frozen=True):
    """Take a nick."""

    nick: str


class Join(Request, frozen=True):
    """Go to another room."""

    room: str
    after: After | None = None


class Topic(Request, frozen=True):
    """Set the room's topic; without a text, ask for it."""

    text: str = ""


class Who(Request, frozen=True):
    """Ask who is in the room."""


class Rooms(Request, frozen=True):
    """Ask which rooms there are."""


class History(Request, frozen=True):
    """Ask for a page of old messages: the last ones, those before a number, or those after one."""

    before: Annotated[int, Meta(ge=1)] | None = None
    after: Seq | None = None
    limit: Annotated[int, Meta(ge=1)] = 100


class Search(Request, frozen=True):
    """Ask for old messages that have all these words: whole ones, in any case; `depl*` is what begins so."""

    text: str
    limit: Annotated[int, Meta(ge=1)] = 20


class Ping(Request, frozen=True):
    """Ask for a pong."""


class Quit(Request, frozen=True):
    """Leave for good: the others are told at once."""


AnyRequest = Say | Act | Tell | Nick | Join | Topic | Who | Rooms | History | Search | Ping | Quit


# --- From the server -------------------------------------------------------------------------------------------------


class Event(
    Struct,
    frozen=True,
    omit_defaults=True,
    kw_only=True,
    tag_field="type",
    tag=str.lower,
    rename={"from_": "from", "range_from": "from", "range_to": "to"},
):
    """Something that a client is told."""


class Welcome(HasToken, Event, frozen=True):
    """The answer to the opening."""

    server: str
    session: str
    token: str
    nick: str  # what one is called: the address, if one has no nick
    room: str
    epoch: str
    seq: Seq  # the room's last number
    online: int  # in the whole server
    limits: dict[str, int | float]
    motd: str = ""


class Joined(Event, frozen=True):
    """The answer to join."""

    room: str
    epoch: str
    seq: Seq
    online: int
    id: str = ""


class Live(Event, frozen=True):
    """All that was missed has been told: what comes now is new."""

    room: str
    seq: Seq


class _Message(Event, frozen=True):
    room: str
    seq: Seq
    time: str
    from_: str
    text: str
    id: str = ""


class Said(_Message, frozen=True):
    """A message to the room."""


class Acted(_Message, frozen=True):
    """What somebody does."""


class TopicSet(Event, frozen=True, tag="topic"):
    """The room has another topic; or, without a seq, what the topic is."""

    room: str
    text: str
    from_: str = ""
    seq: Seq = 0
    time: str = ""
    id: str = ""


class Told(Event, frozen=True):
    """A private message."""

    from_: str
    time: str
    text: str


class _Passage(Event, frozen=True):
    room: str
    online: int
    who: str = ""
    count: int = 1


class Entered(_Passage, frozen=True):
    """Somebody came into the room; many at once are only counted."""


class Left(_Passage, frozen=True):
    """Somebody is gone from the room."""


class Renamed(Event, frozen=True):
    """Somebody in the room is called `nick` now."""

    room: str
    who: str = ""
    nick: str = ""
    count: int = 1


class Announced(Event, frozen=True):
    """The operator says something to the whole room."""

    room: str
    text: str


class Named(Event, frozen=True):
    """You are called `nick` now."""

    nick: str
    id: str = ""


class Ack(Event, frozen=True):
    """What you asked with this id is done: a message rests where it is kept, and has got this number in the room.

    A private message has been handed over; if the connection of whom it is for breaks now, it may be lost.
    """

    id: str
    room: str = ""
    seq: Seq = 0


class Refused(Event, frozen=True):
    """What you asked was not done. `code` is for programs, `message` for people."""

    code: str
    message: str
    id: str = ""


class Slowed(Event, frozen=True):
    """You send faster than this, and are read more slowly; nothing is lost."""

    messages_per_s: float


class Gap(Event, frozen=True):
    """These messages, both included, cannot be told or were skipped, for you read too slowly."""

    room: str
    range_from: Seq
    range_to: Seq


class Users(Event, frozen=True):
    """Who is in the room: the first of `total`."""

    room: str
    users: tuple[str, ...]
    total: int
    you: str
    id: str = ""


class RoomInfo(Struct, frozen=True, omit_defaults=True):
    """One room of many."""

    name: str
    members: int
    topic: str = ""


class RoomList(Event, frozen=True, tag="rooms"):
    """The largest rooms of `total`."""

    rooms: tuple[RoomInfo, ...]
    total: int
    id: str = ""


class Page(Event, frozen=True):
    """Old messages, oldest first. `end`: there are none beyond, in the direction that was asked for."""

    room: str
    events: tuple[Said | Acted | TopicSet, ...]
    end: bool
    id: str = ""


class Found(Page, frozen=True):
    """The last messages that have the words that were looked for."""


class Pong(Event, frozen=True):
    """The answer to ping."""

    id: str = ""


class Closing(Event, frozen=True):
    """The connection is about to be closed. `code` is for programs, as "quit", "shutdown", "replaced"."""

    reason: str
    code: str = ""


AnyEvent = (
    Welcome | Joined | Live | Said | Acted | TopicSet | Told | Entered | Left | Renamed | Announced | Named
    | Ack | Refused | Slowed | Gap | Users | RoomList | Page | Found | Pong | Closing
)  # fmt: skip

# --- Lines -----------------------------------------------------------------------------------------------------------

_T = TypeVar("_T")
_encoder = json.Encoder()
_opening_decoder = json.Decoder(Opening)
_request_decoder: json.Decoder[AnyRequest] = json.Decoder(AnyRequest)
_event_decoder: json.Decoder[AnyEvent] = json.Decoder(AnyEvent)

#: How every event is announced that this version knows.
EVENT_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in AnyEvent.__args__)


def lines(values: list[Any]) -> bytes:
    """Return requests or events as a line each."""
    return _encoder.encode_lines(values)


def opening_line(opening: Opening) -> bytes:
    """Return a client's first line."""
    return OPENING + b" " + lines([opening])


def opening(text: bytes) -> Opening:
    """Return what a client's first line says, which begins with OPENING. Raises ValueError."""
    return _decoded(_opening_decoder, text.removeprefix(OPENING).strip() or b"{}")


def request(text: bytes) -> AnyRequest:
    """Return what a line from a client asks. Raises ValueError."""
    return _decoded(_request_decoder, text)


class _Any(Struct):
    type: str = ""
    id: Id = ""


_any_decoder = json.Decoder(_Any)


def _decoded(decoder: json.Decoder[_T], text: bytes) -> _T:
    """Return what `text` says. Raises ValueError; msgspec alone has another error for what is nested too deeply."""
    try:
        return decoder.decode(text)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def request_id(text: bytes) -> str:
    """Return the id of a line that is no request, if it has one all the same: for the refusal."""
    try:
        return _decoded(_any_decoder, text).id
    except ValueError:
        return ""


def event(text: bytes) -> AnyEvent | None:
    """Return what a line from the server tells; None for a type that is not known here. Raises ValueError."""
    try:
        return _decoded(_event_decoder, text)
    except ValidationError:
        if _decoded(_any_decoder, text).type not in EVENT_TYPES:
            return None
        raise
