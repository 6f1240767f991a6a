"""The resources that change something in rooms: announce, say, reset modes. Their requests have a token that may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from falcon import Request, Response
from msgspec import Meta, Struct

from gchat.admin.backend import Backend
from gchat.admin.documents import StoredDocument, ToldDocument
from gchat.admin.read_resources import MessagesResource, query_of
from gchat.admin.responses import JSON, Problem, indented
from gchat.hooks.bodies import FORM, Posted, media_type, spoken
from gchat.model.expectation import explained

Body = TypeVar("Body", bound=Struct)

#: Besides whitespace, without what the backend does not see either, as far as it is in the first plane.
VISIBLE = (
    r"[^\s\u001c-\u001f\u0085\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\uffa0\ufeff\ufff0-\ufffb]"
)

#: The backend refuses a blank text, in words of its own.
Text = Annotated[
    str,
    Meta(min_length=1, max_length=4000, description="one line, not blank", extra_json_schema={"pattern": VISIBLE}),
]
Lines = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4000,
        description="not blank, in one line or several",
        extra_json_schema={"pattern": VISIBLE},
    ),
]
Name = Annotated[str, Meta(min_length=1, max_length=100)]


#: A message as plain text.
PLAIN = ("text/plain", {"type": "string", "minLength": 1, "maxLength": 4000, "pattern": VISIBLE})


class Announcement(Struct, frozen=True, forbid_unknown_fields=True):
    """An announcement to all members of one room, or of all rooms."""

    text: Text
    room: Annotated[str, Meta(max_length=100, description="empty: all rooms")] = ""


class Saying(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A message for a room; its sender is shown as "NAME (http)"."""

    from_: Name
    text: Lines


class SayingQuery(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """The sender of a message that comes as plain text."""

    from_: Annotated[
        str, Meta(max_length=100, description="the sender of a plain text; empty: the name of the token")
    ] = ""


class AnnounceResource:
    """Sends announcements."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_post(self, req: Request, resp: Response) -> None:
        """Announce."""
        asked = body_of(req, Announcement)
        told = self._backend.announce(asked.text, asked.room, by(req))
        put(resp, ToldDocument(told))


class RoomModesResource:
    """The modes of a room."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_delete(self, req: Request, resp: Response, room: str) -> None:
        """Reset them, because nobody may be left who can open a room."""
        self._backend.reset_modes(room, by(req))
        resp.status = 204


class RoomResource(MessagesResource):
    """A room's messages, and saying more."""

    def __init__(self, backend: Backend, in_time: Callable[[Callable[[], int]], int]) -> None:
        super().__init__(backend)
        self._in_time = in_time

    def on_post(self, req: Request, resp: Response, room: str) -> None:
        """Say something, and answer when it is stored."""
        asked = _said(req)
        seq = self._in_time(lambda: self._backend.say(room, asked.from_, asked.text))
        put(resp, StoredDocument(room, seq), status=201)


def _said(req: Request) -> Saying:
    """Return what a request says: JSON, or as with ntfy plain text, which curl -d calls a form. Raises Problem."""
    kind, body = media_type(req.env["CONTENT_TYPE"]), req.context.body
    if kind == JSON or (kind == FORM and body.lstrip()[:1] == b"{"):
        return body_of(req, Saying)
    said = spoken(Posted(body, kind, title=req.env.get("HTTP_TITLE", "")))
    return Saying(query_of(req.params, SayingQuery).from_ or said.name or by(req), said.text)


def body_of(req: Request, kind: type[Body]) -> Body:
    """Return the body of a request as a value. Raises Problem."""
    body: bytes = req.context.body
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise Problem(422, f"Invalid body; {explained(error, kind, body)}") from None
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"Invalid body; {explained(error, kind, body)}") from None


def by(req: Request) -> str:
    """Return the name of the token with which something is asked."""
    name: str = req.context.rights.name
    return name


def put(resp: Response, value: Any, status: int = 200) -> None:
    """Answer with a value."""
    resp.status, resp.content_type, resp.data = status, JSON, indented(value)
