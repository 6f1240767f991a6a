"""The rich dialect: what gchat-client and bots speak.

Its lines are in rich_requests and rich_events; here they become the core's values, and the core's values lines.
Every text that goes out has been through `printable`, because `jq -r` shows it on a terminal too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from msgspec import structs

from gchat.dialects import rich_json
from gchat.dialects.command_decoder import CommandDecoder
from gchat.dialects.dialect import Traits
from gchat.dialects.lines import LineDecoder, after_bom
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
    PenaltyInfo,
    PongEvent,
    RefusedEvent,
    RenamedEvent,
    RichEvent,
    RoomInfo,
    RoomListEvent,
    SaidEvent,
    SlowedEvent,
    ToldEvent,
    TopicSetEvent,
    UsersEvent,
    WelcomeEvent,
)
from gchat.dialects.rich_json import ANY_HELLO
from gchat.dialects.rich_requests import (
    ActRequest,
    AnnounceRequest,
    AnyRequest,
    AwayRequest,
    SayRequest,
    SearchRequest,
    TellRequest,
    TopicRequest,
    command_of,
)
from gchat.model import commands, events, modes, sentences
from gchat.model.audience import Me, OwnLines, Where
from gchat.model.errors import Code, LineTooLong, Refusal, TooManyLines
from gchat.model.hello import Hello
from gchat.model.messages import Acted, Record, Said
from gchat.model.text import MAX_LINES, as_lines, is_blank, printable, printable_text

traits = Traits("rich", has_hello=True)


def hello(start: bytes) -> tuple[Hello | None, bytes]:
    """Return the hello in the first line, and the bytes after it; see Dialect.hello."""
    line, _, rest = after_bom(start).partition(b"\n")
    if not line.startswith(ANY_HELLO):
        return None, start
    if not re.match(rb"GCHAT/1(?![\w.])", line):  # if it were relayed, the room would see a token
        raise Refusal(Code.BAD_COMMAND, "Unknown protocol version: this server speaks GCHAT/1")
    try:
        return rich_json.hello(line), rest
    except ValueError as error:
        raise Refusal(Code.BAD_COMMAND, f"Invalid hello; {error}") from None


# --- Bytes to commands -----------------------------------------------------------------------------------------------


#: Further lines of a text that cost as much as one line that is sent by itself. So a text of 100 lines is within the
#: usual burst, and is not said late.
FURTHER_LINES = 4

_BACKSLASH = 0x5C


class RichDecoder(CommandDecoder):
    """A decoder of requests. JSON takes up to six bytes for one byte of text.

    Further lines of a text are paid for too: others read them. No text has any without a backslash.
    """

    __slots__ = ("_max_text_bytes",)

    def __init__(self, max_text_bytes: int) -> None:
        super().__init__(LineDecoder(6 * max_text_bytes + 1024))
        self._max_text_bytes = max_text_bytes

    def _decode(self, lines: bytes) -> tuple[int, list[commands.Command]]:
        each = lines.split(b"\n")
        asked = decode(each, self._max_text_bytes)
        return len(each) - 1 + (sum(map(_surcharge, asked)) if _BACKSLASH in lines else 0), asked


decoder = RichDecoder


def _surcharge(command: commands.Command) -> int:
    """Return the price of a text of several lines beyond the first, in lines."""
    match command:
        case commands.Say((text,)) | commands.Act(text) | commands.Tell(_, text):
            return -(-text.count("\n") // FURTHER_LINES)
    return 0


def _mistake(message: str, id_: str) -> commands.Mistake:
    return commands.Mistake(Refusal(Code.BAD_COMMAND, message), id=id_)


# These need a visible text. A topic and a reason may be empty, which clears them, but not invisible.
_SPOKEN = (SayRequest, ActRequest, TellRequest, SearchRequest, AnnounceRequest)

# These have a text that is sent to others. Names, topics and searches have limits of their own.
_SENT = (SayRequest, ActRequest, TellRequest)


def _is_blank(request: AnyRequest) -> bool:
    if isinstance(request, _SPOKEN):  # mostly, and with a letter of ASCII first
        return not "!" <= request.text < "\x7f" and is_blank(request.text)
    match request:
        case TopicRequest(text=str(text)) | AwayRequest(reason=text):
            return text != "" and is_blank(text)
    return False


def _say(said: list[SayRequest]) -> commands.Say:
    ids = tuple([request.id for request in said])
    return commands.Say(tuple([request.text for request in said]), ids if any(ids) else (), said[0].room)


def _refusal(request: AnyRequest, size: int, max_text_bytes: int) -> Refusal | None:
    """Return why a text cannot be sent, None if it can; its JSON has this size, and the text is no longer."""
    if _is_blank(request):
        return Refusal(Code.BAD_COMMAND, sentences.NO_TEXT)
    if not isinstance(request, _SENT):
        return None
    if size > max_text_bytes and len(request.text.encode("utf-8", "surrogatepass")) > max_text_bytes:
        return LineTooLong(max_text_bytes)
    if "\n" in request.text and (lines := as_lines(request.text).count("\n") + 1) > MAX_LINES:
        return TooManyLines(lines, MAX_LINES)
    return None


def decode(lines: Sequence[bytes], max_text_bytes: int) -> list[commands.Command]:
    """Return what `lines` ask. Blank lines are ignored; a text that is too long is a Mistake."""
    found: list[commands.Command] = []
    said: list[SayRequest] = []  # of one line each

    def close() -> None:
        if said:
            found.append(_say(said))
            said.clear()

    for line in lines:
        if not line.strip():
            continue
        try:
            request = rich_json.request(line)
        except ValueError as error:
            close()
            found.append(_mistake(f"Invalid request; {error}", rich_json.request_id(line)))
            continue
        if (refusal := _refusal(request, len(line), max_text_bytes)) is not None:
            close()
            found.append(commands.Mistake(refusal, id=request.id))
            continue
        if isinstance(request, _SENT) and "\n" in request.text:
            request = structs.replace(request, text=as_lines(request.text))
        if isinstance(request, SayRequest) and "\n" not in request.text:
            if said and said[0].room != request.room:
                close()
            said.append(request)
            continue
        close()
        found.append(_say([request]) if isinstance(request, SayRequest) else command_of(request))
    close()
    return found


# --- Events to bytes -------------------------------------------------------------------------------------------------


@lru_cache(8)  # the messages of one turn have the same time
def rfc3339(time: float) -> str:
    """Return a time, in seconds since the epoch, as `2026-11-22T12:03:04.567Z`."""
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _messages(record: Record, room: str) -> list[SaidEvent | ActedEvent | TopicSetEvent]:
    """Return a record's messages, one for each of its numbers."""
    message, time = record.message, rfc3339(record.time)
    name = printable(message.name)
    if isinstance(message, Said):
        ids = message.ids or ("",) * message.count
        return [
            SaidEvent(room=room, seq=seq, time=time, from_=name, text=printable_text(text), id=id_)
            for seq, (text, id_) in enumerate(zip(message.texts, ids, strict=True), record.seq)
        ]
    kind = ActedEvent if isinstance(message, Acted) else TopicSetEvent
    return [kind(room=room, seq=record.seq, time=time, from_=name, text=printable_text(message.text), id=message.id)]


