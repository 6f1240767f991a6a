"""What a person types, as what is asked of the server. The commands are those of gchat.dialects.slash.

Pure: what was typed goes in, a value comes out; sending and showing it is the terminal's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from gchat.dialects import slash
from gchat.dialects.rich_requests import (
    ActRequest,
    AnyRequest,
    HistoryRequest,
    JoinRequest,
    NickRequest,
    PingRequest,
    QuitRequest,
    RoomsRequest,
    SayRequest,
    SearchRequest,
    TellRequest,
    TopicRequest,
    WhoRequest,
)
from gchat.dialects.slash import SLASHES, Word
from gchat.model import commands, sentences
from gchat.model.text import is_blank

#: Messages asked for by /history with a number to start from.
HISTORY_LIMIT = 100

#: More lines than this at once are sent only after a question: a paste is a mistake more often than not.
MANY_LINES = 5


class Show(Struct, frozen=True):
    """Lines for the person who typed; the server is not asked anything."""

    lines: tuple[str, ...]


Action = AnyRequest | Show

_TAB_HELP = "Tab completes commands, nicks and rooms"


def _history(command: commands.History, _reply_to: str) -> Action:
    match command.excerpt:
        case commands.Last(count):
            return HistoryRequest(limit=count)
        case commands.From(seq):
            return HistoryRequest(after=seq - 1, limit=HISTORY_LIMIT)
        case commands.Before(seq):
            return HistoryRequest(before=seq, limit=HISTORY_LIMIT)


def _reply(command: commands.Reply, reply_to: str) -> Action:
    return TellRequest(to=reply_to, text=command.text) if reply_to else Show((sentences.NOBODY_TO_ANSWER,))


def _help(command: commands.Help, _reply_to: str) -> Action:
    lines = slash.help_lines(command.verb)
    return Show((*lines, _TAB_HELP) if not command.verb else tuple(lines))


_ACTIONS: dict[type, Callable[[Any, str], Action]] = {
    commands.Say: lambda command, _: SayRequest(text=command.texts[0]),
    commands.Act: lambda command, _: ActRequest(text=command.text),
    commands.Tell: lambda command, _: TellRequest(to=command.to, text=command.text),
    commands.Reply: _reply,
    commands.Nick: lambda command, _: NickRequest(nick=command.nick),
    commands.Join: lambda command, _: JoinRequest(room=command.room),
    commands.Topic: lambda command, _: TopicRequest(text=command.text),
    commands.Who: lambda _command, _: WhoRequest(),
    commands.Rooms: lambda _command, _: RoomsRequest(),
    commands.History: _history,
    commands.Search: lambda command, _: SearchRequest(text=command.text, limit=command.limit),
    commands.Ping: lambda _command, _: PingRequest(),
    commands.Help: _help,
    commands.Quit: lambda _command, _: QuitRequest(),
    commands.Mistake: lambda command, _: Show((command.refusal.message,)),
}


def parse(text: str, reply_to: str = "") -> Action | None:
    """Return what one typed line asks, None if it is blank. `reply_to` sent the last private message."""
    command = slash.parse(text)
    return None if command is None else _ACTIONS[type(command)](command, reply_to)


def lines_of(text: str) -> list[str]:
    """Return the lines of what was typed or pasted that are not blank."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line for line in lines if not is_blank(line)]


# --- Completion ------------------------------------------------------------------------------------------------------


class Candidate(Struct, frozen=True):
    """What the last word could become: `text` in place of the last `length` characters."""

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
            for found in SLASHES.values()
            if found.name.startswith(command)
        )
    first = SLASHES[command].first if command in SLASHES and len(words) == 2 else Word.NOTHING
    if first is Word.COMMAND:
        return _matching(last, SLASHES, "")
    if first is Word.ROOM:
        return _matching(last, rooms, "")
    if first is Word.NICK:
        return _matching(last, nicks, " ")
    if not last:
        return iter(())
    return _matching(last, nicks, ": " if len(words) == 1 else " ")


def _matching(start: str, names: Iterable[str], end: str) -> Iterator[Candidate]:
    folded = start.casefold()
    found = {name for name in names if name.casefold().startswith(folded)}
    return (Candidate(name + end, len(start)) for name in sorted(found, key=str.casefold))
