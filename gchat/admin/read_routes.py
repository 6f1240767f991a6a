"""The routes that only read: the server's state, users online, rooms, messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Annotated, Any, TypeVar

import msgspec
from falcon import Request, Response
from msgspec import Meta, Struct

from gchat.admin.access import Scope
from gchat.admin.backend import NotPossible, Operator, StoredMessage
from gchat.admin.metrics import Metrics
from gchat.admin.responses import JSON, Problem, indented, json
from gchat.admin.visibility import GRANTED, visible
from gchat.model.expectation import explained

Query = TypeVar("Query", bound=Struct)

#: About so much is encoded at a time, which takes at most a few ms, and then others have a turn.
PIECE_BYTES = 16384

#: Lists in an answer are cut at so many bytes: messages, and everything else, which are 20,000 users.
MESSAGES_BYTES, LISTS_BYTES = 1 << 20, 8 << 20

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


class InPieces(Reading):
    """A long answer, made while it is sent: after each piece the server gives others a turn (Handler.write)."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def on_get(self, req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer in pieces."""
        resp.content_type, resp.stream = JSON, self._pieces(req.context.scope)

    def _pieces(self, scope: Scope) -> Iterator[bytes]:
        raise NotImplementedError

    def _users(self, scope: Scope, lists: Lists) -> Iterator[bytes]:
        """Return the scope, and the users as it may see them."""
        yield b',\n  "access": ' + json(GRANTED[scope])
        yield from lists.rows("users", (visible(user, scope) for piece in self._operator.users() for user in piece))


class Status(InPieces):
    """Everything at once, one user per line."""

    def _pieces(self, scope: Scope) -> Iterator[bytes]:
        operator, lists = self._operator, Lists(LISTS_BYTES)
        yield b'{\n  "server": ' + _inner(operator.server()) + b',\n  "online": %d' % operator.online()
        yield from self._users(scope, lists)
        yield from lists.rows("rooms", operator.rooms())
        yield b',\n  "limits": ' + _inner(operator.limits()) + b',\n  "history": ' + _inner(operator.history())
        yield lists.end()


class Users(InPieces):
    """The users online."""

    def _pieces(self, scope: Scope) -> Iterator[bytes]:
        lists = Lists(LISTS_BYTES)
        yield b'{\n  "online": %d' % self._operator.online()
        yield from self._users(scope, lists)
        yield lists.end()


class Rooms(InPieces):
    """The rooms with members or a history."""

    def _pieces(self, _scope: Scope) -> Iterator[bytes]:
        rooms, lists = self._operator.rooms(), Lists(LISTS_BYTES)
        yield b'{\n  "online": %d' % self._operator.online()
        yield from lists.rows("rooms", rooms)
        yield lists.end()


class MessagesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a room's messages: those after a number, oldest first."""

    after: Annotated[int, Meta(ge=0, le=2**53, description="the number of the last message already known")] = 0
    limit: Annotated[int, Meta(ge=1, le=1000, description="how many at most")] = 100


class Messages(Reading):
    """A room's messages. If there are, or may be, more of them than in the answer, it has the number to go on after."""

    private = "Reading messages"

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def on_get(self, req: Request, resp: Response, /, **params: Any) -> None:
        """Answer with a page of the room's history."""
        query, room = query_of(req.params, MessagesQuery), params["room"]
        pages = self._operator.messages(room, query.after, query.limit)
        resp.content_type, resp.stream = JSON, _messages(room, pages, query.limit)


def _messages(room: str, pages: Iterator[Sequence[StoredMessage]], limit: int) -> Iterator[bytes]:
    lists = Lists(MESSAGES_BYTES)
    last = 0

    def messages() -> Iterator[StoredMessage]:
        nonlocal last
        try:
            for page in pages:
                for message in page:
                    yield message
                    last = message.seq  # it is in the answer
        except NotPossible:  # what was read before is the answer, and the next request tells why there is no more
            lists.truncated = True

    yield b'{\n  "room": ' + json(room)
    yield from lists.rows("messages", messages())
    more = lists.truncated or lists.count >= limit
    yield (b',\n  "next": %d' % last if more and last else b"") + lists.end()


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
        file = resources.files("gchat.admin").joinpath("page", name)
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


class Lists:
    """The lists of one document, which together have at most so many bytes; at least one value is always there."""

    def __init__(self, left: int) -> None:
        self._left = left
        self.count = 0  # values
        self.truncated = False

    def rows(self, name: str, values: Iterable[Any], *, first: bool = False) -> Iterator[bytes]:
        """Return one list, one value per line, in pieces; the first of a document has nothing before it."""
        piece, separator = (b"" if first else b",") + b'\n  "' + name.encode() + b'": [', b"\n    "
        has_rows = False
        for value in values:
            row = json(value)
            if self.count and len(row) > self._left:
                self.truncated = True
                break
            self._left -= len(row)
            self.count += 1
            piece += separator + row
            separator, has_rows = b",\n    ", True
            if len(piece) >= PIECE_BYTES:
                yield piece
                piece = b""
        yield piece + (b"\n  ]" if has_rows else b"]")

    def end(self) -> bytes:
        """Return the end of the document."""
        return (b',\n  "truncated": true' if self.truncated else b"") + b"\n}\n"
