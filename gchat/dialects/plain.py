"""The plain dialect: what `nc` and `telnet` see. Commands are in slash, most sentences in `sentences`.

> Connected to the chat server (2 users online)       greeting, answers, newcomers
[alice] Hello                                          a message
    | and more                                         another line of it
< The user bob left (1 user online)                    a departure
* alice waves                                          an action; what the server says of users begins with >
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from gchat.dialects import slash
from gchat.dialects.dialect import Traits
from gchat.dialects.plain_decoder import PlainDecoder
from gchat.model import events, sentences
from gchat.model.audience import Me, OwnLines, Where
from gchat.model.messages import Acted, Record, Said, TopicSet
from gchat.model.text import printable, printable_line, printable_lines

traits = Traits("plain", is_typed=True)

decoder = PlainDecoder


def hello(start: bytes) -> tuple[None, bytes]:
    """Return that there is none; see Dialect.hello."""
    return None, start


# What goes before that which is shown behind a prompt.
_NEW_LINE = b"\n"


def _answer(*texts: str) -> bytes:
    return b"".join(printable_line(sentences.SAYS + text) for text in texts)


def _own(*texts: str) -> bytes:
    """Do the same for the operator's text and ours, which may be laid out in columns."""
    return "".join([f"{sentences.SAYS}{printable(text)}\n" for text in texts]).encode()


def _said(event: Said) -> bytes:
    return printable_lines(f"[{event.name}] ", event.texts, sentences.CONTINUES)


def _acted(event: Acted) -> bytes:
    return printable_lines(f"* {event.name} ", (event.text,), sentences.CONTINUES)


def _topic_set(event: TopicSet) -> bytes:
    return _answer(sentences.topic_set(event.name, event.text))


def _entered(event: events.Entered) -> bytes:
    return _answer(sentences.entered(event.name, event.online))


def _left(event: events.Left) -> bytes:
    return printable_line(sentences.LEAVES + sentences.left(event.name, event.online, event.reason))


def _renamed(event: events.Renamed) -> bytes:
    return _answer(sentences.renamed(event.old, event.new))


def _away(event: events.Away) -> bytes:
    return _answer(sentences.away(event.name, event.reason))


def _crowd(event: events.Crowd) -> bytes:
    if event.kind is events.Entered:
        return _answer(sentences.many_entered(event.count, event.online))
    if event.kind is events.Left:
        return printable_line(sentences.LEAVES + sentences.many_left(event.count, event.online))
    return _answer((sentences.many_away if event.kind is events.Away else sentences.many_renamed)(event.count))


def _announced(event: events.Announced) -> bytes:
    return _answer(sentences.announced(event.text) if event.is_of_operator else event.text)


def _log_renewed(event: events.LogRenewed) -> bytes:
    return _answer(sentences.lost(event.count, event.first, event.last)) if event.count else b""


def _mode_set(event: events.ModeSet) -> bytes:
    return _answer(*[sentences.mode_set(event.by, event.room, change) for change in event.changes])


def _kicked(event: events.Kicked) -> bytes:
    said = sentences.kicked(event.name, event.by, event.room, event.reason, event.online)
    return printable_line(sentences.LEAVES + said)


def _you_were_kicked(event: events.Kicked) -> bytes:
    return _answer(*sentences.you_were_kicked(event.by, event.room, event.reason))


def _welcome(event: events.Welcome) -> bytes:
    return _own(sentences.connected(event.online), *event.motd.splitlines())


def _ready(event: events.Ready) -> bytes:
    return printable(event.prompt).encode()


def _joined(event: events.Joined) -> bytes:
    return _answer(sentences.joined(event.room, event.online))


def _parted(event: events.Parted) -> bytes:
    return _answer(sentences.parted(event.room))


def _topic_is(event: events.TopicIs) -> bytes:
    return _answer(sentences.topic_is(event.text, event.name))


def _page(event: events.Page) -> bytes:
    parts = _dated(event.records, event.time, numbered=False)
    if event.next is not None:
        parts.append(_answer(sentences.more_history(event.next)))
    elif event.asked and not event.records:
        parts.append(_answer(sentences.NO_MESSAGES))
    return b"".join(parts)


def _dated(records: Sequence[Record], now: float, *, numbered: bool) -> list[bytes]:
    """Return old messages, each with its time (and its number, if `numbered`), and a line where the day changes."""
    parts = []
    day = datetime.fromtimestamp(now).date()
    for record in records:
        at = datetime.fromtimestamp(record.time)
        if at.date() != day:
            day = at.date()
            parts.append(_answer(sentences.new_day(day)))
        lines = encode(record.message).splitlines(keepends=True)
        for seq, line in enumerate(lines[: record.message.count], record.seq):
            parts.append((f"#{seq} {at:%H:%M} " if numbered else f"{at:%H:%M} ").encode() + line)
        parts += lines[record.message.count :]  # the further lines of a text
    return parts


