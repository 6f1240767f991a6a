"""Commands as people type them: one table of names, arguments and help, for the plain dialect and for gchat-client.

`parse` turns one typed line into a command of the core; what becomes of it is the server's matter, or for the client
what it asks the server. /help and what Tab completes are made from the same table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto

from msgspec import Struct

from gchat.protocol import commands, sentences
from gchat.protocol.errors import Code, Refusal
from gchat.protocol.text import is_blank, is_command, printable, split_word

# In either width: input methods for Chinese and Japanese make the other one.
_SLASH = re.compile("[/／]")

#: Messages shown by /history without an argument, and found by /search at most.
HISTORY_LAST, SEARCH_LAST = 20, 20


class Word(Enum):
    """What the first word after a command is the name of: for completion."""

    NOTHING = auto()
    NICK = auto()
    ROOM = auto()
    COMMAND = auto()


class Slash(Struct, frozen=True):
    """One command.

    `parse` gets what follows the name, without white space around it; if it raises ValueError, the user is shown the
    error's text and the usage.
    """

    name: str
    parameters: str
    help: str
    parse: Callable[[str], commands.Command]
    first: Word = Word.NOTHING

    @property
    def usage(self) -> str:
        """How to type it."""
        return f"/{self.name} {self.parameters}".rstrip()


def _needed(text: str) -> str:
    if not text:
        raise ValueError("Missing argument")
    return text


def _alone(command: commands.Command) -> Callable[[str], commands.Command]:
    """Return a parser for a command without arguments."""

    def parse(text: str) -> commands.Command:
        if text:
            raise ValueError("Unexpected argument")
        return command

    return parse


def _tell(text: str) -> commands.Command:
    to, said = split_word(text)
    return commands.Tell(_needed(to), _spoken(said))


def _spoken(text: str) -> str:
    return "" if is_blank(_needed(text)) else text


def _topic(text: str) -> commands.Command:
    return commands.Topic(text="" if text == "-" else text) if text else commands.Topic()


def _history(text: str) -> commands.Command:
    if not text:
        return commands.History(-HISTORY_LAST)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 15 or not int(digits):
        raise ValueError("Expected a number other than 0")
    return commands.History(int(text))


SLASHES = {
    slash.name: slash
    for slash in (
        Slash(
            "help",
            "[COMMAND]",
            "show what you can type",
            lambda text: commands.Help(text.removeprefix("/").lower()),
            Word.COMMAND,
        ),
        Slash("nick", "NAME", "take a name", lambda text: commands.Nick(_needed(text))),
        Slash("who", "", "show who is in this room", _alone(commands.Who())),
        Slash("rooms", "", "list the rooms", _alone(commands.Rooms())),
        Slash(
            "join", "ROOM", "move to another room, or create it", lambda text: commands.Join(_needed(text)), Word.ROOM
        ),
        Slash("me", "TEXT", "say what you do: * alice waves", lambda text: commands.Act(_spoken(text))),
        Slash("msg", "NAME TEXT", "send a private message", _tell, Word.NICK),
        Slash("reply", "TEXT", "answer the last private message", lambda text: commands.Reply(_spoken(text))),
        Slash("topic", "[TEXT | -]", "show the room's topic, set it, or clear it", _topic),
        Slash("history", "[FROM | -COUNT]", "show old messages: the last ones, or from number FROM on", _history),
        Slash(
            "search",
            "WORDS",
            "find old messages with these words; depl* matches deploy",
            lambda text: commands.Search(_needed(text), SEARCH_LAST),
        ),
        Slash("ping", "[TEXT]", "get an answer", commands.Ping),
        # Whatever follows: a user who says goodbye in more words still leaves.
        Slash("quit", "", "leave", lambda _text: commands.Quit()),
    )
}


def parse(line: str) -> commands.Command | None:
    """Return what one typed line asks; None if nothing visible is in it. What cannot be understood is a Mistake."""
    if is_blank(line):
        return None
    if not is_command(line):
        return commands.Say((line,))
    line = _SLASH.split(line, maxsplit=1)[1]
    if is_command(line):  # two slashes say one
        return commands.Say((line,))
    name, rest = split_word(line)
    slash = SLASHES.get(name.lower())
    if slash is None:
        return _mistake(sentences.unknown_command(_short(name)))
    try:
        command = slash.parse(rest.strip())
    except ValueError as error:
        return _mistake(sentences.usage(str(error), slash.usage))
    if isinstance(command, commands.Act | commands.Tell | commands.Reply) and not command.text:
        return _mistake(sentences.NO_TEXT)
    return command


def help_lines(name: str) -> list[str]:
    """Return the help on one command, or on all of them if `name` is ""."""
    if slash := SLASHES.get(name):
        return [f"{slash.usage}: {slash.help}"]
    if name:
        return [sentences.unknown_command(_short(name))]
    rows = [(slash.usage, slash.help) for slash in SLASHES.values()]
    rows.append(("//TEXT", "say a line that begins with a slash"))
    width = max(len(usage) for usage, _ in rows)
    return [f"{usage:<{width}}  {text}" for usage, text in rows]


def _mistake(message: str) -> commands.Mistake:
    return commands.Mistake(Refusal(Code.BAD_COMMAND, message))


def _short(name: str) -> str:
    name = printable(name)
    return f"{name[:20]}…" if len(name) > 20 else name
