"""The resources of named tokens: their list, making one, and revoking one."""

from __future__ import annotations

import time
from typing import Any

from falcon import Request, Response

from gchat.admin.access import Scope
from gchat.admin.action_resources import body_of, by, put
from gchat.admin.backend import Backend, Missing, NotPossible, Unavailable
from gchat.admin.named_tokens import BadToken, NamedTokens, NewToken, TokenMade, TokenRow, TokensDocument
from gchat.admin.openapi import Reads, Route, Writes
from gchat.admin.read_resources import ReadResource
from gchat.admin.responses import JSON, indented
from gchat.admin.token_file import TokenError
from gchat.dialects.rich import rfc3339


class TokensResource(ReadResource):
    """The named tokens."""

    private = "Reading tokens"
    scope = Scope.ALL

    def __init__(self, backend: Backend, tokens: NamedTokens) -> None:
        self._backend = backend
        self._tokens = tokens

    def on_get(self, _req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer with all, without what they are."""
        rows = [TokenRow(token.name, token.scope, token.created) for token in self._tokens.values()]
        resp.content_type, resp.data = JSON, indented(TokensDocument(rows))

    def on_post(self, req: Request, resp: Response) -> None:
        """Make one, and show it this once."""
        asked = body_of(req, NewToken)
        try:
            token = self._tokens.make(asked.name, asked.scope, rfc3339(time.time()))
        except BadToken as error:
            raise NotPossible(str(error)) from None
        except TokenError as error:
            raise Unavailable(str(error)) from None
        made = self._tokens[asked.name]
        self._backend.note_action("token", f"{made.name} ({made.scope})", by(req))
        put(resp, TokenMade(made.name, made.scope, str(token)), status=201)


class TokenResource:
    """One named token."""

    def __init__(self, backend: Backend, tokens: NamedTokens) -> None:
        self._backend = backend
        self._tokens = tokens

    def on_delete(self, req: Request, resp: Response, name: str) -> None:
        """Revoke it: from now on it is a wrong one."""
        try:
            is_revoked = self._tokens.revoke(name)
        except TokenError as error:
            raise Unavailable(str(error)) from None
        if not is_revoked:
            raise Missing("No token has this name; GET /tokens lists the tokens")
        self._backend.note_action("revoke token", name, by(req))
        resp.status = 204


def token_routes(backend: Backend, tokens: NamedTokens) -> list[Route]:
    """Return the paths of named tokens."""
    return [
        Route(
            "/tokens",
            TokensResource(backend, tokens),
            Reads("Named tokens, without what they are", TokensDocument),
            post=Writes("Make a token; it is in the answer, and nowhere else", NewToken, 201, TokenMade),
        ),
        Route(
            "/tokens/{name}",
            TokenResource(backend, tokens),
            delete=Writes("Revoke a token", None, 204),
        ),
    ]
