"""Limits, and the counting against them. Pure: the time is always given."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from msgspec import Struct


class Limits(Struct):
    """The limits of the core; shared, and changed in place when the configuration is reloaded."""

    max_rooms: int = 1000
    nick_max: int = 32
    max_text_bytes: int = 8192  # of one message; in the plain dialect that is a line
    presence_quiet_above: int = 500
    announce_after_s: float = 0.0  # how long a silent plain user waits before the room is told
    replay_on_join: int = 10
    who_max: int = 100  # names in one answer
    page_max: int = 100  # messages in one page of history
    motd: str = ""
    prompt: str = "[You] "
    announced: tuple[tuple[str, float], ...] = ()  # the limits that the shell enforces, for programs


class TokenBucket:
    """Allows `burst` at once and `rate` a second after that. A rate of 0 allows everything."""

    __slots__ = ("_at", "_tokens", "told")

    def __init__(self, burst: float, now: float) -> None:
        self._tokens = float(burst)
        self._at = now
        self.told = False  # whether the user has been told of slowing down since it was last full

    def allowance(self, rate: float, burst: float, now: float) -> float:
        """Return how much is allowed now; a negative amount is a debt."""
        self._tokens = min(burst, self._tokens + (now - self._at) * rate)
        self._at = now
        if self._tokens >= burst:
            self.told = False
        return self._tokens

    def spend(self, amount: int) -> None:
        """Take `amount` out; taking more than is left makes a debt."""
        self._tokens -= amount

    def debt_s(self, rate: float) -> float:
        """Return in how many seconds the debt is paid."""
        return max(0.0, -self._tokens / rate)


class Admission:
    """Counts connections, in all and per address (an IPv6 /64 counts as one, because one owner has all of it)."""

    def __init__(self) -> None:
        self.total = 0
        self._by_network: dict[str, int] = {}

    def of(self, network: str) -> int:
        """Return the number of connections from `network`."""
        return self._by_network.get(network, 0)

    def enter(self, network: str) -> None:
        """Count one more."""
        self.total += 1
        self._by_network[network] = self.of(network) + 1

    def leave(self, network: str) -> None:
        """Count one less."""
        self.total -= 1
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]


def network_of(host: str) -> str:
    """Return what connections from `host` count against: the address itself, or the /64 of an IPv6 address."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> 64 << 64)) + "/64"
    return str(address)
