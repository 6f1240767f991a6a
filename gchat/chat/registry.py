"""The registry: every user, nick and room, shared by all connections. Pure, so one call is one step for everybody.

Each method returns the effects of what happened, for the shell to carry out in order. What a user may ask for is in
verbs; here are the few operations that move users, name them and let them go.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from gchat.chat import verbs
from gchat.chat.bans import Ban, Bans
from gchat.chat.effects import (
    MAY_RESUME,
    Announce,
    Close,
    CloseReason,
    Deliver,
    Effect,
    Enter,
    Forget,
    Remember,
    Remembered,
)
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
from gchat.protocol.wire import After, Opening

#: Where everybody begins.
LOBBY = "lobby"

#: Reserved nicks: the server's own names, and what a private message calls its reader.
RESERVED = ("server", "admin", "you")

_RESERVED_KEYS = frozenset[str]().union(*map(text.name_keys, RESERVED))


#: A user who has lost the connection may come back for this long, and the room is not told of the absence.
AWAY_S = 15.0

#: At most this many may be away; beyond that, the longest away leaves. A flood of connections must not fill memory.
MAX_AWAY = 5000


class Registry:
    """All users, nicks and rooms.

    1. A session is in exactly one room, from connect() to leave().
    2. No two sessions' names share a key (text.name_keys), nor one with a reserved name.
    3. A room with members exists; one without may, while there are fewer than `max_rooms`.
    4. A session that is away has no connection, and asks nothing; else it is as if it had one.

    `now` is the wall clock in seconds since the epoch where something is dated, and any steady clock for away().
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.bans = Bans()
        self.sessions: dict[int, Session] = {}
        self.rooms: dict[str, Room] = {LOBBY: Room(LOBBY)}
        self._named: dict[str, Session] = {}
        self._by_lineage: dict[str, Session] = {}
        self._away: dict[Session, float] = {}  # until when, the first first
        self._ids = count(1)

    def connect(self, address: str, opening: Opening | None = None, token: str = "") -> tuple[Session, list[Effect]]:
        """Let the user at `address` in: into the lobby, or with an `opening` as that says.

        `token` is a new secret for a user whose opening has none; a token of another session takes that session over.
        Requests of an opening that are not possible are refused after the greeting.
        """
        opening = opening or Opening()
        session = Session(next(self._ids), address, self.rooms[LOBBY], opening.token or token)
        old = self._by_lineage.get(session.lineage)
        effects = self._take_over(session, old) if old else []
        if gone := self._named.get(address):  # it cannot be in use twice
            effects += self.leave(gone, CloseReason.RESET)
        self.sessions[session.id] = session
        if session.lineage:
            self._by_lineage[session.lineage] = session
        if not session.has_nick:
            self._named[address] = session
        room, granted, is_there = self._grant(session, opening)
        if old is None:
            told = self._join(session, room)
        elif room is not session.room:
            told = [*self._part(session, old.name), *self._join(session, room)]
        else:
            renamed = Renamed(old.name, session.name)
            told = self._announce(room, session, renamed) if session.name != old.name else []
        limits = self.limits
        online, nick = len(self.sessions), session.name
        greeting = Welcome(online, limits.motd, room.name, session.id, nick, session.token, limits.announced)
        after = opening.after if is_there else None
        ready = Ready(limits.prompt) if session.token or limits.prompt else None
        entered = self._enter(session, greeting, after, opening.replay, ready)
        return session, [*effects, entered, *granted, *told, *self._remember(session)]

    def execute(self, session: Session, command: Command, now: float) -> list[Effect]:
        """Return the effects of a command of `session`: a refusal is one too, and a user who has left has none."""
        if session.id not in self.sessions or session in self._away:
            return []
        try:
            return verbs.HANDLERS[type(command)](self, session, command, now)
        except Refusal as refusal:
            return [refused(session, refusal, getattr(command, "id", ""))]

    def disconnect(self, session: Session, reason: CloseReason, now: float, farewell: str = "") -> list[Effect]:
        """Let the connection of `session` go: the user may come back (see away), unless the reason is a goodbye."""
        if session.id not in self.sessions or session in self._away:
            return []
        if not session.lineage or reason not in MAY_RESUME:
            return self.leave(session, reason, farewell)
        self._away[session] = now + AWAY_S
        effects = _closed(session, reason, farewell)
        if len(self._away) > MAX_AWAY:
            effects += self.leave(next(iter(self._away)), reason)
        return effects

    def away(self, now: float) -> list[Effect]:
        """Let those go who have been away for too long. `now` is of the same clock as in disconnect()."""
        effects: list[Effect] = []
        for session in [session for session, until in self._away.items() if until <= now]:
            effects += self.leave(session, CloseReason.ENDED)
        return effects

    def is_away(self, session: Session) -> bool:
        """Return whether the user has lost the connection, and may be about to come back."""
        return session in self._away

    def leave(self, session: Session, reason: CloseReason, farewell: str = "") -> list[Effect]:
        """Let the user go, for `reason`, with a last line if there is one. Leaving again has no effects."""
        if self.sessions.pop(session.id, None) is None:
            return []
        self._away.pop(session, None)
        self._by_lineage.pop(session.lineage, None)
        session.seat.vacate()
        for key in session.keys:
            del self._named[key]
        forgotten: list[Effect] = [Remember(session.lineage, None)] if session.lineage else []
        return _closed(session, reason, farewell) + self._part(session, session.name) + forgotten

    def leave_all(self, reason: CloseReason, farewell: str) -> list[Effect]:
        """Let everybody go, and tell nobody of the others."""
        effects: list[Effect] = []
        for session in self.sessions.values():
            effects += _closed(session, reason, farewell)
        for table in (self.sessions, self._named, self._by_lineage, self._away):
            table.clear()
        for room in self.rooms.values():
            room.members.clear()
        return effects

    def move(self, session: Session, name: str, after: After | None = None, id_: str = "") -> list[Effect]:
        """Take the user into the room called `name`, which is made if need be. Raises Refusal."""
        if name == session.room.name:
            raise Refusal(Code.BAD_COMMAND, f"You are already in {name}")
        room, forgotten = self._open(name, session)
        parted, joined = self._part(session, session.name), self._join(session, room)
        ready = Ready("") if session.token else None
        entered = self._enter(session, Joined(name, len(room.members), id=id_), after, None, ready)
        return [*parted, entered, *forgotten, *joined, *self._remember(session)]

    def rename(self, session: Session, nick: str, id_: str = "") -> list[Effect]:
        """Give the user this nick. Raises Refusal if it is no nick, or is or looks like somebody else's."""
        old = session.name
        self._claim(session, nick)
        named = Deliver(session.id, Named(session.name, id_))
        if session.name == old:
            return [named]
        renamed = self._announce(session.room, session, Renamed(old, session.name))
        return [named, *renamed, *self._remember(session)]

    def restore(self, remembered: Mapping[str, Remembered], now: float) -> None:
        """Let those be away who were here when the server ended, by lineage; `now` is of the clock of disconnect()."""
        for lineage, who in list(remembered.items())[:MAX_AWAY]:
            keys = text.name_keys(who.name) if who.has_nick else frozenset((who.name,))
            if not keys.isdisjoint(self._named):
                continue
            if who.room not in self.rooms and len(self.rooms) < self.limits.max_rooms:
                self.rooms[who.room] = Room(who.room)
            session = Session(next(self._ids), who.name, self.rooms.get(who.room, self.rooms[LOBBY]))
            session.lineage, session.has_nick, session.keys = lineage, who.has_nick, frozenset()
            self._name(session, who.name, keys)
            session.room.members[session.id] = self.sessions[session.id] = self._by_lineage[lineage] = session
            self._away[session] = now + AWAY_S

    def keep_topic(self, room: str, topic: TopicIs) -> None:
        """Know the room's topic: what its log says it is."""
        if kept := self.rooms.get(room):
            kept.topic, kept.topic_by = topic.text, topic.name if topic.text else ""

    def find(self, name: str) -> Session:
        """Return the session of the user called `name`, in any case and width. Raises Refusal."""
        key = text.folded(name)
        session = self._named.get(key)
        if session is None or text.folded(session.name) != key:
            raise Refusal(Code.NO_SUCH_USER, f"No user named {text.printable(name)[:64]}; /who lists the users")
        return session

    def _claim(self, session: Session, nick: str) -> None:
        nick = text.nick(nick, self.limits.nick_max)
        keys = text.name_keys(nick)
        if not keys.isdisjoint(_RESERVED_KEYS):
            raise Refusal(Code.NAME_TAKEN, f"The nick {nick} is reserved, or looks like one that is; choose another")
        if ban := self.bans.of_nick(keys):
            raise Refusal(Code.BANNED, f"The nick {nick} is banned here{because(ban)}; choose another")
        for key in keys:
            holder = self._named.get(key, session)
            if holder is not session:
                what = "is taken" if text.folded(nick) == text.folded(holder.name) else f"looks like {holder.name}'s"
                raise Refusal(Code.NAME_TAKEN, f"The nick {nick} {what}; choose another")
        self._name(session, nick, keys)
        session.has_nick = True

    def _name(self, session: Session, name: str, keys: frozenset[str]) -> None:
        for key in session.keys:
            del self._named[key]
        self._named.update(dict.fromkeys(keys, session))
        session.name, session.keys = name, keys

    def _take_over(self, session: Session, old: Session) -> list[Effect]:
        """Let `session` be where and who `old` was, which is closed; nobody else is told."""
        del self.sessions[old.id], old.room.members[old.id]
        self._away.pop(old, None)
        session.inherit(old)
        session.room = old.room
        session.room.members[session.id] = session
        for key in old.keys:
            del self._named[key]
        if old.has_nick:
            session.has_nick = True
            session.keys = frozenset()
            self._name(session, old.name, old.keys)
        return _closed(old, CloseReason.REPLACED, "You have connected again from elsewhere")

    def _grant(self, session: Session, opening: Opening) -> tuple[Room, list[Effect], bool]:
        """Give the user the nick that an opening asks for.

        Return the room that it asks for, what is refused, and whether it is that room.
        """
        room, effects = session.room, list[Effect]()
        try:
            if opening.nick:
                self._claim(session, opening.nick)
        except Refusal as refusal:
            effects.append(refused(session, refusal))
        try:
            if opening.room:
                room, forgotten = self._open(text.room(opening.room), session)
                effects += forgotten
        except Refusal as refusal:
            effects.append(refused(session, refusal))
            return room, effects, False
        return room, effects, True

    def _join(self, session: Session, room: Room) -> list[Effect]:
        """Make the user a member."""
        session.room = room
        room.members[session.id] = session
        return self._announce(room, session, Entered(session.name, len(room.members)))

    def _open(self, name: str, mover: Session) -> tuple[Room, list[Effect]]:
        """Return the room of this name, made if need be, and what becomes of others for it. Raises Refusal."""
        room = self.rooms.get(name)
        if room is not None:
            return room, []
        if len(self.rooms) >= self.limits.max_rooms and not self._spare_room(mover):
            most = self.limits.max_rooms
            raise Refusal(Code.TOO_MANY_ROOMS, f"Too many rooms: there are {most:,} already; /rooms lists them")
        forgotten: list[Effect] = []
        while len(self.rooms) >= self.limits.max_rooms and (spare := self._spare_room(mover)):
            del self.rooms[spare.name]
            forgotten.append(Forget(spare.name))
        room = self.rooms[name] = Room(name)
        return room, forgotten

    def _part(self, session: Session, name: str) -> list[Effect]:
        """Take the user, whom the room knows as `name`, out of their room."""
        room = session.room
        del room.members[session.id]
        return self._announce(room, session, Left(name, len(room.members)))

    def _enter(
        self,
        session: Session,
        greeting: Welcome | Joined,
        after: After | None,
        replay: int | None,
        ready: Ready | None,
    ) -> Effect:
        """Return what the user gets of the room that they have joined."""
        room = session.room
        replay = self.limits.replay_on_join if replay is None else replay
        return Enter(session.id, room.name, greeting, replay, after, ready)

    def _remember(self, session: Session) -> list[Effect]:
        if not session.lineage:
            return []
        return [Remember(session.lineage, Remembered(session.name, session.has_nick, session.room.name))]

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


def because(ban: Ban) -> str:
    """Return the reason of a ban, as the end of a sentence."""
    return f": {ban.reason}" if ban.reason else ""


def refused(session: Session, refusal: Refusal, id_: str = "") -> Effect:
    """Return the effect that tells the user of `session` why not."""
    return Deliver(session.id, Refused(refusal.code, refusal.message, id_))


def _closed(session: Session, reason: CloseReason, farewell: str) -> list[Effect]:
    farewells: list[Effect] = [Deliver(session.id, Closing(farewell, reason.value))] if farewell else []
    return [*farewells, Close(session.id, reason)]
