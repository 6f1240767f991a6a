"""The message that a body becomes."""

from __future__ import annotations

from msgspec import Struct


class HookMessage(Struct, frozen=True):
    """A message to say: its text in one line or several, and the name to show, "" for the usual one."""

    text: str
    name: str = ""
