"""Handlers of the commands of operators of the server. Anybody else is refused, and told what is possible in a room."""

from __future__ import annotations

from gchat.chat import order_actions, penalties
from gchat.chat.effects import Deliver, Effect
from gchat.chat.networks import host_of
from gchat.chat.order_actions import Actor, Wish
from gchat.chat.penalties import Penalty
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.model import commands, events, modes, sentences
from gchat.model.commands import Command
from gchat.model.errors import Code, Refusal

#: Bans, and mutes, in one answer.
MAX_LISTED = 50


def check_voice(registry: Registry, session: Session, command: Command) -> None:
    """Raise Refusal if a muted user asks what others would see.

    A nick and a new room are looked at where they are made.
    """
    if _is_seen(command):
        registry.order.check_voice(session)


def _is_seen(command: Command) -> bool:
    """Return whether others see what a command says."""
    match command:
        case commands.Say() | commands.Act() | commands.Tell() | commands.Reply() | commands.Invite() | commands.Kick():
            return True
        case commands.Topic():
            return command.text is not None
        case commands.BeAway():
            return bool(command.reason)
        case commands.Mode(change=change) if change.strip():
            return not all(each.is_question for each in modes.parse(change))
    return False


def actor(registry: Registry, session: Session, now: float, instead: str = "") -> Actor:
    """Return a user as an operator who acts. Raises Refusal if the user is none; `instead` says what anybody can do."""
    if not registry.order.is_operator(session):
        raise Refusal(Code.NOT_OPERATOR, f"Only operators of the server can do that{instead}")
    return Actor(session.account, "chat", now)


def ban(registry: Registry, session: Session, command: commands.Ban, now: float) -> list[Effect]:
    """Ban a user who is here, or else an address, a network or a nick."""
    instead = "; the operators of a room can ban from it: /mode +b NAME"
    acting, wish = actor(registry, session, now, instead), Wish(command.for_s, command.reason, command.force)
    user = _user(registry, command.whom)
    if user is not None:
        made, effects = order_actions.ban_user(registry, acting, user, wish)
    else:
        made, effects = order_actions.ban_target(registry, acting, penalties.target_named(command.whom), wish)
    return [*effects, _done(session, "Banned", made, user, command.id)]


def unban(registry: Registry, session: Session, command: commands.Unban, now: float) -> list[Effect]:
    """Lift bans."""
    acting = actor(registry, session, now)
    lifted = order_actions.found(registry.order.bans, command.which)
    return [*order_actions.lift(registry, acting, "ban", lifted), _lifted(session, lifted, command.id)]


def bans(registry: Registry, session: Session, command: commands.Bans, now: float) -> list[Effect]:
    """List bans and mutes, the newest last."""
    actor(registry, session, now)
    tables = registry.order.bans, registry.order.mutes
    shown = [tuple(map(_listed, list(table.all.values())[-MAX_LISTED:])) for table in tables]
    more = sum(max(0, len(table.all) - MAX_LISTED) for table in tables)
    return [Deliver(session.id, events.BansAre(shown[0], shown[1], more, command.id))]


def mute(registry: Registry, session: Session, command: commands.Mute, now: float) -> list[Effect]:
    """Mute a user, or a nick that nobody has now."""
    instead = "; in a room, its operators can: /mode +m lets only those speak who have a voice"
    acting, wish = actor(registry, session, now, instead), Wish(command.for_s, command.reason)
    user = _user(registry, command.name)
    if user is not None:
        made, effects = order_actions.mute_user(registry, acting, user, wish)
    else:
        made, effects = order_actions.mute_nick(registry, acting, command.name, wish)
    return [*effects, _done(session, "Muted", made, user, command.id)]


def unmute(registry: Registry, session: Session, command: commands.Unmute, now: float) -> list[Effect]:
    """Lift the mutes of a user, also of one with another nick by now."""
    acting = actor(registry, session, now)
    user, mutes = _user(registry, command.which), registry.order.mutes
    of_user = mutes.of(user) if user is not None else None
    lifted = [of_user] if of_user is not None else order_actions.found(mutes, command.which)
    return [*order_actions.lift(registry, acting, "mute", lifted), _lifted(session, lifted, command.id)]


def kill(registry: Registry, session: Session, command: commands.Kill, now: float) -> list[Effect]:
    """Close a user's connection."""
    acting = actor(registry, session, now, "; /kick puts a user out of a room that you are an operator of")
    user = registry.find(command.name)
    effects = order_actions.kill(registry, acting, user, command.reason)
    return [*effects, Deliver(session.id, events.Done(f"The connection of {user.name} is closed", command.id))]


def announce(registry: Registry, session: Session, command: commands.AnnounceToAll, now: float) -> list[Effect]:
    """Announce something to all rooms."""
    acting = actor(registry, session, now)
    most = registry.limits.max_text_bytes
    if len(command.text.encode("utf-8", "surrogatepass")) > most:
        raise Refusal(Code.BAD_COMMAND, f"Text too long: at most {most:,} bytes are accepted")
    told, effects = order_actions.announce(registry, acting, command.text)
    return [
        *effects,
        Deliver(session.id, events.Done(f"Announced to all rooms, which have {told:,} members", command.id)),
    ]


def _user(registry: Registry, name: str) -> Session | None:
    try:
        return registry.find(name)
    except Refusal:
        return None


def _listed(penalty: Penalty) -> events.PenaltyListed:
    whom = tuple(dict.fromkeys(value for _, value in penalty.shown))
    return events.PenaltyListed(penalty.id, whom, penalty.reason, penalty.until, penalty.by)


def _done(session: Session, verb: str, made: Penalty, user: Session | None, id_: str) -> Effect:
    what = f"{verb} {sentences.until(made.until)}: {order_actions.shown(made)} (number {made.id})"
    has_address = any(kind in ("address", "network") for kind, _ in made.targets)
    if user is not None and not has_address and (host := host_of(user.address)):
        what += f". Not of the address {host}, which others may share: {user.name} can come back as somebody else"
    return Deliver(session.id, events.Done(what, id_))


def _lifted(session: Session, lifted: list[Penalty], id_: str) -> Effect:
    return Deliver(session.id, events.Done(f"Lifted: {'; '.join(map(order_actions.shown, lifted))}", id_))
