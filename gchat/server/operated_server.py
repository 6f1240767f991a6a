"""The server as the admin endpoint's side of it sees it, and acts on it: an interface that App has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gchat.chat.limits import Limits
from gchat.chat.registry import Registry
from gchat.journal.journal import Journal
from gchat.journal.parts import Parts
from gchat.server.audit import Audit
from gchat.server.capacity import Capacity
from gchat.server.drain import Drain
from gchat.server.pump import Pump
from gchat.server.roster import Roster
from gchat.server.secret_checks import SecretChecks
from gchat.server.settings import Config
from gchat.server.stopping import Stopping
from gchat.server.taking import Steps
from gchat.server.watch import Watch

if TYPE_CHECKING:
    from gchat.server.nodes import Nodes  # others need nothing of what it loads


class OperatedServer(Protocol):
    """A running server, as its operator sees it."""

    address: str
    audit: Audit
    capacity: Capacity
    config: Config
    journal: Journal
    drain: Drain
    limits: Limits
    nodes: Nodes | None  # None: there is no cluster
    parts: Parts
    pump: Pump
    registry: Registry
    roster: Roster
    secret_checks: SecretChecks
    stopping: Stopping
    watch: Watch

    @property
    def steps(self) -> Steps:
        """Where calls of the core are made that change something."""

    @property
    def connections(self) -> int:
        """How many connections there are."""

    @property
    def max_connections(self) -> int:
        """How many there may be."""
