"""The lines of the rich dialect, as typed values: one JSON object each. One definition for the server and its clients.

Rules, for both sides:
1. An unknown field is ignored; a field with its default value may be left out.
2. An unknown type is refused by the server and ignored by a client: `event` returns None for it.
3. `seq` is per room and rises by one; `id` is chosen by the client, and comes back in the answer.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct, json

from gchat.model.expectation import explained
from gchat.model.hello import Hello, ResumePoint, Seq
from gchat.model.secret import HasToken

#: How a client's first line begins: in any version, and in this one. A JSON object may follow: an Opening.
ANY_OPENING, OPENING = b"GCHAT/", b"GCHAT/1"

#: Visible ASCII, because it is shown to other users and in logs.
Id = Annotated[str, Meta(max_length=64, pattern=r"^[!-~]*\Z", title="at most 64 visible ASCII characters")]


# --- From the client -------------------------------------------------------------------------------------------------


class Request(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type", tag=str.lower):
    """A request of a client."""

    id: Id = ""


class Say(Request, frozen=True):
    """Say something in the room. With an id it is acknowledged, and a repetition of the id is not said again."""

    text: str


class Act(Request, frozen=True):
    """The same for an action: /me."""

    text: str


class Tell(Request, frozen=True):
    """Send a private message."""

    to: str
    text: str


class Nick(Request, frozen=True):
    """Take a nick."""

    nick: str


class Join(Request, frozen=True):
    """Move to another room."""

    room: str
    after: ResumePoint | None = None


class Topic(Request, frozen=True):
    """Set the room's topic, or clear it with an empty text; without a text, ask for it."""

    text: str | None = None


class Who(Request, frozen=True):
    """Ask for the members of the room."""


class Rooms(Request, frozen=True):
    """Ask for the list of rooms."""


class History(Request, frozen=True):
    """Ask for a page of old messages: the last ones, those before a number, or those after one."""

    before: Annotated[int, Meta(ge=1)] | None = None
    after: Seq | None = None
    limit: Annotated[int, Meta(ge=1)] = 100


class Search(Request, frozen=True):
    """Ask for old messages with all of these words: whole words in any case; `depl*` matches words that begin so."""

    text: str
    limit: Annotated[int, Meta(ge=1)] = 20


class Ping(Request, frozen=True):
    """Ask for a pong."""


class Quit(Request, frozen=True):
    """Leave for good: the other users are told at once."""


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
    """Something that the server tells a client."""


class Welcome(HasToken, Event, frozen=True):
    """The answer to the opening."""

    server: str
    session: str
    token: str
    nick: str  # or the address, of a user without a nick
    room: str
    epoch: str
    seq: Seq  # the last number in the room
    online: int  # on the whole server
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
    """Everything missed has been sent: what follows is new."""

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
    """An action: /me."""


class TopicSet(Event, frozen=True, tag="topic"):
    """With a seq: the topic was set, or cleared if the text is empty. Without one: what the topic is."""

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
    """A user entered the room; of many at once there is only the count."""


class Left(_Passage, frozen=True):
    """A user left the room; of many at once there is only the count."""


class Renamed(Event, frozen=True):
    """A user in the room has the new name `nick`."""

    room: str
    who: str = ""
    nick: str = ""
    count: int = 1


class Announced(Event, frozen=True):
    """An announcement of the operator to the whole room."""

    room: str
    text: str


class Named(Event, frozen=True):
    """You have the new name `nick`."""

    nick: str
    id: str = ""


class Ack(Event, frozen=True):
    """The request with this id is done: a message is stored, and has this number in the room.

    A private message has been sent to its reader; if that connection breaks now, it may be lost.
    """

    id: str
    room: str = ""
    seq: Seq = 0


class Refused(Event, frozen=True):
    """A request was refused. `code` is for programs, `message` for people."""

    code: str
    message: str
    id: str = ""


class Slowed(Event, frozen=True):
    """You send faster than this, so your lines are delayed; none is lost."""

    messages_per_s: float


class Gap(Event, frozen=True):
    """The messages with these numbers, both included, were skipped because you read too slowly, or are not stored."""

    room: str
    range_from: Seq
    range_to: Seq


class Users(Event, frozen=True):
    """The members of the room: the first of `total`."""

    room: str
    users: tuple[str, ...]
    total: int
    you: str
    id: str = ""


class RoomInfo(Struct, frozen=True, omit_defaults=True):
    """One room in the list."""

    name: str
    members: int
    topic: str = ""


class RoomList(Event, frozen=True, tag="rooms"):
    """The largest rooms of `total`."""

    rooms: tuple[RoomInfo, ...]
    total: int
    id: str = ""


class Page(Event, frozen=True):
    """Old messages, oldest first. `end`: there are no more in the requested direction."""

    room: str
    events: tuple[Said | Acted | TopicSet, ...]
    end: bool
    id: str = ""


class Found(Page, frozen=True):
    """The last messages that match a search."""


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
_opening_decoder = json.Decoder(Hello)
_request_decoder: json.Decoder[AnyRequest] = json.Decoder(AnyRequest)
_event_decoder: json.Decoder[AnyEvent] = json.Decoder(AnyEvent)

#: The types of all events that this version knows.
EVENT_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in AnyEvent.__args__)


def lines(values: list[Any]) -> bytes:
    """Return requests or events, each as a line."""
    return _encoder.encode_lines(values)


def opening_line(opening: Hello) -> bytes:
    """Return a client's first line."""
    return OPENING + b" " + lines([opening])


def opening(text: bytes) -> Hello:
    """Return the opening in a client's first line, which begins with OPENING. Raises ValueError."""
    return _decoded(_opening_decoder, text.removeprefix(OPENING).strip() or b"{}")


def request(text: bytes) -> AnyRequest:
    """Return the request in a line from a client. Raises ValueError."""
    return _decoded(_request_decoder, text)


class _Any(Struct):
    type: str = ""
    id: Id = ""


_any_decoder = json.Decoder(_Any)


def _decoded(decoder: json.Decoder[_T], text: bytes) -> _T:
    """Return the value of `text`. Raises ValueError, in plain words."""
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(explained(error, decoder.type, text)) from None


def request_id(text: bytes) -> str:
    """Return the id in a line that is not a valid request, for the refusal."""
    try:
        return _decoded(_any_decoder, text).id
    except ValueError:
        return ""


def event(text: bytes) -> AnyEvent | None:
    """Return the event in a line from the server, None for an unknown type. Raises ValueError."""
    try:
        return _decoded(_event_decoder, text)
    except ValueError:
        if _decoded(_any_decoder, text).type not in EVENT_TYPES:
            return None
        raise
