"""Entry: what a user gets on entering rooms, before their messages."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from gchat.chat.effects import Deliver, Effect, Enter
from gchat.chat.limits import Limits
from gchat.chat.room import Room
from gchat.chat.session import Session
from gchat.model.events import Joined, Ready, Welcome
from gchat.model.hello import ResumePoint


def welcomed(
    session: Session,
    online: int,
    limits: Limits,
    after: Mapping[str, ResumePoint | None] | None = None,
    replay: int | None = None,
) -> list[Effect]:
    """Return the effects by which a new connection enters its rooms, on a server with `online` users.

    The user is sent the messages `after` a place in a room, or the last `replay`; None means as many as usual. Into the
    first room it is welcomed; in no room it is welcomed all the same.
    """
    replay = limits.replay_on_join if replay is None else replay
    welcome = Welcome(online, limits.motd, "", session.id, session.name, session.token, limits.announced)
    ready = Ready(limits.prompt)
    if not session.rooms:
        return [Deliver(session.id, welcome), Deliver(session.id, ready)]
    after = after or {}
    first, *others = session.rooms.values()
    return [
        Enter(session.id, first.name, structs.replace(welcome, room=first.name), replay, after.get(first.name), ready),
        *(joined(session, room, replay, after.get(room.name)) for room in others),
    ]


def joined(session: Session, room: Room, replay: int, after: ResumePoint | None = None, id_: str = "") -> Effect:
    """Return the effect by which a session that is here already enters one more room; `id_` is that of the request."""
    return Enter(session.id, room.name, Joined(room.name, len(room.members), id=id_), replay, after, Ready(""))
