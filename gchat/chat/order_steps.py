"""Steps of operators, over HTTP or by command: see steps, and order_actions for what each does."""

from __future__ import annotations

from typing import Literal

from gchat.chat import logins, order_actions, standing, steps
from gchat.chat.accounts import Account
from gchat.chat.effects import CheckSecret, Effect, SaveNote, Verdict
from gchat.chat.networks import Network
from gchat.chat.order_actions import Actor, Wish
from gchat.chat.penalties import Penalty, Target
from gchat.chat.registry import Registry
from gchat.chat.room import Room
from gchat.chat.session import Session
from gchat.chat.steps import Step
from gchat.model import commands
from gchat.model.errors import Code, Refusal

Kind = Literal["ban", "mute"]


class ActingStep(Step, frozen=True):
    """One step of an operator."""

    actor: Actor


class BanTarget(ActingStep, frozen=True):
    """Ban a nick, an account, an address or a network; the value is the ban."""

    target: Target
    wish: Wish

    def take(self, registry: Registry) -> tuple[Penalty, list[Effect]]:
        """See Step.take."""
        return order_actions.ban_target(registry, self.actor, self.target, self.wish)


class PenaliseUser(ActingStep, frozen=True):
    """Ban or mute a user; the value is the penalty."""

    kind: Kind
    user: int
    wish: Wish

    def take(self, registry: Registry) -> tuple[Penalty, list[Effect]]:
        """See Step.take."""
        penalise = order_actions.ban_user if self.kind == "ban" else order_actions.mute_user
        return penalise(registry, self.actor, _session(registry, self.user), self.wish)


class LiftPenalty(ActingStep, frozen=True):
    """Lift the ban or the mute with this id."""

    kind: Kind
    id: int

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        table = registry.order.bans if self.kind == "ban" else registry.order.mutes
        found = table.all.get(self.id)
        if found is None:
            raise Refusal(Code.NO_SUCH_USER, f"No {self.kind} has this id; GET /{self.kind}s lists the {self.kind}s")
        return None, order_actions.lift(registry, self.actor, self.kind, [found])


class KillUser(ActingStep, frozen=True):
    """Close a user's connection."""

    user: int
    reason: str

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        return None, order_actions.kill(registry, self.actor, _session(registry, self.user), self.reason)


class AnnounceTo(ActingStep, frozen=True):
    """Announce something to a room, or to all; the value is the number of members told too."""

    text: str
    room: str

    def take(self, registry: Registry) -> tuple[int, list[Effect]]:
        """See Step.take."""
        if self.room and self.room not in registry.rooms:
            raise no_room(self.room)
        return order_actions.announce(registry, self.actor, self.text, self.room)


class ResetModes(ActingStep, frozen=True):
    """Give a room the modes of a new one."""

    room: str

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        effects = standing.reset(registry.rooms, self.room)
        return None, [*effects, self.actor.audited("reset modes", self.room)]


class GrantOperator(ActingStep, frozen=True):
    """Make an account an operator of the server."""

    account: str

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        return None, order_actions.grant(registry, self.actor, self.account)


class RevokeOperator(ActingStep, frozen=True):
    """Have an account be an operator no longer."""

    account: str

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        return None, order_actions.revoke(registry, self.actor, self.account)


class AddAccount(ActingStep, frozen=True):
    """Add an account whose secret is hashed already; the value is the account."""

    name: str
    hash: str
    lineage: str

    def take(self, registry: Registry) -> tuple[Account, list[Effect]]:
        """See Step.take."""
        verdict = Verdict(is_right=True, hash=self.hash, lineage=self.lineage)
        check = CheckSecret(0, commands.Register(self.name))
        account, effects = logins.added(registry, check, verdict, self.actor.now)
        return account, [*effects, self.actor.audited("account", account.name)]


class RemoveAccount(ActingStep, frozen=True):
    """Remove an account."""

    name: str

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        account = registry.accounts.get(self.name)
        if account is None:
            raise Refusal(Code.NO_SUCH_USER, f"No account is called {self.name[:64]}")
        removed = logins.removed(registry, account)
        return None, [*removed, self.actor.audited("remove account", account.name)]


class NoteAction(ActingStep, frozen=True):
    """Note for the audit what was done without the core."""

    action: str
    target: str

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:  # noqa: ARG002
        """See Step.take."""
        return None, [self.actor.audited(self.action, self.target)]


class KeepNote(Step, frozen=True):
    """Make or delete a note of operators. See OperatorNotes.put."""

    kind: str
    key: str
    value: bytes

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        registry.notes.put(self.kind, self.key, self.value)
        return None, [SaveNote(self.kind, self.key, self.value)]

    def __repr__(self) -> str:
        """Show no secret that may be in the note."""
        return f"KeepNote({self.kind!r}, {self.key!r})"


class OpenRoom(Step, frozen=True):
    """Have a room in memory; one that is in no history is made, within the limits, unless it must be `stored`."""

    room: str
    is_stored: bool = False

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        rooms, most = registry.rooms, registry.limits.max_rooms
        if not self.is_stored:
            return None, rooms.open(self.room, Network(), registry.limits, ())[1]
        if self.room not in rooms:
            if len(rooms) >= most:
                why = f"All {len(rooms):,} rooms are in use (limits.max_rooms); try again later"
                raise Refusal(Code.TOO_MANY_ROOMS, why)
            rooms[self.room] = Room(self.room)
        return None, []


def no_room(room: str) -> Refusal:
    """Return the refusal of what is to be done in a room that there is not."""
    return Refusal(Code.NO_SUCH_PLACE, f"No such room: {room[:64]}; GET /rooms lists the rooms")


def _session(registry: Registry, user: int) -> Session:
    session = registry.sessions.get(user)
    if session is None:
        raise Refusal(Code.NO_SUCH_USER, f"No user has the id {user}; GET /users lists the users")
    return session


#: All steps, by which they are decoded.
AnyStep = (
    steps.Connect
    | steps.OpenHello
    | steps.Forsake
    | steps.MakeSeen
    | steps.Execute
    | steps.Conclude
    | steps.LeaveRoom
    | steps.KeepTopic
    | steps.Disconnect
    | steps.BeDue
    | steps.Configure
    | steps.HandOver
    | steps.DropNode
    | BanTarget
    | PenaliseUser
    | LiftPenalty
    | KillUser
    | AnnounceTo
    | ResetModes
    | GrantOperator
    | RevokeOperator
    | AddAccount
    | RemoveAccount
    | NoteAction
    | KeepNote
    | OpenRoom
)
