"""Access: the origin of a request, the name that it calls us by and its token decide what it may see and do. Pure.

A foreign page in the operator's browser gets nothing done and sees nothing (docs/threats.md T38, T39): it cannot set
our Host (DNS rebinding shows its own name), its Origin and Sec-Fetch-Site are not ours, and it has no token.

A request without a token may come from anybody, on loopback too, because a reverse proxy makes everybody local.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import lru_cache

from msgspec import Struct

from gchat.admin.request_head import HOOKS
from gchat.admin.responses import JSON, Problem
from gchat.chat.networks import address_of, network_of

#: The names of this machine for its own programs.
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")

#: After so many wrong tokens from one address within WINDOW_S, the next wrong ones get 429. A right one never does.
MAX_WRONG = 5
WINDOW_S = 60.0

#: Addresses whose wrong tokens are counted; beyond it, the one counted longest is forgotten.
MAX_COUNTED = 1024

READING = frozenset(["GET", "HEAD", "OPTIONS"])

#: The page's own files hold no data, and without them nobody could enter a token. Whether the server is ready is what a
#: load balancer asks, which has none; why it is not, strangers are not told.
FREE = frozenset(["/", "/page.js", "/page.css", "/healthz", "/readyz"])

#: The bodies of these may be of any type, because browsers cannot send the key to them from a foreign page.
_ANY_BODY = re.compile(r"/hooks/[^/]+|/rooms/[^/]+/messages")

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Scope(IntEnum):
    """The rights of a request: what it may see and do. Each includes the one before."""

    NONE = 0  # users by nick, rooms, topics, counts, health
    READ = 1  # also messages, addresses, bans and the audit
    MODERATE = 2  # also kick, mute, ban and announce
    ALL = 3  # and everything else


class Rights(Struct, frozen=True):
    """The rights of a token; without a name, those of a request that shows none."""

    name: str = ""
    scope: Scope = Scope.NONE
    room: str = ""  # where a token may speak that may do nothing else

    @property
    def shown(self) -> str:
        """The scope, as it is typed."""
        return f"say:{self.room}" if self.room else self.scope.name.lower()


NOBODY = Rights()


class NamedToken(Struct, frozen=True):
    """A token that has a name, as it is stored: its hash is known, and not the token."""

    name: str
    scope: str  # read, say:ROOM, moderate or all
    hash: str  # of SHA-256, in hexadecimal digits
    created: str  # RFC 3339


class AccessRequest(Struct, frozen=True):
    """The parts of a request that decide; a missing header is ""."""

    method: str
    peer: str  # its address; "" on a Unix socket
    is_known: bool = True  # False: a proxy has not said whose request it is
    path: str = ""
    local: str = ""  # the address that it came in at; "" on a Unix socket
    host: str = ""
    scheme: str = ""  # http or https, as the peer of a proxy uses it; "" if no proxy says so
    origin: str = ""
    site: str = ""  # Sec-Fetch-Site
    authorization: str = ""
    content_type: str = ""
    has_body: bool = False

    @property
    def is_near(self) -> bool:
        """Whether it comes from this machine."""
        return self.is_known and is_loopback(self.peer)


class Access:
    """The rules of one endpoint. A token of "" matches nothing. Names have no port, because a proxy has its own.

    `named` are tokens that come and go while the endpoint runs.
    """

    def __init__(
        self,
        token: str,
        names: Iterable[str] = (),
        scheme: str = "http",
        *,
        read_token: str = "",
        public_url: str = "",
        named: Mapping[str, NamedToken] = {},  # nothing changes it
    ) -> None:
        fixed = {Rights("read", Scope.READ): read_token, Rights("admin", Scope.ALL): token}
        self._fixed = {rights: hash_of(secret) for rights, secret in fixed.items() if secret}
        self._named = named
        self._names = {_without_port(name.lower()) for name in (*LOCAL_NAMES, *names)}
        self._scheme = scheme
        # Behind a reverse proxy; "" if it is not known.
        scheme, _, rest = public_url.lower().partition("://")
        host = rest.partition("/")[0].removesuffix(f":{_DEFAULT_PORTS.get(scheme, '')}")  # as a browser sends it
        self._public_name = _split(host)[0]
        self._public_origin = f"{scheme}://{host}" if host else ""
        self._wrong: dict[str, list[float]] = {}  # by network: the times of wrong tokens

    def check(self, asked: AccessRequest, now: float) -> Rights:
        """Return the rights of the request. Raises Problem if it may not be answered; `now` in seconds.

        Whether they suffice for what it asks is for `demand` to say.
        """
        # The secret is the key, for programs that know neither our name nor our token.
        is_hook = asked.method == "POST" and asked.path.startswith(HOOKS)
        if not (is_hook or self._is_direct(asked) or self._is_public(asked)):
            raise Problem(421, "The Host header does not name this endpoint; use its address and port")
        if asked.origin and not self._is_our_page(asked):
            raise Problem(403, "Wrong Origin: from a browser, only this endpoint's own page may send requests")
        if asked.site not in ("", "none", "same-origin"):
            raise Problem(403, "Cross-site request: from a browser, only this endpoint's own page may send requests")
        if is_hook:
            return NOBODY
        rights = self._rights_of(asked, now) if asked.authorization else NOBODY
        if asked.method not in READING:
            if not rights.room:  # such a token speaks in one room: that is for `demand`
                self.demand(rights, Scope.MODERATE, "Changing anything")
        elif not (asked.is_near or asked.path in FREE):
            what = "another machine" if asked.is_known else "a trusted proxy without X-Forwarded-For"
            self.demand(rights, Scope.READ, f"A request from {what}")
        if asked.has_body and _media_type(asked.content_type) != JSON and not _ANY_BODY.fullmatch(asked.path):
            raise Problem(415, f"The body must be JSON, sent with Content-Type: {JSON}")
        return rights

    def demand(self, rights: Rights, needed: Scope, what: str, room: str = "") -> None:
        """Raise Problem unless these rights suffice for `what`, as "Changing anything"; or they are of that room."""
        if rights.scope >= needed or (room and rights.room == room):
            return
        if not rights.name:
            raise self._unnamed(what)
        scope = needed.name.lower() + (f" or say:{room}" if room else "")
        raise Problem(403, f"{what} needs a token with the scope {scope}; the token {rights.name} has {rights.shown}")

    def _unnamed(self, what: str) -> Problem:
        """Return the answer to a request without a token."""
        if not self._fixed and not self._named:
            return Problem(403, f"{what} needs a token, but there is none: the token file is empty")
        return Problem(
            401,
            f"{what} needs a token; send the header Authorization: Bearer TOKEN, as with the content of the token file",
            WWW_Authenticate="Bearer",
        )

    def wrong_hook(self, peer: str, now: float) -> Problem:
        """Count the wrong secret of a hook like a wrong token, and return the answer to it."""
        problem = self._wrong_token(network_of(peer) if peer else "", now)
        return problem if problem.status == 429 else Problem(404, "There is no hook with this secret")

    def _is_our_page(self, asked: AccessRequest) -> bool:
        """Return whether the request comes from our own page: at the public URL, or at the name that it was sent to."""
        origin = asked.origin.lower()
        if self._public_origin and origin == self._public_origin:
            return True
        return origin == f"{asked.scheme or self._scheme}://{asked.host.lower()}" and self._is_direct(asked)

    def _is_direct(self, asked: AccessRequest) -> bool:
        """Return whether the Host header names this endpoint itself."""
        name, port = _split(asked.host.lower())
        if port and not (port.isascii() and port.isdecimal()):
            return False
        return name in self._names or (bool(asked.local) and name == _bracketed(asked.local))

    def _is_public(self, asked: AccessRequest) -> bool:
        """Return whether the Host header names the public URL's host; its port may be lost or replaced on the way."""
        name, port = _split(asked.host.lower())
        return bool(self._public_name) and name == self._public_name and (not port or port.isdecimal())

    def _rights_of(self, asked: AccessRequest, now: float) -> Rights:
        """Return the rights of the token that the request shows. Raises Problem: it is wrong."""
        if not self._fixed and not self._named:
            raise Problem(403, "No token is accepted here, because the token file is empty")
        scheme, _, token = asked.authorization.partition(" ")
        shown = hash_of(token.strip(" "))
        known = [*self._fixed.items(), *((_granted(each), bytes.fromhex(each.hash)) for each in self._named.values())]
        right = [rights for rights, hashed in known if hmac.compare_digest(shown, hashed)]
        if right and scheme.lower() == "bearer":
            return max(right, key=lambda rights: rights.scope)
        raise self._wrong_token(network_of(asked.peer) if asked.peer else "", now)

    def _wrong_token(self, network: str, now: float) -> Problem:
        """Count a wrong token, and return the answer to it."""
        recent = [at for at in self._wrong.pop(network, ()) if now - at < WINDOW_S]
        if is_many := len(recent) >= MAX_WRONG:
            wait_s = int(recent[0] + WINDOW_S - now) + 1
        else:
            recent.append(now)
        if len(self._wrong) >= MAX_COUNTED:
            del self._wrong[next(iter(self._wrong))]
        self._wrong[network] = recent
        if is_many:
            return Problem(
                429,
                f"Wrong token, and too many wrong ones from your address; wait {wait_s} s",
                Retry_After=str(wait_s),
            )
        return Problem(401, "Wrong token; the right one is in the token file", WWW_Authenticate="Bearer")


@lru_cache(1024)
def is_loopback(peer: str) -> bool:
    """Return whether a peer is on this machine; "" is the peer on a Unix socket."""
    return not peer or address_of(peer).is_loopback


@lru_cache(128)
def _granted(token: NamedToken) -> Rights:
    scope, _, room = token.scope.partition(":")
    return Rights(token.name, Scope.NONE if room else Scope[scope.upper()], room)


def hash_of(token: str) -> bytes:
    """Return what is known of a token; where two hashes differ first tells nothing of the tokens."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _bracketed(address: str) -> str:
    bare = str(address_of(address))
    return f"[{bare}]" if ":" in bare else bare


def _split(host: str) -> tuple[str, str]:
    """Return the name and the port ("" without) of a Host header."""
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and not port.endswith("]") else (host, "")


def _without_port(name: str) -> str:
    return _split(name)[0] if name.count(":") == 1 or "]:" in name else name


def _media_type(content_type: str) -> str:
    kind, _, parameters = content_type.lower().partition(";")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    return kind.strip() if charset in ("", "utf-8") else ""
