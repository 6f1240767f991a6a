"""What operators of the server do, in the chat or over HTTP: bans, mutes, kills, announcements, and making operators.

Each returns its effects, the last of which says for the log and the audit who did what to whom, why, and until when.
Everybody concerned is told.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gchat.chat import penalties
from gchat.chat.effects import Announce, Audited, CloseReason, Deliver, Effect, SaveOperators, SavePenalties
from gchat.chat.moderation import MAX_REASON, checked_reason
from gchat.chat.networks import host_of
from gchat.chat.order import banned
from gchat.chat.penalties import Penalties, Penalty, Target
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.model import events, sentences
from gchat.model.errors import Code, Refusal
from gchat.model.events import Done
from gchat.model.lookalikes import folded

#: An address with so many other users is shared, as that of an office is: to ban one of them does not ban it.
SHARED_BY = 5

#: A ban of an address or a network that meets more than this share of those online needs force, unless they are few.
MAX_SHARE, FEW = 0.2, 3

#: Accounts that are made operators.
MAX_GRANTED = 100


class Actor(Struct, frozen=True):
    """An operator who acts, at this time in seconds since the epoch."""

    name: str  # an account, or the name of a token
    via: Literal["chat", "http"]
    now: float

    def audited(self, action: str, target: str, reason: str = "", until: float = 0.0) -> Audited:
        """Return the entry of the audit."""
        return Audited(self.now, self.name, self.via, action, target, reason, until)


class Wish(Struct, frozen=True):
    """What is wished of a penalty: for how long (0: for ever), why, and whether it is meant although it is large."""

    for_s: float = 0.0
    reason: str = ""
    force: bool = False


# --- Bans ------------------------------------------------------------------------------------------------------------


def ban_user(registry: Registry, actor: Actor, user: Session, wish: Wish) -> tuple[Penalty, list[Effect]]:
    """Ban a user's nick, account, token, and address if it is not shared. Raises Refusal."""
    _check_is_no_operator(registry, user)
    ban = _penalty(registry.order.bans, actor, _targets(registry, user, "ban"), wish)
    return ban, _banned(registry, actor, ban)


def ban_target(registry: Registry, actor: Actor, target: Target, wish: Wish) -> tuple[Penalty, list[Effect]]:
    """Ban a nick, an account, an address or a network. Raises Refusal, also if it needs force."""
    targets: list[Target] = [target]
    _check_names_no_operator(registry, target)
    if target[0] == "nick":
        targets.append(("account", target[1]))
    ban = _penalty(registry.order.bans, actor, targets, wish)
    if not wish.force and (why := _needs_force(registry, ban)):
        raise Refusal(Code.TOO_MUCH, why)
    return ban, _banned(registry, actor, ban)


def lift(registry: Registry, actor: Actor, kind: Literal["ban", "mute"], which: list[Penalty]) -> list[Effect]:
    """Lift these bans or mutes."""
    table = registry.order.bans if kind == "ban" else registry.order.mutes
    effects: list[Effect] = []
    for penalty in which:
        table.remove(penalty.id)
        if kind == "mute":
            effects += _may_speak(registry, penalty)
        effects.append(actor.audited(f"un{kind}", shown(penalty)))
    return [saved(registry, kind), *effects]


def found(table: Penalties, which: str) -> list[Penalty]:
    """Return the penalties that an operator means, by number or by a name. Raises Refusal if there are none."""
    if which.isascii() and which.isdecimal() and len(which) < 16 and (one := table.all.get(int(which))):
        return [one]
    named = table.named(which)
    if not named:
        raise Refusal(Code.NO_SUCH_USER, f"Nothing of {which[:64]} is in force; /bans lists what is")
    return named


def _banned(registry: Registry, actor: Actor, ban: Penalty) -> list[Effect]:
    """Put a ban in force, and close the connections of the users concerned."""
    registry.order.bans.add(ban)
    concerned = penalties.concerned(ban, list(registry.sessions.values()))
    gone = [effect for user in concerned for effect in registry.leave(user, CloseReason.BANNED, banned(ban))]
    return [saved(registry, "ban"), *gone, actor.audited("ban", shown(ban), ban.reason, ban.until)]


