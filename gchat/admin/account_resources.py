"""The resources of accounts: nicks that belong to users who know a secret. All of it needs a token."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from falcon import Request, Response

from gchat.admin.access import Scope
from gchat.admin.action_resources import body_of, by, put
from gchat.admin.backend import Backend
from gchat.admin.documents import AccountInfo, AccountsDocument, NewAccount
from gchat.admin.openapi import Reads, Route, Writes
from gchat.admin.read_resources import LongResource, listed


class AccountsResource(LongResource):
    """The accounts."""

    private = "Reading accounts"

    def __init__(self, backend: Backend, in_time: Callable[[Callable[[], AccountInfo]], AccountInfo]) -> None:
        super().__init__(backend, accounts)
        self._in_time = in_time

    def on_post(self, req: Request, resp: Response) -> None:
        """Make one."""
        asked = body_of(req, NewAccount)
        account = self._in_time(lambda: self._backend.add_account(asked.name, asked.secret, by(req)))
        put(resp, account, status=201)
        resp.location = f"/accounts/{quote(account.name)}"


class AccountResource:
    """One account."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def on_delete(self, req: Request, resp: Response, name: str) -> None:
        """Remove it."""
        self._backend.remove_account(name, by(req))
        resp.status = 204


def accounts(backend: Backend, _scope: Scope) -> AccountsDocument:
    """Return the accounts; the route needs a token."""
    return AccountsDocument(listed(backend.accounts()))


def account_routes(backend: Backend, in_time: Callable[[Callable[[], AccountInfo]], AccountInfo]) -> list[Route]:
    """Return the paths of accounts."""
    return [
        Route(
            "/accounts",
            AccountsResource(backend, in_time),
            Reads("Accounts: nicks that belong to users who know a secret", AccountsDocument),
            post=Writes("Make an account", NewAccount, 201, AccountInfo),
        ),
        Route(
            "/accounts/{name}",
            AccountResource(backend),
            delete=Writes("Remove an account, and log its user out", None, 204),
        ),
    ]
