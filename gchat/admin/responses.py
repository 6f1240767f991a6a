"""Values as JSON, whole or made while they are sent, and errors as problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from gchat.model.errors import GchatError
from gchat.model.text import printable_text

#: About so much is encoded at a time, which takes at most a few ms, and then others have a turn.
PIECE_BYTES = 16384

JSON = "application/json"
PROBLEM = "application/problem+json"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
#: On every answer, errors too: only our own page may run or show it, and nothing stores it.
HEADERS = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
)


class ProblemDetail(Struct):
    """The reason why a request was refused (RFC 9457)."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"


class Problem(GchatError):
    """A request that is refused: the status, and a sentence that says what to do instead."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def document(self) -> bytes:
        """Return the problem detail."""
        return indented(ProblemDetail(HTTPStatus(self.status).phrase, self.status, self.detail))


def json(value: Any) -> bytes:
    """Return a value as JSON in one line, safe on a terminal: every text in it is printable."""
    try:
        encoded = msgspec.json.encode(value)
        if encoded.isascii() and b"\\" not in encoded and b"\x7f" not in encoded:  # nearly always: nothing to do
            return encoded
    except UnicodeEncodeError:
        pass  # a lone surrogate, which is not printable either
    return msgspec.json.encode(_shown(msgspec.to_builtins(value)))


def indented(value: Any) -> bytes:
    """Return a value as JSON for people."""
    return msgspec.json.format(json(value)) + b"\n"


def streamed(document: Struct, most_bytes: int) -> Iterator[bytes]:
    """Return a document as JSON for people, in pieces of about PIECE_BYTES: a field is a line, and a value of a list.

    Lists are cut at so many bytes together, but for the first value, and then the document is `truncated`. A field that
    has its default is left out; it is looked at when it is reached, so the lists before it may change it.
    """
    piece, lists = b"{", _Lists(most_bytes)
    for number, field in enumerate(msgspec.structs.fields(document)):
        value = getattr(document, field.name)
        if not field.required and value == field.default:
            continue
        piece += (b"," if number else b"") + b'\n  "' + field.encode_name.encode() + b'": '
        if isinstance(value, str | int | dict | Struct):
            piece += indented(value).rstrip().replace(b"\n", b"\n  ")
            continue
        for row in lists.rows(value):
            piece += row
            if len(piece) >= PIECE_BYTES:
                yield piece
                piece = b""
        if lists.were_cut:
            document.truncated = True  # type: ignore[attr-defined]  # every document with lists has it
    yield piece + b"\n}\n"


def answered(problem: Problem) -> bytes:
    """Return a problem as a whole answer of HTTP, after which the connection is closed."""
    body = problem.document()
    headers = {
        **dict(HEADERS),
        **problem.headers,
        "Content-Type": PROBLEM,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    phrase = HTTPStatus(problem.status).phrase
    lines = [f"HTTP/1.1 {problem.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


class _Lists:
    """The lists of one document."""

    def __init__(self, left: int) -> None:
        self._left = left
        self._has_any = False
        self.were_cut = False

    def rows(self, values: Iterable[Any]) -> Iterator[bytes]:
        """Return a list in pieces: each value with what is between it and the one before, and the end."""
        before, end = b"[\n    ", b"[]"
        for value in values:
            row = json(value)
            if self._has_any and len(row) > self._left:
                self.were_cut = True
                break
            self._left -= len(row)
            self._has_any = True
            yield before + row
            before, end = b",\n    ", b"\n  ]"
        yield end


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return printable_text(value)
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    return value
