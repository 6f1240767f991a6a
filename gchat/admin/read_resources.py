"""The resources that only read; what they answer is in documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources
from typing import Annotated, Any, TypeVar

import msgspec
from falcon import Request, Response
from msgspec import Meta, Struct

from gchat.admin.backend import Backend
from gchat.admin.documents import HealthDocument, LongDocument, MessagesDocument
from gchat.admin.metrics import Metrics
from gchat.admin.responses import JSON, Problem, indented, streamed
from gchat.model.expectation import explained

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

    def on_get(self, req: Request, resp: Response, /, **params: Any) -> None:
        """Answer."""
        raise NotImplementedError

    def on_head(self, req: Request, resp: Response, /, **params: Any) -> None:
        """Answer as to GET."""
        self.on_get(req, resp, **params)


class LongResource(ReadResource):
    """A document that is made while it is sent: after each piece the server gives others a turn (Handler.write)."""

    def __init__(self, backend: Backend, kind: type[LongDocument]) -> None:
        self._backend = backend
        self._kind = kind

    def on_get(self, req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer in pieces."""
        document = self._kind.of(self._backend, req.context.scope)
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
        document = MessagesDocument.of(room, pages, query.limit)
        resp.content_type, resp.stream = JSON, streamed(document, MESSAGES_BYTES)


class HealthResource(ReadResource):
    """Whether the server is alive: it is, if it answers."""

    def on_get(self, _req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer."""
        resp.content_type, resp.data = JSON, indented(HealthDocument("ok"))


class ReadinessResource(ReadResource):
    """Whether the server can store messages."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_get(self, _req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer."""
        if reason := self._backend.not_ready():
            raise Problem(503, reason, Retry_After="1")
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
