"""The registry: every user, nick and room, shared by all connections. Pure, so one call is one step for everybody.

Each method returns the effects of what happened, for the shell to carry out in order. What a user may ask for is in
verbs; here are the few operations that move users, name them and let them go.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from gchat.chat import disconnected, handlers
from gchat.chat.bans import Bans
from gchat.chat.disconnected import Away
from gchat.chat.effects import (
    MAY_RESUME,
    Arrive,
    Close,
    CloseReason,
    Deliver,
    Effect,
    Enter,
    Presence,
    SavedSession,
    SaveSession,
)
from gchat.chat.limits import Limits, Network
from gchat.chat.nicks import Names
from gchat.chat.room import Room, Rooms
from gchat.chat.session import Session
from gchat.model import names
from gchat.model.commands import Command
from gchat.model.errors import Code, Refusal
from gchat.model.events import (
    Closing,
    Entered,
    Joined,
    Left,
    Movement,
    Named,
    Ready,
    Refused,
    Renamed,
    TopicIs,
    Welcome,
)
from gchat.model.hello import Hello, ResumePoint

#: Where everybody begins.
LOBBY = "lobby"

#: For this long a user who has lost the connection may come back, and nobody is told of it.
AWAY_S = 15.0

#: A user without a nick who was here for less than this does not come back.
MIN_STAY_S = 1.0

#: What the older of two connections with one token is told.
REPLACED = "You have connected again from elsewhere"


class Registry:
    """All users, nicks and rooms.

    1. A session is in exactly one room, from connect() to leave().
    2. No two sessions' names share a key (see Names).
    3. A room with members exists; one without may, while there are fewer than `max_rooms`.
    4. A session that is away has no connection, and asks nothing; else it is as if it had one.
    5. A session that is not announced is a member and is counted, but nobody is told that it comes or goes.
    6. Users of one network open at most `rooms_per_network` rooms, and at most `away_per_network` of them are away.

    `now` is the wall clock in seconds since the epoch in execute(), and any steady clock elsewhere.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.bans = Bans()
        self.sessions: dict[int, Session] = {}
        self.rooms = Rooms(LOBBY)
        self._names = Names(self.bans)
        self._by_lineage: dict[str, Session] = {}
        self._away = Away()
        self._silent: dict[Session, float] = {}  # not announced yet, and when they will be
        self._ids = count(1)

    def connect(
        self,
        address: str,
        opening: Hello | None = None,
        token: str = "",
        *,
        attempt: int = 0,
        has_ended: bool = False,
        network: Network = Network(),  # noqa: B008  # it is frozen
        now: float = 0.0,
    ) -> tuple[Session, list[Effect]]:
        """Let the user at `address` in: into the lobby, or with an `opening` as that says (see `open`).

        Without an opening the others learn of it at the first line, or after `announce_after_s`; `now` is of the clock
        of `due`.
        """
        session = Session(next(self._ids), address, self.rooms[LOBBY], attempt, network=network, since=now)
        if opening is not None:
            return session, self.open(session, opening, token, has_ended=has_ended)
        effects = self._seat(session)
        effects.append(self._enter(session, self._greeting(session), None, None, self._ready()))
        if self.limits.announce_after_s:
            self._silent[session] = now + self.limits.announce_after_s
        else:
            effects += self._appear(session)
        return session, effects

    def open(self, session: Session, opening: Hello, token: str, *, has_ended: bool = False) -> list[Effect]:
        """Let a user speak the rich dialect: a new one, or one that was greeted in plain and has said nothing.

        `token` is a new secret, for an opening without one; a user with another session's token takes that over. The
        newest attempt wins: an older one raises Refusal. A peer that `has_ended` takes nothing over and is not taken
        over: what it says is said. Parts of the opening that cannot be granted are refused after the greeting.
        """
        session.own(opening.token or token)
        session.is_brief = has_ended
        old = None if has_ended else self._by_lineage.get(session.lineage)
        if old is not None and old.attempt > session.attempt:
            raise Refusal(Code.REPLACED, REPLACED)
        was = session.name if session.is_announced else ""
        effects: list[Effect] = []
        if old is None:
            effects += self._seat(session)
        else:
            effects += [*self._withdraw(session), *self._take_over(session, old)]
            was = old.name
        if not has_ended:
            self._by_lineage[session.lineage] = session
        room, granted, is_there = self._grant(session, opening)
        told = self._place(session, room, was)
        after = opening.after if is_there else None
        entered = self._enter(session, self._greeting(session), after, opening.replay, self._ready())
        return [*effects, entered, *granted, *told, *self._remember(session)]

    def forsake(self, session: Session) -> None:
        """Let nobody come back for this session: its peer had ended before it could read the welcome."""
        session.is_brief = True
        if self._by_lineage.get(session.lineage) is session:
            del self._by_lineage[session.lineage]

    def _seat(self, session: Session) -> list[Effect]:
        """Let a session be among those here, in its room; nobody is told."""
        effects: list[Effect] = []
        gone = self._names.holder(session.address)
        if gone is not None and gone is not session:  # an address cannot be in use twice
            effects = self.leave(gone, CloseReason.RESET)
        self.sessions[session.id] = session
        if not session.has_nick:
            self._names.give(session, session.address, frozenset((session.address,)))
        session.room.members[session.id] = session
        self._silent.pop(session, None)
        return effects

    def _withdraw(self, session: Session) -> list[Effect]:
        """Undo `_seat`, if it was ever done: the user turns out to be one who is here already."""
        if self.sessions.pop(session.id, None) is None:
            return []
        self._silent.pop(session, None)
        self._names.release(session)
        return self._part(session, session.name)

    def _place(self, session: Session, room: Room, was: str) -> list[Effect]:
        """Have the user in `room`, and tell the others; `was` is what they knew the user as, "" if they did not."""
        if room is not session.room:
            return [*self._part(session, was or session.name), *self._appear(session, room)]
        if not session.is_announced:
            return self._appear(session)
        return [*self._arrive(session), *self._tell_renamed(session, was)]

    def _appear(self, session: Session, room: Room | None = None) -> list[Effect]:
        """Tell those in `room`, or where the user is already, that the user is here."""
        self._silent.pop(session, None)
        session.is_announced = True
        return [*self._arrive(session), *self._enter_room(session, room or session.room)]

    def _arrive(self, session: Session) -> list[Effect]:
        if session.has_arrived:
            return []
        session.has_arrived = True
        return [Arrive(session.id)]

    def _greeting(self, session: Session) -> Welcome:
        limits, online = self.limits, len(self.sessions)
        return Welcome(
            online, limits.motd, session.room.name, session.id, session.name, session.token, limits.announced
        )

    def _ready(self) -> Ready:
        return Ready(self.limits.prompt)

    def execute(self, session: Session, command: Command, now: float) -> list[Effect]:
        """Return the effects of a command of `session`: a refusal is one too, and a user who has left has none."""
        if session.id not in self.sessions or session in self._away:
            return []
        appeared = [] if session.is_announced else self._appear(session)
        try:
            return appeared + handlers.HANDLERS[type(command)](self, session, command, now)
        except Refusal as refusal:
            return [*appeared, refused(session, refusal, getattr(command, "id", ""))]

    def disconnect(self, session: Session, reason: CloseReason, now: float, farewell: str = "") -> list[Effect]:
        """Let the connection of `session` go: the user may come back (see away), unless the reason is a goodbye."""
        if session.id not in self.sessions or session in self._away:
            return []
        has_only_passed = not session.has_nick and now - session.since < MIN_STAY_S
        if not session.lineage or session.is_brief or has_only_passed or reason not in MAY_RESUME:
            return self.leave(session, reason, farewell)
        self._away.add(session, now + AWAY_S)
        effects = _closed(session, reason, farewell)
        if surplus := self._away.surplus(session, self.limits.away_per_network):
            effects += self.leave(surplus, CloseReason.ENDED)
        return effects

    def due(self, now: float) -> list[Effect]:
        """Return what has become due by `now`: silent users are announced, disconnected ones have left for good."""
        effects: list[Effect] = []
        for session in [session for session, at in self._silent.items() if at <= now]:
            effects += self._appear(session)
        for session in self._away.due(now):
            effects += self.leave(session, CloseReason.ENDED)
        return effects

    def is_disconnected(self, session: Session) -> bool:
        """Return whether the user has lost the connection, and may be about to come back."""
        return session in self._away

    def leave(self, session: Session, reason: CloseReason, farewell: str = "") -> list[Effect]:
        """Let the user go, for `reason`, with a last line if there is one. Leaving again has no effects."""
        if self.sessions.pop(session.id, None) is None:
            return []
        self._away.discard(session)
        self._silent.pop(session, None)
        session.seat.vacate()
        self._names.release(session)
        forgotten: list[Effect] = []
        if session.lineage and self._by_lineage.get(session.lineage) is session:
            del self._by_lineage[session.lineage]
            forgotten.append(SaveSession(session.lineage, None))
        return _closed(session, reason, farewell) + self._part(session, session.name) + forgotten

    def leave_all(self, reason: CloseReason, farewell: str) -> list[Effect]:
        """Let everybody go, and tell nobody of the others."""
        effects: list[Effect] = []
        for session in self.sessions.values():
            effects += _closed(session, reason, farewell)
        self._names.clear()
        for table in (self.sessions, self._by_lineage, self._away, self._silent):
            table.clear()
        for room in self.rooms.values():
            room.members.clear()
        return effects

    def move(self, session: Session, name: str, after: ResumePoint | None = None, id_: str = "") -> list[Effect]:
        """Take the user into the room called `name`, which is made if need be. Raises Refusal."""
        if name == session.room.name:
            raise Refusal(Code.BAD_COMMAND, f"You are already in {name}")
        room, forgotten = self.rooms.open(name, session, self.limits)
        parted, joined = self._part(session, session.name), self._enter_room(session, room)
        entered = self._enter(session, Joined(name, len(room.members), id=id_), after, None, Ready(""))
        return [*parted, entered, *forgotten, *joined, *self._remember(session)]

    def rename(self, session: Session, nick: str, id_: str = "") -> list[Effect]:
        """Give the user this nick. Raises Refusal if it is no nick, or is or looks like somebody else's."""
        old = session.name
        self._names.claim(session, nick, self.limits.nick_max)
        named = Deliver(session.id, Named(session.name, id_))
        if session.name == old:
            return [named]
        return [named, *self._tell_renamed(session, old), *self._remember(session)]

    def restore(self, remembered: Mapping[str, SavedSession], now: float) -> None:
        """Let the users who were here when the server ended be away, by lineage; `now` is as in disconnect()."""
        for lineage, user in list(remembered.items())[: disconnected.MAX_AWAY]:
            keys = names.name_keys(user.name) if user.has_nick else frozenset((user.name,))
            if not self._names.are_free(keys):
                continue
            if user.room not in self.rooms and len(self.rooms) < self.limits.max_rooms:
                self.rooms[user.room] = Room(user.room)
            session = Session(next(self._ids), user.name, self.rooms.get(user.room, self.rooms[LOBBY]))
            session.lineage, session.has_nick, session.is_announced = lineage, user.has_nick, True
            self._names.give(session, user.name, keys)
            session.room.members[session.id] = self.sessions[session.id] = self._by_lineage[lineage] = session
            self._away.add(session, now + AWAY_S)

    def keep_topic(self, room: str, topic: TopicIs) -> None:
        """Know the room's topic: what its log says it is."""
        if kept := self.rooms.get(room):
            kept.topic, kept.topic_by = topic.text, topic.name if topic.text else ""

    def find(self, name: str) -> Session:
        """Return the session of the user called `name`, in any case and width. Raises Refusal."""
        return self._names.find(name)

    def _take_over(self, session: Session, old: Session) -> list[Effect]:
        """Give `session` the place and the name of `old`, which is closed; nobody else is told."""
        del self.sessions[old.id], old.room.members[old.id]
        self._away.discard(old)
        session.inherit(old)
        session.room = old.room
        self._names.release(old)
        session.has_nick = old.has_nick
        if old.has_nick:
            self._names.give(session, old.name, old.keys)
        return [*self._seat(session), *_closed(old, CloseReason.REPLACED, REPLACED)]

    def _grant(self, session: Session, opening: Hello) -> tuple[Room, list[Effect], bool]:
        """Give the user the nick that an opening asks for.

        Return the room that it asks for, what is refused, and whether it is that room.
        """
        room, effects = session.room, list[Effect]()
        try:
            if opening.nick:
                self._names.claim(session, opening.nick, self.limits.nick_max)
        except Refusal as refusal:
            effects.append(refused(session, refusal))
        try:
            if opening.room:
                room, forgotten = self.rooms.open(names.room(opening.room), session, self.limits)
                effects += forgotten
        except Refusal as refusal:
            effects.append(refused(session, refusal))
            return room, effects, False
        return room, effects, True

    def _enter_room(self, session: Session, room: Room) -> list[Effect]:
        """Make the user a member, and tell the others."""
        session.room = room
        room.members[session.id] = session
        return self._announce(room, session, Entered(session.name, len(room.members)))

    def _tell_renamed(self, session: Session, old: str) -> list[Effect]:
        return self._announce(session.room, session, Renamed(old, session.name)) if old != session.name else []

    def _part(self, session: Session, name: str) -> list[Effect]:
        """Take the user, whom the room knows as `name`, out of their room."""
        room = session.room
        del room.members[session.id]
        if not session.is_announced:
            return []
        return self._announce(room, session, Left(name, len(room.members)))

    def _enter(
        self,
        session: Session,
        greeting: Welcome | Joined,
        after: ResumePoint | None,
        replay: int | None,
        ready: Ready,
    ) -> Effect:
        """Return what the user gets of the room that they have joined."""
        room = session.room
        replay = self.limits.replay_on_join if replay is None else replay
        return Enter(session.id, room.name, greeting, replay, after, ready)

    def _remember(self, session: Session) -> list[Effect]:
        if self._by_lineage.get(session.lineage) is not session:
            return []
        return [SaveSession(session.lineage, SavedSession(session.name, session.has_nick, session.room.name))]

    def _announce(self, room: Room, session: Session, presence: Movement) -> list[Effect]:
        """Tell a room of a user who came, went or changed, unless it is so large that nobody could follow."""
        if len(room.members) > self.limits.presence_quiet_above:
            return []
        return [Presence(room.name, session.id, presence, len(room.members))]


def refused(session: Session, refusal: Refusal, id_: str = "") -> Effect:
    """Return the effect that tells the user of `session` why not."""
    return Deliver(session.id, Refused(refusal.code, refusal.message, id_))


def _closed(session: Session, reason: CloseReason, farewell: str) -> list[Effect]:
    farewells: list[Effect] = [Deliver(session.id, Closing(farewell, reason.value))] if farewell else []
    return [*farewells, Close(session.id, reason)]
