"""The head of a request: bytes in, a value or a Problem out. Strict (RFC 9112): an ambiguous head is refused.

pywsgi's own parser is not used: it takes doubled lengths, bare LF, spaces before a colon and more (threats.md, T36).
"""

from __future__ import annotations

import re

from msgspec import Struct

from gchat.admin.responses import Problem
from gchat.model.secret import Secret

MAX_LINE_BYTES = 8192
MAX_HEAD_BYTES = 16384
MAX_FIELDS = 100
MAX_BODY_BYTES = 65536

#: Behind this stands the secret of a hook, or its id.
HOOKS = "/hooks/"

#: A hook's body may be larger: a push of many files, or a storm of alerts, takes hundreds of KB.
MAX_HOOK_BODY_BYTES = 1 << 20

#: A name of HTTP.
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") (/[!-~]*) HTTP/(\d)\.(\d)\r\n")
# Without the + behind the *, blanks before a wrong character would be tried in as many ways as there are (37 ms).
_FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*+((?:[!-~\x80-\xff](?:[ \t!-~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*\r\n")

#: More than one of these is two meanings; all others are lists.
_SINGLE = frozenset(
    [
        "authorization",
        "content-length",
        "content-type",
        "expect",
        "host",
        "last-event-id",
        "origin",
        "sec-fetch-site",
        "transfer-encoding",
    ]
)


class RequestHead(Struct, frozen=True):
    """A request without its body."""

    method: str
    path: str  # as it came, percent-encoded
    query: str
    version: str  # "HTTP/1.1"
    fields: dict[str, str]  # names in lower case
    body_bytes: int | None  # Content-Length, 0 without; None: the body comes in chunks
    most_body_bytes: int
    closes: bool  # the peer sends no more requests on this connection
    expects_continue: bool

    @property
    def line(self) -> str:
        """The request line as it is logged, without the query."""
        return f"{self.method} {loggable(self.path)} {self.version}"


def loggable(path: str) -> str:
    """Return a path as it may stand in a log: without the secret of a hook."""
    return f"{HOOKS}…" if path.startswith(HOOKS) else path


def parse(lines: list[bytes]) -> RequestHead:
    """Return the head in `lines`, each with its end, the empty one left out. Raises Problem."""
    matched = _REQUEST_LINE.fullmatch(lines[0])
    if not matched:
        raise Problem(400, "Malformed request line; expected METHOD, one space, a path, one space, HTTP/1.1")
    method, target, major, minor = (part.decode() for part in matched.groups())
    if major != "1":
        raise Problem(505, f"HTTP/{major}.{minor} is not supported; use HTTP/1.1")
    if "#" in target:
        raise Problem(400, "The path contains a #; leave out the fragment")
    fields = fields_of(lines[1:])
    if minor != "0" and "host" not in fields:
        raise Problem(400, "Missing Host header")
    expectation = fields.get("expect", "").lower()
    if expectation not in ("", "100-continue"):
        raise Problem(417, "Unsupported Expect header; only 100-continue is supported")
    path, _, query = target.partition("?")
    most_body_bytes = MAX_HOOK_BODY_BYTES if path.startswith(HOOKS) else MAX_BODY_BYTES
    connection = {word.strip() for word in fields.get("connection", "").lower().split(",")}
    return RequestHead(
        method=method,
        path=path,
        query=query,
        version=f"HTTP/1.{min(int(minor), 1)}",
        fields=fields,
        body_bytes=_body_bytes(fields, minor, most_body_bytes),
        most_body_bytes=most_body_bytes,
        closes=minor == "0" or "close" in connection,
        expects_continue=bool(expectation) and minor != "0",
    )


def fields_of(lines: list[bytes]) -> dict[str, str]:
    """Return the fields in these lines, of a head or of trailers, by their names in lower case. Raises Problem."""
    if len(lines) > MAX_FIELDS:
        raise Problem(431, f"Too many headers: {len(lines)}; at most {MAX_FIELDS} are accepted")
    fields: dict[str, str] = {}
    for line in lines:
        matched = _FIELD.fullmatch(line)
        if not matched:
            raise Problem(400, "Malformed header; expected NAME: VALUE on one line that ends with CR LF")
        name, value = matched[1].decode().lower(), matched[2].decode("latin-1")
        if name in fields:
            if name in _SINGLE:
                raise Problem(400, f"More than one {name.title()} header")
            value = f"{fields[name]}, {value}"
        fields[name] = Secret(value) if name == "authorization" else value
    return fields


def too_large(most: int) -> Problem:
    """Return what a larger body is answered."""
    return Problem(413, f"The body is too large; at most {most:,} bytes are accepted")


def _body_bytes(fields: dict[str, str], minor: str, most: int) -> int | None:
    length = fields.get("content-length")
    if "transfer-encoding" in fields:
        if length is not None:
            raise Problem(400, "Send either Content-Length or Transfer-Encoding, not both")
        if minor == "0":
            raise Problem(400, "Transfer-Encoding is not known in HTTP/1.0; use HTTP/1.1")
        _check_codings(fields["transfer-encoding"])
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit()):
        raise Problem(400, "Content-Length is not a number")
    if len(length) > 18 or int(length) > most:
        raise too_large(most)
    return int(length)


def _check_codings(value: str) -> None:
    codings = [coding.strip(" \t") for coding in value.lower().split(",")]
    if "" in codings or "chunked" in codings[:-1]:
        raise Problem(400, "Malformed Transfer-Encoding header; chunked comes last, and once")
    if codings != ["chunked"]:
        raise Problem(501, "Unknown transfer coding; only chunked is supported")
