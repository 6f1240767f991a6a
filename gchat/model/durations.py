"""Durations as operators type them: 90s, 10m, 2h, 3d, 1w, or several together: 1h30m. Pure."""

from __future__ import annotations

import re

#: The seconds of each unit.
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

#: The longest duration; a longer one is meant to be for ever.
MAX_S = 100 * 366 * 86400

_DURATION = re.compile(rf"(?:\d{{1,9}}[{''.join(UNITS)}])+", re.ASCII)
_NEARLY = re.compile(r"\d{1,9}[a-z]{1,8}", re.ASCII)  # 10min, 2hours, 3rd
_PART = re.compile(r"(\d+)(\D)", re.ASCII)


def seconds(text: str) -> int | None:
    """Return the seconds of a duration, None if `text` is none.

    Raises ValueError for what may be meant as one: without a unit, with another one, or of 0.
    """
    text = text.lower()
    if text.isascii() and text.isdecimal():
        raise ValueError(f"{text[:9]} of what? Expected a duration such as 10m, 2h or 3d")
    if not _DURATION.fullmatch(text):
        if _NEARLY.fullmatch(text):  # permanent would be worse than a question
            raise ValueError(f'"{text}" is no duration; expected one such as 10m, 2h or 3d, or another word first')
        return None
    found = sum(int(count) * UNITS[unit] for count, unit in _PART.findall(text))
    if not found:
        raise ValueError("The duration is 0; expected one such as 10m, 2h or 3d")
    if found > MAX_S:
        raise ValueError("The duration is too long; leave it out, and it is permanent")
    return found
