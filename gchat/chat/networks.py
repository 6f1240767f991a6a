"""Networks: where users come from. Users of one network share its limits. Pure: nothing is resolved."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from msgspec import Struct

#: The bits of an IPv6 address before an IPv4 address that is written as one (RFC 4291, section 2.5.5.2).
_MAPPED_PREFIX = 96


class Network(Struct, frozen=True, gc=False):
    """An address, or the /64 of an IPv6 address, because one owner has all of it."""

    name: str = ""
    is_exempt: bool = True  # whether no limit of networks applies to it


@lru_cache(4096)
def address_of(host: str) -> IPv4Address | IPv6Address:
    """Return the address that `host` is, with or without brackets and a zone. Raises ValueError.

    ::ffff:192.0.2.7 is 192.0.2.7: a socket of both families calls its IPv4 peers so.
    """
    address = ip_address(host.strip("[]").partition("%")[0])
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def network_named(text: str, *, strict: bool = True) -> IPv4Network | IPv6Network:
    """Return a network; one of IPv4 addresses that is written in IPv6 is an IPv4 network too. Raises ValueError.

    A strict one has no bits set beyond its prefix.
    """
    network = ip_network(text, strict=strict)
    first = network.network_address
    if isinstance(first, IPv6Address) and first.ipv4_mapped and network.prefixlen >= _MAPPED_PREFIX:
        return IPv4Network((first.ipv4_mapped, network.prefixlen - _MAPPED_PREFIX))
    return network


def network_of(host: str) -> str:
    """Return what connections from `host` count against: the address itself, or the /64 of an IPv6 address."""
    address = address_of(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> 64 << 64)) + "/64"
    return str(address)


@lru_cache(4)
def networks_of(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks and addresses in `text`, which are separated by spaces. Raises ValueError."""
    return tuple([network_named(word) for word in text.split()])


def is_in(host: str, networks: str) -> bool:
    """Return whether `host` is in one of these networks."""
    address = address_of(host)
    return any(address in network for network in networks_of(networks))


def host_of(address: str) -> str:
    """Return the host of an address as sessions have it, `host:port`; "" for a Unix socket's."""
    return "" if address.startswith("unix:") else address.rpartition(":")[0]
