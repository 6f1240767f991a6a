"""The options of a parser, as manual pages and completions need them."""

from __future__ import annotations

import argparse
from typing import get_args

from msgspec import Struct

from gchat.server.settings import ROWS

FILES, DIRECTORIES = "files", "directories"

#: What completes a value, by its name in the usage: files, directories, or these words. Others nothing can complete.
_KINDS: dict[str, str | tuple[str, ...]] = {
    "FILE": FILES,
    "DIR": DIRECTORIES,
    "HOST": FILES,  # the path of a Unix socket
    "L": get_args(get_args(ROWS["log"]["level"])[0]),
    "SCOPE": ("read", "moderate", "all"),
}


class Value(Struct, frozen=True):
    """A value of an option, or an argument."""

    name: str
    kind: str | tuple[str, ...] = ""  # FILES, DIRECTORIES, words, or "": nothing completes it


class Option(Struct, frozen=True):
    """An option, or if it has no names an argument."""

    names: tuple[str, ...]
    values: tuple[Value, ...]  # all that it takes
    more: bool  # whether the last of them may come again
    help: str

    @property
    def usage(self) -> str:
        """The option with its values, as one types it."""
        values = " ".join(value.name for value in self.values)
        return f"{self.names[-1] if self.names else ''} {values}{'...' if self.more else ''}".strip()


def options_of(parser: argparse.ArgumentParser) -> list[Option]:
    """Return all options and arguments that the help lists, in its order."""
    formatter = parser._get_formatter()
    return [
        Option(
            tuple(action.option_strings),
            _values(action),
            action.nargs in ("+", "*"),
            formatter._expand_help(action) if action.help else "",
        )
        for action in parser._actions
        if action.help is not argparse.SUPPRESS
    ]


def _values(action: argparse.Action) -> tuple[Value, ...]:
    if action.nargs == 0:
        return ()
    names = action.metavar or action.dest.upper()
    listed = names if isinstance(names, tuple) else (names,) * (action.nargs if isinstance(action.nargs, int) else 1)
    words = tuple(map(str, action.choices)) if action.choices else ""
    return tuple(Value(name, words or _KINDS.get(name, "")) for name in listed)
