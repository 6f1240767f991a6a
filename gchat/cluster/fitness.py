"""Whether an engine is fit for nodes, and what it promises, by its own configuration. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gchat.journal.journal import JournalError

#: The oldest version of Redis that has what decisions.lua needs; Valkey says that it is 7.2.4.
OLDEST = 7

#: What a crash of the engine's machine may cost, and what to do about it; nothing is to be done about "full".
WARNINGS = {
    "full": "",
    "second": "a crash of the engine's machine may cost a second of what was said: set `appendfsync always`",
    "none": "a crash of the engine's machine may cost what was said: set `appendonly yes` and `appendfsync always`",
    "unknown": "the engine does not let itself be asked: make sure that it has `maxmemory-policy noeviction`, "
    "`appendonly yes` and `appendfsync always`",
}

#: What must be known of an engine.
ASKED = ("maxmemory", "maxmemory-policy", "appendonly", "appendfsync")


class EngineUnfit(JournalError):
    """The engine can be asked, but must not be used as it is; the text says what to do."""


def check_version(info: str) -> None:
    """Check what INFO tells of the server. Raises EngineUnfit: it is too old."""
    found = re.search(r"^redis_version:((\d+)[^\r\n]*)", info, re.MULTILINE)
    if found and int(found[2]) < OLDEST:
        raise EngineUnfit(f"the engine is Redis {found[1]}; expected Valkey, or Redis {OLDEST} or later")


def check_settings(settings: Mapping[str, str]) -> None:
    """Check what the engine is configured to. Raises EngineUnfit: it may drop what is stored."""
    policy = settings.get("maxmemory-policy", "noeviction")
    if policy != "noeviction" and settings.get("maxmemory", "0") != "0":
        raise EngineUnfit(
            f"the engine drops messages when its memory is full (maxmemory-policy {policy}): "
            "set `maxmemory-policy noeviction`"
        )


def durability(settings: Mapping[str, str]) -> str:
    """Return what a crash of the engine's machine costs: "full": nothing; "second": a second; "none"; "unknown"."""
    if not settings:
        return "unknown"
    if settings.get("appendonly") != "yes":
        return "none"
    return {"always": "full", "everysec": "second"}.get(settings.get("appendfsync", ""), "none")
