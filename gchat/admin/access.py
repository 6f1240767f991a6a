"""Access: the origin of a request, the name that it calls us by and its token decide what it may see and do. Pure.

A foreign page in the operator's browser gets nothing done and sees nothing (docs/threats.md T38, T39): it cannot set
our Host (DNS rebinding shows its own name), its Origin and Sec-Fetch-Site are not ours, and it has no token.

A request without a token may come from anybody, on loopback too, because a reverse proxy makes everybody local.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache

from msgspec import Struct

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

#: The page's own files hold no data, and without them nobody could enter a token.
FREE = frozenset(["/", "/page.js", "/page.css"])

#: POST with the secret of a hook: the secret is the key, for programs that know neither our name nor our token.
_HOOKS = "/hooks/"

#: The bodies of these may be of any type, because browsers cannot send the key to them from a foreign page.
_ANY_BODY = re.compile(r"/hooks/[^/]+|/rooms/[^/]+/messages")

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Scope(IntEnum):
    """The rights of a request: what it may see and do. Each includes the one before."""

    NONE = 0  # users by nick, rooms, topics, counts, health
    READ = 1  # also messages, addresses and bans
    ALL = 2  # and change things


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


class Access:
    """The rules of one endpoint. A token of "" matches nothing. Names have no port, because a proxy has its own."""

    def __init__(
        self,
        token: str,
        names: Iterable[str] = (),
        scheme: str = "http",
        *,
        read_token: str = "",
        public_url: str = "",
    ) -> None:
        tokens = {Scope.ALL: token, Scope.READ: read_token}
        self._tokens = {scope: _hash(secret) for scope, secret in tokens.items() if secret}
        self._names = {_without_port(name.lower()) for name in (*LOCAL_NAMES, *names)}
        self._scheme = scheme
        # Behind a reverse proxy; "" if it is not known.
        scheme, _, rest = public_url.lower().partition("://")
        host = rest.partition("/")[0].removesuffix(f":{_DEFAULT_PORTS.get(scheme, '')}")  # as a browser sends it
        self._public_name = _split(host)[0]
        self._public_origin = f"{scheme}://{host}" if host else ""
        self._wrong: dict[str, list[float]] = {}  # by network: the times of wrong tokens

    def check(self, asked: AccessRequest, now: float) -> Scope:
        """Return the scope of the request. Raises Problem if it may not be answered; `now` in seconds."""
        is_hook = asked.method == "POST" and asked.path.startswith(_HOOKS)
        if not (is_hook or self._is_direct(asked) or self._is_public(asked)):
            raise Problem(421, "The Host header does not name this endpoint; use its address and port")
        if asked.origin and not self._is_our_page(asked):
            raise Problem(403, "Wrong Origin: from a browser, only this endpoint's own page may send requests")
        if asked.site not in ("", "none", "same-origin"):
            raise Problem(403, "Cross-site request: from a browser, only this endpoint's own page may send requests")
        if is_hook:
            return Scope.NONE
        scope = self._scope_of(asked, now) if asked.authorization else Scope.NONE
        if asked.method not in READING:
            self.demand(scope, Scope.ALL, "Changing anything")
        elif not ((asked.is_known and is_loopback(asked.peer)) or asked.path in FREE):
            what = "another machine" if asked.is_known else "a trusted proxy without X-Forwarded-For"
            self.demand(scope, Scope.READ, f"A request from {what}")
        if asked.has_body and _media_type(asked.content_type) != JSON and not _ANY_BODY.fullmatch(asked.path):
            raise Problem(415, f"The body must be JSON, sent with Content-Type: {JSON}")
        return scope

    def demand(self, scope: Scope, needed: Scope, what: str) -> None:
        """Raise Problem unless `scope` suffices for `what`, as "Changing anything"."""
        if scope >= needed:
            return
        if scope:
            raise Problem(403, f"{what} needs the admin token; this is the read-only token")
        token = "the admin token" if needed is Scope.ALL else "a token"
        if needed > max(self._tokens, default=Scope.NONE):
            raise Problem(403, f"{what} needs {token}, but the token file is empty")
        raise Problem(
            401,
            f"{what} needs {token}; send the header Authorization: Bearer TOKEN with the content of the token file",
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

    def _scope_of(self, asked: AccessRequest, now: float) -> Scope:
        """Return the scope of the token that the request shows. Raises Problem: it is wrong."""
        if not self._tokens:
            raise Problem(403, "No token is accepted here, because the token file is empty")
        scheme, _, token = asked.authorization.partition(" ")
        shown = _hash(token.strip(" "))
        right = [scope for scope, known in self._tokens.items() if hmac.compare_digest(shown, known)]
        if right and scheme.lower() == "bearer":
            return max(right)
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


def _hash(token: str) -> bytes:
    # Hashes have the same length, and the place of their first difference tells nothing.
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
