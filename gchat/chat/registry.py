"""The registry: every user, nick and room, shared by all connections. Pure, so one call is one step for everybody.

Each method returns the effects of what happened, for the shell to carry out in order. What a user may ask for is in
verbs; here are the few things that change who is where.
"""

from __future__ import annotations

from itertools import count

from gchat.chat import verbs
from gchat.chat.effects import Announce, Close, CloseReason, Deliver, Effect, Follow, Forget, Recall
from gchat.chat.limits import Limits
from gchat.chat.room import Room
from gchat.chat.session import Session
from gchat.protocol import text
from gchat.protocol.commands import Command
from gchat.protocol.errors import Code, Refusal
from gchat.protocol.events import (
    Closing,
    Entered,
    Joined,
    Left,
    Named,
    Presence,
    Ready,
    Refused,
    Renamed,
    TopicIs,
    Welcome,
)

#: Where everybody begins.
LOBBY = "lobby"

#: Nobody's nicks: the server's own names, and what a private message calls its reader.
RESERVED = ("server", "admin", "you")

_RESERVED_KEYS = frozenset[str]().union(*map(text.name_keys, RESERVED))


class Registry:
    """Who is where.

    1. A session is in exactly one room, from connect() to leave().
    2. No two sessions' names share a key (text.name_keys), nor one with a reserved name.
    3. A room with members exists; one without may, while there are fewer than `max_rooms`.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.sessions: dict[int, Session] = {}
        self.rooms: dict[str, Room] = {LOBBY: Room(LOBBY)}
        self._named: dict[str, Session] = {}
        self._ids = count(1)

    def connect(self, address: str) -> tuple[Session, list[Effect]]:
        """Let the user at `address` into the lobby. Who had that address is gone: it cannot be in use twice."""
        gone = self._named.get(address)
        farewells = self.leave(gone, CloseReason.RESET) if gone else []
        room = self.rooms[LOBBY]
        session = Session(next(self._ids), address, room)
        self.sessions[session.id] = session
        self._named[address] = session
        room.members[session.id] = session
        greeting: list[Effect] = [
            Follow(session.id, room.name),
            Deliver(session.id, Welcome(len(self.sessions), self.limits.motd)),
            *self._arrival(session),
        ]
        if self.limits.prompt:
            greeting.append(Deliver(session.id, Ready(self.limits.prompt)))
        return session, [
            *farewells,
            *greeting,
            *self._announce(room, session, Entered(session.name, len(room.members))),
        ]

    def execute(self, session: Session, command: Command) -> list[Effect]:
        """Return the effects of what the user of `session` asks: a refusal is one too, and who has left has none."""
        if session.id not in self.sessions:
            return []
        try:
            return verbs.HANDLERS[type(command)](self, session, command)
        except Refusal as refusal:
            return [refused(session, refusal)]

    def leave(self, session: Session, reason: CloseReason, farewell: str = "") -> list[Effect]:
        """Let the user go, for `reason`, with a last line if there is one. Leaving again has no effects."""
        if self.sessions.pop(session.id, None) is None:
            return []
        for key in session.keys:
            del self._named[key]
        room = session.room
        del room.members[session.id]
        effects: list[Effect] = [Deliver(session.id, Closing(farewell))] if farewell else []
        effects.append(Close(session.id, reason))
        return effects + self._announce(room, session, Left(session.name, len(room.members)))

    def leave_all(self, reason: CloseReason, farewell: str) -> list[Effect]:
        """Let everybody go. Nobody is told who left, for nobody is left to be told."""
        effects: list[Effect] = []
        for session in self.sessions.values():
            effects += (Deliver(session.id, Closing(farewell)), Close(session.id, reason))
        self.sessions.clear()
        self._named.clear()
        for room in self.rooms.values():
            room.members.clear()
        return effects

    def move(self, session: Session, name: str) -> list[Effect]:
        """Take the user into the room called `name`, which is made if need be. Raises Refusal."""
        left = session.room
        if name == left.name:
            raise Refusal(Code.BAD_COMMAND, f"You are in {name} already")
        room = self.rooms.get(name)
        if room is None and len(self.rooms) >= self.limits.max_rooms and not self._spare_room(session):
            most = self.limits.max_rooms
            raise Refusal(Code.TOO_MANY_ROOMS, f"There are {most:,} rooms already; /rooms lists them")
        del left.members[session.id]
        effects = self._announce(left, session, Left(session.name, len(left.members)))
        effects.append(Follow(session.id, name))
        if room is None:
            while len(self.rooms) >= self.limits.max_rooms and (spare := self._spare_room(session)):
                del self.rooms[spare.name]
                effects.append(Forget(spare.name))
            room = self.rooms[name] = Room(name)
        session.room = room
        room.members[session.id] = session
        effects.append(Deliver(session.id, Joined(name, len(room.members))))
        effects += self._arrival(session)
        return effects + self._announce(room, session, Entered(session.name, len(room.members)))

    def rename(self, session: Session, nick: str) -> list[Effect]:
        """Give the user this nick. Raises Refusal if it is no nick, or is or looks like somebody else's."""
        nick = text.nick(nick, self.limits.nick_max)
        keys = text.name_keys(nick)
        if not keys.isdisjoint(_RESERVED_KEYS):
            raise Refusal(Code.NAME_TAKEN, f"The nick {nick} is reserved, or looks like one that is; take another")
        for key in keys:
            holder = self._named.get(key, session)
            if holder is not session:
                what = "is taken" if text.folded(nick) == text.folded(holder.name) else f"looks like {holder.name}'s"
                raise Refusal(Code.NAME_TAKEN, f"The nick {nick} {what}; take another")
        for key in session.keys:
            del self._named[key]
        self._named.update(dict.fromkeys(keys, session))
        old, session.name, session.keys, session.has_nick = session.name, nick, keys, True
        named = Deliver(session.id, Named(nick))
        return [named] if nick == old else [named, *self._announce(session.room, session, Renamed(old, nick))]

    def find(self, name: str) -> Session:
        """Return the session of the user called `name`, in any case and width. Raises Refusal."""
        key = text.folded(name)
        session = self._named.get(key)
        if session is None or text.folded(session.name) != key:
            raise Refusal(Code.NO_SUCH_USER, f"Nobody here is called {text.printable(name)[:64]}; /who lists who is")
        return session

    def _arrival(self, session: Session) -> list[Effect]:
        """Return what a room owes to who comes in."""
        room = session.room
        effects: list[Effect] = []
        if room.topic:
            effects.append(Deliver(session.id, TopicIs(room.topic, room.topic_by)))
        if self.limits.replay_on_join:
            replay = self.limits.replay_on_join
            effects.append(Recall(session.id, room.name, -replay, replay, asked=False))
        return effects

    def _announce(self, room: Room, session: Session, presence: Presence) -> list[Effect]:
        """Tell a room who came, went, or changed; unless it is so large that nobody could follow."""
        if len(room.members) > self.limits.presence_quiet_above:
            return []
        return [Announce(room.name, session.id, presence, len(room.members))]

    def _spare_room(self, leaver: Session) -> Room | None:
        """Return the oldest room that is empty, or will be when `leaver` has left it; None if there is none."""
        for room in self.rooms.values():
            if room.name != LOBBY and room.members.keys() <= {leaver.id}:
                return room
        return None


def refused(session: Session, refusal: Refusal) -> Effect:
    """Return the effect that tells the user of `session` why not."""
    return Deliver(session.id, Refused(refusal.code, refusal.message))
