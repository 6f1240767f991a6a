"""Accounts: nicks that belong to users who know a secret. Pure: nothing is hashed here, and nothing random made.

An account is a lineage that lasts: what is kept by lineage (ranks, and the session that a new one takes over) is kept
for its user too, however they come back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated

from msgspec import Meta, Struct
from precis_i18n import get_profile

from gchat.chat.networks import Network
from gchat.model import text
from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import folded, name_keys, owned_keys
from gchat.model.secret import HasSecrets

#: Accounts in all, and those that users of one network may register.
MAX_ACCOUNTS, MAX_FROM_NETWORK = 10_000, 100

#: The length of a secret, in characters; and how many different ones it has at least.
MIN_SECRET, MAX_SECRET, MIN_DIFFERENT = 8, 128, 4

#: A hash by argon2id, with costs that are checked in a moment: another one could take all memory.
HASH = r"^(\$argon2id\$v=19\$m=[1-9]\d{1,4},t=\d,p=[1-4]\$[A-Za-z0-9+/]{11,64}\$[A-Za-z0-9+/]{43,86})?\Z"


class Account(HasSecrets, Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One account, as it is stored."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]  # the nick, as its user writes it
    hash: Annotated[str, Meta(pattern=HASH)]  # of the secret; "": the account is closed, and nobody can log in to it
    lineage: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]  # of which nobody has the token
    created: float = 0.0  # seconds since the epoch
    network: Annotated[str, Meta(max_length=64)] = ""  # the cloak of the network that it was registered from

    @property
    def is_closed(self) -> bool:
        """Whether nobody can log in, because what was stored cannot be read."""
        return not self.hash


class Accounts:
    """All accounts. No two have names that share a key (owned_keys)."""

    def __init__(self) -> None:
        self._by_name: dict[str, Account] = {}  # folded
        self._by_key: dict[str, Account] = {}
        self._from: Counter[str] = Counter()  # networks

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def owner(self, nick: str) -> Account | None:
        """Return the account whose name a nick is or looks like: nobody else can have it."""
        return self.get(nick) or next(filter(None, map(self._by_key.get, sorted(owned_keys(nick)))), None)

    def get(self, name: str) -> Account | None:
        """Return the account of this name, in any case and width."""
        return self._by_name.get(folded(name))

    def find(self, name: str) -> Account:
        """Return the same. Raises Refusal if there is none, or if it is closed."""
        account = self.get(name)
        if account is None:
            why = f"Nobody has registered {text.printable(name[:64])}; /register makes the nick that you have yours"
            raise Refusal(Code.NO_SUCH_USER, why)
        if account.is_closed:
            why = f"The account {account.name} is closed, because it cannot be read; ask the operator of the server"
            raise Refusal(Code.WRONG_SECRET, why)
        return account

    def check_free(self, nick: str, account: str = "") -> None:
        """Raise Refusal if a nick is, or looks like, the name of an account that is not this one."""
        owner = self.owner(nick)
        if owner is None or owner.name == account:
            return
        if folded(owner.name) == folded(nick):
            why = f"The nick {nick} is registered; if it is yours, /login {owner.name}, or choose another"
        else:
            why = f"The nick {nick} looks like {owner.name}, which is registered; choose another"
        raise Refusal(Code.REGISTERED, why)

    def check_place(self, network: Network, cloak: str) -> None:
        """Raise Refusal if there are too many accounts for one more from this network."""
        if len(self) >= MAX_ACCOUNTS:
            raise Refusal(Code.TOO_MUCH, f"There are {len(self):,} accounts already; ask the operator of the server")
        if not network.is_exempt and self._from[cloak] >= MAX_FROM_NETWORK:
            why = f"Users from your address have registered {MAX_FROM_NETWORK} nicks already; give one up (/unregister)"
            raise Refusal(Code.TOO_MUCH, why)

    def add(self, account: Account) -> None:
        """Add an account, or replace the one of the same name."""
        self.remove(account.name)
        self._by_name[folded(account.name)] = account
        for key in owned_keys(account.name):
            self._by_key.setdefault(key, account)
        self._from[account.network] += 1

    def remove(self, name: str) -> Account | None:
        """Remove the account of this name and return it; None if there is none."""
        account = self._by_name.pop(folded(name), None)
        if account is None:
            return None
        for key in owned_keys(account.name):
            if self._by_key.get(key) is account:
                del self._by_key[key]
        self._from[account.network] -= 1
        if not self._from[account.network]:
            del self._from[account.network]
        return account

    def restore(self, accounts: Iterable[Account]) -> None:
        """Have these accounts and no others."""
        for table in (self._by_name, self._by_key, self._from):
            table.clear()
        for account in accounts:
            self.add(account)


#: What stands for a stored account that is none.
UNREADABLE = Account("", "", "")


def stored(key: str, account: Account) -> Account:
    """Return the account that is stored under a key, a closed one if what stands there is not of that name."""
    return account if account.hash and key_of(account.name) == key else Account(key, "", "")


def key_of(name: str) -> str:
    """Return the key under which the account of this name is stored."""
    return folded(name)


# --- Secrets ---------------------------------------------------------------------------------------------------------


def normal(secret: str) -> str:
    """Return a secret as it is compared: PRECIS OpaqueString (RFC 8265) without blanks around it; "" if it is none."""
    if not secret or len(secret) > MAX_SECRET or text.is_blank(secret):
        return ""
    try:
        return str(get_profile("OpaqueString").enforce(secret.strip()))
    except UnicodeEncodeError:
        return ""


def good(secret: str, nick: str) -> str:
    """Return a new secret for this nick, as it is compared. Raises Refusal, which does not show it."""
    if len(secret) > MAX_SECRET:
        raise Refusal(Code.WEAK_SECRET, f"The secret is too long: the limit is {MAX_SECRET} characters")
    found = normal(secret)
    if not found:
        raise Refusal(Code.WEAK_SECRET, "The secret is empty, or has control characters in it; choose another")
    if found.startswith(("/", "／")):
        raise Refusal(Code.WEAK_SECRET, "A secret cannot begin with a slash, because a command does; choose another")
    if len(found) < MIN_SECRET:
        raise Refusal(Code.WEAK_SECRET, f"The secret is too short: expected {MIN_SECRET} characters or more")
    if len(set(found)) < MIN_DIFFERENT or not name_keys(found).isdisjoint(name_keys(nick)):
        raise Refusal(Code.WEAK_SECRET, "The secret is too easy to guess; choose another")
    return found
