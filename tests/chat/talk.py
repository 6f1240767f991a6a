"""A registry to talk in: commands in and effects out, as transcripts."""

from __future__ import annotations

from gchat.chat.effects import (
    CloseReason,
    Deliver,
    Effect,
    Enter,
    Publish,
)
from gchat.chat.handlers import execute
from gchat.chat.limits import Limits
from gchat.chat.networks import Network
from gchat.chat.registry import LOBBY, Registry
from gchat.chat.session import Session
from gchat.model import commands, events
from gchat.model.errors import Code
from gchat.model.messages import TopicSet

NOW = 1_800_000_000.0  # by the wall clock


class Talk:
    """A registry in which users are called by the order in which they came: 1, 2, 3."""

    def __init__(self, users: int = 0, **limits: int | str) -> None:
        self.registry = Registry(Limits(**limits))  # type: ignore[arg-type]
        self.sessions: dict[int, Session] = {}
        for _ in range(users):
            self.enters()

    def enters(self, network: Network = Network()) -> list[Effect]:  # noqa: B008  # it is frozen
        number = len(self.sessions) + 1
        session, effects = self.registry.connect(address(number), network=network)
        self.sessions[session.id] = session
        assert session.id == number
        return effects

    def asks(self, number: int, command: commands.Command, *, shown: bool = True) -> list[Effect]:
        effects = execute(self.registry, self.sessions[number], command, NOW)
        for effect in effects:
            if isinstance(effect, Publish) and isinstance(effect.message, TopicSet):
                topic = events.TopicIs(effect.message.text, effect.message.name)
                self.registry.keep_topic(effect.room, topic)  # as the pump does, when it is kept
            if isinstance(effect, Deliver) and effect.seat is not None and shown:
                self.registry.sessions[effect.session].told_by(effect.seat)  # as the pump does, when it is shown
        return effects

    def told(self, reader: int, sender: int, text: str, receipt: events.Answer | None = None) -> Effect:
        """Return the effect by which `sender` tells `reader` something."""
        session = self.sessions[sender]
        told = events.Told(session.name, text, NOW)
        return Deliver(reader, told, sender=sender, seat=session.seat, receipt=receipt)

    def leaves(self, number: int, reason: CloseReason = CloseReason.ENDED) -> list[Effect]:
        return self.registry.leave(self.sessions[number], reason)


def join(room: str) -> commands.Join:
    """What /join asks in the plain dialect: to be there instead of here."""
    return commands.Join(room, leave="current")


def welcome(number: int, online: int, motd: str = "") -> events.Welcome:
    """What a plain user is greeted with."""
    return events.Welcome(online, motd, LOBBY, number, address(number))


def address(number: int) -> str:
    return f"127.0.0.1:{50_000 + number}"


def code(effects: list[Effect]) -> Code:
    """Return why something was refused; a refusal has no other effect."""
    (effect,) = effects
    assert isinstance(effect, Deliver)
    assert isinstance(effect.answer, events.Refused)
    assert effect.answer.message
    return effect.answer.code


def entered(effects: list[Effect]) -> Enter:
    """Return the one effect among them by which somebody enters a room."""
    (effect,) = [effect for effect in effects if isinstance(effect, Enter)]
    return effect
