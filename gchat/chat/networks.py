"""Networks: where users come from. Users of one network share its limits. Pure: nothing is resolved."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from msgspec import Struct


class Network(Struct, frozen=True):
    """An address, or the /64 of an IPv6 address, because one owner has all of it."""

    name: str = ""
    is_exempt: bool = True  # whether no limit of networks applies to it


def network_of(host: str) -> str:
    """Return what connections from `host` count against: the address itself, or the /64 of an IPv6 address."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> 64 << 64)) + "/64"
    return str(address)


@lru_cache(4)
def networks_of(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks and addresses in `text`, which are separated by spaces. Raises ValueError."""
    return tuple([ip_network(word) for word in text.split()])


def is_in(host: str, networks: str) -> bool:
    """Return whether `host` is in one of these networks."""
    address = ip_address(host.strip("[]").partition("%")[0])
    return any(address in network for network in networks_of(networks))


def host_of(address: str) -> str:
    """Return the host of an address as sessions have it, `host:port`; "" for a Unix socket's."""
    return "" if address.startswith("unix:") else address.rpartition(":")[0]
