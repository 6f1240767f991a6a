"""What a client of the rich dialect asks, as typed values: one JSON object each. One definition for both sides."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gchat.model.hello import ResumePoint, Seq

#: Visible ASCII, because it is shown to other users and in logs.
Id = Annotated[str, Meta(max_length=64, pattern=r"^[!-~]*\Z", title="at most 64 visible ASCII characters")]


def _request_type(name: str) -> str:
    return name.removesuffix("Request").lower()


class RichRequest(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type", tag=_request_type):
    """A request of a client."""

    id: Id = ""


class SayRequest(RichRequest, frozen=True):
    """Say something in the room. With an id it is acknowledged, and a repetition of the id is not said again."""

    text: str


class ActRequest(RichRequest, frozen=True):
    """The same for an action: /me."""

    text: str


class TellRequest(RichRequest, frozen=True):
    """Send a private message."""

    to: str
    text: str


class NickRequest(RichRequest, frozen=True):
    """Take a nick."""

    nick: str


class JoinRequest(RichRequest, frozen=True):
    """Move to another room."""

    room: str
    after: ResumePoint | None = None


class TopicRequest(RichRequest, frozen=True):
    """Set the room's topic, or clear it with an empty text; without a text, ask for it."""

    text: str | None = None


class WhoRequest(RichRequest, frozen=True):
    """Ask for the members of the room."""


class RoomsRequest(RichRequest, frozen=True):
    """Ask for the list of rooms."""


class HistoryRequest(RichRequest, frozen=True):
    """Ask for a page of old messages: the last ones, those before a number, or those after one."""

    before: Annotated[int, Meta(ge=1)] | None = None
    after: Seq | None = None
    limit: Annotated[int, Meta(ge=1)] = 100


class SearchRequest(RichRequest, frozen=True):
    """Ask for old messages with all of these words: whole words in any case; `depl*` matches words that begin so."""

    text: str
    limit: Annotated[int, Meta(ge=1)] = 20


class PingRequest(RichRequest, frozen=True):
    """Ask for a pong."""


class QuitRequest(RichRequest, frozen=True):
    """Leave for good: the other users are told at once."""


AnyRequest = (
    SayRequest
    | ActRequest
    | TellRequest
    | NickRequest
    | JoinRequest
    | TopicRequest
    | WhoRequest
    | RoomsRequest
    | HistoryRequest
    | SearchRequest
    | PingRequest
    | QuitRequest
)
