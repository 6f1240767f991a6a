"""Handlers of commands, one for each, in one table. A handler returns effects, or raises Refusal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from msgspec import structs

from gchat.chat import attention, logins, moderation, order_handlers, room_modes, standing
from gchat.chat.absence import MAX_LISTED_REASON
from gchat.chat.effects import (
    Announce,
    CloseReason,
    Deliver,
    Effect,
    ListRooms,
    Presence,
    Publish,
    ReadHistory,
    Search,
    refused,
)
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.model import commands, events, names, sentences
from gchat.model.commands import Command
from gchat.model.errors import Code, Refusal
from gchat.model.hello import WantedRoom
from gchat.model.messages import Acted, Said, TopicSet

#: The longest topic, in characters; and the longest that /rooms shows.
MAX_TOPIC, MAX_LISTED_TOPIC = 300, 80

#: Names and topics in one answer to /rooms, in bytes: a short question must not have an answer of 100 kB.
MAX_ROOMS_BYTES = 12288

#: The longest search, in characters.
MAX_QUERY = 200


def execute(registry: Registry, session: Session, command: Command, now: float) -> list[Effect]:
    """Return the effects of a command of `session`; `now` is the wall clock, in seconds since the epoch.

    A refusal is an effect too. A session that has left or lost its connection asks nothing.
    """
    if not registry.is_connected(session):
        return []
    if not session.is_announced:
        return [*registry.announce(session), *execute(registry, session, command, now)]
    try:
        if registry.order.mutes.all:  # mostly nobody is muted, and this is asked before each message
            order_handlers.check_voice(registry, session, command)
        if registry.limits.login_required:
            logins.check_admitted(registry, session, command)
        return HANDLERS[type(command)](registry, session, command, now)
    except Refusal as refusal:
        ids = getattr(command, "ids", ()) or (getattr(command, "id", ""),)
        return [refused(session.id, refusal, id_) for id_ in dict.fromkeys(ids)]


def _say(registry: Registry, session: Session, command: commands.Say, _now: float) -> list[Effect]:
    room = standing.room_to_speak_in(registry.rooms, session, command.room)
    session.messages += len(command.texts)
    unheard = registry.ignorers.of(session) if registry.ignorers.by_key else None
    return [Publish(room.name, session.id, Said(session.name, command.texts, command.ids), session.lineage, unheard)]


def _act(registry: Registry, session: Session, command: commands.Act, _now: float) -> list[Effect]:
    room = standing.room_to_speak_in(registry.rooms, session, command.room)
    session.messages += 1
    acted = Acted(session.name, command.text, command.id)
    return [Publish(room.name, session.id, acted, session.lineage, registry.ignorers.of(session))]


def _tell(registry: Registry, session: Session, command: commands.Tell, now: float) -> list[Effect]:
    reader = registry.find(command.to)
    told = events.Told(session.name, command.text, now)
    return [_whisper(registry, session, reader, told, command.id), *attention.notice_of_absence(session, reader)]


def _reply(registry: Registry, session: Session, command: commands.Reply, now: float) -> list[Effect]:
    if session.correspondent is None:
        raise Refusal(Code.NO_SUCH_USER, sentences.NOBODY_TO_ANSWER)
    reader = session.correspondent.session
    if reader is None:
        raise Refusal(Code.NO_SUCH_USER, f"{session.correspondent.name} has left")
    whisper = _whisper(registry, session, reader, events.Told(session.name, command.text, now))
    receipt = events.Done(sentences.replied(reader.name))
    return [structs.replace(whisper, receipt=receipt), *attention.notice_of_absence(session, reader)]


def _whisper(registry: Registry, session: Session, reader: Session, told: events.Told, id_: str = "") -> Deliver:
    if registry.is_disconnected(reader):
        raise Refusal(Code.NO_SUCH_USER, f"Not sent: {reader.name} has just lost the connection")
    session.messages += 1
    ignored = reader.ignores(session)
    return Deliver(reader.id, told, sender=session.id, id=id_, seat=session.seat, ignored=ignored)


def _nick(registry: Registry, session: Session, command: commands.Nick, _now: float) -> list[Effect]:
    return registry.rename(session, command.nick, command.id)


def _join(registry: Registry, session: Session, command: commands.Join, _now: float) -> list[Effect]:
    wanted = WantedRoom(names.room(command.room), command.after, command.key)
    return registry.join(session, wanted, command.id, leaves=command.leave == "current")


def _part(registry: Registry, session: Session, command: commands.Part, _now: float) -> list[Effect]:
    room = standing.room_of(session, command.room)
    reason = moderation.checked_reason(command.reason)
    if reason and (registry.order.mute_of(session) or standing.why_silent(registry.rooms, room, session)):
        reason = ""  # it would be the last word of a user who may not speak
    return registry.part(session, room, reason, command.id)


def _topic(registry: Registry, session: Session, command: commands.Topic, _now: float) -> list[Effect]:
    room = standing.room_of(session, command.room)
    if command.text is None:
        return [Deliver(session.id, events.TopicIs(room.topic, room.topic_by, command.id), room=room.name)]
    asking = standing.asking(registry.rooms, room, session)
    room_modes.allowed(room_modes.may_set_topic(room.name, registry.rooms.modes[room.name], asking))
    if len(command.text) > MAX_TOPIC:
        raise Refusal(Code.BAD_COMMAND, f"Topic too long: {len(command.text):,} characters, the limit is {MAX_TOPIC}")
    if not (command.text or room.topic or room.topic_wanted):  # there is nothing to clear
        return [Deliver(session.id, events.TopicIs("", "", command.id), room=room.name)]
    room.topic_wanted = command.text
    topic = TopicSet(session.name, command.text, command.id)
    published = Publish(room.name, session.id, topic, session.lineage, registry.ignorers.of(session))
    if command.id:
        return [published]  # its acknowledgement is the answer
    return [published, Deliver(session.id, events.TopicIs(command.text, session.name), room=room.name)]


def _who(registry: Registry, session: Session, command: commands.Who, _now: float) -> list[Effect]:
    # Only the first names are looked at, because a room of 15,000 must not delay everybody else.
    room = standing.room_of(session, command.room)
    members = list(islice(room.members.values(), registry.limits.who_max))
    called = tuple(member.name for member in members)
    away = tuple((member.name, _cut(member.away, MAX_LISTED_REASON)) for member in members if member.away)
    users = events.Users(room.name, called, len(room.members), session.name, command.id, away)
    return [Deliver(session.id, users, room=room.name)]


def _rooms(registry: Registry, session: Session, command: commands.Rooms, _now: float) -> list[Effect]:
    # The user's own first, whatever their size: a client counts what is unread there.
    modes = registry.rooms.modes
    rooms = [
        room
        for room in registry.rooms.values()
        if room.members and room_modes.is_seen(modes[room.name], is_member=room.name in session.rooms)
    ]
    rooms.sort(key=lambda room: (room.name not in session.rooms, -len(room.members), room.name))
    shown, size = [], 0
    for room in rooms[: registry.limits.who_max]:
        topic = _cut(room.topic, MAX_LISTED_TOPIC)
        size += len(f"{room.name}{topic}".encode("utf-8", "surrogatepass"))
        if size > MAX_ROOMS_BYTES:
            break
        shown.append(events.RoomListed(room.name, len(room.members), topic, room.name in session.rooms))
    return [ListRooms(session.id, events.RoomList(tuple(shown), len(rooms), command.id))]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _history(registry: Registry, session: Session, command: commands.History, _now: float) -> list[Effect]:
    limit = _page_limit(registry, command.limit)
    room = standing.room_of(session, command.room)
    return [ReadHistory(session.id, room.name, command.excerpt, limit, command.id)]


def _search(registry: Registry, session: Session, command: commands.Search, _now: float) -> list[Effect]:
    room = standing.room_of(session, command.room)
    if len(command.text) > MAX_QUERY:
        raise Refusal(Code.BAD_COMMAND, f"Search too long: {len(command.text):,} characters, the limit is {MAX_QUERY}")
    limit = _page_limit(registry, command.limit)
    return [Search(session.id, room.name, command.text, limit, command.id)]


def _page_limit(registry: Registry, wanted: int | None) -> int:
    most = registry.limits.page_max
    return most if wanted is None else min(wanted, most)


def _ping(_registry: Registry, session: Session, command: commands.Ping, _now: float) -> list[Effect]:
    return [Deliver(session.id, events.Pong(command.text))]


def _help(_registry: Registry, session: Session, command: commands.Help, _now: float) -> list[Effect]:
    return [Deliver(session.id, events.HelpText(command.verb))]


def _quit(registry: Registry, session: Session, _command: commands.Quit, _now: float) -> list[Effect]:
    return registry.leave(session, CloseReason.QUIT, "Goodbye")


def _mistake(_registry: Registry, session: Session, command: commands.Mistake, _now: float) -> list[Effect]:
    # Raising it would make a reference cycle: the traceback holds frames, they hold the command, and that the error.
    return [refused(session.id, command.refusal, command.id)]


#: The price of a command in lines; any other costs one, the line that it is. Reading from the disk is dear.
PRICES: dict[type, int] = {
    commands.Nick: 2,
    commands.BeAway: 2,
    commands.Join: 3,
    commands.Part: 2,
    commands.Topic: 2,
    commands.Rooms: 2,
    commands.Kick: 2,
    commands.Invite: 2,
    commands.Mode: 2,
    commands.Ban: 2,
    commands.Mute: 2,
    commands.Bans: 2,
    commands.History: 3,
    commands.Search: 5,
    commands.Register: 5,
    commands.Login: 5,
    commands.Passwd: 5,
    commands.Unregister: 5,
}

#: What a whole room is told, beside messages, costs one line more for each so many of its members.
MEMBERS_A_LINE = 100


def surcharge(registry: Registry, command: Command, effects: Sequence[Effect]) -> int:
    """Return the price of a command that had these effects, beyond the line that it is, in lines."""
    told = 0
    for effect in effects:
        if isinstance(effect, Presence):
            told += effect.members
        elif isinstance(effect, Announce):
            told += len(registry.rooms[effect.room].members)
    return PRICES.get(type(command), 1) - 1 + told // MEMBERS_A_LINE


HANDLERS: dict[type, Callable[[Registry, Session, Any, float], list[Effect]]] = {
    commands.Say: _say,
    commands.Act: _act,
    commands.Tell: _tell,
    commands.Reply: _reply,
    commands.Nick: _nick,
    commands.Join: _join,
    commands.Part: _part,
    commands.Topic: _topic,
    commands.Who: _who,
    commands.BeAway: attention.be_away,
    commands.Ignore: attention.ignore,
    commands.Unignore: attention.unignore,
    commands.Rooms: _rooms,
    commands.Kick: moderation.kick,
    commands.Invite: moderation.invite,
    commands.Mode: moderation.mode,
    commands.Kill: order_handlers.kill,
    commands.Ban: order_handlers.ban,
    commands.Unban: order_handlers.unban,
    commands.Bans: order_handlers.bans,
    commands.Mute: order_handlers.mute,
    commands.Unmute: order_handlers.unmute,
    commands.AnnounceToAll: order_handlers.announce,
    commands.History: _history,
    commands.Search: _search,
    commands.Register: logins.prove,
    commands.Login: logins.prove,
    commands.Passwd: logins.prove,
    commands.Unregister: logins.prove,
    commands.AskSecret: logins.ask,
    commands.Logout: logins.logout,
    commands.Ping: _ping,
    commands.Help: _help,
    commands.Quit: _quit,
    commands.Mistake: _mistake,
}
