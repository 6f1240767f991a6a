"""The PROXY protocol, versions 1 and 2: what a proxy says first, of the peer whose stream follows.

Strict, because who is let in and what is logged depends on it (haproxy.org/download/2.9/doc/proxy-protocol.txt):
1. A stream is a header, may become one, or is none; one that begins as a header and goes on as none is malformed.
2. Nothing is waited for beyond MAX_HEADER_BYTES, and a length that promises more is malformed at once.
3. A header that names no source (UNKNOWN, UNSPEC, a Unix socket) is valid: the peer is then at the proxy's own address.
4. TLS between the peer and the proxy is what version 2 says in its part for that, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct as Layout

from msgspec import Struct

from gchat.model.errors import GchatError

#: Of version 1, with its end: the specification's own bound.
MAX_LINE_BYTES = 107

#: Of version 2. Real ones have 16 to 400: two addresses, perhaps a certificate's name and a cloud's number.
MAX_HEADER_BYTES = 4096

#: How each version begins.
LINE, SIGNATURE = b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"

_HEAD = Layout("!12sBBH")  # the signature, version and command, family and protocol, the length of the rest

# Of each family with addresses: how they lie. Those of Unix sockets are paths of the proxy's machine.
_ADDRESSES = {1: Layout("!4s4sHH"), 2: Layout("!16s16sHH"), 3: Layout("!108s108s")}

_TLV = Layout("!BH")
_SSL = Layout("!BI")  # what holds of the client, and whether its certificate was verified

_NUMBER = r"(0|[1-9]\d{0,4})"
_LINE = re.compile(rf"PROXY (?:UNKNOWN(?: .*)?|(TCP4|TCP6) (\S+) (\S+) {_NUMBER} {_NUMBER})\r\n", re.ASCII)


class _Command(IntEnum):
    LOCAL = 0
    PROXY = 1


class MalformedHeader(GchatError):
    """A stream begins as a header and goes on as none; the text says how, and has nothing in it that was received."""


class ProxyHeader(Struct, frozen=True):
    """What a proxy says of the stream that follows, and how many bytes it has said it with."""

    size: int
    host: str = ""  # the peer's address; "" if the proxy names none
    port: int = 0
    is_local: bool = False  # the proxy itself has connected: a health check
    has_tls: bool = False  # the peer speaks TLS with the proxy


def parse(start: bytes) -> ProxyHeader | None:
    """Return the header that a stream starts with; None if it may still become one. Raises MalformedHeader.

    `start` is all that was received so far; a header is complete with its last byte, whatever follows.
    """
    if start.startswith(SIGNATURE):
        return _version_2(start)
    if start.startswith(LINE):
        return _version_1(start)
    if SIGNATURE.startswith(start) or LINE.startswith(start):
        return None
    raise MalformedHeader("no PROXY header")


def _version_1(start: bytes) -> ProxyHeader | None:
    line, end, _ = start[:MAX_LINE_BYTES].partition(b"\n")
    if not end:
        if len(start) < MAX_LINE_BYTES:
            return None
        raise MalformedHeader(f"a PROXY line of more than {MAX_LINE_BYTES} bytes")
    found = _LINE.fullmatch((line + end).decode("latin-1"))
    if not found:
        raise MalformedHeader("a PROXY line that is not valid")
    family, source, destination, *ports = found.groups()
    size = len(line) + 1
    if not family:
        return ProxyHeader(size)
    kind = IPv4Address if family == "TCP4" else IPv6Address
    try:
        addresses = [kind(source), kind(destination)]
    except ValueError:
        raise MalformedHeader("a PROXY line with an address that is none") from None
    if max(map(int, ports)) > 65535 or "%" in source + destination:
        raise MalformedHeader("a PROXY line with a port or an address that is none")
    return ProxyHeader(size, _text(addresses[0]), int(ports[0]))


def _text(address: IPv4Address | IPv6Address) -> str:
    """Return an address as the rest of gchat knows it: ::ffff:192.0.2.7 is 192.0.2.7."""
    return str((address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address)


def _version_2(start: bytes) -> ProxyHeader | None:
    if len(start) < _HEAD.size:
        return None
    _, version_and_command, family_and_protocol, length = _HEAD.unpack_from(start)
    version, command = divmod(version_and_command, 16)
    family, protocol = divmod(family_and_protocol, 16)
    if version != 2 or command not in list(_Command) or family > 3 or protocol > 2:
        raise MalformedHeader("a PROXY header of an unknown version, command or family")
    size = _HEAD.size + length
    if size > MAX_HEADER_BYTES:
        raise MalformedHeader(f"a PROXY header of {size:,} bytes; at most {MAX_HEADER_BYTES:,} are accepted")
    if len(start) < size:
        return None
    if command == _Command.LOCAL:
        return ProxyHeader(size, is_local=True)  # whatever else stands there is to be ignored
    rest = start[_HEAD.size : size]
    if not family or not protocol:
        # Of no family, the length of the addresses is not known: nothing in there can be read.
        return ProxyHeader(size)
    if protocol != 1:
        raise MalformedHeader("a PROXY header for datagrams")
    addresses = _ADDRESSES[family]
    if len(rest) < addresses.size:
        raise MalformedHeader("a PROXY header that is too short for its addresses")
    has_tls = _has_tls(rest[addresses.size :])
    if family == 3:
        return ProxyHeader(size, has_tls=has_tls)
    source, _, port, _ = addresses.unpack_from(rest)
    return ProxyHeader(size, _text(ip_address(source)), port, has_tls=has_tls)


def _has_tls(rest: bytes) -> bool:
    """Return whether the peer speaks TLS with the proxy. Some proxies have the part for it also where it does not."""
    found = [value for kind, value in _tlvs(rest) if kind == 0x20]
    if len(found) > 1 or any(len(value) < _SSL.size for value in found):
        raise MalformedHeader("a PROXY header whose part for TLS is not valid")
    for value in found:
        for _ in _tlvs(value[_SSL.size :]):
            pass
    return bool(found) and bool(found[0][0] & 1)


def _tlvs(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the parts behind the addresses: the type and the value of each."""
    at = 0
    while at < len(data):
        if len(data) - at < _TLV.size:
            raise MalformedHeader("a PROXY header that ends in a part of it")
        kind, length = _TLV.unpack_from(data, at)
        at += _TLV.size
        if len(data) - at < length:
            raise MalformedHeader("a PROXY header that ends in a part of it")
        yield kind, data[at : at + length]
        at += length
