"""Steps: calls of the core as values, by which users come, act and go. Pure; what operators do is in order_steps.

One process takes a step at once. Processes that share their users pass each step to all of them in one order, and
each takes it on its own registry: the core is deterministic, so all registries are equal.

A step names sessions by id; one that has left meanwhile is no error. What it raises, Refusal, is for its origin: the
process that has the connection of the user.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from gchat.chat import handlers, logins, order_actions
from gchat.chat.effects import CheckSecret, CloseReason, Effect, Verdict
from gchat.chat.limits import Limits
from gchat.chat.networks import Network
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.model import commands
from gchat.model.errors import Code, Refusal
from gchat.model.events import TopicIs
from gchat.model.hello import Hello
from gchat.model.secret import HasSecrets


class Step(Struct, frozen=True, tag=True, array_like=True):
    """One call of the core."""

    def take(self, registry: Registry) -> tuple[Any, list[Effect]]:
        """Take the step; return the value that its origin waits for, and the effects. Raises Refusal."""
        raise NotImplementedError

    def told(self) -> Step:
        """Return the step as other processes are told it: without secrets."""
        return self


class _Login(Struct, frozen=True, array_like=True):
    """What became of the secret in a hello: the account that it is of, or why there is none."""

    account: str = ""
    refused: tuple[Code, str, float] | None = None

    def of(self, registry: Registry) -> str | Refusal:
        """Return the name of the account, or the refusal."""
        if self.refused is not None:
            return Refusal(*self.refused)
        return self.account if registry.accounts.get(self.account) else Refusal(Code.NO_SUCH_USER, "No such account")


def login_of(found: Any) -> _Login | None:
    """Return what a step has of an account that a hello proves, or of the Refusal of its secret; None of neither."""
    if found is None:
        return None
    if isinstance(found, Refusal):
        return _Login(refused=(found.code, found.message, found.retry_after_s))
    return _Login(found.name)


def login_named(account: str) -> _Login:
    """Return what a step has of a user who is logged in already."""
    return _Login(account)


# --- Coming ----------------------------------------------------------------------------------------------------------


class Entrance(Struct, frozen=True, array_like=True):
    """Where a user comes from, and how: see Registry.connect."""

    address: str
    attempt: int = 0
    network: Network = Network()
    is_private: bool = False
    node: str = ""  # the process that has the connection; "" if there is only one


class Connect(HasSecrets, Step, frozen=True):
    """Let a user in; the value is the session. See Registry.connect.

    `id` is that of the session, 0 for the next one.
    """

    entrance: Entrance
    now: float
    hello: Hello | None = None
    token: str = ""  # a secret that the origin alone knows
    lineage: str = ""  # by which the others know it
    login: _Login | None = None
    has_ended: bool = False
    id: int = 0

    def take(self, registry: Registry) -> tuple[Session, list[Effect]]:
        """See Step.take."""
        entrance = self.entrance
        return registry.connect(
            entrance.address,
            self.hello,
            self.token,
            lineage=self.lineage,
            attempt=entrance.attempt,
            login=_account(registry, self.login),
            has_ended=self.has_ended,
            network=entrance.network,
            is_private=entrance.is_private,
            now=self.now,
            node=entrance.node,
            id_=self.id,
        )

    def told(self) -> Step:
        """See Step.told."""
        return structs.replace(self, token="", hello=_without_secrets(self.hello))  # none


class OpenHello(HasSecrets, Step, frozen=True):
    """Grant what the hello of a user asks who was greeted before. See Registry.open."""

    session: int
    hello: Hello
    token: str = ""
    lineage: str = ""
    login: _Login | None = None
    has_ended: bool = False

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        session = registry.sessions.get(self.session)
        if session is None:
            return None, []
        login = _account(registry, self.login)
        return None, registry.open(
            session, self.hello, self.token, login, lineage=self.lineage, has_ended=self.has_ended
        )

    def told(self) -> Step:
        """See Step.told."""
        return structs.replace(self, token="", hello=_without_secrets(self.hello))  # none


def _account(registry: Registry, login: _Login | None) -> Any:
    """Return the account of a login as it is now, or why there is none; None without a login."""
    found = None if login is None else login.of(registry)
    return registry.accounts.get(found) if isinstance(found, str) else found


def _without_secrets(hello: Hello | None) -> Hello | None:
    return None if hello is None else structs.replace(hello, token=None, secret="", password="")  # none


class Forsake(Step, frozen=True):
    """Let no session take this one over. See Registry.forsake."""

    session: int

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        if (session := registry.sessions.get(self.session)) is not None:
            registry.forsake(session)
        return None, []


class MakeSeen(Step, frozen=True):
    """Tell the others that a user is here, who says something for the first time."""

    session: int

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        session = registry.sessions.get(self.session)
        return None, [] if session is None else registry.announce(session)


# --- While users are here --------------------------------------------------------------------------------------------

#: Commands that change what all processes know; the others are carried out where the user is, and ask nobody.
Changing = (
    commands.Nick
    | commands.Join
    | commands.Part
    | commands.Topic
    | commands.BeAway
    | commands.Ignore
    | commands.Unignore
    | commands.Kick
    | commands.Invite
    | commands.Mode
    | commands.Kill
    | commands.Ban
    | commands.Unban
    | commands.Mute
    | commands.Unmute
    | commands.AnnounceToAll
    | commands.Logout
    | commands.Quit
)


class Execute(Step, frozen=True):
    """Carry out a command; the value are its effects, by which it is paid for. See handlers.execute."""

    session: int
    command: Changing
    now: float  # the wall clock's

    def take(self, registry: Registry) -> tuple[list[Effect], list[Effect]]:
        """See Step.take."""
        session = registry.sessions.get(self.session)
        effects = [] if session is None else handlers.execute(registry, session, self.command, self.now)
        return effects, effects


class Conclude(HasSecrets, Step, frozen=True):
    """Do what follows where a secret was right. See logins.concluded."""

    session: int
    asked: commands.Proving
    hash: str  # the account's, when it was checked
    new_hash: str
    lineage: str
    now: float  # the wall clock's

    @staticmethod
    def of(session: Session, check: CheckSecret, verdict: Verdict, now: float) -> Conclude:
        """Return the step for the verdict that it was the right one."""
        fields = {name: "" for name in ("secret", "new") if hasattr(check.asked, name)}
        asked = structs.replace(check.asked, **fields)
        return Conclude(session.id, asked, check.hash, verdict.hash, verdict.lineage, now)

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        session = registry.sessions.get(self.session)
        if session is None:
            return None, []
        check = CheckSecret(self.session, self.asked, hash=self.hash)
        verdict = Verdict(is_right=True, hash=self.new_hash, lineage=self.lineage)
        return None, logins.concluded(registry, session, check, verdict, self.now)


class LeaveRoom(Step, frozen=True):
    """Let a user out of a room whose history cannot be read."""

    session: int
    room: str

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        session = registry.sessions.get(self.session)
        room = None if session is None else session.rooms.get(self.room)
        return None, [] if session is None or room is None else registry.part(session, room)


class KeepTopic(Step, frozen=True):
    """Note the topic of a room, as its history has it."""

    room: str
    topic: TopicIs

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        registry.keep_topic(self.room, self.topic)
        return None, []


# --- Going -----------------------------------------------------------------------------------------------------------


class Disconnect(Step, frozen=True):
    """Detach a session from its connection. See Registry.disconnect."""

    session: int
    reason: CloseReason
    now: float
    farewell: str = ""
    messages: int = 0  # that the user has sent, which only the process of the connection counts

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        session = registry.sessions.get(self.session)
        if session is None:
            return None, []
        session.messages = self.messages
        return None, registry.disconnect(session, self.reason, self.now, self.farewell)


class BeDue(Step, frozen=True):
    """Do what has become due: see Registry.due, by its clock, and order_actions.expire, by the wall clock."""

    now: float
    wall_now: float

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        return None, [*registry.due(self.now), *order_actions.expire(registry, self.wall_now)]


class Configure(Step, frozen=True):
    """Have these limits from now on."""

    limits: Limits

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        for name in self.limits.__struct_fields__:
            setattr(registry.limits, name, getattr(self.limits, name))
        return None, []


# --- Processes -------------------------------------------------------------------------------------------------------


class HandOver(Step, frozen=True):
    """Detach all sessions of a process that stops: their users may come back to another one."""

    node: str
    farewell: str
    moving: str  # the farewell of users with a token
    now: float

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        of_node = [session for session in registry.sessions.values() if session.node == self.node]
        return None, [effect for user in of_node for effect in self._detached(registry, user)]

    def _detached(self, registry: Registry, user: Session) -> list[Effect]:
        if registry.is_connected(user):
            user.messages = 0  # the others do not know how many
        if user.lineage:
            return registry.disconnect(user, CloseReason.MOVING, self.now, self.moving)
        return registry.disconnect(user, CloseReason.SHUTDOWN, self.now, self.farewell)


class DropNode(Step, frozen=True):
    """Let all users leave whose process is gone, and who have not come back to another one in time."""

    node: str

    def take(self, registry: Registry) -> tuple[None, list[Effect]]:
        """See Step.take."""
        gone = [session for session in registry.sessions.values() if session.node == self.node]
        return None, [effect for user in gone for effect in registry.leave(user, CloseReason.RESET)]
