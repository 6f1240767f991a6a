"""The registry: every user, nick and room, shared by all connections. Pure, so one call is one step for everybody.

Here are the few operations that let users in, move them, name them and let them go; what a user may ask for is in
handlers. Each returns the effects of what happened, which the shell carries out in order.
"""

from __future__ import annotations

from collections.abc import Mapping

from gchat.chat import disconnected, entry, standing
from gchat.chat.absence import Absence
from gchat.chat.effects import (
    MAY_RESUME,
    CloseReason,
    Deliver,
    Effect,
    Leave,
    SavedSession,
    closed,
    refused,
)
from gchat.chat.limits import Limits
from gchat.chat.networks import Network
from gchat.chat.population import REPLACED, Population
from gchat.chat.room import Room
from gchat.chat.session import Session, lineage_of
from gchat.model import lookalikes
from gchat.model.errors import Code, Refusal
from gchat.model.events import Movement, Named, Parted, Renamed, TopicIs
from gchat.model.hello import Hello, ResumePoint, WantedRoom

#: The room that a user enters who asks for no other.
LOBBY = "lobby"


class Registry(Population):
    """All users, nicks and rooms, and what can become of them.

    `now` is a steady clock that stands still while the server does: meanwhile nobody could come back.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits, LOBBY)

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
        return session.id in self.sessions and session not in self._disconnected

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
        told = [effect for room in session.rooms.values() for effect in self._tell(room, session, movement)]
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

    def _grant(self, session: Session, hello: Hello, token: str, *, has_ended: bool) -> list[Effect]:
        """Do what `open` does, also for a session that is not here yet."""
        session.own(hello.token or token)
        session.is_brief = has_ended
        self.order.check_entry(session)
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
        told = [effect for room in leaving for effect in self._leave_room(session, room, was or session.name)]
        told += self._appear(session, was, before)
        welcomed = entry.welcomed(session, len(self.sessions), self.limits, after, hello.replay)
        return [*effects, *left, *welcomed, *refusals, *granted, *told, *self._lineages.saved(session)]

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
