"""Users who come back without having left: their node was cut off for so long that the others believed them gone.

Their connections are open, and they may not even have noticed. What they are told is what is not as it was.
"""

from __future__ import annotations

from msgspec import Struct

from gchat.chat import entry
from gchat.chat.effects import Deliver, Effect, Leave
from gchat.chat.session import Session
from gchat.chat.steps import Connect, Entrance, Execute, Step, login_named
from gchat.model import commands, sentences
from gchat.model.events import Done, Named, Parted
from gchat.model.hello import Hello, WantedRoom


class Kept(Struct, frozen=True):
    """How a user was here."""

    name: str
    has_nick: bool
    rooms: tuple[str, ...]
    away: str
    account: str
    ignored: tuple[str, ...]


def kept(session: Session) -> Kept:
    """Return how a user is here now."""
    ignored = tuple(shown.partition(" (now ")[0] for shown in session.ignored or ())
    return Kept(session.name, session.has_nick, tuple(session.rooms), session.away, session.account, ignored)


def returning(session: Session, was: Kept, entrance: Entrance, now: float) -> list[Step]:
    """Return the steps by which a user is as before, as far as that is possible."""
    hello = Hello(nick=was.name if was.has_nick else "", rooms=tuple(WantedRoom(room) for room in was.rooms))
    login = login_named(was.account) if was.account else None
    steps: list[Step] = [Connect(entrance, now, hello, session.token, session.lineage, login, id=session.id)]
    if was.away:
        steps.append(Execute(session.id, commands.BeAway(was.away), now))
    steps += (Execute(session.id, commands.Ignore(name), now) for name in was.ignored)
    return steps


def set_right(session: Session, was: Kept) -> list[Effect]:
    """Return the effects by which a user is shown what is not as it was."""
    effects: list[Effect] = []
    if session.name != was.name:
        effects.append(Deliver(session.id, Named(session.name)))
        if was.has_nick and not session.has_nick:
            effects.append(Deliver(session.id, Done(sentences.taken_meanwhile(session.name, was.name))))
    for name in was.rooms:
        if name not in session.rooms:
            effects += [Leave(session.id, name), Deliver(session.id, Parted(name))]
    effects += (entry.joined(session, room, 0) for name, room in session.rooms.items() if name not in was.rooms)
    return effects