def _record(event: Record, room: str) -> bytes:
    return rich_json.lines(_messages(event, room))


def _page(event: events.Page, room: str) -> bytes:
    told = [message for record in event.records for message in _messages(record, room)]
    if not event.asked:
        return rich_json.lines(told)
    return rich_json.lines([PageEvent(room=room, events=tuple(told), end=event.end, id=event.id)])


def _found(event: events.Found, room: str) -> RichEvent:
    told = tuple(message for record in event.records for message in _messages(record, room))
    return FoundEvent(room=room, events=told, end=not event.more, id=event.id)


def _entered(event: events.Entered, room: str) -> RichEvent:
    return EnteredEvent(room=room, who=printable(event.name), online=event.online)


def _left(event: events.Left, room: str) -> RichEvent:
    return LeftEvent(room=room, who=printable(event.name), online=event.online, reason=printable(event.reason))


def _renamed(event: events.Renamed, room: str) -> RichEvent:
    return RenamedEvent(room=room, who=printable(event.old), nick=printable(event.new))


def _away(event: events.Away, room: str) -> RichEvent:
    return AwayEvent(room=room, who=printable(event.name), reason=printable(event.reason))


def _crowd(event: events.Crowd, room: str) -> RichEvent:
    if event.kind is events.Renamed:
        return RenamedEvent(room=room, count=event.count)
    if event.kind is events.Away:
        return AwayEvent(room=room, count=event.count)
    kind = EnteredEvent if event.kind is events.Entered else LeftEvent
    return kind(room=room, count=event.count, online=event.online)


def _welcome(event: events.Welcome, _room: str) -> RichEvent:
    return WelcomeEvent(
        server="gchat",
        session=str(event.session),
        token=event.token,
        nick=printable(event.nick),
        account=printable(event.account),
        room=event.room,
        epoch=event.epoch,
        seq=event.seq,
        online=event.online,
        limits=dict(event.limits),
        motd="\n".join(map(printable, event.motd.splitlines())),
    )


def _joined(event: events.Joined, _room: str) -> RichEvent:
    return JoinedEvent(room=event.room, epoch=event.epoch, seq=event.seq, online=event.online, id=event.id)


def _log_renewed(event: events.LogRenewed, room: str) -> bytes:
    """Return that the user is in another log, and live there; and first, if something is lost, what that is."""
    lost = sentences.lost(event.count, event.first, event.last) if event.count else ""
    joined = JoinedEvent(room=room, epoch=event.epoch, seq=event.seq, online=event.online)
    told: list[RichEvent] = [AnnouncedEvent(room=room, text=lost)] if lost else []
    return rich_json.lines([*told, joined, LiveEvent(room=room, seq=event.seq)])


