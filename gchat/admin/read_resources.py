"""The resources that only read, and how their documents are made; the fields of these are in documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Annotated, Any, TypeVar, cast

import msgspec
from falcon import Request, Response
from msgspec import Meta, Struct

from gchat.admin.access import Scope
from gchat.admin.backend import Backend, NotPossible
from gchat.admin.documents import (
    BansDocument,
    HealthDocument,
    Histogram,
    HooksDocument,
    MessagesDocument,
    MutesDocument,
    NodeInfo,
    OperatorsDocument,
    RoomsDocument,
    RoomSummary,
    ServerInfo,
    StatusDocument,
    StoredMessage,
    Totals,
    UserInfo,
    UsersDocument,
)
from gchat.admin.metrics import Metrics
from gchat.admin.responses import JSON, Problem, indented, streamed
from gchat.admin.visibility import GRANTED, visible
from gchat.model.expectation import explained

T = TypeVar("T")
Query = TypeVar("Query", bound=Struct)

#: Lists in an answer are cut at so many bytes: messages, and everything else, which are 20,000 users.
MESSAGES_BYTES, LISTS_BYTES = 1 << 20, 8 << 20

_PAGE_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
}


class ReadResource:
    """A route that can be read. HEAD is GET without the body, which falcon leaves out."""

    media_types: tuple[str, ...] = (JSON,)  # of its answers
    private = ""  # what reading it is called, if it needs a token
    scope = Scope.READ  # that it needs then

    def on_get(self, req: Request, resp: Response, /, **params: Any) -> None:
        """Answer."""
        raise NotImplementedError

    def on_head(self, req: Request, resp: Response, /, **params: Any) -> None:
        """Answer as to GET."""
        self.on_get(req, resp, **params)


class LongResource(ReadResource):
    """A document that is made while it is sent: after each piece the server gives others a turn (Handler.write)."""

    def __init__(self, backend: Backend, make: Callable[[Backend, Scope], Struct]) -> None:
        self._backend = backend
        self._make = make

    def on_get(self, req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer in pieces."""
        document = self._make(self._backend, req.context.scope)
        resp.content_type, resp.stream = JSON, streamed(document, LISTS_BYTES)


class MessagesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a room's messages: those after a number, oldest first."""

    after: Annotated[int, Meta(ge=0, le=2**53, description="the number of the last message already known")] = 0
    limit: Annotated[int, Meta(ge=1, le=1000, description="how many at most")] = 100


class MessagesResource(ReadResource):
    """A room's messages. If there are, or may be, more of them than in the answer, it has the number to go on after."""

    private = "Reading messages"

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_get(self, req: Request, resp: Response, /, **params: Any) -> None:
        """Answer with a page of the room's history."""
        query, room = query_of(req.params, MessagesQuery), params["room"]
        pages = self._backend.messages(room, query.after, query.limit)
        document = MessagesDocument(room, [])
        document.messages = listed(_read(pages, query.limit, document))
        resp.content_type, resp.stream = JSON, streamed(document, MESSAGES_BYTES)


class HealthResource(ReadResource):
    """Liveness: a server that answers is alive."""

    def on_get(self, _req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer."""
        resp.content_type, resp.data = JSON, indented(HealthDocument("ok"))


class ReadinessResource(ReadResource):
    """Readiness: whether the server can store messages."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_get(self, req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer."""
        if reason := self._backend.not_ready():
            may_know = req.context.is_near or req.context.scope >= Scope.READ
            raise Problem(503, reason if may_know else "Not ready", Retry_After="1")
        resp.content_type, resp.data = JSON, indented(HealthDocument("ready"))


class MetricsResource(ReadResource):
    """The metrics for Prometheus, as text or as OpenMetrics."""

    media_types = ("text/plain", "application/openmetrics-text")

    def __init__(self, backend: Backend) -> None:
        self._metrics = Metrics(backend)

    def on_get(self, req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer in the preferred format."""
        resp.data, resp.content_type = self._metrics.exposition(req.accept)


class PageFileResource(ReadResource):
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


class FixedResource(ReadResource):
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


# --- How long documents are made -------------------------------------------------------------------------------------


def status(backend: Backend, scope: Scope) -> StatusDocument:
    """Return the whole state of the server, as this scope may see it."""
    server, online, nodes = backend.server(), backend.online(), backend.nodes()
    numbers: Sequence[NodeInfo | ServerInfo] = nodes or [server]
    return StatusDocument(
        server=server,
        online=online,
        all=Totals(online, sum(each.connections for each in numbers), sum(each.deliveries for each in numbers)),
        access=GRANTED[scope],
        nodes=list(nodes),
        users=_users(backend, scope),
        rooms=_rooms(backend, scope),
        limits=backend.limits(),
        history=backend.history(),
        counters={
            measure.name.removeprefix("gchat_"): measure.value
            for measure in backend.measures()
            if measure.kind == "counter" and not isinstance(measure.value, Histogram)
        },
    )


def users(backend: Backend, scope: Scope) -> UsersDocument:
    """Return the users online, as this scope may see them."""
    return UsersDocument(backend.online(), GRANTED[scope], _users(backend, scope))


def rooms(backend: Backend, scope: Scope) -> RoomsDocument:
    """Return the rooms, as this scope may see them."""
    return RoomsDocument(backend.online(), _rooms(backend, scope))


def bans(backend: Backend, _scope: Scope) -> BansDocument:
    """Return the bans; the route needs a token."""
    return BansDocument(listed(backend.bans()))


def mutes(backend: Backend, _scope: Scope) -> MutesDocument:
    """Return the mutes; likewise."""
    return MutesDocument(listed(backend.mutes()))


def operators(backend: Backend, _scope: Scope) -> OperatorsDocument:
    """Return the operators of the server; likewise."""
    return OperatorsDocument(listed(backend.operators()))


def hooks(backend: Backend, _scope: Scope) -> HooksDocument:
    """Return the hooks; the route needs a token."""
    return HooksDocument(listed(backend.hooks()))


def _users(backend: Backend, scope: Scope) -> list[UserInfo]:
    is_secret = backend.is_secret
    return listed(visible(user, scope, is_secret) for piece in backend.users() for user in piece)


def _rooms(backend: Backend, scope: Scope) -> list[RoomSummary]:
    seen = (visible(room, scope, backend.is_secret) for room in backend.rooms())
    return listed(room for room in seen if room is not None)


def _read(pages: Iterator[Sequence[StoredMessage]], limit: int, document: MessagesDocument) -> Iterator[StoredMessage]:
    """Return the messages of these pages, at most `limit` in all, and note in the document how that ended."""
    count = 0
    try:
        for page in pages:
            for message in page:
                yield message
                document.next = message.seq  # the message is in the answer
                count += 1
    except NotPossible:  # what was read before is the answer, and the next request tells why there is no more
        document.truncated = True
    else:
        if count < limit:
            document.next = 0


def listed(values: Iterable[T | None]) -> list[T]:
    """Return the values as the list that they are in the document; they are made while it is sent."""
    return cast("list[T]", values)
