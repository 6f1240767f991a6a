"""Who may ask for what: decided by where a request comes from, what it calls us, and the token it shows. Pure.

A page of somebody else's in the operator's browser must not get anything done or told (threats.md T38, T39): it cannot
set our Host (DNS rebinding shows its own name), its Origin and Sec-Fetch-Site are not ours, and it has no token.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from msgspec import Struct

from gchat.admin.values import JSON, Problem
from gchat.chat.limits import network_of

#: What this machine is called by whoever is on it.
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")

#: So many wrong tokens in WINDOW_S from one address, and no token from there is looked at until the first is over.
MAX_WRONG = 5
WINDOW_S = 60.0

#: Addresses whose wrong tokens are counted: over it, the one that is counted longest is forgotten.
MAX_COUNTED = 1024

READING = frozenset(["GET", "HEAD", "OPTIONS"])

#: The page's own files: they tell nothing, and without them nobody could enter the token.
FREE = frozenset(["/", "/page.js", "/page.css"])

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Asked(Struct, frozen=True):
    """What of a request decides; a header that is not there is ""."""

    method: str
    peer: str  # its address; "" on a Unix socket
    path: str = ""
    local: str = ""  # the address that it came in at; "" on a Unix socket
    host: str = ""
    origin: str = ""
    site: str = ""  # Sec-Fetch-Site
    authorization: str = ""
    content_type: str = ""
    has_body: bool = False


class Access:
    """Decides. `token` is "" when there is none: then nobody is let in by one. `port` is None on a Unix socket."""

    def __init__(self, token: str, port: int | None, names: Iterable[str] = (), scheme: str = "http") -> None:
        self._token = _hash(token) if token else None
        self._port = port
        self._names = {name.lower() for name in (*LOCAL_NAMES, *names)}
        self._scheme = scheme
        self._wrong: dict[str, list[float]] = {}  # by network: when a wrong token came

    def check(self, asked: Asked, now: float) -> bool:
        """Return whether the request shows the token. Raises Problem if it may not be answered; `now` in seconds."""
        if not self._is_ours(asked):
            raise Problem(421, "The Host header does not name this endpoint; ask for it by its address and port")
        if asked.origin and asked.origin.lower() != f"{self._scheme}://{asked.host.lower()}":
            raise Problem(403, "The Origin is another one: only this endpoint's own page may ask from a browser")
        if asked.site not in ("", "none", "same-origin"):
            raise Problem(403, "Another site sent this request: only this endpoint's own page may ask from a browser")
        trusted = bool(asked.authorization)
        if trusted:
            self._check_token(asked, now)
        elif asked.method not in READING or not (is_loopback(asked.peer) or asked.path in FREE):
            self._demand_token(asked)
        if asked.has_body and _media_type(asked.content_type) != JSON:
            raise Problem(415, f"The body must be JSON: send it with Content-Type: {JSON}")
        return trusted

    def _is_ours(self, asked: Asked) -> bool:
        name, port = _split(asked.host.lower())
        if name not in self._names and (not asked.local or name != _bracketed(asked.local)):
            return False
        return self._port is None or (port or str(_DEFAULT_PORTS[self._scheme])) == str(self._port)

    def _check_token(self, asked: Asked, now: float) -> None:
        if self._token is None:
            raise Problem(403, "There is no token here that would do: the token file is empty")
        network = network_of(_unmapped(asked.peer)) if asked.peer else ""
        recent = [at for at in self._wrong.get(network, ()) if now - at < WINDOW_S]
        if len(recent) >= MAX_WRONG:
            wait_s = int(recent[0] + WINDOW_S - now) + 1
            raise Problem(
                429, f"Too many wrong tokens came from your address; wait {wait_s} s", Retry_After=str(wait_s)
            )
        scheme, _, token = asked.authorization.partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(_hash(token.strip(" ")), self._token):
            return
        self._wrong.pop(network, None)
        if len(self._wrong) >= MAX_COUNTED:
            del self._wrong[next(iter(self._wrong))]
        self._wrong[network] = [*recent, now]
        raise Problem(401, "That is not the token; it is in the token file", WWW_Authenticate="Bearer")

    def _demand_token(self, asked: Asked) -> None:
        what = "Changing anything" if asked.method not in READING else "Asking from another machine"
        if self._token is None:
            raise Problem(403, f"{what} needs a token, and there is none: the token file is empty")
        raise Problem(
            401,
            f"{what} needs the token: Authorization: Bearer, and what the token file has",
            WWW_Authenticate="Bearer",
        )


@lru_cache(1024)
def is_loopback(peer: str) -> bool:
    """Return whether a peer is on this machine; "" is a Unix socket's."""
    return not peer or ip_address(_unmapped(peer)).is_loopback


def _hash(token: str) -> bytes:
    # Of equal length whatever is compared, and nothing to be learnt from the first difference.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _unmapped(address: str) -> str:
    """Return an IPv4 address that came in an IPv6 one (::ffff:127.0.0.1) as itself; without a zone."""
    bare = address.partition("%")[0]
    if ":" not in bare:
        return bare
    return str(IPv6Address(bare).ipv4_mapped or bare)


def _bracketed(address: str) -> str:
    bare = _unmapped(address)
    return f"[{bare}]" if ":" in bare else bare


def _split(host: str) -> tuple[str, str]:
    """Return the name and the port ("" without) of a Host header."""
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and not port.endswith("]") else (host, "")


def _media_type(content_type: str) -> str:
    kind, _, parameters = content_type.lower().partition(";")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    return kind.strip() if charset in ("", "utf-8") else ""