def _needs_force(registry: Registry, ban: Penalty) -> str:
    """Return why a ban may be a mistake; "" if it does not look like one."""
    met = penalties.concerned(ban, list(registry.sessions.values()))
    operators = [user.name for user in met if registry.order.is_operator(user)]
    why = []
    if huge := penalties.size_of_huge(ban):
        why.append(f"{huge} is very large")
    if operators:
        why.append(f"it is of {', '.join(operators[:3])}, an operator")
    if len(met) > max(FEW, MAX_SHARE * len(registry.sessions)):
        why.append(f"it closes {len(met):,} of {len(registry.sessions):,} connections")
    return f"Not banned: {'; '.join(why)}. Put force behind it, before the reason, if you mean it" if why else ""


# --- Mutes -----------------------------------------------------------------------------------------------------------


def mute_user(registry: Registry, actor: Actor, user: Session, wish: Wish) -> tuple[Penalty, list[Effect]]:
    """Mute a user by nick, account, token, and address if it is not shared. Raises Refusal."""
    _check_is_no_operator(registry, user)
    mute = _penalty(registry.order.mutes, actor, _targets(registry, user, "mute"), wish)
    return mute, _muted(registry, actor, mute)


def mute_nick(registry: Registry, actor: Actor, nick: str, wish: Wish) -> tuple[Penalty, list[Effect]]:
    """Mute a nick that nobody has now, and the account of that name. Raises Refusal."""
    target = penalties.made("nick", nick)
    _check_names_no_operator(registry, target)
    nick = target[1]
    mute = _penalty(registry.order.mutes, actor, [("nick", nick), ("account", nick)], wish)
    return mute, _muted(registry, actor, mute)


def _muted(registry: Registry, actor: Actor, mute: Penalty) -> list[Effect]:
    registry.order.mutes.add(mute)
    told = f"You are muted {sentences.until(mute.until)}: you can read, and what you say is not sent"
    if mute.reason:
        told = f"{told}. The reason: {mute.reason}"
    told_to = [user for user in _online(registry, mute) if not registry.order.is_operator(user)]
    return [
        saved(registry, "mute"),
        *(Deliver(user.id, Done(told)) for user in told_to),
        actor.audited("mute", shown(mute), mute.reason, mute.until),
    ]


def _may_speak(registry: Registry, mute: Penalty) -> list[Effect]:
    """Tell those who were muted that they are not any more."""
    users = [user for user in _online(registry, mute) if registry.order.mute_of(user) is None]
    return [Deliver(user.id, Done("You may speak again")) for user in users]


def _online(registry: Registry, penalty: Penalty) -> list[Session]:
    users = penalties.concerned(penalty, list(registry.sessions.values()))
    return [user for user in users if registry.is_connected(user)]


# --- Everything else -------------------------------------------------------------------------------------------------


def kill(registry: Registry, actor: Actor, user: Session, reason: str) -> list[Effect]:
    """Close a user's connection. The user can come back."""
    why = f": {checked_reason(reason)}" if reason else ""
    audited = actor.audited("kill", user.name, reason)
    return [*registry.leave(user, CloseReason.KICKED, f"An operator has closed your connection{why}"), audited]


def announce(registry: Registry, actor: Actor, text: str, room: str = "") -> tuple[int, list[Effect]]:
    """Announce something to a room, or to all; return the number of members told too."""
    rooms = [registry.rooms[room]] if room else [each for each in registry.rooms.values() if each.members]
    told: list[Effect] = [Announce(each.name, events.Announced(text)) for each in rooms]
    return sum(len(each.members) for each in rooms), [
        *told,
        actor.audited("announce", room or "all rooms", text[:MAX_REASON]),
    ]


def grant(registry: Registry, actor: Actor, account: str) -> list[Effect]:
    """Make an account an operator of the server. Raises Refusal if it is no name, or there are too many."""
    account = penalties.made("account", account)[1]
    granted = registry.order.granted
    if len(granted) >= MAX_GRANTED and folded(account) not in granted:
        raise Refusal(Code.TOO_MUCH, f"There are {MAX_GRANTED} operators already; remove one first")
    is_news = folded(account) not in registry.order.operators
    granted[folded(account)] = account
    told = _told_account(registry, account, "You are an operator of this server now; /help lists what you can type")
    return [_operators_saved(registry), *(told if is_news else []), actor.audited("operator", account)]


