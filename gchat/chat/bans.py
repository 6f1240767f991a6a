"""Bans of nicks, addresses and networks. Pure: the time is always given."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from msgspec import Struct

from gchat.chat.networks import address_of, network_named
from gchat.model import lookalikes, names, text
from gchat.model.errors import Code, Refusal

Kind = Literal["nick", "address", "network"]


class Ban(Struct, frozen=True):
    """One ban; times are in seconds since the epoch, and an `until` of 0 means for ever."""

    id: int
    kind: Kind
    value: str
    reason: str
    created: float
    until: float = 0.0


class Bans:
    """All bans in force; `expire` drops those that have ended."""

    def __init__(self) -> None:
        self.all: dict[int, Ban] = {}
        self._nicks: dict[str, Ban] = {}  # by each key of the nick
        self._networks: dict[IPv4Network | IPv6Network, Ban] = {}

    def make(self, kind: str, value: str, reason: str, now: float, for_s: float) -> Ban:
        """Return a ban that is not yet in force. Raises Refusal for a wrong kind or value."""
        if kind == "nick":
            value = names.nick(value, 100)
        elif kind in ("address", "network"):
            value = _network(kind, value)
        else:
            raise Refusal(Code.BAD_COMMAND, f'Unknown kind of ban "{kind}"; expected nick, address or network')
        until = now + for_s if for_s else 0.0
        return Ban(max(self.all, default=0) + 1, kind, value, reason, now, until)  # type: ignore[arg-type]

    def add(self, ban: Ban) -> None:
        """Put a ban in force; it replaces a ban of the same value."""
        for other in [other for other in self.all.values() if (other.kind, other.value) == (ban.kind, ban.value)]:
            self.remove(other.id)
        self.all[ban.id] = ban
        self._index()

    def remove(self, ban: int) -> Ban | None:
        """End a ban and return it, or None if there is no ban with this id."""
        found = self.all.pop(ban, None)
        self._index()
        return found

    def expire(self, now: float) -> bool:
        """Drop the bans that have ended; return whether there were any."""
        ended = [ban.id for ban in self.all.values() if ban.until and ban.until <= now]
        for ban in ended:
            self.remove(ban)
        return bool(ended)

    def of_nick(self, keys: frozenset[str]) -> Ban | None:
        """Return the ban of a nick with these keys (lookalikes.name_keys): lookalikes are banned too."""
        if not self._nicks:
            return None
        return next((self._nicks[key] for key in keys if key in self._nicks), None)

    def of_address(self, host: str) -> Ban | None:
        """Return the ban of an address, or of a network that it is in."""
        if not self._networks or not host:
            return None
        address = address_of(host)
        return next((ban for network, ban in self._networks.items() if address in network), None)

    def _index(self) -> None:
        self._nicks = {
            key: ban for ban in self.all.values() if ban.kind == "nick" for key in lookalikes.name_keys(ban.value)
        }
        self._networks = {network_named(ban.value): ban for ban in self.all.values() if ban.kind != "nick"}


def because(ban: Ban) -> str:
    """Return the reason of a ban, as the end of a sentence."""
    return f": {ban.reason}" if ban.reason else ""


def _network(kind: str, value: str) -> str:
    try:
        return str(address_of(value) if kind == "address" else network_named(value, strict=False))
    except ValueError:
        raise Refusal(Code.BAD_NAME, f'"{text.printable(value[:64])}" is not {_KINDS[kind]}') from None


_KINDS = {
    "address": "an address; expected one like 203.0.113.7 or 2001:db8::7",
    "network": "a network; expected one like 203.0.113.0/24 or 2001:db8::/64",
}
