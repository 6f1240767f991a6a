"""JSON of strangers: any field may be missing, null or of another type than it should be. Nothing here raises."""

from __future__ import annotations

from typing import Any


def text(value: Any, *path: str) -> str:
    """Return the text, or the number as a text, at a path of keys; "" if there is none."""
    found = at(value, *path)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return str(found).strip()


def at(value: Any, *path: str) -> Any:
    """Return what is at a path of keys, None if there is nothing."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def objects(value: Any, *path: str) -> list[dict[str, Any]]:
    """Return the objects in the list at a path of keys."""
    found = at(value, *path)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
