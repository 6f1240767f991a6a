"""Order: who keeps it on the whole server, and which users are banned or muted. Pure.

Operators of the server are accounts: those in the configuration, and those that were made operators while it runs.
What they do is in order_actions.
"""

from __future__ import annotations

from functools import lru_cache

from gchat.chat.limits import Limits
from gchat.chat.penalties import Penalised, Penalties, Penalty
from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import folded, name_keys, owned_keys


class Order:
    """The operators of the server, the bans and the mutes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.bans = Penalties()
        self.mutes = Penalties()
        self.granted: dict[str, str] = {}  # accounts that are operators beside those in the configuration, by key

    @property
    def operators(self) -> dict[str, str]:
        """The accounts of all operators, by key."""
        return {**self.granted, **_keyed(self._limits.operators)}

    def is_due(self, now: float) -> bool:
        """Return whether a ban or a mute has ended that is still in force; `now` is the wall clock."""
        return self.bans.is_due(now) or self.mutes.is_due(now)

    def is_configured(self, account: str) -> bool:
        """Return whether the configuration makes an account an operator."""
        return folded(account) in _keyed(self._limits.operators)

    def is_operator(self, user: Penalised) -> bool:
        """Return whether a user is an operator of the server."""
        account = folded(user.account) if user.account else ""
        return bool(account) and (account in self.granted or account in _keyed(self._limits.operators))

    def mute_of(self, user: Penalised) -> Penalty | None:
        """Return why a user may not speak. An operator always may: a mute of a network is none of theirs."""
        return self.mutes.of(user) if self.mutes and not self.is_operator(user) else None

    def check_voice(self, user: Penalised, what: str = "Not sent") -> None:
        """Raise Refusal if a user is muted; it begins with `what` was not done."""
        if (mute := self.mute_of(user)) is not None:
            raise Refusal(Code.MUTED, f"{what}: you are muted{mute.end}")

    def check_entry(self, lineage: str, account: str) -> None:
        """Raise Refusal if a token or an account is banned; addresses and nicks are looked at elsewhere."""
        if ban := self.bans.of_lineage(lineage) or self.bans.of_account(account):
            raise Refusal(Code.BANNED, banned(ban))

    def check_registration(self, nick: str) -> None:
        """Raise Refusal if a user may not make an account of this name: it is, or looks like, an operator's."""
        keys = owned_keys(nick)
        for name in self.operators.values():
            if folded(nick) == folded(name):
                how = f"whose account is made with gchat-server --add-account {nick}"
                raise Refusal(Code.REGISTERED, f"{nick} is an operator of this server, {how}")
            if not keys.isdisjoint(owned_keys(name)):
                why = f"The nick {nick} looks like {name}'s, an operator of this server; choose another"
                raise Refusal(Code.REGISTERED, why)

    def check_nick(self, nick: str, keys: frozenset[str]) -> None:
        """Raise Refusal if a nick with these keys is banned."""
        if ban := self.bans.of_nick(keys):
            raise Refusal(Code.BANNED, f"The nick {nick} is banned from this server{ban.end}; choose another")

    def check_renaming(self, user: Penalised, keys: frozenset[str]) -> None:
        """Raise Refusal if a user may not take any other nick: a muted user may have the one that is muted."""
        mute = self.mute_of(user)
        if mute and not any(kind == "nick" and keys & name_keys(value) for kind, value in mute.targets):
            raise Refusal(Code.MUTED, f"You keep your name while you are muted{mute.end}")


def banned(ban: Penalty) -> str:
    """Return what a banned user is told."""
    return f"You are banned from this server{ban.end}"


@lru_cache(4)
def _keyed(accounts: str) -> dict[str, str]:
    return {folded(account): account for account in accounts.split()}
