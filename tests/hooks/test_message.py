"""The message that a body becomes."""

from __future__ import annotations

from gchat.hooks.message import HookMessage


def test_a_message_needs_no_name_of_its_own() -> None:
    assert HookMessage("x") == HookMessage("x", "")
