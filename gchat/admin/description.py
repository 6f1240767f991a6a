"""The OpenAPI description of the endpoint: its schemas are made from the values that the routes take and give."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

import gchat
from gchat.admin.changing import Announcement, Kick, NewBan, Saying
from gchat.admin.operator import Ban, HistoryInfo, RoomInfo, ServerInfo, StoredMessage, UserInfo
from gchat.admin.values import JSON, PROBLEM


class Status(Struct):
    """Everything at once."""

    server: ServerInfo
    online: int
    users: list[UserInfo]
    rooms: list[RoomInfo]
    limits: dict[str, float]
    history: HistoryInfo


class Users(Struct):
    """Who is online."""

    online: int
    users: list[UserInfo]


class Rooms(Struct):
    """The rooms with somebody in them."""

    online: int
    rooms: list[RoomInfo]


class Page(Struct):
    """Messages of a room, the oldest first."""

    room: str
    messages: list[StoredMessage]


class Bans(Struct):
    """Who may not come in."""

    bans: list[Ban]


class Told(Struct):
    """How many were told."""

    told: int


class Kept(Struct):
    """A message that is kept."""

    room: str
    seq: int


class Health(Struct):
    """How the server is, in one word."""

    status: str


class ProblemDetail(Struct):
    """What was wrong with a request (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


_BODIES = [Announcement, Kick, NewBan, Saying]
_ANSWERS = [Status, Users, Rooms, Page, Bans, Ban, Told, Kept, Health, ProblemDetail]

#: What can be answered to anything.
_ALWAYS = (400, 401, 403, 408, 413, 414, 415, 421, 429, 431, 503)

_ROOM = {"name": "room", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_AFTER = {
    "name": "after",
    "in": "query",
    "description": "the number of the last message that is known",
    "schema": {"type": "integer", "minimum": 0, "maximum": 2**53, "default": 0},
}
_LIMIT = {
    "name": "limit",
    "in": "query",
    "description": "how many at most",
    "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
}


def _id(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}


@cache
def description() -> bytes:
    """Return the document."""
    _, schemas = msgspec.json.schema_components([*_BODIES, *_ANSWERS], ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {
        "/status": _reads("Everything at once", Status),
        "/users": _reads("Who is online", Users),
        "/rooms": _reads("The rooms with somebody in them", Rooms),
        "/healthz": _reads("Whether the server is alive", Health),
        "/readyz": _reads("Whether the server can do its work", Health),
        "/metrics": _reads("What Prometheus scrapes", "text/plain", "application/openmetrics-text"),
        "/events": _reads("What happens, as it happens: server-sent events", "text/event-stream"),
        "/openapi.json": _reads("This document", JSON),
        "/": _reads("The live page", "text/html", status=(404,)),
        "/page.js": _reads("The live page's script", "text/javascript", status=(404,)),
        "/page.css": _reads("The live page's looks", "text/css", status=(404,)),
        "/rooms/{room}/messages": {
            "parameters": [_ROOM],
            **_reads("What was said in a room", Page, parameters=[_AFTER, _LIMIT], status=(404,)),
            "post": _changes("Say something, under a name that is marked as not a user's", Saying, 201, Kept, (409,)),
        },
        "/announce": {"post": _changes("Tell everybody something", Announcement, 200, Told, (404,))},
        "/users/{user}/kick": {
            "parameters": [_id("user")],
            "post": _changes("Close a user's connection", Kick, 204, None, (404,)),
        },
        "/bans": {
            **_reads("Who may not come in", Bans),
            "post": _changes("Keep somebody out", NewBan, 201, Ban, (409,)),
        },
        "/bans/{ban}": {"parameters": [_id("ban")], "delete": _changes("End a ban", None, 204, None, (404,))},
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "gchat's admin endpoint", "version": gchat.__version__},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "It cannot be done",
                    "content": {PROBLEM: {"schema": _ref(ProblemDetail)}},
                }
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "what token_file has"}},
        },
    }
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def _reads(
    summary: str, *answers: type[Struct] | str, parameters: list[Any] | None = None, status: tuple[int, ...] = ()
) -> dict[str, Any]:
    """Return GET and HEAD of a path, which need the token from another machine only."""
    common = {"summary": summary, "security": [{}, {"token": []}], "parameters": parameters or []}
    problems = _problems(406, *status)
    return {
        "get": {**common, "responses": {"200": _response(*answers), **problems}},
        "head": {
            **common,
            "responses": {"200": _response(), **{code: {"description": "It cannot be done"} for code in problems}},
        },
    }


def _changes(
    summary: str,
    body: type[Struct] | None,
    success: int,
    answer: type[Struct] | None,
    status: tuple[int, ...] = (),
) -> dict[str, Any]:
    """Return an operation that needs the token."""
    operation: dict[str, Any] = {
        "summary": summary,
        "security": [{"token": []}],
        "responses": {str(success): _response(*[answer] if answer else []), **_problems(*status)},
    }
    if body:
        needed = any(field.required for field in msgspec.structs.fields(body))
        operation["requestBody"] = {"required": needed, "content": _content(body)}
        operation["responses"] |= _problems(422)
    return operation


def _problems(*status: int) -> dict[str, Any]:
    return {str(code): {"$ref": "#/components/responses/Problem"} for code in sorted({*_ALWAYS, *status})}


def _response(*answers: type[Struct] | str) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for answer in answers:
        content |= {answer: {}} if isinstance(answer, str) else _content(answer)
    return {"description": "Done", **({"content": content} if content else {})}


def _content(value: type[Struct]) -> dict[str, Any]:
    return {JSON: {"schema": _ref(value)}}


def _ref(value: type[Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{value.__name__}"}
