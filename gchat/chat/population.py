"""The population: the users, nicks and rooms that there are, and the steps in which they change. See registry."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from gchat.chat import entry, presence, standing
from gchat.chat.accounts import Account, Accounts
from gchat.chat.disconnected import Disconnected
from gchat.chat.effects import Arrive, CloseReason, Deliver, Effect, Leave, Presence, closed
from gchat.chat.ignorers import Ignorers
from gchat.chat.limits import Limits
from gchat.chat.lineages import Lineages
from gchat.chat.nicks import Names
from gchat.chat.operator_notes import OperatorNotes
from gchat.chat.order import Order
from gchat.chat.room import Room
from gchat.chat.rooms import RoomTable
from gchat.chat.session import Session
from gchat.model import lookalikes
from gchat.model.events import Away, Done, Entered, Left, Movement, Named, Renamed
from gchat.model.hello import WantedRoom
from gchat.model.sentences import not_yours

#: The farewell to the older of two connections of one user.
REPLACED = "You have connected again from elsewhere"


class Tables(Struct, frozen=True):
    """The tables that only the population changes, and a checkpoint."""

    names: Names
    lineages: Lineages
    disconnected: Disconnected
    unannounced: dict[Session, float]


class Population:
    """All users, nicks and rooms.

    1. A session is in at most `max_rooms_per_user` rooms, a member of each, from entering to leaving it.
    2. No two sessions' names share a key (see Names).
    3. A room with members exists; one without may, while there are fewer than `max_rooms`.
    4. A disconnected session has no connection, and asks nothing; else it is as if it had one.
    5. A session that is not announced is a member and is counted, but nobody is told that it comes or goes.
    6. Users of one network open at most `rooms_per_network` rooms, and at most `connections_per_network` of them are
       disconnected.
    """

    def __init__(self, limits: Limits, lobby: str) -> None:
        self.limits = limits
        self.order = Order(limits)
        self.notes = OperatorNotes()
        self.sessions: dict[int, Session] = {}
        self.rooms = RoomTable(lobby)
        self.accounts = Accounts()
        self._names = Names(self.order, self.accounts)
        self.ignorers = Ignorers(self._names)
        self._lineages = Lineages()
        self._disconnected = Disconnected()
        self._unannounced: dict[Session, float] = {}  # and when each will be announced
        self.last_id = 0  # of a session that was made here

    @property
    def tables(self) -> Tables:
        """Those that are seen nowhere else."""
        return Tables(self._names, self._lineages, self._disconnected, self._unannounced)

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

    def tell_all(self, session: Session, movement: Movement) -> list[Effect]:
        """Tell all rooms of a user what the user does; the next run of the server is told how the user is then."""
        told = presence.among(self._tell(room, session, movement) for room in session.rooms.values())
        return [*told, *self._lineages.saved(session)]

    def is_admitted(self, session: Session) -> bool:
        """Return whether the user may do more than to log in."""
        return bool(session.account) or not self.limits.login_required

    def _next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def _add(self, session: Session) -> list[Effect]:
        """Add a session to those here, without telling anybody."""
        effects: list[Effect] = []
        gone = self._names.holder(session.address)
        if gone is not None and gone is not session and gone.node == session.node:  # it cannot be in use twice
            effects = self.leave(gone, CloseReason.RESET)
        self.sessions[session.id] = session
        if not session.has_nick:
            self._name_by_address(session)
        self._unannounced.pop(session, None)
        return effects

    def _name_by_address(self, session: Session) -> None:
        """Have a user called by the address; where users of another process have that name too, with a number."""
        session.has_nick = False
        name, others = session.address, 1
        while self._names.holder(name) not in (None, session):
            others += 1
            name = f"{session.address}~{others}"
        self._names.give(session, name, frozenset((name,)))

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
        self.ignorers.discard(old)
        session.inherit(old)
        for room in tuple(old.rooms.values()):
            old.leave(room)
            session.enter(room)
        self._names.release(old)
        session.has_nick = old.has_nick
        if old.has_nick:
            self._names.give(session, old.name, old.keys)
        return [*self._add(session), *closed(old.id, CloseReason.REPLACED, REPLACED)]

    def _displace(self, session: Session, ghost: Session, *, leaves: bool) -> list[Effect]:
        """Give a session that is here the places and the ranks of `ghost`, an older one of its user, which is closed.

        See log_in. The others see that the user without an account is there no more, and nothing of it otherwise.
        """
        effects = [*closed(ghost.id, CloseReason.REPLACED, REPLACED), *self._lineages.dropped(ghost)]
        del self.sessions[ghost.id]
        self._disconnected.discard(ghost)
        self._unannounced.pop(ghost, None)
        self.ignorers.discard(ghost)
        self._names.release(ghost)
        current, entering = ghost.current, list[Room]()
        for room in tuple(ghost.rooms.values()):
            ghost.leave(room)
            if room.name in session.rooms:
                effects += self._tell(room, session, Left(session.name, len(room.members)))
            elif room is current if leaves else len(session.rooms) + len(entering) < self.limits.max_rooms_per_user:
                entering.append(room)
            else:
                room.ranks.pop(ghost.seat, None)
                effects += self._tell(room, ghost, Left(ghost.name, len(room.members)))
        if leaves and entering and session.current is not None:
            effects += self._part(session, session.current)
        session.sit_at(ghost)
        for room in entering:
            session.enter(room)
            effects.append(entry.joined(session, room, self.limits.replay_on_join))
        return effects

    def _make_way(self, session: Session, account: Account) -> list[Effect]:
        """Take the nick of an account from others who have it, or one that looks like it, from before it was one."""
        holders = dict.fromkeys(map(self._names.holder, sorted(lookalikes.name_keys(account.name))))
        return [
            effect
            for holder in holders
            if holder is not None and holder is not session
            for effect in self._lose_nick(holder)
        ]

    def _lose_nick(self, session: Session) -> list[Effect]:
        if session in self._disconnected:
            return self.leave(session, CloseReason.ENDED)
        why = Done(not_yours(session.name))
        return [*self._unname(session), Deliver(session.id, why)]

    def _unname(self, session: Session) -> list[Effect]:
        """Have a user who has no right to the nick any more called by the address."""
        old = session.name
        self._name_by_address(session)
        self.ignorers.follow(old, session.name)
        return [Deliver(session.id, Named(session.name)), *self.tell_all(session, Renamed(old, session.name))]

    def _open(
        self, session: Session, wanted: WantedRoom, others: int, leaving: Collection[Room]
    ) -> tuple[Room, list[Effect]]:
        """Return a room for a user who will be in so many `others`: see RoomTable.open. Raises Refusal."""
        if wanted.room not in session.rooms:
            standing.check_entry(self.rooms, wanted.room, session, wanted.key)
        if wanted.room not in self.rooms:  # its name would be something said
            self.order.check_voice(session, "Room not opened")
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
        if (
            isinstance(movement, Away)
            and movement.reason
            and (self.order.mute_of(session) or standing.why_silent(self.rooms, room, session))
        ):
            return []  # a reason is said too; to be back is not, and the room may know of the absence
        return presence.told(room, session, movement, self.limits, self.ignorers.of(session))