def _users(event: events.Users, _room: str) -> RichEvent:
    names = tuple(map(printable, event.names))
    away = {printable(name): printable(reason) for name, reason in event.away}
    return UsersEvent(room=event.room, users=names, total=event.total, you=event.you, id=event.id, away=away)


def _room_list(event: events.RoomList, _room: str) -> RichEvent:
    rooms = tuple(
        RoomInfo(room.name, room.members, topic=printable(room.topic), seq=room.seq, here=room.here)
        for room in event.rooms
    )
    return RoomListEvent(rooms=rooms, total=event.total, id=event.id)


def _kicked(event: events.Kicked, _room: str) -> RichEvent:
    name, by, reason = map(printable, (event.name, event.by, event.reason))
    return KickedEvent(room=event.room, who=name, by=by, reason=reason, online=event.online)


def _modes_are(event: events.ModesAre, _room: str) -> RichEvent:
    operators, voices = tuple(map(printable, event.operators)), tuple(map(printable, event.voices))
    return ModesEvent(
        room=event.room, modes=event.modes, key=event.key, operators=operators, voices=voices, id=event.id
    )


def _list_is(event: events.ListIs, _room: str) -> RichEvent:
    return ListEvent(room=event.room, list=event.letter, masks=tuple(map(printable, event.masks)), id=event.id)


def _bans_are(event: events.BansAre, _room: str) -> RichEvent:
    bans, mutes = (tuple(map(_penalty, listed)) for listed in (event.bans, event.mutes))
    return BansEvent(bans=bans, mutes=mutes, more=event.more, id=event.id)


def _penalty(listed: events.PenaltyListed) -> PenaltyInfo:
    end, whom = rfc3339(listed.until) if listed.until else "", tuple(map(printable, listed.whom))
    return PenaltyInfo(listed.id, whom, printable(listed.reason), end, printable(listed.by))


def _acknowledged(event: events.Acknowledged, _room: str) -> bytes:
    return rich_json.lines([AckEvent(id=number.id, room=number.room, seq=number.seq or 0) for number in event.numbers])


def _refused(event: events.Refused, _room: str) -> RichEvent:
    message, retry_after_s = printable(event.message), event.retry_after_s or None
    return RefusedEvent(code=event.code.value, message=message, id=event.id, retry_after_s=retry_after_s)


_ENCODERS: dict[type, Callable[[Any, str], RichEvent | bytes]] = {
    Record: _record,
    events.Page: _page,
    events.Found: _found,
    events.Entered: _entered,
    events.Left: _left,
    events.Renamed: _renamed,
    events.Away: _away,
    events.Crowd: _crowd,
    events.Announced: lambda event, room: AnnouncedEvent(room=room, text=printable(event.text)),
    events.ModeSet: lambda event, _room: ModeEvent(
        room=event.room, change=printable(modes.printed(event.changes)), by=printable(event.by)
    ),
    events.Kicked: _kicked,
    events.BansAre: _bans_are,
    events.Invited: lambda event, _room: InvitedEvent(room=event.room, by=printable(event.by)),
    events.ModesAre: _modes_are,
    events.ListIs: _list_is,
    events.Welcome: _welcome,
    events.Ready: lambda event, room: LiveEvent(room=room, seq=event.seq),
    events.Joined: _joined,
    events.LogRenewed: _log_renewed,
    events.Parted: lambda event, _room: PartedEvent(room=event.room, id=event.id),
    events.TopicIs: lambda event, room: TopicSetEvent(
        room=room, text=printable(event.text), from_=printable(event.name), id=event.id
    ),
    events.Told: lambda event, _room: ToldEvent(
        from_=printable(event.name), time=rfc3339(event.time), text=printable_text(event.text)
    ),
    events.Acknowledged: _acknowledged,
    events.Done: lambda event, _room: DoneEvent(message=printable(event.message), id=event.id),
    events.Named: lambda event, _room: NamedEvent(nick=event.name, id=event.id),
    events.AccountIs: lambda event, _room: AccountEvent(account=printable(event.name)),
    events.Users: _users,
    events.RoomList: _room_list,
    events.Pong: lambda event, _room: PongEvent(id=event.text),
    events.Refused: _refused,
    events.Slowed: lambda event, _room: SlowedEvent(
        messages_per_s=event.messages_per_s, bytes_per_s=event.bytes_per_s, together=event.together
    ),
    events.Skipped: lambda event, room: GapEvent(room=room, range_from=event.first, range_to=event.last),
    events.Closing: lambda event, _room: ClosingEvent(reason=printable(event.message), code=event.code),
}


def encode(event: events.Event, where: Where = Where()) -> bytes:  # noqa: B008  # it is frozen
    """Return `event` as lines; see Dialect.encode. No request asks for HelpText or SecretWanted: they have no form."""
    encoded = _ENCODERS[type(event)](event, where.room)
    return encoded if isinstance(encoded, bytes) else rich_json.lines([encoded])


def answer(event: events.Answer, me: Me) -> OwnLines:
    """Return `event` for one reader; see Dialect.answer."""
    return OwnLines(encode(event, me.where))
