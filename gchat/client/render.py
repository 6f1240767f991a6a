"""Notices as lines of styled text: for a terminal with colours, or as plain text for a pipe.

Pure. The lines look as in the plain dialect, so that people with `nc` and with gchat-client speak of the same thing.
Everything that is shown passes through `lines`, which lets no character out that is not `printable`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from gchat.client.conversation.conversation import Conversation
from gchat.client.conversation.notices import Back, Delivered, Lost, NewLog, Notice, Sent
from gchat.dialects.rich_events import (
    AccountEvent,
    AckEvent,
    ActedEvent,
    AnnouncedEvent,
    AwayEvent,
    BansEvent,
    ClosingEvent,
    DoneEvent,
    EnteredEvent,
    FoundEvent,
    GapEvent,
    InvitedEvent,
    JoinedEvent,
    KickedEvent,
    LeftEvent,
    ListEvent,
    LiveEvent,
    ModeEvent,
    ModesEvent,
    NamedEvent,
    PageEvent,
    PartedEvent,
    PongEvent,
    RefusedEvent,
    RenamedEvent,
    RichEvent,
    RoomListEvent,
    SaidEvent,
    SlowedEvent,
    ToldEvent,
    TopicSetEvent,
    UsersEvent,
    WelcomeEvent,
)
from gchat.model import sentences
from gchat.model.text import printable

Fragment = tuple[str, str]  # a style's name and a text, as prompt_toolkit has it
Line = list[Fragment]

#: Blank characters in a row; the rest of them is not shown.
MAX_GAP = 16
_GAP = re.compile(rf"[\s\u2800\u115f\u1160\u3164\uffa0]{{{MAX_GAP + 1},}}")


# Before the further lines of a text, as in the plain dialect.
_CONTINUES: Fragment = ("class:aside", sentences.CONTINUES)


def lines(notice: Notice, chat: Conversation) -> list[Line]:
    """Return how `notice` looks; [] if there is nothing to see."""
    shown = _LINES[type(notice)](notice, chat)
    return [[(style, shown_text(text)) for style, text in line if text] for line in shown]


def shown_text(text: str) -> str:
    """Return `text` fit to be shown: printable, without a gap so wide that what follows looks like another line."""
    return _GAP.sub(lambda gap: gap[0][:MAX_GAP], printable(text))


def aside(text: str, style: str = "class:aside") -> Line:
    """Return a line that is no message: what the client itself says."""
    return [(style, shown_text(sentences.SAYS + text))]


def is_further(line: Line) -> bool:
    """Return whether this is another line of the text above."""
    return line[:1] == [_CONTINUES]


def text_of(line: Line) -> str:
    """Return a line without its styles."""
    return "".join(text for _, text in line)


# --- Messages --------------------------------------------------------------------------------------------------------


def mentions(text: str, nick: str) -> bool:
    """Return whether `text` speaks of `nick`, as a word of its own."""
    return bool(nick) and _mention(nick).search(text) is not None


@lru_cache(maxsize=8)  # one for each nick that the user has had lately: it is asked for with every message
def _mention(nick: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(nick)}(?!\w)", re.IGNORECASE)


def is_for_me(notice: Notice, chat: Conversation) -> bool:
    """Return whether it is said to this user: told privately, or with their nick in it, or an invitation."""
    if isinstance(notice, SaidEvent | ActedEvent):
        return notice.from_ != chat.nick and mentions(notice.text, chat.nick)
    return isinstance(notice, ToldEvent | InvitedEvent)


def _marked(text: str, nick: str) -> Line:
    """Return `text` with what mentions `nick` highlighted."""
    if not nick:
        return [("", text)]
    line: Line = []
    at = 0
    for found in _mention(nick).finditer(text):
        line += [("", text[at : found.start()]), ("class:mention", found[0])]
        at = found.end()
    return [*line, ("", text[at:])]


def _spoken(before: Line, text: str, nick: str) -> list[Line]:
    """Return the lines of a text, the first of them behind `before`, with what mentions `nick` highlighted."""
    first, *further = text.split("\n")
    return [[*before, *_marked(first, nick)], *([_CONTINUES, *_marked(line, nick)] for line in further)]


def _said_by(name: str, text: str, chat: Conversation, *, action: bool = False, room: str = "") -> list[Line]:
    """Return what a user says, in which `room` if it is another one."""
    own = name == chat.nick
    style = "class:own" if own else "class:nick"
    before: Line = [("class:aside", f"#{room} ")] if room else []
    before += [("", "* "), (style, name), ("", " ")] if action else [("", "["), (style, name), ("", "] ")]
    return _spoken(before, text, "" if own else chat.nick)


def _sent(notice: Sent, chat: Conversation) -> list[Line]:
    elsewhere = "" if notice.room in chat.rooms else notice.room
    return _said_by(chat.nick, notice.text, chat, action=notice.action, room=elsewhere)


def _topic(notice: TopicSetEvent, _chat: Conversation) -> list[Line]:
    if notice.seq:
        return _aside(sentences.topic_set(notice.from_, notice.text))
    return _aside(sentences.topic_is(notice.text, notice.from_))


# --- Everything else -------------------------------------------------------------------------------------------------


def _aside(*texts: str) -> list[Line]:
    return [aside(text) for text in texts]


def _entered(notice: EnteredEvent, _chat: Conversation) -> list[Line]:
    if notice.who:
        return _aside(sentences.entered(notice.who, notice.online))
    return _aside(sentences.many_entered(notice.count, notice.online))


def _left(notice: LeftEvent, _chat: Conversation) -> list[Line]:
    text = sentences.many_left(notice.count, notice.online)
    if notice.who:
        text = sentences.left(notice.who, notice.online, notice.reason)
    return [[("class:aside", sentences.LEAVES + text)]]


def _renamed(notice: RenamedEvent, _chat: Conversation) -> list[Line]:
    if not notice.who:
        return _aside(sentences.many_renamed(notice.count))
    return _aside(sentences.renamed(notice.who, notice.nick))


def _kicked(notice: KickedEvent, chat: Conversation) -> list[Line]:
    if notice.who == chat.nick:
        return _aside(*sentences.you_were_kicked(notice.by, notice.room, notice.reason))
    text = sentences.kicked(notice.who, notice.by, notice.room, notice.reason, notice.online)
    return [[("class:aside", sentences.LEAVES + text)]]


def _modes(notice: ModesEvent, _chat: Conversation) -> list[Line]:
    return _aside(*sentences.modes_are(notice.room, notice.modes, notice.key, notice.operators, notice.voices))


def _bans(notice: BansEvent, _chat: Conversation) -> list[Line]:
    bans, mutes = (
        [
            (p.id, p.whom, datetime.fromisoformat(p.until).timestamp() if p.until else 0.0, p.by, p.reason)
            for p in listed
        ]
        for listed in (notice.bans, notice.mutes)
    )
    return _aside(*sentences.penalties(bans, mutes, notice.more))


def _who(notice: UsersEvent, _chat: Conversation) -> list[Line]:
    return _aside(sentences.members(notice.room, notice.users, notice.total, notice.you, notice.away))


def _rooms(notice: RoomListEvent, _chat: Conversation) -> list[Line]:
    rooms = [(room.name, room.members, room.topic, room.here) for room in notice.rooms]
    return _aside(*sentences.rooms(rooms, notice.total))


def _page(notice: PageEvent, chat: Conversation) -> list[Line]:
    """Return what stands below a page; its messages have times of their own, see timeline."""
    if not notice.events:
        return _aside(sentences.NO_MESSAGES)
    if notice.end or notice.events[-1].seq >= chat.seq:
        return []
    return _aside(sentences.more_history(notice.events[-1].seq + 1))


def _found(notice: FoundEvent, _chat: Conversation) -> list[Line]:
    if not notice.events:
        return _aside(sentences.NOTHING_FOUND)
    return [] if notice.end else _aside(sentences.OLDER_MAY_MATCH)


def number_of(event: SaidEvent | ActedEvent | TopicSetEvent, page: PageEvent) -> str:
    """Return what stands before a message of a page: of what was found its number, to go there with /history."""
    return f"#{event.seq} " if isinstance(page, FoundEvent) else ""


BACK_TEXT = "Connected again"


def lost_text(notice: Lost) -> str:
    """Return what a person is told while there is no connection."""
    return f"Connection lost ({notice.reason}); reconnecting"


def _new_log(notice: NewLog, _chat: Conversation) -> list[Line]:
    return _aside(f"{notice.room} has a new history: messages from while you were disconnected may be missing")


def _slowed(notice: SlowedEvent, _chat: Conversation) -> list[Line]:
    return _aside(sentences.slowed(notice.messages_per_s, notice.bytes_per_s, together=notice.together))


_LINES: dict[type, Callable[[Any, Conversation], list[Line]]] = {
    WelcomeEvent: lambda notice, _chat: _aside(sentences.connected(notice.online), *notice.motd.splitlines()),
    JoinedEvent: lambda notice, _chat: _aside(sentences.joined(notice.room, notice.online)),
    PartedEvent: lambda notice, _chat: _aside(sentences.parted(notice.room)),
    AccountEvent: lambda _notice, _chat: [],  # a sentence beside it says so
    LiveEvent: lambda _notice, _chat: [],
    SaidEvent: lambda notice, chat: _said_by(notice.from_, notice.text, chat),
    ActedEvent: lambda notice, chat: _said_by(notice.from_, notice.text, chat, action=True),
    TopicSetEvent: _topic,
    ToldEvent: lambda notice, chat: _spoken([("class:private", f"[{notice.from_} -> you] ")], notice.text, chat.nick),
    EnteredEvent: _entered,
    LeftEvent: _left,
    RenamedEvent: _renamed,
    AwayEvent: lambda notice, _chat: _aside(
        sentences.away(notice.who, notice.reason) if notice.who else sentences.many_away(notice.count)
    ),
    AnnouncedEvent: lambda notice, _chat: [aside(sentences.announced(notice.text), "class:mention")],
    DoneEvent: lambda notice, _chat: _aside(notice.message),
    ModeEvent: lambda notice, _chat: _aside(*sentences.modes_changed(notice.by, notice.room, notice.change)),
    KickedEvent: _kicked,
    InvitedEvent: lambda notice, _chat: [aside(sentences.invited(notice.room, notice.by), "class:mention")],
    ModesEvent: _modes,
    ListEvent: lambda notice, _chat: _aside(*sentences.list_is(notice.room, notice.list, notice.masks)),
    BansEvent: _bans,
    NamedEvent: lambda notice, _chat: _aside(sentences.named(notice.nick)),
    RefusedEvent: lambda notice, _chat: [aside(notice.message, "class:refused")],
    SlowedEvent: _slowed,
    GapEvent: lambda notice, _chat: _aside(sentences.skipped(notice.range_from, notice.range_to)),
    UsersEvent: _who,
    RoomListEvent: _rooms,
    PageEvent: _page,
    FoundEvent: _found,
    PongEvent: lambda _notice, _chat: _aside(sentences.pong("")),
    ClosingEvent: lambda notice, _chat: _aside(notice.reason),
    Sent: _sent,
    Delivered: lambda notice, _chat: _spoken([("class:private", f"[you -> {notice.to}] ")], notice.text, ""),
    Lost: lambda notice, _chat: [aside(lost_text(notice), "class:lost")],
    Back: lambda _notice, _chat: _aside(BACK_TEXT),
    NewLog: _new_log,
}

# --- For pipes -------------------------------------------------------------------------------------------------------

_NOT_ASCII = re.compile(r"[^\x20-\x7e]")


def plain_text(notice: Notice, chat: Conversation) -> str:
    """Return how a pipe shows `notice`: lines as in the plain dialect; own messages are known there already."""
    if isinstance(notice, Sent | Delivered | Lost | Back):
        return ""
    shown = []
    if isinstance(notice, PageEvent):
        shown = [
            line if is_further(line) else [("class:time", number_of(event, notice)), *line]
            for event in notice.events
            for line in lines(event, chat)
        ]
    return "".join(f"{text_of(line)}\n" for line in shown + lines(notice, chat))


def json_text(notice: Notice) -> str:
    """Return `notice` as the wire has it; "" for what only a client says.

    The token is left out, for it is worth a nick, and what is not printable is escaped: it may be a terminal that
    shows the output.
    """
    event: RichEvent
    match notice:
        case Sent():
            event = AckEvent(id=notice.id, room=notice.room, seq=notice.seq)
        case Delivered():
            event = AckEvent(id=notice.id)
        case WelcomeEvent():
            event = msgspec.structs.replace(notice, token="")
        case Lost() | Back() | NewLog():
            return ""
        case _:
            event = notice
    return _NOT_ASCII.sub(_escaped, msgspec.json.encode(event).decode()) + "\n"


def _escaped(char: re.Match[str]) -> str:
    if printable(char[0]) == char[0]:
        return char[0]
    units = char[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
