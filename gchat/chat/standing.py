"""Standing: what users are in rooms, and may do there: ranks, now and when users come back, and what modes allow them.

The modes of a room are of its name: they are there before the room is made again.
"""

from __future__ import annotations

from msgspec import structs

from gchat.chat import room_modes
from gchat.chat.effects import Announce, Deliver, Effect
from gchat.chat.room import Room
from gchat.chat.room_modes import USUAL, Asking, Modes
from gchat.chat.rooms import RoomTable
from gchat.chat.session import Session
from gchat.model import names, sentences
from gchat.model.errors import Code, Refusal
from gchat.model.events import Announced, ModeSet
from gchat.model.modes import OPERATOR, Change


def asking(rooms: RoomTable, room: Room, user: Session) -> Asking:
    """Return a user as one who asks something of a room."""
    is_member = user.id in room.members
    ranks = room.ranks if is_member else {user.seat: rooms.modes[room.name].ranks.get(user.identity, "")}
    return Asking(user, lambda: rooms.cloaks.of(user.network.name), ranks.get(user.seat, ""), is_member)


def check_entry(rooms: RoomTable, name: str, user: Session, key: str) -> None:
    """Raise Refusal if the modes of a room keep a user out, who has this key for it."""
    modes = rooms.modes[name]
    if modes is USUAL:
        return
    room = rooms.get(name) or Room(name)
    is_invited = user.seat in room.invited
    who = asking(rooms, room, user)
    room_modes.allowed(room_modes.may_enter(name, modes, who, len(room.members), key, is_invited=is_invited))


def room_of(user: Session, name: str) -> Room:
    """Return the room of this name that the user is in, or the current one for "". Raises Refusal."""
    room = user.rooms.get(name) if name else user.current
    if room is None and name:
        name = names.room(name)
        room = user.rooms.get(name)
    if room is None:
        raise room_modes.not_in(name) if name else Refusal(Code.NOT_IN_ROOM, sentences.IN_NO_ROOM)
    return room


def room_to_speak_in(rooms: RoomTable, user: Session, name: str) -> Room:
    """Return the same if the user may speak there; some rooms may be spoken to from outside. Raises Refusal."""
    here = user.rooms.get(name) if name else user.current
    if here is not None and here.name not in rooms.modes:
        return here  # mostly: it is asked before each message
    outside = names.room(name) if name and name not in user.rooms else ""
    room = rooms.get(outside) or room_of(user, name)
    room_modes.allowed(why_silent(rooms, room, user))
    return room


def why_silent(rooms: RoomTable, room: Room, user: Session) -> Refusal | None:
    """Return why a user may not speak in a room."""
    modes = rooms.modes.get(room.name)
    if user.id in room.members and (modes is None or not modes.silences):
        return None
    return room_modes.may_speak(room.name, modes or USUAL, asking(rooms, room, user))


def entered(rooms: RoomTable, room: Room, user: Session) -> list[Effect]:
    """Give a user who has just become a member the rank that they have there, and tell everybody.

    The user who enters an empty room is its operator, unless others guard it (see Modes). Of the lobby nobody is. A new
    operator's room is closed to those whom the old ones had invited.
    """
    room.invited.pop(user.seat, None)
    modes, is_alone = rooms.modes[room.name], len(room.members) == 1
    rank = modes.ranks.get(user.identity, "")
    if is_alone and room.name != rooms.lobby and not modes.is_guarded:
        rank = room_modes.with_rank(rank, Change(True, OPERATOR))
        room.invited.clear()
    if not rank:
        return []
    told = ModeSet(room.name, "", tuple(Change(True, letter, user.name) for letter in rank))
    others: list[Effect] = [] if is_alone else [Announce(room.name, told, user.id)]
    return [*give(rooms, room, user, rank), *others, Deliver(user.id, told, room=room.name)]


def restored(rooms: RoomTable, room: Room, user: Session) -> None:
    """Give a member of the previous run the rank that is kept."""
    if rank := rooms.modes[room.name].ranks.get(user.identity, ""):
        room.ranks[user.seat] = rank


def recognised(rooms: RoomTable, user: Session, before: str) -> list[Effect]:
    """Give a user who has logged in the ranks of the account too; `before` is the identity that they had until now.

    What they were as that is the account's from now on.
    """
    effects: list[Effect] = []
    for room in user.rooms.values():
        had, kept = room.ranks.get(user.seat, ""), rooms.modes[room.name].ranks
        rank = room_modes.united(had, kept.get(user.identity, ""))
        if before != user.identity and before in kept:
            effects += keep(rooms, room, room_modes.ranked(rooms.modes[room.name], before, ""))
        effects += give(rooms, room, user, rank)
        if gained := tuple(Change(True, letter, user.name) for letter in rank if letter not in had):
            effects.append(Announce(room.name, ModeSet(room.name, "", gained)))
    return effects


def unrecognised(user: Session) -> list[Effect]:
    """Take the ranks from a user who is about to log out; they are kept for the account."""
    effects: list[Effect] = []
    for room in user.rooms.values():
        if rank := room.ranks.pop(user.seat, ""):
            lost = tuple(Change(False, letter, user.name) for letter in rank)
            effects.append(Announce(room.name, ModeSet(room.name, "", lost)))
    return effects


def forgotten(rooms: RoomTable, lineage: str) -> list[Effect]:
    """Keep no rank for a lineage any more, because the account is given up; return the effects of it."""
    effects: list[Effect] = []
    for name, modes in list(rooms.modes.items()):
        if lineage in modes.ranks:
            effects += keep(rooms, rooms.get(name) or Room(name), room_modes.ranked(modes, lineage, ""))
    return effects


def give(rooms: RoomTable, room: Room, user: Session, rank: str) -> list[Effect]:
    """Give a user this rank, now if it is a member; it is kept for users who can prove that they are the same."""
    room.ranks.pop(user.seat, None)
    if rank and user.id in room.members:
        room.ranks[user.seat] = rank
    if not user.may_return:
        return []
    return keep(rooms, room, room_modes.ranked(rooms.modes[room.name], user.identity, rank))


def reset(rooms: RoomTable, name: str) -> list[Effect]:
    """Give a room the modes of a new one, in which nobody has a rank; return the effects of it."""
    told: list[Effect] = []
    if (room := rooms.get(name)) is not None:
        room.ranks.clear()
        told = [Announce(name, Announced(f"The modes and ranks of {name} were reset"))]
    return [*rooms.modes.keep(name, USUAL), *told]


def keep(rooms: RoomTable, room: Room, modes: Modes) -> list[Effect]:
    """Give a room these modes; return the effects by which they are stored."""
    if structs.replace(modes, network="") == USUAL:
        modes = USUAL
    elif not modes.network:
        modes = structs.replace(modes, network=rooms.cloaks.of(room.network))
    return rooms.modes.keep(room.name, modes)
