"""Order over HTTP: bans, mutes, kicks, operators and the audit, on a running App."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gchat.admin.backend import Missing, NotPossible, Unavailable
from gchat.admin.documents import AuditRow, OperatorRow, PenaltyRow
from gchat.chat import penalties
from gchat.chat.order_actions import Actor, Wish
from gchat.chat.order_steps import (
    BanTarget,
    GrantOperator,
    KillUser,
    Kind,
    LiftPenalty,
    NoteAction,
    PenaliseUser,
    RevokeOperator,
)
from gchat.chat.penalties import Penalties, Penalty
from gchat.chat.session import Session
from gchat.chat.steps import Step
from gchat.dialects import rich
from gchat.model import text
from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import folded
from gchat.server.logs import logger
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
        try:
            target = penalties.made(kind, value)
        except Refusal as refusal:
            raise NotPossible(refusal.message) from None
        return _row(self._take(BanTarget(acting(self._app, by), target, wish)))

    def ban_user(self, user: int, wish: Wish, by: str) -> PenaltyRow:
        """See Backend.ban_user."""
        return self._penalised("ban", user, wish, by)

    def mute_user(self, user: int, wish: Wish, by: str) -> PenaltyRow:
        """See Backend.mute_user."""
        return self._penalised("mute", user, wish, by)

    def unmute_user(self, user: int, by: str) -> None:
        """See Backend.unmute_user."""
        session = self._session(user)
        found = self._app.registry.order.mutes.of(session)
        if found is None:
            raise Missing(f"{session.name} is not muted; GET /mutes lists the mutes")
        self._lift("mute", found.id, by)

    def unban(self, ban: int, by: str) -> None:
        """See Backend.unban."""
        self._lift("ban", ban, by)

    def unmute(self, mute: int, by: str) -> None:
        """See Backend.unmute."""
        self._lift("mute", mute, by)

    def _penalised(self, kind: Kind, user: int, wish: Wish, by: str) -> PenaltyRow:
        self._session(user)
        return _row(self._take(PenaliseUser(acting(self._app, by), kind, user, wish)))

    def _lift(self, kind: Kind, number: int, by: str) -> None:
        order = self._app.registry.order
        if number not in (order.bans if kind == "ban" else order.mutes).all:
            raise Missing(f"No {kind} has this id; GET /{kind}s lists the {kind}s")
        self._take(LiftPenalty(acting(self._app, by), kind, number))

    def _take(self, step: Step) -> Any:
        """Take a step, and return its value when its effects are carried out. Raises NotPossible."""
        try:
            value = self._app.steps.take(step)
        except Refusal as refusal:
            kind = Unavailable if refusal.code is Code.NOT_KEPT else NotPossible
            raise kind(refusal.message) from None
        self._app.pump.wait_carried_out()
        return value

    # --- Everything else -------------------------------------------------------------------------------------------

    def kick(self, user: int, reason: str, by: str) -> None:
        """See Backend.kick."""
        self._session(user)
        self._take(KillUser(acting(self._app, by), user, reason))

    def operators(self) -> Sequence[OperatorRow]:
        """See Backend.operators."""
        order = self._app.registry.order
        return [OperatorRow(account, order.is_configured(account)) for account in order.operators.values()]

    def make_operator(self, account: str, by: str) -> OperatorRow:
        """See Backend.make_operator."""
        self._take(GrantOperator(acting(self._app, by), account))
        order = self._app.registry.order
        name = order.operators[folded(account)]
        return OperatorRow(name, order.is_configured(name))

    def remove_operator(self, account: str, by: str) -> None:
        """See Backend.remove_operator."""
        order = self._app.registry.order
        if folded(account) not in order.operators:
            raise Missing(f"{text.printable(account)[:64]} is no operator")
        self._take(RevokeOperator(acting(self._app, by), account))

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
        try:
            self._app.steps.take(NoteAction(acting(self._app, by), action, target))
        except Refusal as refusal:  # it was done all the same
            fields = {"action": action, "by": by, "target": target, "reason": refusal.message}
            logger.warning("%(action)s by %(by)s: %(target)s; not in the audit: %(reason)s", fields)

    def _session(self, user: int) -> Session:
        session = self._app.registry.sessions.get(user)
        if session is None:
            raise Missing(f"No user has the id {user}; GET /users lists the users")
        return session


def acting(app: OperatedServer, by: str) -> Actor:
    """Return the owner of a token as an operator who acts now."""
    return Actor(by, "http", app.steps.wall_time())


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
