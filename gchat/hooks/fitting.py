"""Texts made to fit into one message: nothing is refused for its length, and what is left out is told."""

from __future__ import annotations

from collections.abc import Sequence

from gchat.model.text import MAX_LINES, as_lines

_CUT = " … (cut)"


def fitting(text: str, most_bytes: int) -> str:
    """Return `text` cut to MAX_LINES and to `most_bytes` in UTF-8, with a mark where it was cut."""
    text = as_lines(text)
    left_out = text.count("\n") + 1 - MAX_LINES
    if left_out > 0:
        text = "\n".join([*text.split("\n", MAX_LINES - 1)[:-1], f"… ({left_out + 1:,} more lines)"])
    encoded = text[: most_bytes + 1].encode(errors="replace")
    if len(encoded) <= most_bytes:
        return encoded.decode()
    return encoded[: most_bytes - len(_CUT.encode())].decode(errors="ignore").rstrip() + _CUT


def listed(lines: Sequence[str], most: int, more: int = 0) -> list[str]:
    """Return at most `most` of these lines, and a last one that counts the others and `more` that were never here."""
    left_out = len(lines) - most + more if len(lines) > most else more
    return [*lines[:most], *([f"and {left_out:,} more"] if left_out else [])]


def first_line(text: str, most: int = 200) -> str:
    """Return the first line of a text, in at most `most` characters."""
    line = text.strip().split("\n", 1)[0].strip()
    return line if len(line) <= most else f"{line[: most - 1]}…"
