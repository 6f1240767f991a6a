"""The registry: every user, nick and room, shared by all connections. Pure, so one call is one step for everybody.

Here are the few operations that let users in, move them, name them and let them go; what a user may ask for is in
handlers. Each returns the effects of what happened, which the shell carries out in order.
"""

from __future__ import annotations

from collections.abc import Mapping

from gchat.chat import disconnected, entry, standing
from gchat.chat.absence import Absence
from gchat.chat.accounts import Account
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
from gchat.model.events import Named, Parted, Renamed, TopicIs
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
        login: Account | Refusal | None = None,
        has_ended: bool = False,
        network: Network = Network(),  # noqa: B008  # it is frozen
        is_private: bool = False,
        now: float = 0.0,
        lineage: str = "",
        node: str = "",
        id_: int = 0,
    ) -> tuple[Session, list[Effect]]:
        """Let in the user at `address`: into the lobby, or as its `hello` says (see `open`).

        A user without a hello is announced at the first line, or after `announce_after_s`.
        """
        number = id_ or self._next_id()
        session = Session(number, address, attempt, network=network, since=now, is_private=is_private, node=node)
        if hello is not None:
            session.own(hello.token or token, lineage)
            return session, self._grant(session, hello, login, has_ended=has_ended)
        effects = self._add(session)
        if self.is_admitted(session):
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

    def open(
        self,
        session: Session,
        hello: Hello,
        token: str,
        login: Account | Refusal | None = None,
        *,
        lineage: str = "",
        has_ended: bool = False,
    ) -> list[Effect]:
        """Grant what the hello of a session asks that was greeted and has said nothing yet; nothing if it has left.

        `token` is a new secret, for a hello without one; another process knows only the `lineage` of either. A hello
        with another session's token takes that session over, and so does a `login`: the account of the hello's nick, if
        its secret is right, or why it is refused. The newest attempt wins: an older one raises Refusal. A peer that
        `has_ended` takes nothing over and is not taken over, but what it says is said. Parts of the hello that cannot
        be granted are refused after the greeting.
        """
        if not self.is_connected(session):
            return []
        session.own(hello.token or token, lineage)
        return self._grant(session, hello, login, has_ended=has_ended)

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
            session = Session(self._next_id(), user.name)
            if user.account and (account := self.accounts.get(user.account)) is not None:
                session.log_in(account)
            owner = self.accounts.owner(user.name)
            is_owned = owner is not None and owner.name != session.account
            if is_owned or not self.is_admitted(session) or not self._names.are_free(keys):
                continue
            session.lineage = "" if lineage == session.account_lineage else lineage
            session.has_nick, session.is_announced = user.has_nick, True
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

    # --- Accounts ----------------------------------------------------------------------------------------------------

    def check_nick(self, session: Session, nick: str) -> str:
        """Return a nick that the user may take, as it is shown. Raises Refusal."""
        return self._names.check(session, nick, self.limits.nick_max)[0]

    def check_account(self, name: str) -> str:
        """Return the nick of an account that may be made, as it is shown. Raises Refusal."""
        self.accounts.check_place(Network(), "")
        return self._names.check_allowed(name, self.limits.nick_max)[0]

    def log_in(self, session: Session, account: Account, *, leaves: bool = False) -> list[Effect]:
        """Make the user that of an account: with its nick, its ranks, and the places of its session until now.

        That session is closed. If the user `leaves`, it is only in the current room of that one, else in all rooms of
        both.
        """
        before, was, was_admitted = (
            session.identity,
            dict.fromkeys(session.rooms, session.name),
            self.is_admitted(session),
        )
        effects: list[Effect] = []
        ghost = self._lineages.newest(account.lineage)
        if ghost is not None and ghost is not session:
            was |= dict.fromkeys(ghost.rooms, ghost.name)
            effects += self._displace(session, ghost, leaves=leaves)
        effects += self._make_way(session, account)
        session.log_in(account)
        self._lineages.add(session)
        old, session.has_nick = session.name, True
        self._names.give(session, account.name, lookalikes.name_keys(account.name))
        if old != session.name:
            self.ignorers.follow(old, session.name)
            effects.append(Deliver(session.id, Named(session.name)))
        for name, room in session.rooms.items():
            if was[name] != session.name:
                effects += self._tell(room, session, Renamed(was[name], session.name))
        effects += standing.recognised(self.rooms, session, before)
        if not (was_admitted or session.rooms):
            effects += self.join(session, WantedRoom(LOBBY))
        return [*effects, *self._lineages.saved(session)]

    def log_out(self, session: Session, *, keeps_nick: bool = False) -> list[Effect]:
        """Make the user one without an account; unless the account is given up, its nick and its ranks stay with it."""
        is_its_nick = self.accounts.owner(session.name) is self.accounts.get(session.account)
        effects = [] if keeps_nick else standing.unrecognised(session)
        was_known = session in self._lineages
        effects += self._lineages.dropped(session)
        session.log_out()
        if was_known and session.lineage:
            self._lineages.add(session)
        if is_its_nick and not keeps_nick:
            effects += self._unname(session)
        if not self.is_admitted(session):
            effects += [effect for room in tuple(session.rooms.values()) for effect in self.part(session, room)]
        return [*effects, *self._lineages.saved(session)]

    def is_logged_in(self, token: str, account: Account) -> bool:
        """Return whether the session of a token is that of the user of an account."""
        session = self._lineages.newest(lineage_of(token)) if token else None
        return session is not None and session.account_lineage == account.lineage

    def session_of(self, account: Account) -> Session | None:
        """Return the session of the user who is logged in to an account, None if there is none."""
        return self._lineages.newest(account.lineage)

    # --- While users are here ----------------------------------------------------------------------------------------

    def is_connected(self, session: Session) -> bool:
        """Return whether the user is here and has a connection."""
        lost = self._disconnected.until  # mostly nobody, and this is asked before each message
        return session.id in self.sessions and not (lost and session in lost)

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
        # The end of a stream without a token is a goodbye: nobody comes back unasked.
        is_goodbye = reason not in MAY_RESUME or (reason is CloseReason.ENDED and not session.lineage)
        if is_goodbye or has_only_passed or not session.may_return:
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

    def is_due(self, now: float) -> bool:
        """Return whether due() would do something."""
        return any(at <= now for at in self._unannounced.values()) or bool(self._disconnected.due(now))

    def due(self, now: float) -> list[Effect]:
        """Announce users who have been silent for long enough, and drop sessions whose reconnect grace has expired."""
        effects: list[Effect] = []
        for session in [session for session, at in self._unannounced.items() if at <= now]:
            effects += self.announce(session)
        for session in self._disconnected.due(now):
            effects += self.leave(session, CloseReason.ENDED)
        return effects

    # --- Steps of these ----------------------------------------------------------------------------------------------

    def _grant(
        self, session: Session, hello: Hello, login: Account | Refusal | None, *, has_ended: bool
    ) -> list[Effect]:
        """Do what `open` does, also for a session that is not here yet."""
        account = login if isinstance(login, Account) else None
        if account is not None and has_ended and self.session_of(account) is not None:
            account = None  # it must not take the nick from the one that is alive
        session.is_brief = has_ended
        self.order.check_entry(session.lineage, account.name if account else "")
        old, other = (None, None) if has_ended else self._predecessors(session, account)
        was = session.name if session.is_announced else ""
        # What one that was greeted has entered it enters anew.
        left: list[Effect] = [Leave(session.id, name) for name in session.rooms]
        effects: list[Effect] = [] if other is None else self.leave(other, CloseReason.REPLACED, REPLACED)
        if old is None:
            effects += self._add(session)
        else:
            effects += [*self._remove(session), *self._take_over(session, old)]
            was = old.name
        if account is not None:
            effects += self._make_way(session, account)
            session.log_in(account)
        if old is None and self.is_admitted(session):
            session.enter(self.rooms[LOBBY])
        if not has_ended:
            self._lineages.add(session)
            effects += [] if old is None else self._lineages.dropped(old)
        refusals = self._grant_nick(session, hello.nick, login)
        before = frozenset(session.rooms)
        leaving, after, granted = self._grant_rooms(session, hello)
        told = [effect for room in leaving for effect in self._leave_room(session, room, was)]
        seen = [*told, *self._appear(session, was, before)]
        if account is not None:
            seen += standing.recognised(self.rooms, session, session.lineage)
        welcomed = entry.welcomed(session, len(self.sessions), self.limits, after, hello.replay)
        return [*effects, *left, *welcomed, *refusals, *granted, *seen, *self._lineages.saved(session)]

    def _predecessors(self, session: Session, account: Account | None) -> tuple[Session | None, Session | None]:
        """Return the session that a new one takes over, and another one that is closed. Raises Refusal if it is late.

        The user may have been in an account and, with the token, out of it, or in another one.
        """
        own = self._lineages.newest(session.lineage)
        old = own if account is None else self._lineages.newest(account.lineage)
        if old is None and own is not None and not own.account:
            old = own
        if any(each is not None and session.is_late_after(each) for each in (own, old)):
            raise Refusal(Code.REPLACED, REPLACED)
        return old, None if own is old else own

    def _grant_nick(self, session: Session, nick: str, login: Account | Refusal | None) -> list[Effect]:
        """Give the user the nick that a hello asks for, if it asks for one, or refuse it."""
        try:
            if isinstance(login, Refusal):
                raise login
            if nick and self.is_admitted(session):
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
        if not self.is_admitted(session):
            return [], {}, [refused(session.id, entry.login_needed(self.limits))]
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