def _found(event: events.Found) -> bytes:
    if not event.records:
        return _answer(sentences.NOTHING_FOUND)
    parts = _dated(event.records, event.time, numbered=True)
    if event.more:
        parts.append(_answer(sentences.OLDER_MAY_MATCH))
    return b"".join(parts)


def _told(event: events.Told) -> bytes:
    return printable_lines(f"[{event.name} -> you] ", (event.text,), sentences.CONTINUES)


def _done(event: events.Done) -> bytes:
    return _answer(event.message)


def _acknowledged(_event: events.Acknowledged) -> bytes:
    return b""  # the user has seen what they typed


def _named(event: events.Named) -> bytes:
    return _answer(sentences.named(event.name))


def _user_list(event: events.Users) -> bytes:
    return _answer(sentences.members(event.room, event.names, event.total, event.you, dict(event.away)))


def _room_list(event: events.RoomList) -> bytes:
    listed = [(room.name, room.members, room.topic, room.here) for room in event.rooms]
    return _answer(*sentences.rooms(listed, event.total))


def _modes_are(event: events.ModesAre) -> bytes:
    return _answer(*sentences.modes_are(event.room, event.modes, event.key, event.operators, event.voices))


def _list_is(event: events.ListIs) -> bytes:
    return _answer(*sentences.list_is(event.room, event.letter, event.masks))


def _bans_are(event: events.BansAre) -> bytes:
    bans, mutes = ([(p.id, p.whom, p.until, p.by, p.reason) for p in listed] for listed in (event.bans, event.mutes))
    return _answer(*sentences.penalties(bans, mutes, event.more))


def _invited(event: events.Invited) -> bytes:
    return _answer(sentences.invited(event.room, event.by))


def _pong(event: events.Pong) -> bytes:
    return _answer(sentences.pong(event.text))


def _help(event: events.HelpText) -> bytes:
    return _own(*slash.help_lines(event.verb))


def _account_is(_event: events.AccountIs) -> bytes:
    return b""  # a sentence says so


def _secret_wanted(event: events.SecretWanted) -> bytes:
    return _answer(event.message)


def _refused(event: events.Refused) -> bytes:
    return _answer(event.message)


def _slowed(event: events.Slowed) -> bytes:
    return _answer(sentences.slowed(event.messages_per_s, event.bytes_per_s, together=event.together))


def _skipped(event: events.Skipped) -> bytes:
    return _answer(sentences.skipped(event.first, event.last))


def _closing(event: events.Closing) -> bytes:
    return _answer(event.message)


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    Said: _said,
    Acted: _acted,
    TopicSet: _topic_set,
    events.Entered: _entered,
    events.Left: _left,
    events.Renamed: _renamed,
    events.Away: _away,
    events.Crowd: _crowd,
    events.Announced: _announced,
    events.LogRenewed: _log_renewed,
    events.ModeSet: _mode_set,
    events.Kicked: _kicked,
    events.Welcome: _welcome,
    events.Ready: _ready,
    events.Joined: _joined,
    events.Parted: _parted,
    events.TopicIs: _topic_is,
    events.Page: _page,
    events.Found: _found,
    events.Told: _told,
    events.Done: _done,
    events.Acknowledged: _acknowledged,
    events.Named: _named,
    events.AccountIs: _account_is,
    events.SecretWanted: _secret_wanted,
    events.Users: _user_list,
    events.RoomList: _room_list,
    events.ModesAre: _modes_are,
    events.ListIs: _list_is,
    events.BansAre: _bans_are,
    events.Invited: _invited,
    events.Pong: _pong,
    events.HelpText: _help,
    events.Refused: _refused,
    events.Slowed: _slowed,
    events.Skipped: _skipped,
    events.Closing: _closing,
}


def encode(event: events.Event, where: Where = Where()) -> bytes:  # noqa: ARG001, B008  # a user is in one room
    """Return `event` as lines; see Dialect.encode. Only Ready is not a line: the user types behind the prompt."""
    if isinstance(event, Record):
        event = event.message
    return _ENCODERS[type(event)](event)


def answer(event: events.Answer, me: Me) -> OwnLines:  # noqa: ARG001  # likewise
    """Return `event` for one reader; see Dialect.answer."""
    if isinstance(event, events.Kicked):  # a room is told it in other words
        return OwnLines(_you_were_kicked(event))
    return OwnLines(encode(event), then=_NEW_LINE if isinstance(event, events.Ready) else b"")
