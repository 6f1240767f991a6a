"""The commands that gchat-client has on a terminal beside those of every user, and its help. Pure.

They concern the screen only, so no server knows them. Their table is of the same kind as that of gchat.dialects.slash.
"""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import zip_longest
from typing import TypeVar

from msgspec import Struct, structs

from gchat.client.action import Action, action_for
from gchat.client.attention import BellAt, NotifyBy
from gchat.dialects import slash
from gchat.dialects.slash import SLASHES, Slash, Table, Word, alone
from gchat.model import commands
from gchat.model.text import printable, split_word


class OwnCommand(Struct, frozen=True):
    """A command that no server knows."""


class ShowHelp(OwnCommand, frozen=True):
    """Show what can be typed, or what one command does."""

    name: str


class ClearScreen(OwnCommand, frozen=True):
    """Have nothing on the screen but the prompt."""


class Converse(OwnCommand, frozen=True):
    """Turn to the conversation with one user, and send this text there; back to the room if no user is named."""

    to: str
    text: str


class Prove(OwnCommand, frozen=True):
    """Carry out a command with secrets in it, some of which are still to be asked for."""

    command: commands.Proving


class ShowMention(OwnCommand, frozen=True):
    """Show the last message that mentions the user, among those around it."""


class SetBell(OwnCommand, frozen=True):
    """Ring the bell at this; at None tell what rings it."""

    at: BellAt | None


class SetNotify(OwnCommand, frozen=True):
    """Send notifications by this; at None tell by what they are sent."""

    by: NotifyBy | None


class SetPresence(OwnCommand, frozen=True):
    """Show who enters and leaves, or not; at None tell which."""

    shown: bool | None


ChoiceT = TypeVar("ChoiceT", bound=StrEnum)


def _choice(text: str, choices: type[ChoiceT]) -> ChoiceT | None:
    """Return which of the choices this is, None for "". Raises ValueError."""
    try:
        return choices(text.lower()) if text else None
    except ValueError:
        raise ValueError(f"Expected one of {', '.join(choices)}") from None


def _presence(text: str) -> SetPresence:
    shown = {"": None, "on": True, "off": False}
    if text.lower() not in shown:
        raise ValueError("Expected on or off")
    return SetPresence(shown[text.lower()])


OWN_COMMANDS: Table[OwnCommand] = {
    own.name: own
    for own in (
        Slash[OwnCommand](
            "help",
            "[COMMAND]",
            "show what you can type, and the keys",
            lambda text: ShowHelp(slash.command_name(text)),
            Word.COMMAND,
        ),
        Slash[OwnCommand](
            "query",
            "[NAME [TEXT]]",
            "turn to the private conversation with NAME, or back to the room",
            lambda text: Converse(*split_word(text)),
            Word.NICK,
        ),
        Slash[OwnCommand]("last", "", "show the last message that mentions you", alone(ShowMention())),
        Slash[OwnCommand](
            "bell",
            "[off|mention|all]",
            "choose what rings the bell",
            lambda text: SetBell(_choice(text, BellAt)),
        ),
        Slash[OwnCommand](
            "notify",
            "[off|osc9|osc777]",
            "have your terminal notify you of what is for you, by a sequence that it knows",
            lambda text: SetNotify(_choice(text, NotifyBy)),
        ),
        Slash[OwnCommand]("presence", "[on|off]", "choose whether it is shown who enters and leaves", _presence),
        Slash[OwnCommand]("clear", "", "clear the screen", alone(ClearScreen())),
    )
}


def _login(text: str) -> commands.Command:
    return commands.Login(*split_word(text))


def _unseen(name: str, told: str) -> Slash[commands.Command]:
    """Return a command as it is on a terminal, where secrets are asked for; they may be typed with it all the same."""
    return structs.replace(SLASHES[name], parameters="", help=told)


#: All commands on a terminal.
COMMANDS: Table[commands.Command | OwnCommand] = {
    **SLASHES,
    "register": _unseen("register", "make your nick yours, by a secret"),
    "login": structs.replace(SLASHES["login"], parameters="[NAME]", parse=_login),
    "passwd": _unseen("passwd", "change your secret"),
    "unregister": _unseen("unregister", "give up the nick that is yours"),
    **OWN_COMMANDS,
}

# Commands with secrets in them, and how many words behind each are none.
_PRIVATE = ("msg", "query", "tell", "w")
_NOT_SECRET = {"login": 1, "register": 0, "passwd": 0, "unregister": 0}

# By habit of IRC, secrets are sent to a user of this name, who does not exist.
_NICKSERV = re.compile(r"\s+nickserv\b", re.IGNORECASE)

# A line with a command: its name with the slash, and the rest.
_COMMAND = re.compile(r"\s*([/／][^\s/／]\S*)(.*)", re.DOTALL)

KEYS = (
    ("Alt+1..9", "another room; Alt+Left, Alt+Right: the one beside it"),
    ("Tab", "complete; Up, Down: what you typed before; Ctrl+R searches it"),
    ("Alt+Enter", "one more line of the same message; Ctrl+X Ctrl+E: your editor"),
    ("Ctrl+C", "clear the line, which Up brings back; leave if it is empty"),
    ("Ctrl+D, Ctrl+Z", "leave, go back to the shell until fg; Ctrl+L: clear the screen"),
)


def entered(line: str, reply_to: str) -> Action | OwnCommand | None:
    """Return what a line asks that is entered on a terminal: see action_of."""
    command = slash.parse_by(COMMANDS, line)
    match command:
        case commands.AskSecret(asked):
            return Prove(asked)
        case commands.Register() | commands.Login() | commands.Passwd() | commands.Unregister():
            return Prove(command)
    return command if isinstance(command, OwnCommand) else action_for(command, reply_to)


def without_secrets(text: str) -> str:
    """Return what was typed, one line or more, as it may be remembered and shown."""
    return "\n".join(map(_without_secret, text.split("\n")))


def _without_secret(line: str) -> str:
    found = _COMMAND.match(printable(line))
    name = slash.command_name(found[1]) if found else ""
    if found and name in _PRIVATE and _NICKSERV.match(found[2]):
        return f"/{name} NickServ"
    if not found or name not in _NOT_SECRET:
        return line
    return " ".join([f"/{name}", *found[2].split()[: _NOT_SECRET[name]]])


def help_texts(name: str, width: int) -> list[str]:
    """Return the help on one command, or if `name` is "" on all and on the keys, in rows of `width` columns."""
    if name:
        return [slash.help_on(COMMANDS, name)]
    usages = [*(command.usage for command in COMMANDS.values()), "//TEXT says /TEXT"]
    margin = max(len(key) for key, _ in KEYS) + 2
    return [
        "Commands; /help COMMAND tells more:",
        *_in_columns(usages, width),
        *(f"{key:<{margin}}{text}" for key, text in KEYS),
    ]


def _in_columns(texts: list[str], width: int) -> list[str]:
    """Return the texts in as many columns as fit, from the top to the bottom of each; in one if none fits."""
    rows: list[str] = []
    for height in range(len(texts), 0, -1):
        columns = [texts[at : at + height] for at in range(0, len(texts), height)]
        widths = [max(map(len, column)) + 2 for column in columns]
        if rows and sum(widths) - 2 > width:
            break
        cells = [[f"{text:<{size}}" for text in column] for column, size in zip(columns, widths, strict=True)]
        rows = ["".join(row).rstrip() for row in zip_longest(*cells, fillvalue="")]
    return rows
