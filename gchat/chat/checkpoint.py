"""A checkpoint: all of a registry by which it is decided what becomes of the next request, as one value, and as bytes.

A registry that is restored from it does the same as the one that it was taken of, whatever both are asked then. What
only the node of a user knows is not in it: the token, what the user may send and how much that was, whom a /reply
answers, and which users were told of an absence.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, structs

from gchat.chat.absence import Absence
from gchat.chat.accounts import Account
from gchat.chat.limits import Limits
from gchat.chat.masks import Cloaks
from gchat.chat.networks import Network
from gchat.chat.penalties import Kind, Penalty, Target
from gchat.chat.registry import Registry
from gchat.chat.room import Room
from gchat.chat.room_modes import Modes
from gchat.chat.session import Seat, Session
from gchat.model.ignored_names import IgnoredNames, KeptName
from gchat.model.lookalikes import name_keys


class SessionState(Struct, array_like=True, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One session. Rooms are meant by their places in the checkpoint; the last one is the current one.

    What most sessions do not have is at the end, because it takes no place there.
    """

    id: int
    node: str
    address: str
    network: str
    is_exempt: bool
    since: float
    rooms: tuple[int, ...]
    has_arrived: bool
    is_announced: bool
    attempt: int = 0
    lineage: str = ""
    is_newest: bool = False  # of its lineage
    name: str = ""  # "": the address
    has_nick: bool = False
    is_private: bool = False
    account: str = ""
    account_lineage: str = ""
    is_newest_of_account: bool = False
    seat: int = 0  # its id; 0: that of the session
    away: str = ""
    ignored: tuple[KeptName, ...] = ()
    is_brief: bool = False


