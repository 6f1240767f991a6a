"""The resources by which order is kept: kicks, bans, mutes, operators, and the audit of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from falcon import Request, Response
from msgspec import Meta, Struct

from gchat.admin.access import Scope
from gchat.admin.action_resources import Announcement, AnnounceResource, Name, body_of, by, put
from gchat.admin.backend import Backend
from gchat.admin.documents import (
    AuditDocument,
    BansDocument,
    MutesDocument,
    OperatorRow,
    OperatorsDocument,
    PenaltyRow,
    ToldDocument,
)
from gchat.admin.openapi import Reads, Route, Writes
from gchat.admin.read_resources import LongResource, ReadResource, bans, mutes, operators, query_of
from gchat.admin.responses import JSON, indented
from gchat.chat.order_actions import Wish

Reason = Annotated[str, Meta(max_length=200, description="told to the users concerned")]
ForS = Annotated[float, Meta(ge=0, le=3 * 10**9, description="seconds; 0: permanently")]

#: Bans are shown ids, which a JSON number holds.
MAX_ID = 2**53


class Kicking(Struct, frozen=True, forbid_unknown_fields=True):
    """The reason for a kick."""

    reason: Reason = ""


class Penalising(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a user is banned or muted, and for how long."""

    reason: Reason = ""
    for_s: ForS = 0.0


class NewBan(Struct, frozen=True, forbid_unknown_fields=True):
    """A nick, an account, an address or a network to ban, and for how long."""

    kind: Literal["nick", "account", "address", "network"]
    value: Name
    reason: Reason = ""
    for_s: ForS = 0.0
    force: Annotated[
        bool, Meta(description="needed for a very large network, and one with operators or many users")
    ] = False


class AuditQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the audit, newest first."""

    before: Annotated[int, Meta(ge=0, le=MAX_ID, description="only what has a lower id; 0: from the newest on")] = 0
    limit: Annotated[int, Meta(ge=1, le=1000, description="how many at most")] = 100


class KickResource:
    """Closes a user's connection."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_post(self, req: Request, resp: Response, user: int) -> None:
        """Kick."""
        asked = body_of(req, Kicking)
        self._backend.kick(user, asked.reason, by(req))
        resp.status = 204


class UserBanResource:
    """Bans a user."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_post(self, req: Request, resp: Response, user: int) -> None:
        """Ban."""
        asked = body_of(req, Penalising)
        ban = self._backend.ban_user(user, Wish(asked.for_s, asked.reason), by(req))
        put(resp, ban, status=201)
        resp.location = f"/bans/{ban.id}"


class UserMuteResource:
    """Mutes a user."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_post(self, req: Request, resp: Response, user: int) -> None:
        """Mute."""
        asked = body_of(req, Penalising)
        mute = self._backend.mute_user(user, Wish(asked.for_s, asked.reason), by(req))
        put(resp, mute, status=201)
        resp.location = f"/mutes/{mute.id}"

    def on_delete(self, req: Request, resp: Response, user: int) -> None:
        """Let the user speak."""
        self._backend.unmute_user(user, by(req))
        resp.status = 204


class BansResource(LongResource):
    """The bans."""

    private = "Reading bans"

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, bans)

    def on_post(self, req: Request, resp: Response) -> None:
        """Ban."""
        asked = body_of(req, NewBan)
        ban = self._backend.ban(asked.kind, asked.value, Wish(asked.for_s, asked.reason, asked.force), by(req))
        put(resp, ban, status=201)
        resp.location = f"/bans/{ban.id}"


class BanResource:
    """One ban."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_delete(self, req: Request, resp: Response, ban: int) -> None:
        """End it."""
        self._backend.unban(ban, by(req))
        resp.status = 204


class MutesResource(LongResource):
    """The mutes."""

    private = "Reading mutes"

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, mutes)


class MuteResource:
    """One mute."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_delete(self, req: Request, resp: Response, mute: int) -> None:
        """End it."""
        self._backend.unmute(mute, by(req))
        resp.status = 204


class OperatorsResource(LongResource):
    """The operators of the server."""

    private = "Reading operators"

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, operators)


class OperatorResource:
    """One operator."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_put(self, req: Request, resp: Response, account: str) -> None:
        """Make an account an operator; to do it again changes nothing."""
        put(resp, self._backend.make_operator(account, by(req)))

    def on_delete(self, req: Request, resp: Response, account: str) -> None:
        """Make it an ordinary account."""
        self._backend.remove_operator(account, by(req))
        resp.status = 204


class AuditResource(ReadResource):
    """What operators did."""

    private = "Reading the audit"

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_get(self, req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer with a page of it."""
        query = query_of(req.params, AuditQuery)
        rows = list(self._backend.audit(query.before, query.limit + 1))
        has_more, rows = len(rows) > query.limit, rows[: query.limit]
        resp.content_type, resp.data = JSON, indented(AuditDocument(rows, rows[-1].id if has_more else 0))


def order_routes(backend: Backend) -> list[Route]:
    """Return the paths by which order is kept."""
    moderate = Scope.MODERATE
    return [
        Route(
            "/announce",
            AnnounceResource(backend),
            post=Writes("Announce something to one room or to all", Announcement, 200, ToldDocument, (404,), moderate),
        ),
        Route(
            "/users/{user:number}/kick",
            KickResource(backend),
            post=Writes("Kick a user: close the connection", Kicking, 204, scope=moderate),
        ),
        Route(
            "/users/{user:number}/ban",
            UserBanResource(backend),
            post=Writes("Ban a user: nick, account and address", Penalising, 201, PenaltyRow, scope=moderate),
        ),
        Route(
            "/users/{user:number}/mute",
            UserMuteResource(backend),
            post=Writes("Mute a user: nick, account and address", Penalising, 201, PenaltyRow, scope=moderate),
            delete=Writes("Let a user speak again", None, 204, scope=moderate),
        ),
        Route(
            "/bans",
            BansResource(backend),
            Reads("Bans in force", BansDocument),
            post=Writes("Ban a nick, an account, an address or a network", NewBan, 201, PenaltyRow, scope=moderate),
        ),
        Route(
            "/bans/{ban:number}",
            BanResource(backend),
            delete=Writes("End a ban", None, 204, scope=moderate),
        ),
        Route("/mutes", MutesResource(backend), Reads("Mutes in force", MutesDocument)),
        Route(
            "/mutes/{mute:number}",
            MuteResource(backend),
            delete=Writes("End a mute", None, 204, scope=moderate),
        ),
        Route(
            "/audit",
            AuditResource(backend),
            Reads("What operators did, newest first", AuditDocument, query=AuditQuery),
        ),
        Route("/operators", OperatorsResource(backend), Reads("Operators of the server", OperatorsDocument)),
        Route(
            "/operators/{account}",
            OperatorResource(backend),
            put=Writes("Make an account an operator of the server", None, 200, OperatorRow),
            delete=Writes("Make an operator an ordinary account", None, 204),
        ),
    ]
