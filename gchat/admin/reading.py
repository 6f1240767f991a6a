"""The routes that only read: the server's state, users online, rooms, messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import resources
from typing import Annotated, Any, TypeVar

import msgspec
from falcon import Request, Response
from msgspec import Meta, Struct

from gchat.admin.access import Scope
from gchat.admin.metrics import Metrics
from gchat.admin.operator import NotPossible, Operator
from gchat.admin.values import JSON, Problem, indented, json
from gchat.admin.visibility import GRANTED, visible
from gchat.protocol.expectation import explained

Query = TypeVar("Query", bound=Struct)

#: Users in one piece of an answer: encoding them takes at most 1 ms, and then others have a turn.
PIECE = 100

_PAGE_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
}


class Reading:
    """A route that can be read. HEAD is GET without the body, which falcon leaves out."""

    media_types: tuple[str, ...] = (JSON,)  # of its answers
    private = ""  # what reading it is called, if it needs a token

    def on_get(self, req: Request, resp: Response, /, **params: Any) -> None:
        """Answer."""
        raise NotImplementedError

    def on_head(self, req: Request, resp: Response, /, **params: Any) -> None:
        """Answer as to GET."""
        self.on_get(req, resp, **params)


class _InPieces(Reading):
    """A long answer, made while it is sent: after each piece the server gives others a turn (Handler.write)."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def on_get(self, req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer in pieces."""
        resp.content_type, resp.stream = JSON, self._pieces(req.context.scope)

    def _pieces(self, scope: Scope) -> Iterator[bytes]:
        raise NotImplementedError

    def _users(self, scope: Scope) -> Iterator[bytes]:
        """Return the scope, and the users as it may see them."""
        yield b',\n  "access": ' + json(GRANTED[scope])
        yield from _rows("users", ([visible(user, scope) for user in piece] for piece in self._operator.users()))


class Status(_InPieces):
    """Everything at once, one user per line."""

    def _pieces(self, scope: Scope) -> Iterator[bytes]:
        operator = self._operator
        yield b'{\n  "server": ' + _inner(operator.server()) + b',\n  "online": %d' % operator.online()
        yield from self._users(scope)
        yield from _rows("rooms", _in_pieces(operator.rooms()))
        yield (
            b',\n  "limits": ' + _inner(operator.limits()) + b',\n  "history": ' + _inner(operator.history()) + b"\n}\n"
        )


class Users(_InPieces):
    """The users online."""

    def _pieces(self, scope: Scope) -> Iterator[bytes]:
        yield b'{\n  "online": %d' % self._operator.online()
        yield from self._users(scope)
        yield b"\n}\n"


class Rooms(_InPieces):
    """The rooms with members or a history."""

    def _pieces(self, _scope: Scope) -> Iterator[bytes]:
        rooms = self._operator.rooms()
        yield b'{\n  "online": %d' % self._operator.online()
        yield from _rows("rooms", _in_pieces(rooms))
        yield b"\n}\n"


class MessagesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a room's messages: those after a number, oldest first."""

    after: Annotated[int, Meta(ge=0, le=2**53, description="the number of the last message already known")] = 0
    limit: Annotated[int, Meta(ge=1, le=1000, description="how many at most")] = 100


class Messages(Reading):
    """A room's messages."""

    private = "Reading messages"

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def on_get(self, req: Request, resp: Response, /, **params: Any) -> None:
        """Answer with a page of the room's history."""
        query, room = query_of(req.params, MessagesQuery), params["room"]
        try:
            messages = self._operator.messages(room, query.after, query.limit)
        except NotPossible as error:
            raise Problem(404, str(error)) from None
        rows = b"".join(_rows("messages", _in_pieces(messages)))
        resp.content_type, resp.data = JSON, b'{\n  "room": ' + json(room) + rows + b"\n}\n"


class Healthz(Reading):
    """Whether the server is alive: it is, if it answers."""

    def on_get(self, _req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer."""
        resp.content_type, resp.data = JSON, b'{"status": "ok"}\n'


class Readyz(Reading):
    """Whether the server can store messages."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def on_get(self, _req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer."""
        if reason := self._operator.not_ready():
            raise Problem(503, reason, Retry_After="1")
        resp.content_type, resp.data = JSON, b'{"status": "ready"}\n'


class MetricsPage(Reading):
    """The metrics for Prometheus, as text or as OpenMetrics."""

    media_types = ("text/plain", "application/openmetrics-text")

    def __init__(self, operator: Operator) -> None:
        self._metrics = Metrics(operator)

    def on_get(self, req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer in the preferred format."""
        resp.data, resp.content_type = self._metrics.exposition(req.accept)


class PageFile(Reading):
    """A file of the live page, read once."""

    def __init__(self, name: str) -> None:
        file = resources.files("gchat.admin").joinpath(name)
        self._content = file.read_bytes() if file.is_file() else None
        self._content_type = _PAGE_TYPES[name.rpartition(".")[2]]
        self.media_types = (self._content_type.partition(";")[0],)

    def on_get(self, _req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer with the file."""
        if self._content is None:
            raise Problem(404, "This server was installed without its page; /status has the same data")
        resp.content_type, resp.data = self._content_type, self._content


class Document(Reading):
    """A document that does not change."""

    def __init__(self, content: Callable[[], bytes]) -> None:
        self._content = content

    def on_get(self, _req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer with it."""
        resp.content_type, resp.data = JSON, self._content()


def query_of(params: Mapping[str, Any], kind: type[Query]) -> Query:
    """Return the query of a request as a value. Raises Problem."""
    try:
        return msgspec.convert(params, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(400, f"Invalid query; {explained(error, kind)}") from None


def _inner(value: Any) -> bytes:
    return indented(value).rstrip().replace(b"\n", b"\n  ")


def _in_pieces(values: Iterable[Any]) -> Iterator[list[Any]]:
    rows = list(values)
    for start in range(0, len(rows), PIECE):
        yield rows[start : start + PIECE]


def _rows(name: str, pieces: Iterable[list[Any]]) -> Iterator[bytes]:
    """Return one list of the document, one value per line, in pieces."""
    start = b',\n  "' + name.encode() + b'": ['
    begin = b"\n    "
    for piece in pieces:
        for at in range(0, len(piece), PIECE):
            yield start + b",".join(begin + json(value) for value in piece[at : at + PIECE])
            start = b","
    yield b"\n  ]" if start == b"," else start + b"]"
