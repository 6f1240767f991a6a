"""Admission: which peers are let in, and what each network has used. Pure: the time is always given."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from msgspec import Struct

from gchat.chat.effects import CloseReason
from gchat.chat.limits import Allowance, Limits
from gchat.chat.networks import Network, host_of, is_in
from gchat.chat.order import banned
from gchat.chat.penalties import Penalties

#: Networks examined whenever a connection ends: those without a connection are forgotten faster than they come.
FORGOTTEN_AT_ONCE = 4

#: Banned peers of one network that are heard at a time, to be told so in the dialect that they speak.
TOLD_AT_ONCE = 4


class TurnedAway(Struct, frozen=True):
    """Why a peer is not let in: the reason to count, and the sentence for the peer."""

    reason: CloseReason
    message: str


class Admission:
    """Counts connections, in all and by network, and keeps what each network may send.

    Each peer for which admit() returns None is released exactly once.
    """

    def __init__(self, bans: Penalties, limits: Limits) -> None:
        self.total = 0
        self.elsewhere: Callable[[str], int] = lambda _network: 0  # users of a network at other nodes of a cluster
        self._bans = bans
        self._limits = limits
        self._connections: dict[str, int] = {}
        self._allowances: dict[str, Allowance] = {}
        # Networks without a connection that still have an allowance, the longest unconnected first.
        self._unconnected: dict[str, None] = {}

    def admit(self, address: str, network: str, max_connections: int) -> TurnedAway | None:
        """Count a peer in and return None, or return why it is turned away; `address` is as sessions have it."""
        # A banned peer is told that in its own dialect, which is heard first (see Door); there is little time for many.
        if self.of(network) >= TOLD_AT_ONCE and (ban := self._bans.of_address(host_of(address))):
            return TurnedAway(CloseReason.BANNED, banned(ban))
        if self.total >= max_connections:
            return TurnedAway(CloseReason.FULL, "The server is full; try again later")
        most = self._limits.connections_per_network
        if most and self.of(network) + self.elsewhere(network) >= most and not self.network(address, network).is_exempt:
            each = "one connection" if most == 1 else f"{most:,} connections"
            why = f"Too many connections from your address: the limit is {each}; close another one first"
            return TurnedAway(CloseReason.TOO_MANY, why)
        self.total += 1
        self._connections[network] = self.of(network) + 1
        self._unconnected.pop(network, None)
        return None

    def release(self, network: str, now: float) -> None:
        """Count a peer out. What its network has spent is remembered until it would be allowed again."""
        self.total -= 1
        self._connections[network] -= 1
        if not self._connections[network]:
            del self._connections[network]
            if network in self._allowances:
                self._unconnected[network] = None
        self._forget(now)

    def of(self, network: str) -> int:
        """Return the number of connections from `network`."""
        return self._connections.get(network, 0)

    def network(self, address: str, name: str) -> Network:
        """Return the network `name`, from which a peer at `address` comes; a Unix socket's peers are exempt."""
        host = host_of(address)
        return Network(name, not host or is_in(host, self._limits.exempt))

    def allowance(self, network: Network, now: float) -> Allowance | None:
        """Return what all users of a network may send together; None if there is no limit."""
        rates = self._limits.network_rates
        if network.is_exempt or not rates.messages_per_s:
            return None
        if network.name not in self._allowances:
            self._allowances[network.name] = Allowance(rates, now)
        return self._allowances[network.name]

    def _forget(self, now: float) -> None:
        for network in list(islice(self._unconnected, FORGOTTEN_AT_ONCE)):
            allowance = self._allowances[network]
            allowance.grow(self._limits.network_rates, now)
            if not allowance.is_full(self._limits.network_rates):
                break
            del self._allowances[network], self._unconnected[network]
