"""What each command does: one handler for each, in one table. A handler returns effects, or raises Refusal."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

from gchat.chat.effects import CloseReason, Deliver, Effect, Publish, Recall
from gchat.chat.session import Session
from gchat.protocol import commands, events, text
from gchat.protocol.errors import Code, Refusal

if TYPE_CHECKING:
    from gchat.chat.registry import Registry


#: The longest topic, in characters: /rooms shows a hundred of them.
MAX_TOPIC = 300


def _say(_registry: Registry, session: Session, command: commands.Say) -> list[Effect]:
    session.messages += len(command.texts)
    return [Publish(session.room.name, session.id, events.Said(session.name, command.texts))]


def _act(_registry: Registry, session: Session, command: commands.Act) -> list[Effect]:
    session.messages += 1
    return [Publish(session.room.name, session.id, events.Acted(session.name, command.text))]


def _tell(registry: Registry, session: Session, command: commands.Tell) -> list[Effect]:
    return _whisper(session, registry.find(command.to), command.text)


def _reply(registry: Registry, session: Session, command: commands.Reply) -> list[Effect]:
    if not session.correspondent:
        raise Refusal(Code.NO_SUCH_USER, "Nobody has sent you a private message yet; /msg NAME TEXT sends one")
    reader = registry.sessions.get(session.correspondent)
    if reader is None:
        raise Refusal(Code.NO_SUCH_USER, "Who sent you the last private message has left")
    return _whisper(session, reader, command.text)


def _whisper(session: Session, reader: Session, said: str) -> list[Effect]:
    reader.correspondent = session.id
    session.messages += 1
    return [Deliver(reader.id, events.Told(session.name, said), sender=session.id)]


def _nick(registry: Registry, session: Session, command: commands.Nick) -> list[Effect]:
    return registry.rename(session, command.nick)


def _join(registry: Registry, session: Session, command: commands.Join) -> list[Effect]:
    return registry.move(session, text.room(command.room))


def _topic(_registry: Registry, session: Session, command: commands.Topic) -> list[Effect]:
    room = session.room
    if not command.text:
        return [Deliver(session.id, events.TopicIs(room.topic, room.topic_by))]
    if len(command.text) > MAX_TOPIC:
        raise Refusal(
            Code.BAD_COMMAND, f"That topic is too long: {len(command.text):,} characters, {MAX_TOPIC} at most"
        )
    room.topic, room.topic_by = command.text, session.name
    return [
        Publish(room.name, session.id, events.TopicSet(session.name, command.text)),
        Deliver(session.id, events.TopicIs(room.topic, room.topic_by)),
    ]


def _who(registry: Registry, session: Session, _command: commands.Who) -> list[Effect]:
    # Only the first names are looked at: a room of 15,000 must not hold everybody up, and nobody reads more.
    room = session.room
    names = tuple(member.name for member in islice(room.members.values(), registry.limits.who_max))
    return [Deliver(session.id, events.Users(room.name, names, len(room.members), session.name))]


def _rooms(registry: Registry, session: Session, _command: commands.Rooms) -> list[Effect]:
    rooms = [(room.name, len(room.members), room.topic) for room in registry.rooms.values() if room.members]
    rooms.sort(key=lambda room: (-room[1], room[0]))
    shown = tuple(rooms[: registry.limits.who_max])
    return [Deliver(session.id, events.RoomList(shown, len(rooms), session.room.name))]


def _history(registry: Registry, session: Session, command: commands.History) -> list[Effect]:
    return [Recall(session.id, session.room.name, command.start, registry.limits.page_max, asked=True)]


def _ping(_registry: Registry, session: Session, command: commands.Ping) -> list[Effect]:
    return [Deliver(session.id, events.Pong(command.text))]


def _help(_registry: Registry, session: Session, command: commands.Help) -> list[Effect]:
    return [Deliver(session.id, events.HelpText(command.verb))]


def _quit(registry: Registry, session: Session, _command: commands.Quit) -> list[Effect]:
    return registry.leave(session, CloseReason.QUIT, "Goodbye")


def _mistake(_registry: Registry, _session: Session, command: commands.Mistake) -> list[Effect]:
    raise command.refusal


HANDLERS: dict[type, Callable[[Registry, Session, Any], list[Effect]]] = {
    commands.Say: _say,
    commands.Act: _act,
    commands.Tell: _tell,
    commands.Reply: _reply,
    commands.Nick: _nick,
    commands.Join: _join,
    commands.Topic: _topic,
    commands.Who: _who,
    commands.Rooms: _rooms,
    commands.History: _history,
    commands.Ping: _ping,
    commands.Help: _help,
    commands.Quit: _quit,
    commands.Mistake: _mistake,
}
