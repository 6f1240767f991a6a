"""Order over HTTP: bans, mutes, kicks, operators and the audit, on a running App."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from gchat.admin.backend import Missing, NotPossible
from gchat.admin.documents import AuditRow, OperatorRow, PenaltyRow
from gchat.chat import order_actions, penalties
from gchat.chat.effects import Effect
from gchat.chat.order_actions import Actor, Wish
from gchat.chat.penalties import Penalties, Penalty
from gchat.chat.session import Session
from gchat.dialects import rich
from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import folded
from gchat.server.operated_server import OperatedServer


class AdminOrder:
    """The methods of gchat.admin.backend.Backend by which order is kept."""

    def __init__(self, app: OperatedServer) -> None:
        self._app = app

    # --- Bans and mutes ----------------------------------------------------------------------------------------------

    def bans(self) -> Sequence[PenaltyRow]:
        """See Backend.bans."""
        return _rows(self._app.registry.order.bans)

    def mutes(self) -> Sequence[PenaltyRow]:
        """See Backend.mutes."""
        return _rows(self._app.registry.order.mutes)

    def ban(self, kind: str, value: str, wish: Wish, by: str) -> PenaltyRow:
        """See Backend.ban."""
        registry = self._app.registry
        try:
            made, effects = order_actions.ban_target(registry, acting(by), penalties.made(kind, value), wish)
        except Refusal as refusal:
            raise NotPossible(refusal.message) from None
        return self._made(made, effects)

    def ban_user(self, user: int, wish: Wish, by: str) -> PenaltyRow:
        """See Backend.ban_user."""
        session = self._session(user)
        try:
            made, effects = order_actions.ban_user(self._app.registry, acting(by), session, wish)
        except Refusal as refusal:
            raise NotPossible(refusal.message) from None
        return self._made(made, effects)

    def mute_user(self, user: int, wish: Wish, by: str) -> PenaltyRow:
        """See Backend.mute_user."""
        session = self._session(user)
        try:
            made, effects = order_actions.mute_user(self._app.registry, acting(by), session, wish)
        except Refusal as refusal:
            raise NotPossible(refusal.message) from None
        return self._made(made, effects)

    def unmute_user(self, user: int, by: str) -> None:
        """See Backend.unmute_user."""
        session = self._session(user)
        found = self._app.registry.order.mutes.of(session)
        if found is None:
            raise Missing(f"{session.name} is not muted; GET /mutes lists the mutes")
        self._lift("mute", found, by)

    def unban(self, ban: int, by: str) -> None:
        """See Backend.unban."""
        self._lift("ban", self._app.registry.order.bans.all.get(ban), by)

    def unmute(self, mute: int, by: str) -> None:
        """See Backend.unmute."""
        self._lift("mute", self._app.registry.order.mutes.all.get(mute), by)

    def _made(self, made: Penalty, effects: list[Effect]) -> PenaltyRow:
        self._app.pump.carry_out(effects)
        return _row(made)

    def _lift(self, kind: Literal["ban", "mute"], found: Penalty | None, by: str) -> None:
        if found is None:
            raise Missing(f"No {kind} has this id; GET /{kind}s lists the {kind}s")
        self._app.pump.carry_out(order_actions.lift(self._app.registry, acting(by), kind, [found]))

    # --- Everything else -------------------------------------------------------------------------------------------

    def kick(self, user: int, reason: str, by: str) -> None:
        """See Backend.kick."""
        session = self._session(user)
        try:
            effects = order_actions.kill(self._app.registry, acting(by), session, reason)
        except Refusal as refusal:
            raise NotPossible(refusal.message) from None
        self._app.pump.carry_out(effects)

    def operators(self) -> Sequence[OperatorRow]:
        """See Backend.operators."""
        order = self._app.registry.order
        return [OperatorRow(account, order.is_configured(account)) for account in order.operators.values()]

    def make_operator(self, account: str, by: str) -> OperatorRow:
        """See Backend.make_operator."""
        registry = self._app.registry
        try:
            effects = order_actions.grant(registry, acting(by), account)
        except Refusal as refusal:
            raise NotPossible(refusal.message) from None
        self._app.pump.carry_out(effects)
        name = registry.order.operators[folded(account)]
        return OperatorRow(name, registry.order.is_configured(name))

    def remove_operator(self, account: str, by: str) -> None:
        """See Backend.remove_operator."""
        try:
            effects = order_actions.revoke(self._app.registry, acting(by), account)
        except Refusal as refusal:
            raise (Missing if refusal.code is Code.NO_SUCH_USER else NotPossible)(refusal.message) from None
        self._app.pump.carry_out(effects)

    def audit(self, before: int, limit: int) -> Sequence[AuditRow]:
        """See Backend.audit."""
        return [
            AuditRow(
                id=number,
                time=rich.rfc3339(entry.time),
                actor=entry.actor,
                via=entry.via,
                action=entry.action,
                target=entry.target,
                reason=entry.reason,
                until=rich.rfc3339(entry.until) if entry.until else "",
            )
            for number, entry in self._app.audit.before(before, limit)
        ]

    def note_action(self, action: str, target: str, by: str) -> None:
        """See Backend.note_action."""
        self._app.audit.add(acting(by).audited(action, target))

    def _session(self, user: int) -> Session:
        session = self._app.registry.sessions.get(user)
        if session is None:
            raise Missing(f"No user has the id {user}; GET /users lists the users")
        return session


def acting(by: str) -> Actor:
    """Return the owner of a token as an operator who acts now."""
    return Actor(by, "http", time.time())


def _rows(table: Penalties) -> list[PenaltyRow]:
    return [_row(penalty) for penalty in table.all.values()]


def _row(penalty: Penalty) -> PenaltyRow:
    kind, value = penalty.shown[0] if penalty.shown else ("nick", "")
    return PenaltyRow(
        id=penalty.id,
        kind=kind,  # type: ignore[arg-type]  # none that is shown is a lineage
        value=value,
        also=tuple(value for _, value in penalty.shown[1:]),
        reason=penalty.reason,
        by=penalty.by,
        created=rich.rfc3339(penalty.created),
        until=rich.rfc3339(penalty.until) if penalty.until else "",
    )
