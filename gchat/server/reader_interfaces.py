"""Interfaces of the server and of the connection that the reading half needs: so it can be tested alone.

The server is App. What other parts need of each other stands beside them, as their own Protocols.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Protocol

from gchat.chat.accounts import Account
from gchat.chat.effects import CloseReason, Effect
from gchat.chat.limits import Allowance, Limits
from gchat.chat.networks import Network
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.dialects.dialect import Dialect
from gchat.model.errors import Refusal
from gchat.model.hello import Hello
from gchat.roomlog.reader import LogReader
from gchat.server.stopping import Stopping
from gchat.server.taking import Steps
from gchat.server.transport import Transport
from gchat.server.turn_share import TurnShare
from gchat.server.writer import Writer


class EffectQueue(Protocol):
    """The queue of effects, which are carried out in their order."""

    @property
    def share(self) -> TurnShare:
        """What the next turn takes of users who say much."""

    @property
    def crowded(self) -> bool:
        """Whether so much waits that senders should wait too."""

    def submit(self, effects: list[Effect]) -> None:
        """Have these effects carried out, after all that were submitted before."""

    def wait_carried_out(self) -> None:
        """Wait until everything that was submitted until now is carried out."""


class Sending(Protocol):
    """What is sent beside the turns of the pump: in large rooms, and to peers that are behind."""

    @property
    def jobs(self) -> Sized:
        """What is being sent beside the turns; mostly nothing, and then no room is crowded."""

    def is_crowded(self, room: str) -> bool:
        """Return whether so much gathers in a large room that its speakers should wait."""

    def wait_sent(self) -> None:
        """Wait until something is sent to a large room."""

    def flush_soon(self, writer: Writer) -> None:
        """Have a writer that is behind flushed, in its turn."""


class HelloChecks(Protocol):
    """What checks the secret in a hello."""

    def login(self, hello: Hello, network: str, *, is_private: bool) -> Account | Refusal | None:
        """Return the account that a hello proves to be its user's, or why not; None if it has no secret. Waits."""


class ReaderServer(Protocol):
    """What a reader needs of the server."""

    limits: Limits
    registry: Registry
    stopping: Stopping

    @property
    def effects(self) -> EffectQueue:
        """Where commands go."""

    @property
    def steps(self) -> Steps:
        """Where calls of the core are made that change something."""

    @property
    def secret_checks(self) -> HelloChecks:
        """Where secrets are checked."""

    @property
    def rooms(self) -> Sending:
        """What is sent in rooms."""

    def awake(self) -> float:
        """Return a steady clock in seconds that stands still with the server."""

    def network_allowance(self, network: Network) -> Allowance | None:
        """Return what all users of a network may send together; None if there is no limit."""


class ReaderOwner(Protocol):
    """The connection of a reader."""

    session: Session
    transport: Transport
    writer: Writer
    log_reader: LogReader  # the writer's
    dialect: Dialect
    opened_at: float

    @property
    def is_open(self) -> bool:
        """Whether the session goes on."""

    def disconnect(self, reason: CloseReason, farewell: str = "") -> None:
        """Have the session ended, with a last line if there is one."""
