"""Handlers of the commands by which users say whom they hear and whether they are there: ignoring, being away."""

from __future__ import annotations

from gchat.chat import moderation
from gchat.chat.absence import Absence
from gchat.chat.effects import Deliver, Effect, HearAgain
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.model import commands, events, names, sentences
from gchat.model.errors import Code, Refusal


def be_away(registry: Registry, session: Session, command: commands.BeAway, _now: float) -> list[Effect]:
    """Note that the user is away, or without a reason is back; the others are told if it is news."""
    reason = moderation.checked_reason(command.reason)
    done = Deliver(session.id, events.Done(sentences.you_are_away(reason), command.id))
    if session.away == reason:
        return [done]
    session.absence = Absence(reason) if reason else None
    return [done, *registry.tell_all(session, events.Away(session.name, reason))]


def notice_of_absence(session: Session, reader: Session) -> list[Effect]:
    """Return what the sender of a private message is told if its reader is away: once in each absence."""
    if reader.absence is None or not reader.absence.is_news_to(session.seat):
        return []
    return [Deliver(session.id, events.Done(sentences.away(reader.name, reader.away)))]


def ignore(registry: Registry, session: Session, command: commands.Ignore, _now: float) -> list[Effect]:
    """Have the user see nothing any more of another one, or list those."""
    if not command.name:
        return [Deliver(session.id, events.Done(sentences.you_ignore(list(session.ignored or ()))))]
    try:
        name = registry.find(command.name).name
    except Refusal:
        name = names.nick(command.name, registry.limits.nick_max)  # of nobody who is here now
    if name == session.name:
        raise Refusal(Code.BAD_NAME, sentences.IGNORING_ONESELF)
    registry.ignorers.ignore(session, name)
    return [Deliver(session.id, events.Done(sentences.ignored(name)))]


def unignore(registry: Registry, session: Session, command: commands.Unignore, _now: float) -> list[Effect]:
    """Have the user see again what another one says."""
    if session.ignored is None or not session.ignored.has(command.name):
        raise Refusal(Code.NO_SUCH_USER, sentences.not_ignored(command.name[:64]))
    heard_again = registry.ignorers.unignore(session, command.name)
    return [HearAgain(session.id, heard_again), Deliver(session.id, events.Done(sentences.unignored(command.name)))]
