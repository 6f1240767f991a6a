"""Values of settings: how they are checked, described and written. Knows no key."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta


def converted(value: object, hint: Any, *, strict: bool) -> Any:
    """Return `value` as the type of a setting, within its bounds. Raises ValueError."""
    found = msgspec.convert(value, hint, strict=strict)
    _check_odd(value, found)
    if extra := meta(hint, "extra"):
        extra["check"](found)
    return found


def _check_odd(value: object, converted: object) -> None:
    """Refuse what msgspec takes and nobody means: "1e3" as a whole number, "inf", NUL, bytes that are no text."""
    if type(converted) is int and isinstance(value, str) and not value.removeprefix("-").isdecimal():
        raise ValueError(value)
    if isinstance(converted, float) and not math.isfinite(converted):
        raise ValueError(value)
    if isinstance(converted, str) and b"\0" in converted.encode():
        raise ValueError(value)


def meta(hint: Any, name: str) -> Any:
    """Return what the bounds of a setting say about `name`, None if nothing."""
    values = [getattr(bounds, name) for bounds in get_args(hint)[1:] if isinstance(bounds, Meta)]
    return next((value for value in values if value is not None), None)


def expected(hint: Any) -> str:
    """Return what a setting can be, for people."""
    kind = get_args(hint)[0]
    if meta(hint, "title") is not None:
        return str(meta(hint, "title"))
    if get_origin(kind) is Literal:
        return " or ".join(f'"{choice}"' for choice in get_args(kind))
    low, high = meta(hint, "ge"), meta(hint, "le")
    what = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}[kind]
    if meta(hint, "gt") is not None:
        return f"{what} above {meta(hint, 'gt')}" + (f", at most {high}" if high is not None else "")
    if low is not None:
        return f"{what} from {low} to {high}" if high is not None else f"{what} not below {low}"
    if meta(hint, "max_length") is not None:
        return f"{what} of at most {meta(hint, 'max_length'):,} characters"
    return f"{what} that is not empty" if meta(hint, "min_length") else what


def toml(value: object) -> str:
    """Return a value as TOML."""
    # A JSON string or boolean is a TOML one too, but for DEL, which no key of ours can want.
    return msgspec.json.encode(value).decode() if isinstance(value, str | bool) else str(value)


def shown(value: object) -> str:
    """Return a value as TOML, shortened to a part of a line."""
    text = toml(value.encode("utf-8", "replace").decode() if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:59]}…"