class RoomState(Struct, array_like=True, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One room. Members are meant by their places in the checkpoint, and other users by their seats."""

    name: str
    members: tuple[int, ...]
    network: str = ""
    ranks: tuple[tuple[int, str], ...] = ()
    topic: str = ""
    topic_by: str = ""
    topic_wanted: str = ""
    invited: tuple[int, ...] = ()


#: The fields of values that are stored elsewhere too. There a field more is no matter, and a value that was stored is
#: checked; here no field must be lost, and what a registry has is right, as a closed account is.
AccountFields = tuple[str, str, str, float, str]
PenaltyFields = tuple[int, Kind, str, str, float, float, str, tuple[Target, ...]]
ModesFields = tuple[str, str, int, tuple[str, ...], tuple[str, ...], tuple[str, ...], dict[str, str], str]


class OrderState(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Bans, mutes, the last id of each that was given, and the operators beside those in the configuration."""

    bans: tuple[PenaltyFields, ...]
    last_ban: int
    mutes: tuple[PenaltyFields, ...]
    last_mute: int
    granted: dict[str, str]


class Checkpoint(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """All that is decided by, each in its order. Another version of gchat with other things in it cannot decode it."""

    limits: Limits
    last_id: int
    sessions: tuple[SessionState, ...]
    disconnected: tuple[tuple[int, float, int], ...]  # the place of a session, until when it is kept, and its messages
    unannounced: tuple[tuple[int, float], ...]  # the place of a session, and when it will be announced
    rooms: tuple[RoomState, ...]
    left: tuple[tuple[int, str], ...]  # the seats of users in rooms' tables who have left, and their last names
    modes: dict[str, ModesFields]
    cloak_secret: bytes
    accounts: tuple[AccountFields, ...]
    order: OrderState
    notes: dict[str, dict[str, bytes]]

    def __repr__(self) -> str:
        """Show none of its secrets, in no traceback."""
        return f"Checkpoint(of {len(self.sessions):,} sessions)"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Checkpoint).decode


def packed(checkpoint: Checkpoint) -> bytes:
    """Return a checkpoint as bytes."""
    return _encode(checkpoint)


def unpacked(data: bytes) -> Checkpoint:
    """Return the checkpoint that these bytes are. Raises msgspec.DecodeError: they are none of this version."""
    return _decode(data)


# --- Taking ----------------------------------------------------------------------------------------------------------


def taken(registry: Registry) -> Checkpoint:
    """Return the checkpoint of a registry; it does not change when the registry does."""
    tables, rooms, order = registry.tables, registry.rooms, registry.order
    places = {id_: place for place, id_ in enumerate(registry.sessions)}
    return Checkpoint(
        structs.replace(registry.limits),
        registry.last_id,
        _kept_sessions(registry),
        tuple([(places[user.id], until, user.messages) for user, until in tables.disconnected.until.items()]),
        tuple([(places[user.id], at) for user, at in tables.unannounced.items()]),
        tuple([_kept_room(room, places) for room in rooms.values()]),
        _left(registry),
        {name: structs.astuple(modes) for name, modes in rooms.modes.items()},
        rooms.cloaks.secret,
        tuple(map(structs.astuple, registry.accounts)),
        OrderState(
            tuple(map(structs.astuple, order.bans.all.values())),
            order.bans.last_id,
            tuple(map(structs.astuple, order.mutes.all.values())),
            order.mutes.last_id,
            dict(order.granted),
        ),
        registry.notes.all(),
    )


def _kept_sessions(registry: Registry) -> tuple[SessionState, ...]:
    places = {name: place for place, name in enumerate(registry.rooms)}
    leads = map(registry.tables.lineages.leads, registry.sessions.values())
    return tuple(
        [
            SessionState(
                session.id,
                session.node,
                session.address,
                session.network.name,
                session.network.is_exempt,
                session.since,
                tuple([places[name] for name in session.rooms]),
                session.has_arrived,
                session.is_announced,
                session.attempt,
                session.lineage,
                is_newest,
                "" if session.name == session.address else session.name,
                session.has_nick,
                session.is_private,
                session.account,
                session.account_lineage,
                is_newest_of_account,
                0 if session.seat.id == session.id else session.seat.id,
                session.away,
                session.ignored.kept() if session.ignored else (),
                session.is_brief,
            )
            for session, (is_newest, is_newest_of_account) in zip(registry.sessions.values(), leads, strict=True)
        ]
    )


def _kept_room(room: Room, places: dict[int, int]) -> RoomState:
    return RoomState(
        room.name,
        tuple([places[id_] for id_ in room.members]),
        room.network,
        tuple([(seat.id, rank) for seat, rank in room.ranks.items()]),
        room.topic,
        room.topic_by,
        room.topic_wanted,
        tuple([seat.id for seat in room.invited]),
    )


def _left(registry: Registry) -> tuple[tuple[int, str], ...]:
    here = {session.seat.id for session in registry.sessions.values()}
    seats = {seat.id: seat.known_as for room in registry.rooms.values() for seat in (*room.ranks, *room.invited)}
    return tuple([(id_, name) for id_, name in seats.items() if id_ not in here])


# --- Restoring -------------------------------------------------------------------------------------------------------


def restore(registry: Registry, checkpoint: Checkpoint) -> None:
    """Make a registry the one that the checkpoint was taken of, in place; nothing else that was in it is left.

    Sessions that both have stay the same objects, with what only this node knows of them. Others are in no room then.
    """
    for field in structs.fields(Limits):
        setattr(registry.limits, field.name, getattr(checkpoint.limits, field.name))
    registry.last_id = checkpoint.last_id
    seats = {id_: Seat(id_, name) for id_, name in checkpoint.left}
    sessions = _restore_sessions(registry, checkpoint, seats)
    _restore_rooms(registry, checkpoint, sessions, seats)
    registry.accounts.restore(Account(*fields) for fields in checkpoint.accounts)
    order, kept = registry.order, checkpoint.order
    order.bans.restore((Penalty(*fields) for fields in kept.bans), kept.last_ban)
    order.mutes.restore((Penalty(*fields) for fields in kept.mutes), kept.last_mute)
    order.granted = dict(kept.granted)
    registry.notes.restore(checkpoint.notes)
    tables = registry.tables
    both = list(zip(sessions, checkpoint.sessions, strict=True))
    tables.names.restore(sessions)
    registry.ignorers.restore(sessions)
    tables.lineages.restore((session, kept.is_newest, kept.is_newest_of_account) for session, kept in both)
    for place, _, messages in checkpoint.disconnected:
        sessions[place].messages = messages
    tables.disconnected.restore((sessions[place], until) for place, until, _ in checkpoint.disconnected)
    tables.unannounced.clear()
    tables.unannounced.update((sessions[place], at) for place, at in checkpoint.unannounced)


def _restore_sessions(registry: Registry, checkpoint: Checkpoint, seats: dict[int, Seat]) -> list[Session]:
    """Restore all sessions, but not in their rooms, and add their seats; return them in their order."""
    old = dict(registry.sessions)
    old_seats = {session.seat.id: session.seat for session in old.values()}
    for session in old.values():
        session.seat.vacate()
        session.rooms.clear()
        session.current = None
    registry.sessions.clear()
    nodes, networks = dict[str, str](), dict[tuple[str, bool], Network]()  # each once: they are of many
    for kept in checkpoint.sessions:
        session = registry.sessions[kept.id] = old.get(kept.id) or Session(kept.id, kept.address)
        session.node = nodes.setdefault(kept.node, kept.node)
        network = kept.network, kept.is_exempt
        session.network = networks.get(network) or networks.setdefault(network, Network(*network))
        _restore_session(session, kept)
        seat = old_seats.get(kept.seat or kept.id) or Seat(kept.seat or kept.id, session.name)
        session.seat = seats[seat.id] = seat
        seat.session = session
    return list(registry.sessions.values())


def _restore_session(session: Session, kept: SessionState) -> None:
    session.address, session.is_private = kept.address, kept.is_private
    session.attempt, session.since = kept.attempt, kept.since
    name, session.has_nick = kept.name or kept.address, kept.has_nick
    session.call(name, name_keys(name) if kept.has_nick else frozenset((name,)))
    if session.lineage != kept.lineage:
        session.token, session.lineage = "", kept.lineage  # the token was of another lineage
    session.account, session.account_lineage = kept.account, kept.account_lineage
    session.has_arrived, session.is_announced, session.is_brief = kept.has_arrived, kept.is_announced, kept.is_brief
    if session.away != kept.away:
        session.absence = Absence(kept.away) if kept.away else None
    session.ignored = IgnoredNames(kept.ignored) if kept.ignored else None


def _restore_rooms(registry: Registry, checkpoint: Checkpoint, sessions: list[Session], seats: dict[int, Seat]) -> None:
    """Restore all rooms and what is kept of them, and put the sessions in."""
    rooms = registry.rooms
    rooms.clear()
    for kept in checkpoint.rooms:
        room = rooms[kept.name] = Room(kept.name)
        room.network = kept.network
        room.members = {sessions[place].id: sessions[place] for place in kept.members}
        room.ranks = {seats[id_]: rank for id_, rank in kept.ranks}
        room.invited = dict.fromkeys([seats[id_] for id_ in kept.invited])
        room.topic, room.topic_by, room.topic_wanted = kept.topic, kept.topic_by, kept.topic_wanted
    in_order = list(rooms.values())
    for session, of in zip(sessions, checkpoint.sessions, strict=True):
        session.rooms = {in_order[place].name: in_order[place] for place in of.rooms}
        session.current = in_order[of.rooms[-1]] if of.rooms else None
    rooms.modes.restore({name: Modes(*fields) for name, fields in checkpoint.modes.items()})
    if rooms.cloaks.secret != checkpoint.cloak_secret:
        rooms.cloaks = Cloaks(checkpoint.cloak_secret)
