"""Values as JSON, errors as problem details (RFC 9457), and secrets that no repr shows."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from gchat.model.errors import GchatError
from gchat.model.text import printable

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


class Secret(str):
    """A token, or a header with one: whatever it is part of, a repr does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


class Problem(GchatError):
    """A request that is refused: the status, and a sentence that says what to do instead."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def document(self) -> bytes:
        """Return the problem detail."""
        title = HTTPStatus(self.status).phrase
        return indented({"type": "about:blank", "title": title, "status": self.status, "detail": self.detail})


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


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    return value
