"""The PROXY protocol: what real proxies send, and that nothing else is taken for it, however it is cut."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchat.dialects.proxy_header import (
    LINE,
    MAX_HEADER_BYTES,
    MAX_LINE_BYTES,
    SIGNATURE,
    MalformedHeader,
    ProxyHeader,
    parse,
)


def version_2(command: int = 1, family: int = 0x11, rest: bytes = b"", *, length: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(rest) if length is None else length) + rest


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def tls(client: int = 1, inner: bytes = tlv(0x21, b"TLSv1.3")) -> bytes:
    return tlv(0x20, struct.pack("!BI", client, 0) + inner)


IPV4 = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + struct.pack("!HH", 51234, 8888)
IPV6 = IPv6Address("2001:db8::7").packed + IPv6Address("2001:db8::1").packed + struct.pack("!HH", 51234, 8888)
UNIX = b"/run/client.sock".ljust(108, b"\0") + b"/run/gchat.sock".ljust(108, b"\0")
CLOUD = tlv(0xEA, b"\x01vpce-0123456789abcdef0") + tlv(0x04, bytes(20))

HEADERS = {
    "v1 TCP4": (b"PROXY TCP4 192.0.2.7 198.51.100.1 51234 8888\r\n", "192.0.2.7", False),
    "v1 TCP6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 51234 8888\r\n", "2001:db8::7", False),
    "v1 TCP6 mapped": (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 51234 8888\r\n", "192.0.2.7", False),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", "", False),
    "v1 UNKNOWN, longest": (b"PROXY UNKNOWN " + b"f" * (MAX_LINE_BYTES - 16) + b"\r\n", "", False),
    "v2 IPv4": (version_2(rest=IPV4), "192.0.2.7", False),
    "v2 IPv6": (version_2(family=0x21, rest=IPV6), "2001:db8::7", False),
    "v2 a Unix socket": (version_2(family=0x31, rest=UNIX), "", False),
    "v2 UNSPEC": (version_2(family=0), "", False),
    "v2 UNSPEC with parts": (version_2(family=0, rest=tls()), "", False),
    "v2 of a cloud": (version_2(rest=IPV4 + CLOUD), "192.0.2.7", False),
    "v2 TLS": (version_2(rest=IPV4 + CLOUD + tls()), "192.0.2.7", True),
    "v2 TLS, as HAProxy says that there is none": (version_2(rest=IPV4 + tls(0, b"")), "192.0.2.7", False),
    "v2 TLS of a Unix socket": (version_2(family=0x31, rest=UNIX + tls()), "", True),
    "v2 of the longest": (
        version_2(rest=IPV4 + tlv(4, bytes(MAX_HEADER_BYTES - 16 - len(IPV4) - 3))),
        "192.0.2.7",
        False,
    ),
}


@pytest.mark.parametrize("name", HEADERS)
def test_what_a_real_proxy_sends_is_understood_and_only_when_it_is_whole(name: str) -> None:
    data, host, has_tls = HEADERS[name]

    assert [parse(data[:size]) for size in range(len(data))] == [None] * len(data)
    for following in (b"", b"hello\n", data, b"\x16\x03\x01", bytes(5000)):
        found = parse(data + following)
        assert found == ProxyHeader(len(data), host, 51234 if host else 0, has_tls=has_tls)


@pytest.mark.parametrize("rest", [b"", IPV4, UNIX, b"x" * 50, CLOUD])
@pytest.mark.parametrize("family", [0, 0x11, 0x21, 0x31])
def test_of_a_health_check_nothing_else_is_read(rest: bytes, family: int) -> None:
    data = version_2(0, family, rest)

    assert parse(data + b"more") == ProxyHeader(len(data), is_local=True)


MALFORMED = [
    b"hello\n",
    b"proxy TCP4 192.0.2.7 198.51.100.1 51234 8888\r\n",
    b"GET / HTTP/1.1\r\n",
    b"\r\n\r\n\0\r\nQUIT\r",
    b"\x16\x03\x01\x02\x00",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 51234 8888\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 51234  8888\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 51234 8888 \r\n",
    b"PROXY TCP4  192.0.2.7 198.51.100.1 51234 8888\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 51234\r\n",
    b"PROXY TCP4 192.0.2.07 198.51.100.1 51234 8888\r\n",
    b"PROXY TCP4 192.0.2 198.51.100.1 51234 8888\r\n",
    b"PROXY TCP4 2001:db8::7 198.51.100.1 51234 8888\r\n",
    b"PROXY TCP6 192.0.2.7 2001:db8::1 51234 8888\r\n",
    b"PROXY TCP6 fe80::1%eth0 2001:db8::1 51234 8888\r\n",
    b"PROXY TCP6 [2001:db8::7] 2001:db8::1 51234 8888\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 051234 8888\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 8888\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 8888\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 8888\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 \xb2 8888\r\n",
    b"PROXY UNKNOWN\n",
    b"PROXY UNKNOWNx\r\n",
    b"PROXY UDP4 192.0.2.7 198.51.100.1 51234 8888\r\n",
    b"PROXY \r\n",
    b"PROXY UNKNOWN " + b"f" * (MAX_LINE_BYTES - 15) + b"\r\n",
    b"PROXY " + b"x" * MAX_LINE_BYTES,
    SIGNATURE + b"\x11\x11\0\0",  # version 1
    SIGNATURE + b"\x31\x11\0\0",  # version 3
    SIGNATURE + b"\x22\x11\0\0",  # an unknown command
    SIGNATURE + b"\x21\x41\0\0",  # an unknown family
    SIGNATURE + b"\x21\x13\0\0",  # an unknown protocol
    version_2(family=0x12, rest=IPV4),  # a datagram
    version_2(rest=IPV4[:-1]),
    version_2(family=0x21, rest=IPV4),
    version_2(family=0x31, rest=UNIX[:-1]),
    version_2(rest=IPV4 + b"\x20"),
    version_2(rest=IPV4 + b"\x20\0\x05abcd"),
    version_2(rest=IPV4 + tlv(0x20, b"\x01\0\0\0")),
    version_2(rest=IPV4 + tls(inner=b"\x21\0\x07TLS")),
    version_2(rest=IPV4 + tls() + tls()),
]


@pytest.mark.parametrize("data", MALFORMED)
def test_what_is_almost_a_header_is_none(data: bytes) -> None:
    with pytest.raises(MalformedHeader):
        parse(data)


@pytest.mark.parametrize("length", [MAX_HEADER_BYTES - 15, 32768, 65535])
def test_a_length_that_nobody_needs_is_not_waited_for(length: int) -> None:
    with pytest.raises(MalformedHeader, match="at most 4,096"):
        parse(version_2(length=length))


def test_no_length_of_text_keeps_a_proxy_line_open() -> None:
    assert parse(LINE + b"x" * (MAX_LINE_BYTES - len(LINE) - 1)) is None
    with pytest.raises(MalformedHeader):
        parse(LINE + b"x" * (MAX_LINE_BYTES - len(LINE)))


starts = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=200).map(lambda tail: LINE + tail),
    st.binary(max_size=400).map(lambda tail: SIGNATURE + tail),
    st.builds(
        version_2,
        st.sampled_from([0, 1, 2]),
        st.sampled_from([0, 0x11, 0x12, 0x21, 0x31, 0x32, 0x41]),
        st.binary(max_size=300),
        length=st.one_of(st.none(), st.integers(0, 65535)),
    ),
    st.builds(
        lambda rest: version_2(rest=IPV4 + rest),
        st.lists(st.binary(max_size=20).map(lambda inner: tls(1, inner)), max_size=3).map(b"".join),
    ),
)


def verdict(start: bytes) -> ProxyHeader | str | None:
    try:
        return parse(start)
    except MalformedHeader:
        return "malformed"


@given(starts)
def test_a_verdict_stays_whatever_follows_and_comes_before_the_bound(start: bytes) -> None:
    found = [verdict(start[:size]) for size in range(len(start) + 1)]
    decided = next((at for at, each in enumerate(found) if each is not None), len(found))

    assert all(each == found[decided] for each in found[decided:])
    assert decided <= MAX_HEADER_BYTES
    if isinstance(header := found[-1], ProxyHeader):
        assert header.size == decided


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 65535), st.integers(0, 65535), st.booleans())
def test_both_versions_say_the_same(
    source: IPv4Address | IPv6Address,
    destination: IPv4Address | IPv6Address,
    port: int,
    other: int,
    has_tls: bool,
) -> None:
    if source.version != destination.version:
        destination = source
    line = f"PROXY TCP{source.version} {source} {destination} {port} {other}\r\n".encode()
    rest = source.packed + destination.packed + struct.pack("!HH", port, other) + (tls() if has_tls else b"")
    binary = version_2(family=0x11 if source.version == 4 else 0x21, rest=rest)

    host = str(getattr(source, "ipv4_mapped", None) or source)
    assert parse(line) == ProxyHeader(len(line), host, port)
    assert parse(binary) == ProxyHeader(len(binary), host, port, has_tls=has_tls)