def revoke(registry: Registry, actor: Actor, account: str) -> list[Effect]:
    """Have an account be an operator no longer. Raises Refusal if it is none, or the configuration makes it one."""
    if registry.order.is_configured(account):
        raise Refusal(
            Code.BAD_COMMAND, f"The configuration makes {account} an operator (auth.operators); change it there"
        )
    name = registry.order.granted.pop(folded(account), "")
    if not name:
        raise Refusal(Code.NO_SUCH_USER, f"{account} is no operator")
    told = _told_account(registry, name, "You are no operator of this server any more")
    return [_operators_saved(registry), *told, actor.audited("deoperator", name)]


def expire(registry: Registry, now: float) -> list[Effect]:
    """End the bans and mutes whose time has come."""
    effects: list[Effect] = []
    if registry.order.bans.expire(now):
        effects.append(saved(registry, "ban"))
    if ended := registry.order.mutes.expire(now):
        effects.append(saved(registry, "mute"))
        effects += [effect for mute in ended for effect in _may_speak(registry, mute)]
    return effects


def saved(registry: Registry, kind: Literal["ban", "mute"]) -> Effect:
    """Return the effect by which the bans or mutes outlive this run."""
    if kind == "ban":
        return SavePenalties("bans", tuple(registry.order.bans.all.values()))
    return SavePenalties("mutes", tuple(registry.order.mutes.all.values()))


def shown(penalty: Penalty) -> str:
    """Return of whom a penalty is, as a list in a sentence."""
    return ", ".join(dict.fromkeys(value for _, value in penalty.shown)) or "a user"


def _penalty(table: Penalties, actor: Actor, targets: list[Target], wish: Wish) -> Penalty:
    """Return a penalty that is not yet in force.

    It is of all that those are of which it replaces: a longer ban of a user who is gone still has the address.
    """
    kind, value = targets[0]
    also = dict.fromkeys([*targets[1:], *(target for older in table.same(targets[0]) for target in older.also)])
    until = actor.now + wish.for_s if wish.for_s else 0.0
    reason = checked_reason(wish.reason)
    return Penalty(table.next_id(), kind, value, reason, actor.now, until, actor.name, tuple(also))


def _targets(registry: Registry, user: Session, verb: str) -> list[Target]:
    """Return all that a user is known by. Raises Refusal if that is nothing, or something that many users share."""
    targets: list[Target] = [("nick", user.name)] if user.has_nick else []
    targets += [("account", user.account)] if user.account else []
    if not _is_shared(registry, user):
        name = user.network.name
        targets.append(("network" if "/" in name else "address", name))
    targets += [("lineage", user.lineage)] if user.lineage else []
    if not targets or targets[0][0] == "lineage":
        why = f"{user.name} has no nick and no account, and an address that many share; /kill closes the connection"
        raise Refusal(Code.BAD_COMMAND, f"Cannot {verb}: {why}")
    return targets


def _is_shared(registry: Registry, user: Session) -> bool:
    """Return whether others, who would be punished with a user, come from the same network."""
    if user.network.is_exempt or not host_of(user.address):
        return True
    others = [
        other for other in registry.sessions.values() if other.network.name == user.network.name and other is not user
    ]
    return len(others) >= SHARED_BY or any(registry.order.is_operator(other) for other in others)


def _check_is_no_operator(registry: Registry, user: Session) -> None:
    if registry.order.is_operator(user):
        raise _is_operator(user.name)


def _check_names_no_operator(registry: Registry, target: Target) -> None:
    if target[0] in ("nick", "account") and folded(target[1]) in registry.order.operators:
        raise _is_operator(target[1])


def _is_operator(name: str) -> Refusal:
    how = "only the configuration, or HTTP, ends that"
    return Refusal(Code.BAD_COMMAND, f"{name} is an operator of this server, whom nobody can ban or mute; {how}")


def _operators_saved(registry: Registry) -> Effect:
    return SaveOperators(tuple(registry.order.granted.values()))


def _told_account(registry: Registry, account: str, message: str) -> list[Effect]:
    users = [user for user in registry.sessions.values() if user.account and folded(user.account) == folded(account)]
    return [Deliver(user.id, Done(message)) for user in users if registry.is_connected(user)]
