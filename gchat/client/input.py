"""What a person types, as what is asked of the server. One table of commands: /help and completion are made from it.

Pure: what was typed goes in, a value comes out; who sends and shows it is the terminal's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto

from msgspec import Struct

from gchat.protocol import wire
from gchat.protocol.text import printable

#: Asked for by /history without an argument, and by /history with a number to start from.
HISTORY_LAST = 20
HISTORY_LIMIT = 100

#: More lines than this at once are sent only after a question: a paste is a mistake more often than not.
MANY_LINES = 5


class Show(Struct, frozen=True):
    """Lines for who typed; the server is not asked anything."""

    lines: tuple[str, ...]


Action = wire.AnyRequest | Show


class Word(Enum):
    """What the first word after a command is the name of: for completion."""

    NOTHING = auto()
    NICK = auto()
    ROOM = auto()
    VERB = auto()


class Verb(Struct, frozen=True):
    """A command as a person types it.

    `parse` gets what follows the name, and who is answered by /reply; where it raises ValueError, the usage is shown.
    """

    name: str
    parameters: str
    help: str
    parse: Callable[[str, str], Action]
    first: Word = Word.NOTHING

    @property
    def usage(self) -> str:
        """How to type it."""
        return f"/{self.name} {self.parameters}".rstrip()


# --- Commands --------------------------------------------------------------------------------------------------------


def _needed(text: str) -> str:
    if not text:
        raise ValueError("an argument is missing")
    return text


def _nothing(text: str) -> None:
    if text:
        raise ValueError("it takes no argument")


def _who(text: str, _reply_to: str) -> Action:
    _nothing(text)
    return wire.Who()


def _rooms(text: str, _reply_to: str) -> Action:
    _nothing(text)
    return wire.Rooms()


def _tell(text: str, _reply_to: str) -> Action:
    to, _, said = text.partition(" ")
    return wire.Tell(to=_needed(to), text=_needed(said.strip()))


def _reply(text: str, reply_to: str) -> Action:
    if not reply_to:
        return Show(("Nobody has sent you a /msg yet",))
    return wire.Tell(to=reply_to, text=_needed(text))


def _history(text: str, _reply_to: str) -> Action:
    if not text:
        return wire.History(limit=HISTORY_LAST)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 15 or not int(digits):
        raise ValueError("a number is wanted, not 0")
    if text.startswith("-"):
        return wire.History(limit=int(digits))
    return wire.History(after=int(digits) - 1, limit=HISTORY_LIMIT)


def _help(text: str, _reply_to: str) -> Action:
    name = text.removeprefix("/").lower()
    if name in VERBS:
        verb = VERBS[name]
        return Show((f"{verb.usage}: {verb.help}",))
    if name:
        return Show((f"There is no command /{_short(name)}; /help lists them",))
    rows = [(verb.usage, verb.help) for verb in VERBS.values()]
    rows += [("//TEXT", "say a line that begins with a slash"), ("Tab", "complete a command, a nick or a room")]
    width = max(len(usage) for usage, _ in rows)
    return Show(tuple(f"{usage:<{width}}  {text}" for usage, text in rows))


VERBS = {
    verb.name: verb
    for verb in (
        Verb("help", "[COMMAND]", "what you can type", _help, Word.VERB),
        Verb("nick", "NAME", "take a name", lambda text, _: wire.Nick(nick=_needed(text))),
        Verb("who", "", "who is in this room", _who),
        Verb("rooms", "", "which rooms there are", _rooms),
        Verb(
            "join", "ROOM", "go to another room, or make one", lambda text, _: wire.Join(room=_needed(text)), Word.ROOM
        ),
        Verb("me", "TEXT", "say what you do: * alice waves", lambda text, _: wire.Act(text=_needed(text))),
        Verb("msg", "NAME TEXT", "say something to one user only", _tell, Word.NICK),
        Verb("reply", "TEXT", "answer who last sent you a /msg", _reply),
        Verb("topic", "[TEXT]", "show the room's topic, or set it", lambda text, _: wire.Topic(text=text)),
        Verb("history", "[FROM | -COUNT]", "old messages: the last ones, or from number FROM on", _history),
        Verb(
            "search",
            "WORDS",
            "old messages with these words; depl* finds deploy",
            lambda text, _: wire.Search(text=_needed(text)),
        ),
        Verb("ping", "", "see how long an answer takes", lambda _text, _: wire.Ping()),
        Verb("quit", "", "leave", lambda _text, _: wire.Quit()),
    )
}


def parse(text: str, reply_to: str = "") -> Action | None:
    """Return what one typed line asks, None if it is blank. `reply_to` is who last told us something."""
    if not text.strip():
        return None
    if not text.startswith("/") or text.startswith("//"):
        return wire.Say(text=text.removeprefix("/"))
    name, _, rest = text[1:].partition(" ")
    verb = VERBS.get(name.lower())
    if verb is None:
        name = _short(name)
        return Show((f"There is no command /{name}; /help lists them, and //{name} says it",))
    try:
        return verb.parse(rest.strip(), reply_to)
    except ValueError as error:
        return Show((f"That was not done, for {error}; type {verb.usage}",))


def lines_of(text: str) -> list[str]:
    """Return the lines of what was typed or pasted that are not blank."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line for line in lines if line.strip()]


def _short(name: str) -> str:
    name = printable(name)
    return f"{name[:20]}…" if len(name) > 20 else name


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
            Candidate(f"/{verb.name}{' ' if verb.parameters else ''}", len(last), verb.help)
            for verb in VERBS.values()
            if verb.name.startswith(command)
        )
    first = VERBS[command].first if command in VERBS and len(words) == 2 else Word.NOTHING
    if first is Word.VERB:
        return _matching(last, VERBS, "")
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
