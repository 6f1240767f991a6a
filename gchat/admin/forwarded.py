"""Whose request it is: what a trusted proxy says of it in X-Forwarded-For, -Proto and -Host. Pure.

Everybody can send these headers, so each counts only as far as a trusted proxy has written it: of the addresses in
X-Forwarded-For, which every proxy on the way has added its peer to, the last that is not itself a trusted proxy's. A
proxy that does not say whose request it is makes it one of another machine, however near the proxy is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from gchat.admin.access import is_loopback
from gchat.admin.responses import Problem
from gchat.chat.networks import address_of, is_in

# An address with a port behind it, as some proxies write: 192.0.2.7:51234, [2001:db8::7]:51234.
_WITH_PORT = re.compile(r"(?:\[(?P<long>[^\]]*)\]|(?P<short>[0-9.]+))(?::\d{1,5})?")


class RequestOrigin(Struct, frozen=True):
    """Where a request comes from, as far as it is known."""

    peer: str  # an address; "" on a Unix socket
    is_known: bool = True  # False: it came through a proxy that does not say from where
    scheme: str = ""  # http or https, between the peer and the proxy; "" if nobody says so
    host: str = ""  # the Host that the peer sent to the proxy; "" if nobody says so


def origin_of(peer: str, fields: Mapping[str, str], trusted: str) -> RequestOrigin:
    """Return the origin of a request with these headers that came from `peer`. Raises Problem.

    `trusted` are the networks of proxies that are believed, separated by spaces.
    """
    if not (trusted and peer and is_in(peer, trusted)):
        return RequestOrigin(peer)
    scheme = _last(fields, "x-forwarded-proto").lower()
    if scheme not in ("", "http", "https"):
        raise Problem(400, "X-Forwarded-Proto of the proxy is neither http nor https")
    host = _last(fields, "x-forwarded-host")
    chain = [part.strip() for part in fields.get("x-forwarded-for", "").split(",")]
    if chain == [""]:
        return RequestOrigin(peer, is_known=False, scheme=scheme, host=host)
    for part in reversed(chain):
        peer = seen_from_here(_address(part), peer)
        if not is_in(peer, trusted):
            break
    return RequestOrigin(peer, scheme=scheme, host=host)


def seen_from_here(peer: str, proxy: str) -> str:
    """Return the address of a peer of a proxy; one that is on the proxy's machine, which is not ours, has the proxy's.

    What it calls 127.0.0.1 is no program of this machine.
    """
    return proxy if is_loopback(peer) and not is_loopback(proxy) else peer


def _last(fields: Mapping[str, str], name: str) -> str:
    return fields.get(name, "").rpartition(",")[2].strip()


def _address(part: str) -> str:
    """Return the address in a part of X-Forwarded-For. Raises Problem: the proxy itself has passed on nonsense."""
    found = _WITH_PORT.fullmatch(part)
    try:
        return str(address_of((found["long"] or found["short"]) if found else part))
    except ValueError:
        raise Problem(
            400, "X-Forwarded-For of the proxy has something in it that is not an address; have it add the peer's"
        ) from None
