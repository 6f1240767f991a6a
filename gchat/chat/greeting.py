"""The greeting: what a user gets first in a room, before its messages."""

from __future__ import annotations

from gchat.chat.effects import Effect, Enter
from gchat.chat.limits import Limits
from gchat.chat.session import Session
from gchat.model.events import Joined, Ready, Welcome
from gchat.model.hello import ResumePoint


def welcomed(
    session: Session, online: int, limits: Limits, after: ResumePoint | None = None, replay: int | None = None
) -> Effect:
    """Return the effect by which a new connection enters its room, on a server with `online` users.

    The user is sent the messages `after` a place, or the last `replay`; None means as many as usual.
    """
    welcome = Welcome(online, limits.motd, session.room.name, session.id, session.name, session.token, limits.announced)
    replay = limits.replay_on_join if replay is None else replay
    return Enter(session.id, session.room.name, welcome, replay, after, Ready(limits.prompt))


def joined(session: Session, limits: Limits, after: ResumePoint | None, id_: str) -> Effect:
    """Return the effect by which a session that is here already enters another room; `id_` is that of the request."""
    room = session.room
    answer = Joined(room.name, len(room.members), id=id_)
    return Enter(session.id, room.name, answer, limits.replay_on_join, after, Ready(""))
