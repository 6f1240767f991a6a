"""Penalties: bans and mutes of users, by nick, account, token, address and network. Pure: the time is always given.

A penalty of a user is one, and has several targets, so that another nick or another connection does not end it. It is
lifted as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Literal, Protocol

from msgspec import Struct

from gchat.chat.networks import address_of, host_of, network_named
from gchat.model import names, sentences, text
from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import folded, name_keys

Kind = Literal["nick", "account", "lineage", "address", "network"]

#: What a penalty is of; an address or a network as text. A lineage (see lineages) is shown to nobody.
Target = tuple[Kind, str]

#: Penalties in one table. All of them are stored together, and shown in one answer of the admin endpoint.
MAX_PENALTIES = 1000

#: Networks larger than this are hardly meant: by version of IP.
LARGEST = {4: 16, 6: 32}

_Key = tuple[Any, ...]


class Penalised(Protocol):
    """A user, as far as penalties know one."""

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the name, see lookalikes.name_keys."""

    @property
    def account(self) -> str:
        """The account; "" if none."""

    @property
    def lineage(self) -> str:
        """The name of all sessions of one token; "" if there is none."""

    @property
    def address(self) -> str:
        """Where the user comes from, as sessions have it."""


class Penalty(Struct, frozen=True):
    """A ban or a mute; times are in seconds since the epoch, and an `until` of 0 means for ever."""

    id: int
    kind: Kind
    value: str
    reason: str
    created: float
    until: float = 0.0
    by: str = ""  # the operator
    also: tuple[Target, ...] = ()  # of the same user

    @property
    def targets(self) -> tuple[Target, ...]:
        """All that it is of."""
        return ((self.kind, self.value), *self.also)

    @property
    def shown(self) -> tuple[Target, ...]:
        """The targets that operators are shown."""
        return tuple(target for target in self.targets if target[0] != "lineage")

    @property
    def end(self) -> str:
        """Until when, and why, as the end of a sentence."""
        return f" {sentences.until(self.until)}" + (f": {self.reason}" if self.reason else "")


class Penalties:
    """All bans, or all mutes, that are in force; `expire` drops those that have ended.

    To ask whether a user is concerned takes one look-up for each key, and one for each length of prefix in use.
    """

    def __init__(self) -> None:
        self.all: dict[int, Penalty] = {}
        self._last_id = 0
        self._by_key: dict[_Key, list[Penalty]] = {}
        self._prefixes: Counter[tuple[int, int]] = Counter()  # version of IP and length of each network in it

    def __bool__(self) -> bool:
        return bool(self.all)

    @property
    def last_id(self) -> int:
        """The highest id that there has been."""
        return max(self._last_id, *self.all, 0)

    def restore(self, penalties: Iterable[Penalty], last_id: int) -> None:
        """Have these penalties and no others in force, after the one with this id."""
        for table in (self.all, self._by_key, self._prefixes):
            table.clear()
        for penalty in penalties:
            self.add(penalty)
        self._last_id = last_id

    def next_id(self) -> int:
        """Return the id of the next penalty; none is used twice, because an operator may type an old one."""
        return self.last_id + 1

    def add(self, penalty: Penalty) -> None:
        """Put a penalty in force; it replaces one of the same value. Raises Refusal if there are too many."""
        same = self.same((penalty.kind, penalty.value))
        if len(self.all) - len(same) >= MAX_PENALTIES:
            raise Refusal(Code.TOO_MUCH, f"There are {MAX_PENALTIES:,} already; lift some first")
        for other in same:
            self.remove(other.id)
        self.all[penalty.id] = penalty
        self._last_id = max(self._last_id, penalty.id)
        for key in _keys(penalty):
            self._by_key.setdefault(key, []).append(penalty)
            if key[0] == "network":
                self._prefixes[key[1:3]] += 1

    def same(self, target: Target) -> list[Penalty]:
        """Return the penalties that another one of this target, its first, replaces."""
        kind, value = target[0], folded(target[1])
        return [penalty for penalty in self.all.values() if penalty.kind == kind and folded(penalty.value) == value]

    def remove(self, penalty: int) -> Penalty | None:
        """End a penalty and return it, or None if there is none with this id."""
        found = self.all.pop(penalty, None)
        if found is None:
            return None
        for key in _keys(found):
            self._by_key[key].remove(found)
            if not self._by_key[key]:
                del self._by_key[key]
            if key[0] == "network":
                self._prefixes[key[1:3]] -= 1
        self._prefixes += Counter()  # without those that are 0
        return found

    def is_due(self, now: float) -> bool:
        """Return whether expire() would drop one."""
        return any(penalty.until and penalty.until <= now for penalty in self.all.values())

    def expire(self, now: float) -> list[Penalty]:
        """Drop the penalties that have ended, and return them."""
        ended = [penalty for penalty in self.all.values() if penalty.until and penalty.until <= now]
        for penalty in ended:
            self.remove(penalty.id)
        return ended

    def named(self, which: str) -> list[Penalty]:
        """Return the penalties of a nick, an account, an address or a network, as an operator types it."""
        wanted = folded(which)
        network = _network_or_none(which)
        return [
            penalty
            for penalty in self.all.values()
            if any(
                network_named(value) == network if kind in ("address", "network") else folded(value) == wanted
                for kind, value in penalty.shown
            )
        ]

    def of(self, user: Penalised) -> Penalty | None:
        """Return the penalty of a user that lasts longest."""
        if not self.all:
            return None
        return _longest(
            filter(
                None,
                (
                    self.of_nick(user.keys),
                    self.of_account(user.account),
                    self.of_lineage(user.lineage),
                    self.of_address(host_of(user.address)),
                ),
            )
        )

    def of_nick(self, keys: frozenset[str]) -> Penalty | None:
        """Return the penalty of a nick with these keys (lookalikes.name_keys), which names that look like it have."""
        return self._of(("nick", key) for key in keys) if self.all else None

    def of_account(self, account: str) -> Penalty | None:
        """Return the penalty of an account."""
        return self._of([("account", folded(account))]) if self.all and account else None

    def of_lineage(self, lineage: str) -> Penalty | None:
        """Return the penalty of the sessions of one token."""
        return self._of([("lineage", lineage)]) if self.all and lineage else None

    def of_address(self, host: str) -> Penalty | None:
        """Return the penalty of an address, or of a network that it is in."""
        if not self._prefixes or not host:
            return None
        address = address_of(host)
        whole, version = int(address), address.version
        return self._of(
            _network_key(version, length, whole >> (address.max_prefixlen - length))
            for of_version, length in self._prefixes
            if of_version == version
        )

    def _of(self, keys: Iterable[_Key]) -> Penalty | None:
        return _longest(penalty for key in keys for penalty in self._by_key.get(key, ()))


