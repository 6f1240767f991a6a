"""A registry with users who have nicks, tokens, accounts and addresses of their own, some of them operators of it."""

from __future__ import annotations

from collections.abc import Sequence

from gchat.chat.effects import Audited, Close, CloseReason, Deliver, Effect, Publish
from gchat.chat.handlers import execute
from gchat.chat.limits import Limits
from gchat.chat.networks import Network, network_of
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.model import commands, events
from gchat.model.errors import Code, Refusal
from gchat.model.hello import Hello

NOW = 1_800_000_000.0


class Town:
    """Users by their first nicks; the account of an operator is called as the operator is."""

    def __init__(self, *names: str, operators: str = "alice") -> None:
        self.registry = Registry(Limits(operators=operators))
        self.sessions: dict[str, Session] = {}
        self.attempts = 0
        self.now = NOW
        for name in names:
            self.comes(name)

    def comes(self, name: str, *, host: str = "", token: str = "", nick: str = "", account: str = "") -> list[Effect]:
        self.attempts += 1
        host = host or f"192.0.2.{len(self.sessions) + 1}"
        network = Network(network_of(host), is_exempt=host.startswith("127."))
        address = f"[{host}]:{self.attempts}" if ":" in host else f"{host}:{self.attempts}"
        hello = Hello(nick=nick or name, token=token or f"token-of-{name}".ljust(22, "-"))
        session, effects = self.registry.connect(address, hello, "", attempt=self.attempts, network=network)
        session.account = account or (name if name in self.registry.limits.operators.split() else "")
        self.sessions[name] = session
        return effects

    def is_turned_away(self, name: str, **fields: str) -> str:
        """Return what a newcomer is told instead of a welcome; "" if it is let in."""
        try:
            self.comes(name, **fields)
        except Refusal as refusal:
            return refusal.message if refusal.code is Code.BANNED else ""
        return ""

    def asks(self, name: str, command: commands.Command) -> list[Effect]:
        return execute(self.registry, self.sessions[name], command, self.now)

    def says(self, name: str, text: str = "hello") -> bool:
        """Return whether everybody hears it."""
        return any(isinstance(effect, Publish) for effect in self.asks(name, commands.Say((text,))))

    def is_here(self, name: str) -> bool:
        return self.sessions[name].id in self.registry.sessions


def refusals(effects: Sequence[Effect]) -> list[str]:
    return [answer.message for answer in answers(effects) if isinstance(answer, events.Refused)]


def answers(effects: Sequence[Effect]) -> list[events.Answer]:
    return [effect.answer for effect in effects if isinstance(effect, Deliver)]


def told(effects: Sequence[Effect], session: Session) -> list[str]:
    """Return the sentences that a user is told."""
    mine = [effect.answer for effect in effects if isinstance(effect, Deliver) and effect.session == session.id]
    return [answer.message for answer in mine if isinstance(answer, events.Done | events.Refused | events.Closing)]


def closed(effects: Sequence[Effect]) -> dict[int, CloseReason]:
    return {effect.session: effect.reason for effect in effects if isinstance(effect, Close)}


def audited(effects: Sequence[Effect]) -> list[tuple[str, str, str, str]]:
    """Return actor, action, target and reason of each entry."""
    found = [effect for effect in effects if isinstance(effect, Audited)]
    return [(entry.actor, entry.action, entry.target, entry.reason) for entry in found]
