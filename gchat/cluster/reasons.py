"""Why nothing can be stored, as users are told. Pure."""

from __future__ import annotations

from gchat.cluster.engine_connection import EngineRefused
from gchat.cluster.fitness import EngineUnfit
from gchat.journal.journal import JournalError

LATE = "the journal does not answer"
FORGOTTEN = "the engine has lost all that it had"
FULL = "the memory of the engine is full"
FAULT = "internal error"

#: By the first word of what the engine says.
_REASONS = {
    "OOM": FULL,
    "READONLY": "the engine takes no writes",
    "LOADING": "the engine is loading what it has stored",
    "MISCONF": "the engine cannot write to its disk",
    "NOAUTH": "the engine does not let this server in",
    "WRONGPASS": "the engine does not let this server in",
    "NOPERM": "the engine does not let this server do what it must",
}


def reason(error: Exception) -> str:
    """Return why nothing can be stored while this is so."""
    if isinstance(error, EngineUnfit):
        return str(error)
    if isinstance(error, EngineRefused):
        return _REASONS.get(error.code, LATE)
    return LATE if isinstance(error, JournalError) else FAULT
