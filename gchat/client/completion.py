"""Tab: how the text before the cursor could go on. Pure.

What an argument names, and so what it is completed with, is in the table of commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from gchat.client.own_commands import COMMANDS
from gchat.dialects.slash import Word, find

#: What may stand before a nick, and what then comes behind it; a space, if nothing else is said.
_END = {"(": "", "[": "", "{": "", '"': "", "'": ""}
_OPENING = "@" + "".join(_END)

#: Parameters of which one word is to be chosen, as they stand in the table.
_CHOICES = re.compile(r"\[([a-z0-9]+(?:\|[a-z0-9]+)+)\]")


class Candidate(Struct, frozen=True):
    """One way to go on: `text` in place of the last `length` characters."""

    text: str
    length: int
    help: str = ""


def complete(before: str, nicks: Iterable[str], rooms: Iterable[str]) -> Iterator[Candidate]:
    """Return how the text before the cursor could go on; nicks anywhere, commands and rooms where they belong."""
    words = before.split(" ")
    last = words[-1]
    command = words[0][1:].lower() if before.startswith("/") and not before.startswith("//") else None
    if command is not None and len(words) == 1:
        return (
            Candidate(f"/{found.name}{' ' if found.parameters else ''}", len(last), found.help)
            for found in COMMANDS.values()
            if found.name.startswith(command)
        )
    typed = find(COMMANDS, command) if command and len(words) == 2 else None
    first = typed.first if typed else Word.NOTHING
    if typed and (choices := _CHOICES.fullmatch(typed.parameters)):
        return _matching(last, choices[1].split("|"), "")
    if first is Word.COMMAND:
        return _matching(last, COMMANDS, "")
    if first is Word.ROOM:
        return _matching(last, rooms, "")
    if first is Word.NICK:
        return _matching(last, nicks, " ")
    name = last.lstrip(_OPENING)
    if not name:
        return iter(())
    opening = last[: len(last) - len(name)]
    return _matching(name, nicks, _END.get(opening[-1:], ": " if len(words) == 1 and not opening else " "))


def _matching(start: str, names: Iterable[str], end: str) -> Iterator[Candidate]:
    folded = start.casefold()
    found = {name for name in names if name.casefold().startswith(folded)}
    return (Candidate(name + end, len(start)) for name in sorted(found, key=str.casefold))
