"""The taking of steps: calls of the core are made in this process alone, or in the order of all nodes of a cluster.

    take   waits until the step is taken, and returns its value; `then` gets that in the same moment, before any effect
           of the step is carried out
    put    never waits; what the step raises is lost

In a cluster a step that cannot be passed on to the others raises Refusal, NOT_KEPT, and is not taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from gevent.event import AsyncResult
from msgspec import Struct

from gchat.chat.effects import CloseReason, Effect
from gchat.chat.handlers import execute
from gchat.chat.limits import Limits
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.chat.steps import Step
from gchat.model.commands import Command
from gchat.model.errors import Refusal


class Taking(Struct, eq=False):
    """A step that was put, and what waits for it."""

    step: Step
    then: Callable[[Any], None] | None = None
    result: AsyncResult[Any] | None = None  # None: nobody waits
    is_quiet: bool = False  # whether the user sees nothing of it, who has never left


class Steps(Protocol):
    """Where steps are taken."""

    @property
    def are_shared(self) -> bool:
        """Whether other processes take them too."""

    def take(self, step: Step, then: Callable[[Any], None] | None = None) -> Any:
        """Take a step, and return its value. May wait. Raises Refusal."""

    def put(self, step: Step) -> None:
        """Take a step, soon."""

    def wall_time(self) -> float:
        """Return the time in seconds since the epoch at which something is asked, and by which penalties end."""

    def join(self, load: Callable[[], None]) -> None:
        """Know everything that is known before the first step. `load` gives the registry what a previous run stored.

        May wait. Raises JournalError.
        """

    def stop(self, farewell: str, moving: str) -> None:
        """Close all connections, with a last line: `moving` for users who may come back elsewhere. May wait."""

    def configure(self, limits: Limits) -> None:
        """Have these limits from now on."""

    def execute(self, session: Session, command: Command, now: float) -> list[Effect]:
        """Carry out a command, behind all that the user asked before; return its effects. May wait.

        What changes nothing that others know is no step, so where steps are not shared nobody needs this.
        """


class OwnSteps:
    """The steps of a process that shares its users with no other. Implements Steps: each is taken at once."""

    are_shared = False

    def __init__(self, registry: Registry, submit: Callable[[Sequence[Effect]], None]) -> None:
        self._registry = registry
        self._submit = submit

    def take(self, step: Step, then: Callable[[Any], None] | None = None) -> Any:
        """See Steps.take. It does not wait."""
        value, effects = step.take(self._registry)
        if then is not None:
            then(value)
        self._submit(effects)
        return value

    def join(self, load: Callable[[], None]) -> None:
        """See Steps.join."""
        load()

    def stop(self, farewell: str, moving: str) -> None:  # noqa: ARG002  # there is no elsewhere
        """See Steps.stop. It does not wait."""
        self._submit(self._registry.close_all(CloseReason.SHUTDOWN, farewell))

    def configure(self, limits: Limits) -> None:
        """See Steps.configure: the core has these limits themselves."""
        assert limits is self._registry.limits

    def execute(self, session: Session, command: Command, now: float) -> list[Effect]:
        """See Steps.execute."""
        effects = execute(self._registry, session, command, now)
        self._submit(effects)
        return effects

    def wall_time(self) -> float:
        """See Steps.wall_time."""
        return time.time()

    def put(self, step: Step) -> None:
        """See Steps.put."""
        with suppress(Refusal):
            self.take(step)
