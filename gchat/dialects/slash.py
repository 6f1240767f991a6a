"""Commands as people type them: one table of names, arguments and help, for the plain dialect and for gchat-client.

`parse` turns one typed line into a command of the core. The server carries the command out; gchat-client turns it into
a request. /help and Tab completion are made from the same table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Generic, TypeVar

from msgspec import Struct

from gchat.model import commands, durations, sentences
from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import folded
from gchat.model.text import is_blank, printable, split_word

# In either width: input methods for Chinese and Japanese type the full-width slash.
_SLASH = re.compile("[/／]")
# The name of a command, directly behind its slash, and what follows it.
_NAME_AND_REST = re.compile(r"(\S*)(.*)", re.DOTALL)

#: Messages shown by /history without an argument, and found by /search at most.
HISTORY_LAST, SEARCH_LAST = 20, 20

# The most digits of a number: a 64-bit integer or a double holds any of that length, in every program on its way.
_MAX_DIGITS = 15

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Word(Enum):
    """The kind of the first argument of a command, for completion."""

    NOTHING = auto()
    NICK = auto()
    ROOM = auto()
    COMMAND = auto()


class Slash(Struct, Generic[T_co], frozen=True):
    """One command: its name, arguments and help, and what a line with it asks.

    `parse` gets the text after the name, without surrounding white space; "" if nothing in it is visible. If it raises
    ValueError, the user is shown the text of the error and the usage.
    """

    name: str
    parameters: str
    help: str
    parse: Callable[[str], T_co]
    first: Word = Word.NOTHING
    aliases: tuple[str, ...] = ()  # other names, by habit of other programs

    @property
    def usage(self) -> str:
        """The name and the parameters, as they are typed."""
        return f"/{self.name} {self.parameters}".rstrip()


#: Commands by their names.
Table = Mapping[str, Slash[T]]


def _needed(text: str) -> str:
    """Return an argument. Raises ValueError if nothing in it is visible."""
    if is_blank(text):
        raise ValueError("Missing argument")
    return text


def alone(command: T) -> Callable[[str], T]:
    """Return a parser for a command without arguments."""

    def parse(text: str) -> T:
        if text:
            raise ValueError("Unexpected argument")
        return command

    return parse


def _tell(text: str) -> commands.Command:
    to, said = split_word(text)
    return commands.Tell(_needed(to), _needed(said))


def _join(text: str) -> commands.Command:
    room, key = split_word(_needed(text))
    if len(key.split()) > 1:
        raise ValueError("Unexpected argument")
    return commands.Join(room, key=key, leave="current")


def _kick(text: str) -> commands.Command:
    name, reason = split_word(_needed(text))
    return commands.Kick(name, reason)


#: Behind a network in /ban: it is meant, although it has very many addresses.
_FORCE = "force"


def _for_how_long(text: str) -> tuple[int, str]:
    """Return the seconds of the duration that a text begins with, 0 without one, and the rest."""
    word, rest = split_word(text)
    found = durations.seconds(word) if word else None
    return (0, text) if found is None else (found, rest)


def _ban(text: str) -> commands.Command:
    whom, rest = split_word(_needed(text))
    for_s, reason = _for_how_long(rest)
    word, behind = split_word(reason)
    force = _folded(word) == _FORCE and ("/" in whom or ":" in whom or whom.replace(".", "").isdecimal())
    return commands.Ban(whom, for_s, behind if force else reason, force)


def _mute(text: str) -> commands.Command:
    name, rest = split_word(_needed(text))
    for_s, reason = _for_how_long(rest)
    return commands.Mute(name, for_s, reason)


def _kill(text: str) -> commands.Command:
    name, reason = split_word(_needed(text))
    return commands.Kill(name, reason)


def _ranked(change: str) -> Callable[[str], commands.Command]:
    """Return a parser for a command that changes the rank of a user."""
    return lambda text: commands.Mode(f"{change} {_needed(text)}")


def _topic(text: str) -> commands.Command:
    return commands.Topic(text="" if text == "-" else text) if text else commands.Topic()


def _history(text: str) -> commands.Command:
    if not text:
        return commands.History(commands.Last(HISTORY_LAST))
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()) or not digits.strip("0"):
        raise ValueError("Expected a number other than 0")
    if len(digits) > _MAX_DIGITS:
        raise ValueError("Number too large")
    number = int(digits)
    return commands.History(commands.Last(number) if text != digits else commands.From(number))


def _secret(text: str) -> str:
    if len(text.split()) > 1:
        raise ValueError("A secret with spaces in it is typed as the next line, after the command alone")
    return text


def _register(text: str) -> commands.Command:
    command = commands.Register(secret=_secret(text))
    return command if text else commands.AskSecret(command)


def _login(text: str) -> commands.Command:
    nick, secret = split_word(_needed(text))
    command = commands.Login(nick, _secret(secret), leave="current")
    return command if secret else commands.AskSecret(command)


def _passwd(text: str) -> commands.Command:
    words = text.split()
    if len(words) not in (0, 2):
        raise ValueError("Expected two secrets, or none: they are your next lines then")
    return commands.Passwd(*words) if words else commands.AskSecret(commands.Passwd())


def _unregister(text: str) -> commands.Command:
    command = commands.Unregister(secret=_secret(text))
    return command if text else commands.AskSecret(command)


SLASHES: Table[commands.Command] = {
    slash.name: slash
    for slash in (
        Slash(
            "help",
            "[COMMAND]",
            "show what you can type",
            lambda text: commands.Help(command_name(text)),
            Word.COMMAND,
        ),
        Slash("nick", "NAME", "take a name", lambda text: commands.Nick(_needed(text))),
        Slash("who", "", "show who is in this room", alone(commands.Who()), aliases=("names",)),
        Slash(
            "away", "[WHY]", "be away, as /who shows; without WHY be back", lambda text: commands.BeAway(reason=text)
        ),
        Slash("back", "", "be away no more", alone(commands.BeAway())),
        Slash("rooms", "", "list the rooms", alone(commands.Rooms())),
        Slash("join", "ROOM [KEY]", "enter a room, or create it", _join, Word.ROOM),
        Slash(
            "part",
            "[ROOM]",
            "leave the room",
            lambda text: commands.Part(room=text),
            Word.ROOM,
        ),
        Slash("me", "TEXT", "say what you do: * alice waves", lambda text: commands.Act(_needed(text))),
        Slash("msg", "NAME TEXT", "send a private message", _tell, Word.NICK, aliases=("query", "tell", "w")),
        Slash("ignore", "[NAME]", "hide what a user says, or list who is hidden", commands.Ignore, Word.NICK),
        Slash("unignore", "NAME", "show it again", lambda text: commands.Unignore(_needed(text)), Word.NICK),
        Slash("reply", "TEXT", "answer the last private message", lambda text: commands.Reply(_needed(text))),
        Slash("topic", "[TEXT | -]", "show the room's topic, set it, or clear it", _topic),
        Slash("invite", "NAME", "invite a user to this room", lambda text: commands.Invite(_needed(text)), Word.NICK),
        Slash("kick", "NAME [WHY]", "put a user out of this room", _kick, Word.NICK),
        Slash("op", "NAME", "make a user an operator of this room", _ranked("+o"), Word.NICK),
        Slash("deop", "NAME", "make an operator an ordinary user", _ranked("-o"), Word.NICK),
        Slash("voice", "NAME", "let a user speak in a moderated room", _ranked("+v"), Word.NICK),
        Slash("devoice", "NAME", "take that back", _ranked("-v"), Word.NICK),
        Slash("mode", "[CHANGE]", "show or change this room's modes: +i +k KEY -b NAME", commands.Mode),
        Slash("ban", "WHOM [10m] [WHY]", "ban a user or an address from the server", _ban, Word.NICK),
        Slash("unban", "WHOM | NUMBER", "lift a ban from the server", lambda text: commands.Unban(_needed(text))),
        Slash("bans", "", "list who is banned from the server or muted", alone(commands.Bans())),
        Slash("mute", "NAME [10m] [WHY]", "let a user read, and say nothing", _mute, Word.NICK),
        Slash(
            "unmute",
            "NAME | NUMBER",
            "let the user speak again",
            lambda text: commands.Unmute(_needed(text)),
            Word.NICK,
        ),
        Slash("kill", "NAME [WHY]", "close a user's connection to the server", _kill, Word.NICK),
        Slash("announce", "TEXT", "tell all rooms of the server", lambda text: commands.AnnounceToAll(_needed(text))),
        Slash("history", "[FROM | -COUNT]", "show the last messages, or those from number FROM on", _history),
        Slash(
            "search",
            "WORDS",
            "find messages with these words; depl* matches deploy",
            lambda text: commands.Search(_needed(text), SEARCH_LAST),
        ),
        Slash("register", "[SECRET]", "make your nick yours; SECRET can be your next line", _register),
        Slash("login", "NAME [SECRET]", "have the nick, ranks and rooms that are yours", _login, Word.NICK),
        Slash("logout", "", "be a user without an account again", alone(commands.Logout())),
        Slash("passwd", "[OLD NEW]", "change your secret; both can be your next lines", _passwd),
        Slash("unregister", "[SECRET]", "give up the nick that is yours", _unregister),
        Slash("ping", "[TEXT]", "get an answer", commands.Ping),
        # Arguments do not matter: a user who says goodbye in more words leaves too.
        Slash("quit", "", "leave", lambda _text: commands.Quit(), aliases=("exit",)),
    )
}


def find(table: Table[T], name: str) -> Slash[T] | None:
    """Return the command of a table that has this name or alias, in any case and width."""
    name = _folded(name)
    return table.get(name) or next((slash for slash in table.values() if name in slash.aliases), None)


def parse(line: str) -> commands.Command | None:
    """Return what one typed line asks, None if nothing in it is visible. A line that makes no sense is a Mistake.

    A line is a command if the first visible character is a slash.
    """
    return parse_by(SLASHES, line)


def parse_by(table: Table[T], line: str) -> T | commands.Command | None:
    """Return the same, with the commands of another table."""
    if is_blank(line):
        return None
    behind = _behind_slash(line)
    if behind is None:
        return commands.Say((line,))
    if _SLASH.match(behind):  # two slashes say one
        return commands.Say((behind,))
    name, rest = _name_and_rest(behind)
    return _parse_command(table, name, "" if is_blank(rest) else rest.strip())


def without_commands(line: str) -> str:
    """Return what a line says where no commands are carried out: its text, with one slash for two at its beginning.

    Raises Refusal if the line is one of the commands: it may be private, or not meant to be said.
    """
    behind = _behind_slash(line)
    if behind is None:
        return line
    if _SLASH.match(behind):
        return behind
    name = _folded(_name_and_rest(behind)[0])
    if find(SLASHES, name):
        raise Refusal(Code.BAD_COMMAND, sentences.not_a_place_for_commands(name))
    return line


def is_command(line: str) -> bool:
    """Return whether the first visible character of a line is a slash: no secret begins so."""
    return _behind_slash(line) is not None


def _behind_slash(line: str) -> str | None:
    """Return what follows a slash that is the first visible character, None if it is not a slash."""
    slash = _SLASH.search(line)
    return None if slash is None or not is_blank(line[: slash.start()]) else line[slash.end() :]


def _name_and_rest(behind: str) -> tuple[str, str]:
    name, rest = _NAME_AND_REST.fullmatch(behind).groups()  # type: ignore[union-attr]  # it matches any text
    return name, rest


def _parse_command(table: Table[T], name: str, arguments: str) -> T | commands.Command:
    found = find(table, name)
    if found is None:
        return _mistake(sentences.unknown_command(_short(name)))
    try:
        return found.parse(arguments)
    except ValueError as error:
        return _mistake(sentences.usage(str(error), found.usage))


def help_on(table: Table[Any], name: str) -> str:
    """Return the help on one command, with its other names."""
    found = find(table, name)
    if found is None:
        return sentences.unknown_command(_short(name))
    others = ", ".join(f"/{alias}" for alias in found.aliases if alias not in table)
    return f"{found.usage}: {found.help}" + (f" (also {others})" if others else "")


def help_lines(name: str) -> list[str]:
    """Return the help on one command, or on all of them if `name` is ""."""
    if name:
        return [help_on(SLASHES, name)]
    rows = [(slash.usage, slash.help) for slash in SLASHES.values()]
    rows.append(("//TEXT", "say a line that begins with a slash"))
    width = max(len(usage) for usage, _ in rows)
    return [f"{usage:<{width}}  {text}" for usage, text in rows]


def command_name(text: str) -> str:
    """Return the name of a command, written with a slash or without, in lower case and half width."""
    return _folded(text.lstrip("/／"))


def _folded(name: str) -> str:
    """Return `name` in lower case and half width, without what is invisible."""
    return folded(printable(name))


def _mistake(message: str) -> commands.Mistake:
    return commands.Mistake(Refusal(Code.BAD_COMMAND, message))


def _short(name: str) -> str:
    name = printable(name)
    return f"{name[:20]}…" if len(name) > 20 else name
