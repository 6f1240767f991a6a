"""The plain dialect: what `nc` and `telnet` see. The table of its commands is here, and /help is made from it.

> Connected to the chat server (2 users online)       greeting, answers, newcomers
[alice] Hello                                          a message
< The user bob left (1 user online)                    a departure
* alice waves                                          what somebody does, or is called now
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from gchat.protocol import commands, events
from gchat.protocol.errors import Code, Refusal
from gchat.protocol.text import printable, printable_line, printable_lines

#: So say the clients of old.
goodbye = b"-1"

#: Replayed by /history without an argument.
HISTORY_LAST = 20

#: Found by /search at most.
SEARCH_LAST = 20

# --- Bytes to commands -----------------------------------------------------------------------------------------------


class Verb(Struct, frozen=True):
    """A command as a user types it.

    `parse` gets what follows the name; where it raises ValueError, the user is shown the usage.
    """

    name: str
    parameters: str
    help: str
    parse: Callable[[str], commands.Command]

    @property
    def usage(self) -> str:
        """How to type it."""
        return f"/{self.name} {self.parameters}".rstrip()


def _needed(text: str) -> str:
    if not text:
        raise ValueError("an argument is missing")
    return text


def _nothing(text: str) -> None:
    if text:
        raise ValueError("no argument is taken")


def _tell(text: str) -> commands.Command:
    to, _, said = text.partition(" ")
    return commands.Tell(_needed(to), _needed(said.strip()))


def _history(text: str) -> commands.Command:
    if not text:
        return commands.History(-HISTORY_LAST)
    if not text.removeprefix("-").isdecimal() or len(text) > 18:
        raise ValueError("a number is wanted")
    return commands.History(int(text))


def _search(text: str) -> commands.Command:
    return commands.Search(_needed(text), SEARCH_LAST)


def _who(text: str) -> commands.Command:
    _nothing(text)
    return commands.Who()


def _rooms(text: str) -> commands.Command:
    _nothing(text)
    return commands.Rooms()


def _quit(_text: str) -> commands.Command:
    return commands.Quit()  # whatever follows: who says goodbye in more words is still leaving


VERBS = {
    verb.name: verb
    for verb in (
        Verb("help", "[COMMAND]", "what you can type", lambda text: commands.Help(text.removeprefix("/").lower())),
        Verb("nick", "NAME", "take a name", lambda text: commands.Nick(_needed(text))),
        Verb("who", "", "who is in this room", _who),
        Verb("rooms", "", "which rooms there are", _rooms),
        Verb("join", "ROOM", "go to another room, or make one", lambda text: commands.Join(_needed(text))),
        Verb("me", "TEXT", "say what you do: * alice waves", lambda text: commands.Act(_needed(text))),
        Verb("msg", "NAME TEXT", "say something to one user only", _tell),
        Verb("reply", "TEXT", "answer who last sent you a /msg", lambda text: commands.Reply(_needed(text))),
        Verb("topic", "[TEXT]", "show the room's topic, or set it", commands.Topic),
        Verb("history", "[FROM | -COUNT]", "old messages: the last ones, or from number FROM on", _history),
        Verb("search", "WORDS", "old messages with these words; depl* finds deploy", _search),
        Verb("ping", "[TEXT]", "get an answer", commands.Ping),
        Verb("quit", "", "leave", _quit),
    )
}


# What a line begins with that may be blank or a command; every other line is simply said.
_SPECIAL = frozenset(["", "/", *filter(str.isspace, map(chr, range(0x3001)))])


def _command(line: str) -> commands.Command:
    """Parse one line that begins with a slash, and not with two."""
    name, _, rest = line[1:].partition(" ")
    verb = VERBS.get(name.lower())
    if verb is None:
        name = printable(name)
        name = f"{name[:20]}…" if len(name) > 20 else name
        message = f"There is no command /{name}; /help lists them, and //{name} says it"
        return commands.Mistake(Refusal(Code.BAD_COMMAND, message))
    try:
        return verb.parse(rest.strip())
    except ValueError as error:
        message = f"That was not done, for {error}; type {verb.usage}"
        return commands.Mistake(Refusal(Code.BAD_COMMAND, message))


def _decode_mixed(texts: list[str]) -> list[commands.Command]:
    """Do the same as decode, for lines some of which are blank or begin with a slash."""
    found: list[commands.Command] = []
    said: list[str] = []
    for text in texts:
        if text.startswith("/") and not text.startswith("//"):
            if said:
                found.append(commands.Say(tuple(said)))
                said = []
            found.append(_command(text))
        elif text.strip():
            said.append(text.removeprefix("/"))
    if said:
        found.append(commands.Say(tuple(said)))
    return found


# --- Events to bytes -------------------------------------------------------------------------------------------------


def _users(count: int) -> str:
    return f"({count:,} user{'' if count == 1 else 's'} online)"


def _answer(*texts: str) -> bytes:
    return b"".join(printable_line(f"> {text}") for text in texts)


def _said(event: events.Said) -> bytes:
    return printable_lines(f"[{event.name}] ", event.texts)


def _acted(event: events.Acted) -> bytes:
    return printable_line(f"* {event.name} {event.text}")


def _topic_set(event: events.TopicSet) -> bytes:
    return printable_line(f"* {event.name} set the topic: {event.text}")


def _record(event: events.Record) -> bytes:
    return _ENCODERS[type(event.message)](event.message)


def _entered(event: events.Entered) -> bytes:
    return printable_line(f"> New user {event.name} entered {_users(event.online)}")


def _left(event: events.Left) -> bytes:
    return printable_line(f"< The user {event.name} left {_users(event.online)}")


def _renamed(event: events.Renamed) -> bytes:
    return printable_line(f"* {event.old} is now {event.new}")


def _crowd(event: events.Crowd) -> bytes:
    if event.kind is events.Entered:
        return printable_line(f"> {event.count:,} users entered {_users(event.online)}")
    if event.kind is events.Left:
        return printable_line(f"< {event.count:,} users left {_users(event.online)}")
    return printable_line(f"* {event.count:,} users took another name")


def _announced(event: events.Announced) -> bytes:
    return _answer(f"Announcement: {event.text}")


def _welcome(event: events.Welcome) -> bytes:
    return _answer(f"Connected to the chat server {_users(event.online)}", *event.motd.splitlines())


def _ready(event: events.Ready) -> bytes:
    return printable(event.prompt).encode()


def _joined(event: events.Joined) -> bytes:
    return _answer(f"You are in {event.room} now {_users(event.online)}")


def _topic_is(event: events.TopicIs) -> bytes:
    return _answer(f"The topic is: {event.text} (set by {event.name})" if event.text else "There is no topic")


def _page(event: events.Page) -> bytes:
    parts = _dated(event.records, event.time, numbered=False)
    if event.next is not None:
        parts.append(_answer(f"… there is more: /history {event.next}"))
    elif event.asked and not event.records:
        parts.append(_answer("There are no such messages"))
    return b"".join(parts)


def _dated(records: Sequence[events.Record], now: float, *, numbered: bool) -> list[bytes]:
    """Return old messages, each with its time, perhaps its number, and with a line where the day changes."""
    parts = []
    day = datetime.fromtimestamp(now).date()
    for record in records:
        at = datetime.fromtimestamp(record.time)
        if at.date() != day:
            day = at.date()
            parts.append(_answer(f"{at:%A}, {at.day} {at:%B %Y}"))
        for seq, line in enumerate(encode(record.message).splitlines(keepends=True), record.seq):
            parts.append((f"#{seq} {at:%H:%M} " if numbered else f"{at:%H:%M} ").encode() + line)
    return parts


def _found(event: events.Found) -> bytes:
    if not event.records:
        return _answer("Nothing was found; words are looked for as a whole, and depl* finds deploy")
    parts = _dated(event.records, event.time, numbered=True)
    if event.more:
        parts.append(_answer("… there may be older ones; with one more word it finds fewer"))
    return b"".join(parts)


def _told(event: events.Told) -> bytes:
    return printable_line(f"[{event.name} -> you] {event.text}")


def _acknowledged(_event: events.Acknowledged) -> bytes:
    return b""  # who types sees that it went


def _named(event: events.Named) -> bytes:
    return _answer(f"You are {event.name} now")


def _user_list(event: events.Users) -> bytes:
    names = ", ".join(f"{name} (you)" if name == event.you else name for name in event.names)
    more = event.total - len(event.names)
    return _answer(f"In {event.room} {_users(event.total)}: {names}" + (f", and {more:,} more" if more else ""))


def _room_list(event: events.RoomList) -> bytes:
    lines = []
    for name, members, topic in event.rooms:
        here = ", you are here" if name == event.here else ""
        lines.append(f"{name} {_users(members)}{here}" + (f": {topic}" if topic else ""))
    more = event.total - len(event.rooms)
    return _answer(*lines, *([f"… and {more:,} more"] if more else []))


def _pong(event: events.Pong) -> bytes:
    return _answer(f"pong {event.text}".rstrip())


def _help(event: events.HelpText) -> bytes:
    if event.verb in VERBS:
        verb = VERBS[event.verb]
        return _answer(f"{verb.usage}: {verb.help}")
    if event.verb:
        return _answer(f"There is no command /{event.verb[:20]}; /help lists them")
    width = max(len(verb.usage) for verb in VERBS.values())
    lines = [f"{verb.usage:<{width}}  {verb.help}" for verb in VERBS.values()]
    return _answer(*lines, f"{'//TEXT':<{width}}  say a line that begins with a slash")


def _refused(event: events.Refused) -> bytes:
    return _answer(event.message)


def _slowed(event: events.Slowed) -> bytes:
    each = f"{event.messages_per_s:g} line{'' if event.messages_per_s == 1 else 's'}"
    return _answer(f"You send faster than {each} a second: you are read more slowly, nothing is lost")


def _skipped(event: events.Skipped) -> bytes:
    count = event.last - event.first + 1
    which = f"{event.first}-{event.last}" if count > 1 else f"{event.first}"
    return _answer(f"… {count} message{'' if count == 1 else 's'} skipped ({which}), /history {event.first}")


def _closing(event: events.Closing) -> bytes:
    return _answer(event.message)


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    events.Said: _said,
    events.Acted: _acted,
    events.TopicSet: _topic_set,
    events.Record: _record,
    events.Entered: _entered,
    events.Left: _left,
    events.Renamed: _renamed,
    events.Crowd: _crowd,
    events.Announced: _announced,
    events.Welcome: _welcome,
    events.Ready: _ready,
    events.Joined: _joined,
    events.TopicIs: _topic_is,
    events.Page: _page,
    events.Found: _found,
    events.Told: _told,
    events.Acknowledged: _acknowledged,
    events.Named: _named,
    events.Users: _user_list,
    events.RoomList: _room_list,
    events.Pong: _pong,
    events.HelpText: _help,
    events.Refused: _refused,
    events.Slowed: _slowed,
    events.Skipped: _skipped,
    events.Closing: _closing,
}


def encode(event: events.Event, room: str = "") -> bytes:  # noqa: ARG001  # a plain user is in one room at a time
    """Return `event` as lines; see Dialect.encode. Ready alone is not a line: the prompt waits for what is typed."""
    return _ENCODERS[type(event)](event)


def line_bytes(text_bytes: int) -> int:
    """Return how long a line may be: a text, and nothing else. See Dialect.line_bytes."""
    return text_bytes


def decode(lines: Sequence[bytes]) -> list[commands.Command]:
    """Return what `lines` ask; see Dialect.decode.

    Each invalid sequence of UTF-8 becomes one U+FFFD, and blank lines nothing.
    """
    texts = b"\n".join(lines).decode("utf-8", "replace").split("\n")
    if _SPECIAL.isdisjoint([text[:1] for text in texts]):
        return [commands.Say(tuple(texts))]
    return _decode_mixed(texts)
