"""The OpenAPI description of the endpoint, made from the table of routes and the values that they take and give."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from typing import Any, ClassVar, get_args

import msgspec
from msgspec import Struct

import gchat
from gchat.admin.access import Scope
from gchat.admin.backend import MAX_STORED_ROOMS
from gchat.admin.read_resources import ReadResource
from gchat.admin.responses import JSON, PROBLEM, ProblemDetail

#: Possible answers to every request; to those that name something in the path; and to those that change something.
_ALWAYS = (400, 401, 403, 408, 413, 414, 415, 417, 421, 429, 431, 500, 501, 503, 505)
_NAMING, _CHANGING = (404,), (409,)

_ACCESS = (
    "On this machine, a request without a token gets users by nick, rooms, topics, counts, metrics and health. "
    "Messages, bans, secret rooms and the addresses of users with a nick need a token, and so does every request from "
    "another machine. A token has a scope: read sees everything; moderate also acts on users; all may do everything; "
    "say:ROOM speaks in one room and does nothing else. What an operation needs is in its security."
)
_SIZES = (
    'Long lists are cut, and then the document has "truncated": true: messages at 1 MiB in one answer, all other lists '
    "at 8 MiB."
)
_TOKENS = (
    "the content of admin.token_file (scope all) or of admin.read_token_file (read), or a token that was made with "
    "POST /tokens or gchat-server --make-token"
)

# --- Hints of single routes ------------------------------------------------------------------------------------------

ADDRESSES = 'Without a token, the "address" of a user with a nick is empty.'
ROOMS = f"Largest first. Of rooms without members, the newest {MAX_STORED_ROOMS} are listed."
EVENTS = (
    'The first event, "access", tells what the stream contains: without a token there are no "message" events, and the '
    '"address" of a user with a nick is empty in "joined" events. "joined", "left" and "message" come as they happen, '
    '"counters" once a second.'
)


ROOM_EVENTS = (
    'Messages look as in the rich dialect: "said", "acted" and "topic". "opened" comes first, "gap" in place of '
    'messages that are no longer stored, and "reset" where the place to resume at is none, because the log is another '
    "one. An EventSource resumes by itself, everybody else by sending the last id as Last-Event-ID or `after`."
)
SAYING = (
    "A plain text is the message itself, also with the type that curl -d gives it; the header Title comes before it."
)


class Reads(Struct, frozen=True):
    """What GET answers with, and HEAD without the body. Whether it always needs a token is for the resource to say."""

    success: ClassVar[int] = 200
    by: ClassVar[str] = ""

    summary: str
    answer: type[Struct] | None = None  # None: in the media types of the resource
    query: type[Struct] | None = None
    status: tuple[int, ...] = ()  # of its problems, beside those that all such requests have
    hint: str = ""


class Writes(Struct, frozen=True):
    """What a method does that needs a token with this scope: the body that it takes, and its answer."""

    summary: str
    body: type[Struct] | None
    success: int
    answer: type[Struct] | None = None
    status: tuple[int, ...] = ()
    scope: Scope = Scope.ALL
    is_saying: bool = False  # whether a token that speaks in this room alone suffices
    hint: str = ""
    bodies: tuple[tuple[str, Any], ...] = ()  # other media types of the body, with their schemas
    query: type[Struct] | None = None
    silent: bool = False  # whether 204 may come in place of `success`
    by: str = ""  # the field by which an answer names what the path is of; "": its first


class Route(Struct, frozen=True):
    """A path, as falcon writes it, the resource there, and what the description says of its methods."""

    path: str
    resource: object
    get: Reads | None = None
    post: Writes | None = None
    put: Writes | None = None
    delete: Writes | None = None

    @property
    def values(self) -> set[type[Struct]]:
        """The values that it takes and gives."""
        found = {value for writes in self.writes.values() for value in (writes.body, writes.answer)}
        return {value for value in (*found, self.get and self.get.answer) if value}

    @property
    def methods(self) -> dict[str, Reads | Writes]:
        """What can be asked, by method."""
        return {**({"GET": self.get} if self.get else {}), **self.writes}

    @property
    def writes(self) -> dict[str, Writes]:
        """What changes something, by method."""
        methods = {"POST": self.post, "PUT": self.put, "DELETE": self.delete}
        return {method: writes for method, writes in methods.items() if writes}


def described(routes: Sequence[Route]) -> bytes:
    """Return the document."""
    paths = {_shown(route.path): _methods(route) for route in routes}
    _add_links(paths, routes)
    values = {ProblemDetail}.union(*(route.values for route in routes))
    _, schemas = msgspec.json.schema_components(
        sorted(values, key=lambda value: value.__name__), ref_template="#/components/schemas/{name}"
    )
    document = {
        "openapi": "3.1.0",
        "info": {"title": "gchat admin endpoint", "version": gchat.__version__, "description": f"{_ACCESS} {_SIZES}"},
        "paths": paths,
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


def _shown(path: str) -> str:
    return re.sub(r":\w+}", "}", path)


def _methods(route: Route) -> dict[str, Any]:
    """Return what a path can be asked, and what it answers."""
    schemas = {"": {"type": "string", "minLength": 1}, ":number": {"type": "integer", "minimum": 0}}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": schemas[converter]}
        for name, converter in re.findall(r"{(\w+)(:\w+)?}", route.path)
    ]
    methods: dict[str, Any] = {"parameters": parameters} if parameters else {}
    naming = _NAMING if parameters else ()
    if route.get is not None:
        methods |= _reads(route.get, route.resource, naming)
    methods |= {method.lower(): _writes(writes, naming) for method, writes in route.writes.items()}
    for method in methods.keys() - {"parameters"}:
        methods[method]["operationId"] = _id(method, route.path)
    return methods


def _id(method: str, path: str) -> str:
    return "_".join([method.lower(), *re.findall(r"\w+", _shown(path))])


def _reads(reads: Reads, resource: object, naming: tuple[int, ...]) -> dict[str, Any]:
    assert isinstance(resource, ReadResource)
    needed = {"token": [resource.scope.name.lower()]}
    security: list[dict[str, list[str]]] = [needed] if resource.private else [{}, needed]
    common = {"summary": reads.summary, "security": security, "parameters": _query(reads.query) if reads.query else []}
    common |= {"description": reads.hint} if reads.hint else {}
    problems = _problems(406, *naming, *reads.status)
    content = _content(reads.answer) if reads.answer else {media_type: {} for media_type in resource.media_types}
    return {
        "get": {**common, "responses": {"200": _response(content), **problems}},
        "head": {
            **common,
            "responses": {
                "200": _response({}),
                **{code: {"description": "The request was refused"} for code in problems},
            },
        },
    }


def _writes(writes: Writes, naming: tuple[int, ...]) -> dict[str, Any]:
    answer = _response(_content(writes.answer) if writes.answer else {})
    operation: dict[str, Any] = {
        "summary": writes.summary,
        "security": _security(writes),
        "responses": {str(writes.success): answer, **_problems(*_CHANGING, *naming, *writes.status)},
    }
    operation |= {"description": writes.hint} if writes.hint else {}
    operation |= {"parameters": _query(writes.query)} if writes.query else {}
    operation["responses"] |= {"204": _response({})} if writes.silent else {}
    content: dict[str, Any] = {media_type: {"schema": schema} for media_type, schema in writes.bodies}
    if writes.body:
        needed = any(field.required for field in msgspec.structs.fields(writes.body))
        operation["requestBody"] = {"required": needed, "content": content | _content(writes.body)}
        operation["responses"] |= _problems(422)
    elif content:
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _security(writes: Writes) -> list[dict[str, list[str]]]:
    scopes = [writes.scope.name.lower()] if writes.scope else []
    return [{"token": [scope]} for scope in (*scopes, *(["say:ROOM"] if writes.is_saying else []))] or [{}]


def _query(kind: type[Struct]) -> list[dict[str, Any]]:
    """Return the parameters of a query, each a field of a struct."""
    components = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"]
    return [
        {"name": name, "in": "query", "description": rest.pop("description"), "schema": rest}
        for name, rest in components.items()
    ]


def _problems(*status: int) -> dict[str, Any]:
    return {str(code): {"$ref": "#/components/responses/Problem"} for code in sorted({*_ALWAYS, *status})}


def _response(content: dict[str, Any]) -> dict[str, Any]:
    return {"description": "Done", **({"content": content} if content else {})}


def _content(value: type[Struct]) -> dict[str, Any]:
    return {JSON: {"schema": _ref(value)}}


def _ref(value: type[Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{value.__name__}"}


# --- Links: what an answer names, for the next request ---------------------------------------------------------------


def _add_links(paths: dict[str, Any], routes: Sequence[Route]) -> None:
    operations = [(method, route, asked) for route in routes for method, asked in route.methods.items()]
    for (method, route, asked), (next_method, target, following) in product(operations, operations):
        if route is target and method in ("POST", "PUT") and method != next_method and asked.by == following.by:
            parameters = {name: f"$request.path.{name}" for name in re.findall(r"{(\w+)", route.path)}
        else:
            parameters = _answered(asked.answer, route.path, target.path, following.by)
        if parameters:
            answer = paths[_shown(route.path)][method.lower()]["responses"][str(asked.success)]
            next_id = _id(next_method, target.path)
            answer.setdefault("links", {})[next_id] = {"operationId": next_id, "parameters": parameters}


def _answered(answer: type[Struct] | None, path: str, target: str, by: str) -> dict[str, str]:
    """Return where an answer has the parameter of a path; nothing if it does not.

    What /mutes/{mute} is of, answers of /mutes have, and those of what ends in /mute.
    """
    found = re.match(r"/(\w+)/{(\w+)", target)
    if answer is None or not found or path.rpartition("/")[2] not in found.groups():
        return {}
    all_, one = found.groups()
    fields, place = {field.encode_name: field.type for field in msgspec.structs.fields(answer)}, "$response.body#"
    if all_ in fields:
        (row,), place = get_args(fields[all_]), f"{place}/{all_}/0"
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(row)}
    field = by or next(iter(fields))
    return {one: f"{place}/{field}"} if field in fields else {}
