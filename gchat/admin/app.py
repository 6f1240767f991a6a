"""The application: who may ask, the routes, and what every error looks like. falcon finds the route."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any

import gevent
from falcon import App, HTTPError, Request, Response
from falcon.constants import COMBINED_METHODS
from falcon.routing import BaseConverter

from gchat.admin.access import Access, Asked
from gchat.admin.changing import Announce, Bans, KickUser, OneBan, RoomMessages
from gchat.admin.description import description
from gchat.admin.events_stream import Streams
from gchat.admin.operator import Operator
from gchat.admin.reading import (
    Document,
    Healthz,
    MetricsPage,
    PageFile,
    Reading,
    Readyz,
    Rooms,
    Status,
    Users,
)
from gchat.admin.values import PROBLEM, Problem

logger = logging.getLogger("gchat")

BODY_S = 5.0  # from the end of the head to the end of the body

#: What waits for the journal waits so long at most.
ACTION_S = 5.0


class Events(Reading):
    """What happens, as it happens."""

    media_types = ("text/event-stream",)

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def on_get(self, req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer until one of both ends it."""
        self.on_head(req, resp)
        resp.stream = self._streams.open(req.env["gchat.socket"], req.context.trusted)

    def on_head(self, _req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer without a stream."""
        resp.content_type = self.media_types[0]
        resp.set_header("Connection", "close")
        resp.set_header("X-Accel-Buffering", "no")  # or nginx keeps it for itself


class Number(BaseConverter):
    """A number in a path, as this endpoint writes them; falcon's own takes 1_0 for 10, and other scripts' digits."""

    def convert(self, value: str) -> int | None:
        """Return it, None if it is none."""
        return int(value) if re.fullmatch("0|[1-9][0-9]{0,17}", value) else None


class _Door:
    """What comes before every route: who may ask, for what, and the body."""

    def __init__(self, access: Access, clock: Callable[[], float]) -> None:
        self._access = access
        self._clock = clock

    def process_request(self, req: Request, _resp: Response) -> None:
        """Refuse who may not ask."""
        environ = req.env
        asked = Asked(
            method=req.method,
            path=req.path,
            peer=environ["REMOTE_ADDR"],
            local=environ["gchat.local"],
            host=environ.get("HTTP_HOST", ""),
            origin=environ.get("HTTP_ORIGIN", ""),
            site=environ.get("HTTP_SEC_FETCH_SITE", ""),
            authorization=environ.get("HTTP_AUTHORIZATION", ""),
            content_type=environ["CONTENT_TYPE"],
            has_body=environ["CONTENT_LENGTH"] != "0",
        )
        req.context.trusted = self._access.check(asked, self._clock())
        if req.method not in COMBINED_METHODS:
            raise Problem(501, "This method is not known here")

    def process_resource(self, req: Request, _resp: Response, resource: object, _params: dict[str, Any]) -> None:
        """Refuse who wants another format than there is, and read the body."""
        if req.method in ("GET", "HEAD"):
            accept = req.env.get("HTTP_ACCEPT", "*/*")
            media_types = resource.media_types if isinstance(resource, Reading) else ()
            if media_types and accept != "*/*" and not any(map(req.client_accepts, media_types)):
                raise Problem(406, f"This is {' or '.join(media_types)}, which the Accept header does not want")
        elif req.env["CONTENT_LENGTH"] != "0":
            req.context.body = _read_body(req)
        else:
            req.context.body = b""


def make_app(operator: Operator, access: Access, clock: Callable[[], float] = time.monotonic) -> App[Any, Any]:
    """Return the WSGI application. It needs what AdminServer puts into the environment."""
    app = App(middleware=[_Door(access, clock)])
    app.router_options.converters["number"] = Number
    app.set_error_serializer(_serialize)
    app.add_error_handler(Problem, _answer_problem)
    app.add_error_handler(Exception, _answer_crash)
    routes = {
        "/": PageFile("page.html"),
        "/page.js": PageFile("page.js"),
        "/page.css": PageFile("page.css"),
        "/status": Status(operator),
        "/users": Users(operator),
        "/users/{user:number}/kick": KickUser(operator),
        "/rooms": Rooms(operator),
        "/rooms/{room}/messages": RoomMessages(operator, _in_time),
        "/healthz": Healthz(),
        "/readyz": Readyz(operator),
        "/metrics": MetricsPage(operator),
        "/events": Events(Streams(operator)),
        "/openapi.json": Document(description),
        "/announce": Announce(operator),
        "/bans": Bans(operator),
        "/bans/{ban:number}": OneBan(operator),
    }
    for path, resource in routes.items():
        app.add_route(path, resource)
    return app


def _in_time(action: Callable[[], int]) -> int:
    try:
        with gevent.Timeout(ACTION_S):
            return action()
    except gevent.Timeout:
        raise Problem(
            503, f"It was not done in {ACTION_S:g} s, and may still be; look before you try again", Retry_After="5"
        ) from None


def _read_body(req: Request) -> bytes:
    try:
        with gevent.Timeout(BODY_S):
            return req.env["wsgi.input"].read()  # type: ignore[no-any-return]
    except gevent.Timeout:
        raise Problem(408, f"The body did not come in {BODY_S:g} s") from None
    except OSError:
        raise Problem(400, "The body is shorter than its Content-Length says") from None


def _answer_problem(_req: Request, resp: Response, problem: Problem, _params: dict[str, Any]) -> None:
    resp.status, resp.content_type, resp.data = problem.status, PROBLEM, problem.document()
    resp.set_headers(problem.headers)


def _answer_crash(req: Request, resp: Response, error: Exception, params: dict[str, Any]) -> None:
    logger.error("admin: %s %s crashed", req.method, req.path, exc_info=error)
    resp.stream = None
    _answer_problem(req, resp, Problem(500, "Something went wrong here; the server's log says what"), params)


_DETAILS = {
    404: "There is nothing at this path; / is the page, and /openapi.json lists what there is",
    405: "This cannot be done with this path; the Allow header lists what can",
}


def _serialize(_req: Request, resp: Response, error: HTTPError) -> None:
    """Make one of falcon's own errors look as ours."""
    status = error.status_code
    problem = Problem(status, _DETAILS.get(status) or error.description or error.title or "It cannot be done")
    resp.content_type, resp.data = PROBLEM, problem.document()
