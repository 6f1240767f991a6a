"""JSON of strangers: any field may be missing, null, huge or of another type than it should be. Nothing here raises."""

from __future__ import annotations

from typing import Any

#: Of a text so many characters are looked at, which is more than a message may have, and of a list so many items.
MAX_TEXT, MAX_ITEMS = 16384, 500


def text(value: Any, *path: str) -> str:
    """Return the text, or the number as a text, at a path of keys; "" if there is none. A long one is cut."""
    found = at(value, *path)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return (found if isinstance(found, str) else str(found)).strip()[:MAX_TEXT]


def at(value: Any, *path: str) -> Any:
    """Return what is at a path of keys, None if there is nothing."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def objects(value: Any, *path: str) -> list[dict[str, Any]]:
    """Return the objects among the first MAX_ITEMS in the list at a path of keys."""
    found = at(value, *path)
    return [each for each in found[:MAX_ITEMS] if isinstance(each, dict)] if isinstance(found, list) else []


def count(value: Any, *path: str) -> int:
    """Return how many items the list at a path of keys has."""
    found = at(value, *path)
    return len(found) if isinstance(found, list) else 0
