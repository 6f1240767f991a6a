"""Handlers of the commands by which operators keep a room in order: modes and ranks, kicks, invitations."""

from __future__ import annotations

from msgspec import structs

from gchat.chat import masks, room_modes, standing
from gchat.chat.effects import Announce, Audited, Deliver, Effect
from gchat.chat.registry import Registry
from gchat.chat.room import Room
from gchat.chat.room_modes import Asking
from gchat.chat.session import Session
from gchat.model import commands, events, modes
from gchat.model.errors import Code, Refusal
from gchat.model.messages import Numbered
from gchat.model.modes import OPERATOR, VOICE, Change, Takes

#: The longest reason for leaving, or of a kick, in characters.
MAX_REASON = 200

#: Invitations to one room that wait for their users; the oldest makes room for one more.
MAX_INVITED = 64

#: Users of one rank that /mode names.
MAX_NAMED = 50


def checked_reason(reason: str) -> str:
    """Return the reason for leaving or of a kick. Raises Refusal if it is too long."""
    if len(reason) > MAX_REASON:
        why = f"Reason too long: {len(reason):,} characters, the limit is {MAX_REASON}"
        raise Refusal(Code.BAD_COMMAND, why)
    return reason


def mode(registry: Registry, session: Session, command: commands.Mode, _now: float) -> list[Effect]:
    """Change the modes and ranks of a room, all as asked or nothing; or tell them."""
    room = standing.room_of(session, command.room)
    asking = standing.asking(registry.rooms, room, session)
    if not command.change.strip():
        return [Deliver(session.id, _told(registry, room, asking, command.id), room=room.name)]
    changes = modes.parse(command.change)
    answers: list[Effect] = [
        Deliver(session.id, _list(registry, room, change.letter, command.id), room=room.name)
        for change in changes
        if change.is_question
    ]
    changes = tuple(change for change in changes if not change.is_question)
    if not changes:
        return answers
    room_modes.allowed(room_modes.may_change(room.name, asking))
    return [*_change(registry, session, room, changes, command.id), *answers]


def kick(registry: Registry, session: Session, command: commands.Kick, now: float) -> list[Effect]:
    """Put a member out of a room. Operators of the server can do that too, in any room that they are in."""
    room = standing.room_of(session, command.room)
    asking = standing.asking(registry.rooms, room, session)
    is_of_server = registry.order.is_operator(session) and not asking.is_operator
    if not is_of_server:
        room_modes.allowed(room_modes.may_change(room.name, asking))
    reason = checked_reason(command.reason)
    member = _member(registry, room, command.name)
    ranked = standing.give(registry.rooms, room, member, "")
    left = registry.put_out(member, room)
    kicked = events.Kicked(room.name, member.name, session.name, reason, len(room.members))
    told: list[Effect] = [Announce(room.name, kicked, member.id), Deliver(member.id, kicked, room=room.name)]
    target = f"{member.name} ({room.name})"
    audited: list[Effect] = [Audited(now, session.account, "chat", "kick", target, reason)] if is_of_server else []
    return [*told, *left, *ranked, *audited, *_done(session, command.id)]


def invite(registry: Registry, session: Session, command: commands.Invite, _now: float) -> list[Effect]:
    """Invite a user to a room. The invitation of an operator lets them in once, also if the room is closed later."""
    room, rooms = standing.room_of(session, command.room), registry.rooms
    asking = standing.asking(rooms, room, session)
    room_modes.allowed(room_modes.may_invite(room.name, rooms.modes[room.name], asking))
    guest = registry.find(command.name)
    if guest.id in room.members:
        raise Refusal(Code.BAD_COMMAND, f"{guest.name} is in {room.name} already")
    if registry.is_disconnected(guest):
        raise Refusal(Code.NO_SUCH_USER, f"Not invited: {guest.name} has just lost the connection")
    if asking.is_operator:
        room.invited.pop(guest.seat, None)
        room.invited[guest.seat] = None
    while len(room.invited) > MAX_INVITED:
        del room.invited[next(iter(room.invited))]
    invited = events.Invited(room.name, session.name)
    receipt = events.Done(f"{guest.name} is invited to {room.name}")
    ignored = guest.ignores(session)
    return [Deliver(guest.id, invited, sender=session.id, id=command.id, receipt=receipt, ignored=ignored)]


def _change(registry: Registry, session: Session, room: Room, changes: tuple[Change, ...], id_: str) -> list[Effect]:
    """Make changes that are allowed. Nothing has changed yet when one of them is refused."""
    now = registry.rooms.modes[room.name]
    ranked: dict[Session, str] = {}
    made: list[Change] = []
    for change in changes:
        if change.takes is Takes.NAME:
            user = _rank_holder(registry, room, change)
            old = ranked.get(user, standing.asking(registry.rooms, room, user).rank)
            ranked[user] = room_modes.with_rank(old, change)
            made += [structs.replace(change, argument=user.name)] if ranked[user] != old else []
        else:
            change = _whole(registry, change)
            old_modes, now = now, room_modes.changed(now, change)
            made += [change] if now is not old_modes else []
    if not made:
        return [Deliver(session.id, events.Done(f"That changes nothing in {room.name}", id_), room=room.name)]
    effects = standing.keep(registry.rooms, room, now)
    for user, rank in ranked.items():
        effects += standing.give(registry.rooms, room, user, rank)
    return [*effects, Announce(room.name, events.ModeSet(room.name, session.name, tuple(made))), *_done(session, id_)]


def _whole(registry: Registry, change: Change) -> Change:
    """Return a change of a list with the whole mask: `@NAME` is the address that a user comes from, cloaked."""
    if change.takes is not Takes.MASK:
        return change
    mask = change.argument
    if mask.startswith("@") and mask[1:]:
        user = registry.find(mask[1:])
        if user.network.is_exempt and change.adds and change.letter == "b":
            why = f"Many users share the address of {user.name}; use their name: +b {user.name}"
            raise Refusal(Code.BAD_COMMAND, why)
        mask = f"*@{registry.rooms.cloaks.of(user.network.name)}"
    return structs.replace(change, argument=masks.normal(mask))


def _rank_holder(registry: Registry, room: Room, change: Change) -> Session:
    """Return the user whose rank is to change: a member, or one who is elsewhere and would have it on coming back."""
    user = registry.find(change.argument)
    would_have_it = change.letter in standing.asking(registry.rooms, room, user).rank
    return user if would_have_it and not change.adds else _member(registry, room, change.argument)


def _member(registry: Registry, room: Room, name: str) -> Session:
    """Return the member of a room who is called so. Raises Refusal."""
    member = registry.find(name)
    if member.id not in room.members:
        raise Refusal(Code.NO_SUCH_USER, f"{member.name} is not in {room.name}")
    return member


def _told(registry: Registry, room: Room, asking: Asking, id_: str) -> events.ModesAre:
    found = registry.rooms.modes[room.name]
    named = {
        letter: tuple(seat.known_as for seat, rank in room.ranks.items() if letter in rank)[:MAX_NAMED]
        for letter in (OPERATOR, VOICE)
    }
    key = found.key if asking.is_operator else ""
    return events.ModesAre(room.name, found.are_shown, key, named[OPERATOR], named[VOICE], id_)


def _list(registry: Registry, room: Room, letter: str, id_: str) -> events.ListIs:
    return events.ListIs(room.name, letter, registry.rooms.modes[room.name].of_list(letter), id_)


def _done(session: Session, id_: str) -> list[Effect]:
    """Return the answer to a request of which the whole room is told, if it has an id."""
    return [Deliver(session.id, events.Acknowledged((Numbered(id_),)))] if id_ else []