def made(kind: str, value: str) -> Target:
    """Return a target as an operator asks for it. Raises Refusal for a wrong kind or value."""
    if kind in ("nick", "account"):
        return kind, names.nick(value, 100)  # type: ignore[return-value]
    if kind not in _EXPECTED:
        raise Refusal(Code.BAD_COMMAND, f'Unknown kind of ban "{kind}"; expected nick, account, address or network')
    try:
        found = address_of(value) if kind == "address" else network_named(value, strict=False)
    except ValueError:
        raise Refusal(Code.BAD_NAME, f'"{text.printable(value[:64])}" is not {_EXPECTED[kind]}') from None
    return kind, str(found)  # type: ignore[return-value]


def target_named(which: str) -> Target:
    """Return the address, the network or else the nick that an operator means. Raises Refusal."""
    network = _network_or_none(which)
    if network is None:
        return made("nick", which)
    return made("network" if "/" in which else "address", which)


def concerned(penalty: Penalty, users: Iterable[Any]) -> list[Any]:
    """Return those of some users that a penalty is of."""
    table = Penalties()
    table.add(penalty)
    by_host: dict[str, bool] = {}  # many users have the same
    found = []
    for user in users:
        host = host_of(user.address)
        if host not in by_host:
            by_host[host] = table.of_address(host) is not None
        if (
            by_host[host]
            or table.of_nick(user.keys)
            or table.of_account(user.account)
            or table.of_lineage(user.lineage)
        ):
            found.append(user)
    return found


def size_of_huge(penalty: Penalty) -> str:
    """Return the network in a penalty that is larger than LARGEST; "" if there is none."""
    networks = [network_named(value) for kind, value in penalty.targets if kind == "network"]
    return next((str(network) for network in networks if network.prefixlen < LARGEST[network.version]), "")


def _longest(found: Iterable[Penalty]) -> Penalty | None:
    """Return the penalty that lasts longest, the oldest of several, in whatever order they were found."""
    return max(found, key=lambda penalty: (penalty.until or float("inf"), -penalty.id), default=None)


def _keys(penalty: Penalty) -> Iterator[_Key]:
    """Return by what a penalty is looked up."""
    for kind, value in penalty.targets:
        if kind == "nick":
            yield from (("nick", key) for key in name_keys(value))
        elif kind in ("account", "lineage"):
            yield kind, folded(value)
        else:
            network = network_named(value)
            bits = network.max_prefixlen - network.prefixlen
            yield _network_key(network.version, network.prefixlen, int(network.network_address) >> bits)


def _network_key(version: int, length: int, prefix: int) -> _Key:
    return "network", version, length, prefix


def _network_or_none(which: str) -> IPv4Network | IPv6Network | None:
    try:
        return network_named(which, strict=False) if "/" in which else network_named(str(address_of(which)))
    except ValueError:
        return None


_EXPECTED = {
    "address": "an address; expected one like 203.0.113.7 or 2001:db8::7",
    "network": "a network; expected one like 203.0.113.0/24 or 2001:db8::/64",
}
