"""Values of settings: how they are converted, checked and written. Knows no key."""

from __future__ import annotations

import math
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from gchat.model.expectation import expected, explained


def converted(value: object, hint: Any, *, strict: bool) -> Any:
    """Return `value` as the type of a setting, within its bounds. Raises ValueError, which says what was expected."""
    try:
        found = _tables(value, hint, strict=strict) if is_tables(hint) else msgspec.convert(value, hint, strict=strict)
    except ValueError as error:  # msgspec's is one too
        raise ValueError(str(error) if is_tables(hint) else expected(hint)) from None
    if extra := meta(hint, "extra"):
        extra["check"](found)
    if odd := _odd(value, found, hint):
        raise ValueError(odd)
    return found


def is_secret(hint: Any) -> bool:
    """Return whether values of a setting are not shown in errors, because there are secrets in them."""
    return is_tables(hint) or "shown" in (meta(hint, "extra") or {})


def public(value: Any, hint: Any) -> Any:
    """Return a value without the secret in it."""
    shown_as = (meta(hint, "extra") or {}).get("shown")
    return shown_as(value) if shown_as else value


def is_tables(hint: Any) -> bool:
    """Return whether a setting is a list of tables."""
    return get_origin(next(iter(get_args(hint)), None)) is list


def _tables(value: object, hint: Any, *, strict: bool) -> list[Any]:
    """Return a list of tables, which is JSON if it comes from the environment. Raises ValueError."""
    if isinstance(value, str) and not strict:
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            raise ValueError("a list of objects, as JSON") from None
    if not isinstance(value, list):
        raise ValueError("a list of tables")  # noqa: TRY004  # as every wrong value
    (kind,) = get_args(get_args(hint)[0])
    found = []
    for number, table in enumerate(value, 1):
        try:
            found.append(msgspec.convert(table, kind))
        except msgspec.ValidationError as error:
            raise ValueError(f"a list of tables; number {number}: {explained(error, kind)}") from None
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
    if isinstance(value, list) and all(isinstance(table, Struct) for table in value):
        return f"[{', '.join(map(_inline, value))}]"
    return msgspec.json.encode(value).decode() if isinstance(value, str | bool) else str(value)


def _inline(table: Struct) -> str:
    """Return a table in one line, without what has its default."""
    rows = [(field.name, getattr(table, field.name), field.default) for field in msgspec.structs.fields(table)]
    return f"{{ {', '.join(f'{name} = {toml(value)}' for name, value, default in rows if value != default)} }}"


def shown(value: object) -> str:
    """Return a value as TOML, shortened to a part of a line."""
    text = toml(value.encode("utf-8", "replace").decode() if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:59]}…"
