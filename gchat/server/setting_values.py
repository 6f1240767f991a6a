"""Values of settings: how they are converted, checked and written. Knows no key."""

from __future__ import annotations

import math
from typing import Any, get_args

import msgspec
from msgspec import Meta

from gchat.model.expectation import expected


def converted(value: object, hint: Any, *, strict: bool) -> Any:
    """Return `value` as the type of a setting, within its bounds. Raises ValueError, which says what was expected."""
    try:
        found = msgspec.convert(value, hint, strict=strict)
    except ValueError:  # msgspec's is one too
        raise ValueError(expected(hint)) from None
    if extra := meta(hint, "extra"):
        extra["check"](found)
    if odd := _odd(value, found, hint):
        raise ValueError(odd)
    return found


def _odd(value: object, found: object, hint: Any) -> str:
    """Return what was expected in place of what msgspec takes and nobody means; "" if it is all right.

    "1e3" as a whole number, "inf", NUL, bytes that are no text.
    """
    if type(found) is int and isinstance(value, str) and not value.removeprefix("-").isdecimal():
        return expected(hint)
    if isinstance(found, float) and not math.isfinite(found):
        return f"{expected(hint)}, and finite"
    if isinstance(found, str) and not _is_utf8(found):
        return "a text in UTF-8"
    return "a text without the character NUL" if isinstance(found, str) and "\0" in found else ""


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def meta(hint: Any, name: str) -> Any:
    """Return what the bounds of a setting say about `name`, None if nothing."""
    values = [getattr(bounds, name) for bounds in get_args(hint)[1:] if isinstance(bounds, Meta)]
    return next((value for value in values if value is not None), None)


def toml(value: object) -> str:
    """Return a value as TOML."""
    # A JSON string or boolean is a TOML one too, but for DEL, which no key of ours can want.
    return msgspec.json.encode(value).decode() if isinstance(value, str | bool) else str(value)


def shown(value: object) -> str:
    """Return a value as TOML, shortened to a part of a line."""
    text = toml(value.encode("utf-8", "replace").decode() if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:59]}…"
