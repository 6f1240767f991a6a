"""The registry: every user, nick and room, shared by all connections. Pure, so one call is one step for everybody.

Here are the few operations that let users in, move them, name them and let them go; what a user may ask for is in
handlers. Each returns the effects of what happened, which the shell carries out in order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import count

from gchat.chat import disconnected, entry, presence, standing
from gchat.chat.absence import Absence
from gchat.chat.bans import Bans
from gchat.chat.disconnected import Disconnected
from gchat.chat.effects import (
    MAY_RESUME,
    Arrive,
    CloseReason,
    Deliver,
    Effect,
    Leave,
    Presence,
    SavedSession,
    closed,
    refused,
)
from gchat.chat.ignorers import Ignorers
from gchat.chat.limits import Limits
from gchat.chat.lineages import Lineages
from gchat.chat.networks import Network
from gchat.chat.nicks import Names
from gchat.chat.room import Room
from gchat.chat.rooms import RoomTable
from gchat.chat.session import Session, lineage_of
from gchat.model import lookalikes
from gchat.model.errors import Code, Refusal
from gchat.model.events import Away, Entered, Left, Movement, Named, Parted, Renamed, TopicIs
from gchat.model.hello import Hello, ResumePoint, WantedRoom

#: The room that a user enters who asks for no other.
LOBBY = "lobby"

#: The farewell to the older of two connections with one token.
REPLACED = "You have connected again from elsewhere"


class Registry:
    """All users, nicks and rooms.

    1. A session is in at most `max_rooms_per_user` rooms, a member of each, from entering to leaving it.
    2. No two sessions' names share a key (see Names).
    3. A room with members exists; one without may, while there are fewer than `max_rooms`.
    4. A disconnected session has no connection, and asks nothing; else it is as if it had one.
    5. A session that is not announced is a member and is counted, but nobody is told that it comes or goes.
    6. Users of one network open at most `rooms_per_network` rooms, and at most `connections_per_network` of them are
       disconnected.

    `now` is a steady clock that stands still while the server does: meanwhile nobody could come back.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.bans = Bans()
        self.sessions: dict[int, Session] = {}
        self.rooms = RoomTable(LOBBY)
        self._names = Names(self.bans)
        self.ignorers = Ignorers(self._names)
        self._lineages = Lineages()
        self._disconnected = Disconnected()
        self._unannounced: dict[Session, float] = {}  # and when each will be announced
        self._ids = count(1)

    # --- Coming ------------------------------------------------------------------------------------------------------

    def connect(
        self,
        address: str,
        hello: Hello | None = None,
        token: str = "",
        *,
        attempt: int = 0,
        has_ended: bool = False,
        network: Network = Network(),  # noqa: B008  # it is frozen
        is_private: bool = False,
        now: float = 0.0,
    ) -> tuple[Session, list[Effect]]:
        """Let in the user at `address`: into the lobby, or as its `hello` says (see `open`).

        A user without a hello is announced at the first line, or after `announce_after_s`.
        """
        session = Session(next(self._ids), address, attempt, network=network, since=now, is_private=is_private)
        if hello is not None:
            return session, self._grant(session, hello, token, has_ended=has_ended)
        effects = self._add(session)
        session.enter(self.rooms[LOBBY])
        effects += entry.welcomed(session, len(self.sessions), self.limits)
        if self.limits.announce_after_s:
            self._unannounced[session] = now + self.limits.announce_after_s
        else:
            effects += self.announce(session)
        return session, effects

    def entries(self, hello: Hello) -> int:
        """Return how many rooms a user with this hello enters at most: what it costs, in lines."""
        old = self._lineages.newest(lineage_of(hello.token)) if hello.token else None
        named = min(len(hello.wanted or ()), self.limits.max_rooms_per_user)
        return max(1, named, len(old.rooms) if old else 0)

    def open(self, session: Session, hello: Hello, token: str, *, has_ended: bool = False) -> list[Effect]:
        """Grant what the hello of a session asks that was greeted and has said nothing yet; nothing if it has left.

        `token` is a new secret, for a hello without one; a hello with another session's token takes that session over.
        The newest attempt wins: an older one raises Refusal. A peer that `has_ended` takes nothing over and is not
        taken over, but what it says is said. Parts of the hello that cannot be granted are refused after the greeting.
        """
        return self._grant(session, hello, token, has_ended=has_ended) if self.is_connected(session) else []

    def forsake(self, session: Session) -> None:
        """Let no session take this one over: its peer had ended before it could read the token."""
        session.is_brief = True
        self._lineages.discard(session)

    def announce(self, session: Session) -> list[Effect]:
        """Tell the others that the user is here, unless they know."""
        return [] if session.is_announced else self._appear(session)

    def restore(self, saved: Mapping[str, SavedSession], now: float) -> None:
        """Add the users of the previous run as disconnected sessions, by lineage."""
        for lineage, user in list(saved.items())[: disconnected.MAX_DISCONNECTED]:
            keys = lookalikes.name_keys(user.name) if user.has_nick else frozenset((user.name,))
            if not self._names.are_free(keys):
                continue
            session = Session(next(self._ids), user.name)
            session.lineage, session.has_nick, session.is_announced = lineage, user.has_nick, True
            session.absence = Absence(user.away) if user.away else None
            self._names.give(session, user.name, keys)
            for name in user.rooms or filter(None, (user.room,)):
                if name not in self.rooms and len(self.rooms) < self.limits.max_rooms:
                    self.rooms[name] = Room(name)
                room = self.rooms.get(name, self.rooms[LOBBY])
                session.enter(room)
                standing.restored(self.rooms, room, session)
            self.sessions[session.id] = session
            self._lineages.add(session)
            self._disconnected.add(session, now + disconnected.RECONNECT_GRACE_S)

    # --- While users are here ----------------------------------------------------------------------------------------

    def is_connected(self, session: Session) -> bool:
        """Return whether the user is here and has a connection."""
        return session.id in self.sessions and session not in self._disconnected.until

    def is_disconnected(self, session: Session) -> bool:
        """Return whether the user has lost the connection, and may be about to come back."""
        return session in self._disconnected

    def find(self, name: str) -> Session:
        """Return the session of the user called `name`, in any case and width. Raises Refusal."""
        return self._names.find(name)

    def join(self, session: Session, wanted: WantedRoom, id_: str = "", *, leaves: bool = False) -> list[Effect]:
        """Let the user into a room, which is made if need be, and out of the current one if it `leaves` that.

        Raises Refusal.
        """
        if wanted.room in session.rooms:
            raise Refusal(Code.BAD_COMMAND, f"You are already in {wanted.room}")
        current = session.current
        leaving = [current] if leaves and current else []
        room, dropped = self._open(session, wanted, len(session.rooms) - len(leaving), leaving)
        left = [effect for each in leaving for effect in self._part(session, each)]
        session.enter(room)
        joined = entry.joined(session, room, self.limits.replay_on_join, wanted.after, id_)
        return [*left, joined, *dropped, *self._tell_entered(room, session), *self._lineages.saved(session)]

    def part(self, session: Session, room: Room, reason: str = "", id_: str = "") -> list[Effect]:
        """Let the user out of a room that the user is in."""
        left = self._part(session, room, reason)
        return [*left, Deliver(session.id, Parted(room.name, id_)), *self._lineages.saved(session)]

    def put_out(self, session: Session, room: Room) -> list[Effect]:
        """Take the user out of a room, which is told it in other words."""
        session.leave(room)
        room.ranks.pop(session.seat, None)
        return [Leave(session.id, room.name), *self._lineages.saved(session)]

    def rename(self, session: Session, nick: str, id_: str = "") -> list[Effect]:
        """Give the user this nick. Raises Refusal if it is no nick, or is or looks like somebody else's."""
        old = session.name
        self._names.claim(session, nick, self.limits.nick_max)
        named = Deliver(session.id, Named(session.name, id_))
        if session.name == old:
            return [named]
        self.ignorers.follow(old, session.name)
        return [named, *self.tell_all(session, Renamed(old, session.name))]

    def tell_all(self, session: Session, movement: Movement) -> list[Effect]:
        """Tell all rooms of a user what the user does; the next run of the server is told how the user is then."""
        told = presence.among(self._tell(room, session, movement) for room in session.rooms.values())
        return [*told, *self._lineages.saved(session)]

    def keep_topic(self, room: str, topic: TopicIs) -> None:
        """Note the topic of a room, as its log has it."""
        if kept := self.rooms.get(room):
            kept.topic, kept.topic_by = topic.text, topic.name if topic.text else ""

    # --- Going -------------------------------------------------------------------------------------------------------

    def disconnect(self, session: Session, reason: CloseReason, now: float, farewell: str = "") -> list[Effect]:
        """Detach a session from its connection; unless the reason is a goodbye, the user may come back for a while."""
        if not self.is_connected(session):
            return []
        has_only_passed = not session.has_nick and now - session.since < disconnected.MIN_STAY_S
        if not session.lineage or session.is_brief or has_only_passed or reason not in MAY_RESUME:
            return self.leave(session, reason, farewell)
        self._disconnected.add(session, now + disconnected.RECONNECT_GRACE_S)
        effects = closed(session.id, reason, farewell)
        if surplus := self._disconnected.surplus(session, self.limits.connections_per_network):
            effects += self.leave(surplus, CloseReason.ENDED)
        return effects

    def leave(self, session: Session, reason: CloseReason, farewell: str = "") -> list[Effect]:
        """Remove the user for good, with a last line if there is one. Removing a user again has no effects."""
        if self.sessions.pop(session.id, None) is None:
            return []
        self._disconnected.discard(session)
        self._unannounced.pop(session, None)
        session.seat.vacate()
        self.ignorers.discard(session)
        self._names.release(session)
        left = self._leave_rooms(session)
        return [*closed(session.id, reason, farewell), *left, *self._lineages.dropped(session)]

    def close_all(self, reason: CloseReason, farewell: str) -> list[Effect]:
        """Remove everybody, and tell nobody of the others."""
        effects = [effect for session in self.sessions.values() for effect in closed(session.id, reason, farewell)]
        self._names.clear()
        for table in (self.sessions, self._lineages, self._disconnected, self._unannounced, self.ignorers):
            table.clear()
        for room in self.rooms.values():
            room.members.clear()
        return effects

    def due(self, now: float) -> list[Effect]:
        """Announce users who have been silent for long enough, and drop sessions whose reconnect grace has expired."""
        effects: list[Effect] = []
        for session in [session for session, at in self._unannounced.items() if at <= now]:
            effects += self.announce(session)
        for session in self._disconnected.due(now):
            effects += self.leave(session, CloseReason.ENDED)
        return effects

    # --- Steps of these ----------------------------------------------------------------------------------------------

    def _add(self, session: Session) -> list[Effect]:
        """Add a session to those here, without telling anybody."""
        effects: list[Effect] = []
        gone = self._names.holder(session.address)
        if gone is not None and gone is not session:  # an address cannot be in use twice
            effects = self.leave(gone, CloseReason.RESET)
        self.sessions[session.id] = session
        if not session.has_nick:
            self._names.give(session, session.address, frozenset((session.address,)))
        self._unannounced.pop(session, None)
        return effects

    def _remove(self, session: Session) -> list[Effect]:
        """Undo `_add`, if it was ever done: the user turns out to be one who is here already."""
        if self.sessions.pop(session.id, None) is None:
            return []
        self._unannounced.pop(session, None)
        self._names.release(session)
        return self._leave_rooms(session)

    def _take_over(self, session: Session, old: Session) -> list[Effect]:
        """Give `session` the places and the name of `old`, which is closed; nobody else is told."""
        del self.sessions[old.id]
        self._disconnected.discard(old)
        session.inherit(old)
        for room in tuple(old.rooms.values()):
            old.leave(room)
            session.enter(room)
        self._names.release(old)
        session.has_nick = old.has_nick
        if old.has_nick:
            self._names.give(session, old.name, old.keys)
        return [*self._add(session), *closed(old.id, CloseReason.REPLACED, REPLACED)]

    def _grant(self, session: Session, hello: Hello, token: str, *, has_ended: bool) -> list[Effect]:
        """Do what `open` does, also for a session that is not here yet."""
        session.own(hello.token or token)
        session.is_brief = has_ended
        old = None if has_ended else self._lineages.newest(session.lineage)
        if old is not None and old.attempt > session.attempt:
            raise Refusal(Code.REPLACED, REPLACED)
        was = session.name if session.is_announced else ""
        # What one that was greeted has entered it enters anew.
        left: list[Effect] = [Leave(session.id, name) for name in session.rooms]
        if old is None:
            effects = self._add(session)
            session.enter(self.rooms[LOBBY])
        else:
            effects = [*self._remove(session), *self._take_over(session, old)]
            was = old.name
        if not has_ended:
            self._lineages.add(session)
        refusals = self._grant_nick(session, hello.nick)
        before = frozenset(session.rooms)
        leaving, after, granted = self._grant_rooms(session, hello)
        told = [effect for room in leaving for effect in self._leave_room(session, room, was)]
        seen = [*told, *self._appear(session, was, before)]
        welcomed = entry.welcomed(session, len(self.sessions), self.limits, after, hello.replay)
        return [*effects, *left, *welcomed, *refusals, *granted, *seen, *self._lineages.saved(session)]

    def _grant_nick(self, session: Session, nick: str) -> list[Effect]:
        """Give the user the nick that a hello asks for, if it asks for one, or refuse it."""
        try:
            if nick:
                self._names.claim(session, nick, self.limits.nick_max)
        except Refusal as refusal:
            return [refused(session.id, refusal)]
        return []

    def _grant_rooms(
        self, session: Session, hello: Hello
    ) -> tuple[list[Room], dict[str, ResumePoint | None], list[Effect]]:
        """Let the user into the rooms that a hello asks for, in that order, but tell nobody yet.

        Return the rooms to leave, the places to go on from, and the effects of what is refused and what is made. If
        nothing is granted, the user stays where it is.
        """
        wanted, refusals = entry.wanted(hello, self.limits.max_rooms_per_user)
        effects = [refused(session.id, refusal) for refusal in refusals]
        leaving = [room for name, room in session.rooms.items() if name not in wanted]
        granted: dict[str, ResumePoint | None] = {}
        for name, asked in wanted.items():
            try:
                room, dropped = self._open(session, asked, len(granted), leaving)
            except Refusal as refusal:
                effects.append(refused(session.id, refusal))
            else:
                session.enter(room)
                effects += dropped
                granted[name] = asked.after
        if granted or hello.wanted == ():
            return leaving, granted, effects
        if hello.wanted is None and session.current:
            granted[session.current.name] = hello.after
        return [], granted, effects

    def _open(
        self, session: Session, wanted: WantedRoom, others: int, leaving: Collection[Room]
    ) -> tuple[Room, list[Effect]]:
        """Return a room for a user who will be in so many `others`: see RoomTable.open. Raises Refusal."""
        if wanted.room not in session.rooms:
            standing.check_entry(self.rooms, wanted.room, session, wanted.key)
        if others >= self.limits.max_rooms_per_user:
            raise entry.too_many(self.limits.max_rooms_per_user)
        return self.rooms.open(wanted.room, session.network, self.limits, leaving)

    def _appear(self, session: Session, was: str = "", known_in: Collection[str] = ()) -> list[Effect]:
        """Let the user be seen in its rooms; it was known in some of them, as `was`."""
        self._unannounced.pop(session, None)
        session.is_announced = True
        effects: list[Effect] = [] if session.has_arrived else [Arrive(session.id)]
        session.has_arrived = True
        known = [room for room in session.rooms.values() if was and room.name in known_in]
        if was and was != session.name:
            self.ignorers.follow(was, session.name)
            effects += presence.among(self._tell(room, session, Renamed(was, session.name)) for room in known)
        new = (room for room in session.rooms.values() if room not in known)
        return [*effects, *(effect for room in new for effect in self._tell_entered(room, session))]

    def _part(self, session: Session, room: Room, reason: str = "") -> list[Effect]:
        """Have a user who is still here leave a room."""
        return [*self._leave_room(session, room, reason=reason), Leave(session.id, room.name)]

    def _leave_rooms(self, session: Session) -> list[Effect]:
        """Have a user who is gone leave all rooms."""
        return presence.among(self._leave_room(session, room, everywhere=True) for room in [*session.rooms.values()])

    def _leave_room(
        self, session: Session, room: Room, name: str = "", *, reason: str = "", everywhere: bool = False
    ) -> list[Presence]:
        """Remove the user, whom the room may know as `name`, and tell the others."""
        session.leave(room)
        room.ranks.pop(session.seat, None)
        left = Left(name or session.name, len(room.members), reason, everywhere)
        return self._tell(room, session, left) if session.is_announced else []

    def _tell_entered(self, room: Room, session: Session) -> list[Effect]:
        told = self._tell(room, session, Entered(session.name, len(room.members)))
        told += self._tell(room, session, Away(session.name, session.away)) if session.away else []
        return [*told, *standing.entered(self.rooms, room, session)]

    def _tell(self, room: Room, session: Session, movement: Movement) -> list[Presence]:
        if isinstance(movement, Away) and movement.reason and standing.why_silent(self.rooms, room, session):
            return []  # a reason is said too; to be back is not, and the room may know of the absence
        return presence.told(room, session, movement, self.limits, self.ignorers.of(session))
