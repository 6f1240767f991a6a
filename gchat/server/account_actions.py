"""Accounts that the operator makes and removes: over HTTP on a running App, or by command in its files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gchat.admin.backend import Missing, NotPossible
from gchat.admin.documents import AccountInfo, NewAccount
from gchat.chat import logins
from gchat.chat.accounts import Account
from gchat.chat.limits import Limits
from gchat.chat.order_steps import AddAccount, RemoveAccount
from gchat.chat.registry import Registry
from gchat.dialects import rich
from gchat.journal.notes import Notes
from gchat.model import text
from gchat.model.errors import Refusal
from gchat.server.admin_order import AdminOrder, acting
from gchat.server.saved_state import restore, saving
from gchat.server.secret_checks import hashed
from gchat.server.settings import Config

if TYPE_CHECKING:
    from gchat.server.making import Making

#: The network of the operator, who has not guessed.
_OPERATOR = "operator"


class AccountActions(AdminOrder):
    """The methods of gchat.admin.backend.Backend that are about accounts."""

    def accounts(self) -> Iterator[AccountInfo]:
        """See Backend.accounts."""
        registry = self._app.registry
        return (_shown(account, is_online=registry.session_of(account) is not None) for account in registry.accounts)

    def add_account(self, name: str, secret: str, by: str) -> AccountInfo:
        """See Backend.add_account."""
        try:
            check = logins.adding(self._app.registry, name, secret)
            verdict = self._app.secret_checks.verdict(_OPERATOR, check)
            if verdict.refusal is not None:
                raise verdict.refusal
        except Refusal as refusal:
            raise NotPossible(refusal.message) from None
        return _shown(self._take(AddAccount(acting(self._app, by), name, verdict.hash, verdict.lineage)))

    def remove_account(self, name: str, by: str) -> None:
        """See Backend.remove_account."""
        if self._app.registry.accounts.get(name) is None:
            raise Missing(f"No account is called {text.printable(name)[:64]}; GET /accounts lists the accounts")
        self._take(RemoveAccount(acting(self._app, by), name))


def making(config: Config, name: str, secret: str) -> Making[AccountInfo]:
    """Return the making of an account by command."""
    from gchat.server.making import Making  # noqa: PLC0415  # the server itself does without

    def store(notes: Notes) -> AccountInfo:
        registry = Registry(Limits(registration=config.auth.registration, nick_max=config.limits.nick_max))
        restore(registry, notes, 0.0)
        check = logins.adding(registry, name, secret)
        account, effects = logins.added(registry, check, hashed(check), time.time())
        save = saving(notes)
        for effect in effects:
            save[type(effect)](effect)
        return _shown(account)

    return Making("/accounts", NewAccount(name, secret), AccountInfo, store)


def _shown(account: Account, *, is_online: bool = False) -> AccountInfo:
    return AccountInfo(account.name, rich.rfc3339(account.created), is_online, account.is_closed)
