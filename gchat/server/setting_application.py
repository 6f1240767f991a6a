"""What applies a setting to a running server: a row of the table in settings names one of these.

They are called for every setting at the start, and for each that a reload changes.
"""

from __future__ import annotations

from typing import Any, Protocol

from gchat.chat.limits import Limits
from gchat.journal.parts import Parts
from gchat.server import logs


class Configured(Protocol):
    """The parts of a running server that settings are applied to."""

    limits: Limits
    parts: Parts


class Applied(Protocol):
    """A function that applies a setting, at the start and after each change of it."""

    def __call__(self, server: Configured, section: Any, key: str, /) -> None:
        """Apply `section.key`."""


def live(_server: Configured, _section: Any, _key: str, /) -> None:
    """Do nothing, because the code that uses the setting reads it anew each time."""


def core(server: Configured, section: Any, key: str, /) -> None:
    """Set the limit of the same name in the core."""
    setattr(server.limits, key, getattr(section, key))


def core_as(name: str) -> Applied:
    """Return a function that sets the limit called `name` in the core."""

    def apply(server: Configured, section: Any, key: str, /) -> None:
        setattr(server.limits, name, getattr(section, key))

    return apply


def core_unless_0(name: str) -> Applied:
    """Return a function that sets the limit called `name` in the core, where None is no limit."""

    def apply(server: Configured, section: Any, key: str, /) -> None:
        setattr(server.limits, name, getattr(section, key) or None)

    return apply


def rates(server: Configured, section: Any, _key: str, /) -> None:
    """Set how fast users may send."""
    server.limits.rates, server.limits.network_rates = section.rates()


def retention(server: Configured, section: Any, _key: str, /) -> None:
    """Set which messages the journal deletes."""
    server.parts.retention.limit(section.keep_days * 86400, section.keep_messages)


def log_level(_server: Configured, section: Any, _key: str, /) -> None:
    """Set what is logged."""
    logs.set_level(section.level)
