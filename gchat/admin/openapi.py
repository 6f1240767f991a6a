"""The OpenAPI description of the endpoint: its schemas are made from the values that the routes take and give."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

import gchat
from gchat.admin.action_resources import Announcement, Kicking, NewBan, Saying
from gchat.admin.backend import MAX_STORED_ROOMS
from gchat.admin.documents import (
    BansDocument,
    HealthDocument,
    MessagesDocument,
    RoomsDocument,
    StatusDocument,
    StoredDocument,
    ToldDocument,
    UsersDocument,
)
from gchat.admin.json_fields import BanInfo
from gchat.admin.read_resources import MessagesQuery
from gchat.admin.responses import JSON, PROBLEM, ProblemDetail

_BODIES = [Announcement, Kicking, NewBan, Saying]
_ANSWERS = [
    *(StatusDocument, UsersDocument, RoomsDocument, MessagesDocument, BansDocument, BanInfo),
    *(ToldDocument, StoredDocument, HealthDocument, ProblemDetail),
]

#: Possible answers to every request.
_ALWAYS = (400, 401, 403, 408, 413, 414, 415, 421, 429, 431, 503)

_ACCESS = (
    "On this machine, a request without a token gets users by nick, rooms, topics, counts, metrics and health. "
    "Messages, bans, secret rooms and the addresses of users with a nick need a token, and so does every request from "
    "another machine. Changing anything needs the admin token."
)
_SIZES = (
    'Long lists are cut, and then the document has "truncated": true: messages at 1 MiB in one answer, all other lists '
    "at 8 MiB."
)
_TOKENS = "the content of admin.token_file, or for reading alone of admin.read_token_file"
_ADDRESSES = 'Without a token, the "address" of a user with a nick is empty.'
_EVENTS = (
    'The first event, "access", tells what the stream contains: without a token there are no "message" events, and the '
    '"address" of a user with a nick is empty in "joined" events. "joined", "left" and "message" come as they happen, '
    '"counters" once a second.'
)

_ROOM = {"name": "room", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query(kind: type[Struct]) -> list[dict[str, Any]]:
    """Return the parameters of a query, each a field of a struct."""
    components = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"]
    return [
        {"name": name, "in": "query", "description": rest.pop("description"), "schema": rest}
        for name, rest in components.items()
    ]


def _id(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}


@cache
def description() -> bytes:
    """Return the document."""
    _, schemas = msgspec.json.schema_components([*_BODIES, *_ANSWERS], ref_template="#/components/schemas/{name}")
    document = {
        "openapi": "3.1.0",
        "info": {"title": "gchat admin endpoint", "version": gchat.__version__, "description": f"{_ACCESS} {_SIZES}"},
        "paths": _paths(),
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "The request was refused",
                    "content": {PROBLEM: {"schema": _ref(ProblemDetail)}},
                }
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _TOKENS}},
        },
    }
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def _paths() -> dict[str, dict[str, Any]]:
    """Return what each path can be asked, and what it answers."""
    return {
        "/status": _reads("Server, users, rooms, limits and history at once", StatusDocument, hint=_ADDRESSES),
        "/users": _reads("Users online", UsersDocument, hint=_ADDRESSES),
        "/rooms": _reads(
            "Rooms with members or a history",
            RoomsDocument,
            hint=f"Largest first. Of rooms without members, the newest {MAX_STORED_ROOMS} are listed.",
        ),
        "/healthz": _reads("Liveness", HealthDocument),
        "/readyz": _reads("Readiness: whether messages can be stored", HealthDocument),
        "/metrics": _reads("Metrics for Prometheus", "text/plain", "application/openmetrics-text"),
        "/events": _reads("Server-sent events as they happen", "text/event-stream", hint=_EVENTS),
        "/openapi.json": _reads("This document", JSON),
        "/": _reads("The live page", "text/html", status=(404,)),
        "/page.js": _reads("The live page's script", "text/javascript", status=(404,)),
        "/page.css": _reads("The live page's style sheet", "text/css", status=(404,)),
        "/rooms/{room}/messages": {
            "parameters": [_ROOM],
            **_reads(
                "Messages of a room", MessagesDocument, parameters=_query(MessagesQuery), status=(404,), private=True
            ),
            "post": _changes(
                'Say something; the sender is shown as "NAME (http)"', Saying, 201, StoredDocument, (404, 409)
            ),
        },
        "/rooms/{room}/modes": {
            "parameters": [_ROOM],
            "delete": _changes(
                "Reset a room's modes: as in a new room, nobody has a rank until it is empty", None, 204, None, (404,)
            ),
        },
        "/announce": {
            "post": _changes("Announce something to one room or to all", Announcement, 200, ToldDocument, (404, 409))
        },
        "/users/{user}/kick": {
            "parameters": [_id("user")],
            "post": _changes("Kick a user: close the connection", Kicking, 204, None, (404,)),
        },
        "/bans": {
            **_reads("Bans in force", BansDocument, private=True),
            "post": _changes("Ban a nick, an address or a network", NewBan, 201, BanInfo, (409,)),
        },
        "/bans/{ban}": {"parameters": [_id("ban")], "delete": _changes("End a ban", None, 204, None, (404,))},
    }


def _reads(
    summary: str,
    *answers: type[Struct] | str,
    parameters: list[Any] | None = None,
    status: tuple[int, ...] = (),
    hint: str = "",
    private: bool = False,
) -> dict[str, Any]:
    """Return GET and HEAD of a path, which always need a token if it is private, else from another machine only."""
    security: list[dict[str, list[str]]] = [{"token": []}] if private else [{}, {"token": []}]
    common = {"summary": summary, "security": security, "parameters": parameters or []}
    common |= {"description": hint} if hint else {}
    problems = _problems(406, *status)
    return {
        "get": {**common, "responses": {"200": _response(*answers), **problems}},
        "head": {
            **common,
            "responses": {
                "200": _response(),
                **{code: {"description": "The request was refused"} for code in problems},
            },
        },
    }


def _changes(
    summary: str,
    body: type[Struct] | None,
    success: int,
    answer: type[Struct] | None,
    status: tuple[int, ...] = (),
) -> dict[str, Any]:
    """Return an operation that needs the admin token."""
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
