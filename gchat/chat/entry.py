"""Entry: which rooms a hello asks for, and what a user gets on entering rooms, before their messages."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from msgspec import structs

from gchat.chat.effects import Deliver, Effect, Enter
from gchat.chat.limits import Limits
from gchat.chat.room import Room
from gchat.chat.session import Session
from gchat.model import names, sentences
from gchat.model.errors import Code, Refusal
from gchat.model.events import Joined, Ready, Welcome
from gchat.model.hello import Hello, ResumePoint, WantedRoom


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
    motd = limits.motd
    if limits.login_required and not session.account:
        motd = f"{motd}\n{sentences.login_needed(limits.registration)}".strip()
    name, token, account = session.name, session.token, session.account
    welcome = Welcome(online, motd, "", session.id, name, token, limits.announced, account=account)
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


def wanted(hello: Hello, most: int) -> tuple[dict[str, WantedRoom], list[Refusal]]:
    """Return the rooms that a hello asks for, by name, and why it does not get others.

    It may name so many at `most`: each is work for everybody, whether it is granted or not.
    """
    asked = hello.wanted or ()
    refusals = [too_many(most)] if len(asked) > most else []
    found: dict[str, WantedRoom] = {}
    for room in islice(asked, most):
        try:
            name = names.room(room.room)
        except Refusal as refusal:
            refusals.append(refusal)
        else:
            found.pop(name, None)
            found[name] = structs.replace(room, room=name)
    return found, refusals


def login_needed(limits: Limits) -> Refusal:
    """Return the refusal of what only users with an account may do here."""
    return Refusal(Code.LOGIN_NEEDED, sentences.login_needed(limits.registration))


def too_many(most: int) -> Refusal:
    """Return the refusal of one more room than a user may be in."""
    return Refusal(Code.TOO_MANY_ROOMS, f"Too many rooms: you can be in {most:,} at once; leave one first")
