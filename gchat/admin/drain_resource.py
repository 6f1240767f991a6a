"""The resource that has the server sent its users elsewhere, and then stop. Its requests have a token that may."""

from __future__ import annotations

from typing import Annotated

from falcon import Request, Response
from msgspec import Meta, Struct

from gchat.admin.action_resources import body_of, by, put
from gchat.admin.backend import Backend
from gchat.admin.documents import DrainDocument
from gchat.admin.openapi import Route, Writes


class Draining(Struct, frozen=True, forbid_unknown_fields=True):
    """How long the drain takes."""

    over_s: Annotated[float, Meta(ge=0, le=3600, description="seconds; without it server.drain_s")] | None = None


class DrainResource:
    """The drain."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_post(self, req: Request, resp: Response) -> None:
        """Begin it; while it is on, that changes nothing."""
        put(resp, self._backend.drain(body_of(req, Draining).over_s, by(req)), status=202)


def drain_route(backend: Backend) -> Route:
    """Return the path of the drain."""
    return Route(
        "/drain",
        DrainResource(backend),
        post=Writes(
            "Send all users elsewhere, then stop the server", Draining, 202, DrainDocument, hint="As SIGTERM does."
        ),
    )
