"""The application: access, the routes, and the form of every error. falcon finds the route."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import gevent
from falcon import App, HTTPError, Request, Response
from falcon.constants import COMBINED_METHODS
from falcon.routing import BaseConverter

from gchat.admin.access import Access, AccessRequest
from gchat.admin.account_resources import account_routes
from gchat.admin.action_resources import (
    PLAIN,
    RoomModesResource,
    RoomResource,
    Saying,
    SayingQuery,
)
from gchat.admin.backend import Backend, BadText, Missing, NotPossible, TooOften, Unavailable
from gchat.admin.documents import (
    HealthDocument,
    HooksDocument,
    MadeHookDocument,
    MessagesDocument,
    NewHook,
    RoomsDocument,
    StatusDocument,
    StoredDocument,
    UsersDocument,
)
from gchat.admin.drain_resource import drain_route
from gchat.admin.hook_resources import POSTED, HookResource, HooksResource
from gchat.admin.named_tokens import NamedTokens
from gchat.admin.openapi import ADDRESSES, EVENTS, ROOM_EVENTS, ROOMS, SAYING, Reads, Route, Writes, described
from gchat.admin.order_resources import order_routes
from gchat.admin.read_resources import (
    FixedResource,
    HealthResource,
    LongResource,
    MessagesQuery,
    MetricsResource,
    PageFileResource,
    ReadinessResource,
    ReadResource,
    rooms,
    status,
    users,
)
from gchat.admin.request_head import loggable
from gchat.admin.responses import PROBLEM, Problem
from gchat.admin.room_stream import RoomEventsQuery, RoomEventsResource
from gchat.admin.sse import Streams
from gchat.admin.token_resources import token_routes
from gchat.journal.native_thread import NativeThread

logger = logging.getLogger("gchat")

T = TypeVar("T")

BODY_S = 5.0  # from the end of the head to the end of the body

#: An action that waits for the journal waits at most this long.
ACTION_S = 5.0


class EventsResource(ReadResource):
    """Events as they happen."""

    media_types = ("text/event-stream",)

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def on_get(self, req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer until either side ends it."""
        self.on_head(req, resp)
        resp.stream = self._streams.open(req.env["gchat.socket"], req.context.scope, req.env["REMOTE_ADDR"])

    def on_head(self, _req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer without a stream."""
        resp.content_type = self.media_types[0]
        resp.set_header("Connection", "close")
        resp.set_header("X-Accel-Buffering", "no")  # or nginx buffers it


class Number(BaseConverter):
    """A number in a path, in ASCII digits; falcon's own converter also accepts 1_0 and digits of other scripts."""

    def convert(self, value: str) -> int | None:
        """Return the number, None if `value` is none."""
        return int(value) if re.fullmatch("0|[1-9][0-9]{0,17}", value) else None


class _Gate:
    """The gate before every route: access, the format of the answer, and the body."""

    def __init__(self, access: Access, clock: Callable[[], float]) -> None:
        self._access = access
        self._clock = clock
        self.routes: dict[str, Route] = {}  # by path: what each method needs

    def process_request(self, req: Request, _resp: Response) -> None:
        """Refuse a request that is not allowed."""
        environ = req.env
        asked = AccessRequest(
            method=req.method,
            path=req.path,
            peer=environ["REMOTE_ADDR"],
            is_known=environ["gchat.origin"].is_known,
            local=environ["gchat.local"],
            scheme=environ["gchat.origin"].scheme,
            host=environ.get("HTTP_HOST", ""),
            origin=environ.get("HTTP_ORIGIN", ""),
            site=environ.get("HTTP_SEC_FETCH_SITE", ""),
            authorization=environ.get("HTTP_AUTHORIZATION", ""),  # a Secret
            content_type=environ["CONTENT_TYPE"],
            has_body=not environ["wsgi.input"].is_read,
        )
        req.context.rights = rights = self._access.check(asked, self._clock())
        req.context.scope = rights.scope
        req.context.is_near = asked.is_near
        if req.method not in COMBINED_METHODS:
            raise Problem(501, "Unknown method")

    def process_resource(self, req: Request, _resp: Response, resource: object, params: dict[str, Any]) -> None:
        """Refuse a request that its token does not allow, or for unavailable content, and read the body."""
        writes = self.routes[str(req.uri_template)].writes.get(req.method)
        if writes is not None:
            room = params["room"] if writes.is_saying else ""
            self._access.demand(req.context.rights, writes.scope, f"{req.method} {req.path}", room)
        if req.method == "POST" and isinstance(resource, HookResource):
            resource.admit(req, params["hook"])
        if req.method in ("GET", "HEAD"):
            if isinstance(resource, ReadResource) and resource.private:
                self._access.demand(req.context.rights, resource.scope, resource.private)
            accept = req.env.get("HTTP_ACCEPT", "*/*")
            media_types = resource.media_types if isinstance(resource, ReadResource) else ()
            if media_types and accept != "*/*" and not any(map(req.client_accepts, media_types)):
                raise Problem(406, f"The Accept header excludes {' and '.join(media_types)}, all that this path has")
        else:
            req.context.body = _read_body(req)


def make_app(
    backend: Backend,
    access: Access,
    tokens: NamedTokens,
    aside: NativeThread,
    clock: Callable[[], float] = time.monotonic,
) -> App[Any, Any]:
    """Return the WSGI application. It needs the environment that AdminServer makes; `access` knows the same tokens.

    What takes long and knows nothing of the loop is done `aside`.
    """
    gate = _Gate(access, clock)
    app = App(middleware=[gate])
    app.router_options.converters["number"] = Number
    app.set_error_serializer(_serialize)
    app.add_error_handler(Problem, _answer_problem)
    app.add_error_handler(NotPossible, _answer_not_possible)
    app.add_error_handler(Exception, _answer_crash)
    hook = HookResource(backend, access, clock, _in_time, aside)
    table = [
        *_server_routes(backend),
        *_room_routes(backend),
        *order_routes(backend),
        *token_routes(backend, tokens),
        *account_routes(backend, _in_time),
        *_hook_routes(backend, hook),
        drain_route(backend),
        Route("/openapi.json", FixedResource(cache(lambda: described(table))), Reads("This document")),
    ]
    for route in table:
        app.add_route(route.path, route.resource)
    gate.routes = {route.path: route for route in table}
    return app


def _server_routes(backend: Backend) -> list[Route]:
    """Return the paths of the page and of the server, and what the description says of each."""
    no_page = (404,)
    return [
        Route("/", PageFileResource("page.html"), Reads("The live page", status=no_page)),
        Route("/page.js", PageFileResource("page.js"), Reads("The live page's script", status=no_page)),
        Route("/page.css", PageFileResource("page.css"), Reads("The live page's style sheet", status=no_page)),
        Route(
            "/status",
            LongResource(backend, status),
            Reads("Server, users, rooms, limits and history at once", StatusDocument, hint=ADDRESSES),
        ),
        Route("/users", LongResource(backend, users), Reads("Users online", UsersDocument, hint=ADDRESSES)),
        Route("/healthz", HealthResource(), Reads("Liveness", HealthDocument)),
        Route(
            "/readyz", ReadinessResource(backend), Reads("Readiness: whether messages can be stored", HealthDocument)
        ),
        Route("/metrics", MetricsResource(backend), Reads("Metrics for Prometheus")),
        Route("/events", EventsResource(Streams(backend)), Reads("Server-sent events as they happen", hint=EVENTS)),
    ]


def _room_routes(backend: Backend) -> list[Route]:
    """Return the paths of rooms."""
    return [
        Route(
            "/rooms",
            LongResource(backend, rooms),
            Reads("Rooms with members or a history", RoomsDocument, hint=ROOMS),
        ),
        Route(
            "/rooms/{room}/messages",
            RoomResource(backend, _in_time),
            Reads("Messages of a room", MessagesDocument, query=MessagesQuery),
            post=Writes(
                'Say something; the sender is shown as "NAME (http)"',
                Saying,
                201,
                StoredDocument,
                hint=SAYING,
                bodies=(PLAIN,),
                query=SayingQuery,
                is_saying=True,
            ),
        ),
        Route(
            "/rooms/{room}/events",
            RoomEventsResource(backend),
            Reads(
                "Messages of a room as they come, server-sent or as lines of JSON",
                query=RoomEventsQuery,
                status=(409,),
                hint=ROOM_EVENTS,
            ),
        ),
        Route(
            "/rooms/{room}/modes",
            RoomModesResource(backend),
            delete=Writes("Reset a room's modes: as in a new room, nobody has a rank until it is empty", None, 204),
        ),
    ]


def _hook_routes(backend: Backend, hook: HookResource) -> list[Route]:
    """Return the paths of hooks."""
    return [
        Route(
            "/hooks",
            HooksResource(backend),
            Reads("Hooks, without their secrets", HooksDocument),
            post=Writes("Make a hook; its secret is in this answer alone", NewHook, 201, MadeHookDocument),
        ),
        Route(
            "/hooks/{hook}",
            hook,
            post=POSTED,
            delete=Writes("Revoke a hook, by its id", None, 204),
        ),
    ]


def _in_time(action: Callable[[], T]) -> T:
    try:
        with gevent.Timeout(ACTION_S):
            return action()
    except gevent.Timeout:
        raise Problem(
            503,
            f"Not confirmed within {ACTION_S:g} s, but it may still happen; check before you try again",
            Retry_After="5",
        ) from None


def _read_body(req: Request) -> bytes:
    try:
        with gevent.Timeout(BODY_S):
            return req.env["wsgi.input"].read()  # type: ignore[no-any-return]
    except gevent.Timeout:
        raise Problem(408, f"The end of the body did not arrive within {BODY_S:g} s") from None


def _answer_problem(_req: Request, resp: Response, problem: Problem, _params: dict[str, Any]) -> None:
    resp.status, resp.content_type, resp.data = problem.status, PROBLEM, problem.document()
    resp.set_headers(problem.headers)


#: What the backend cannot do, as a status.
_STATUSES = {Missing: 404, BadText: 422, NotPossible: 409, TooOften: 429, Unavailable: 503}


def _answer_not_possible(req: Request, resp: Response, error: NotPossible, params: dict[str, Any]) -> None:
    headers = {"Retry_After": str(error.wait_s)} if isinstance(error, TooOften) else {}
    _answer_problem(req, resp, Problem(_STATUSES[type(error)], str(error), **headers), params)


def _answer_crash(req: Request, resp: Response, error: Exception, params: dict[str, Any]) -> None:
    logger.error(
        "admin: %(method)s %(path)s crashed", {"method": req.method, "path": loggable(req.path)}, exc_info=error
    )
    resp.stream = None
    _answer_problem(req, resp, Problem(500, "Internal error; the server's log has the details"), params)


_DETAILS = {
    404: "Nothing at this path; / is the page, and /openapi.json lists all paths",
    405: "This path does not support the method; the Allow header lists the methods that it does",
}


def _serialize(_req: Request, resp: Response, error: HTTPError) -> None:
    """Give falcon's own errors the form of ours."""
    status = error.status_code
    problem = Problem(status, _DETAILS.get(status) or error.description or error.title or "The request failed")
    resp.content_type, resp.data = PROBLEM, problem.document()
