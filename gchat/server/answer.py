"""The bytes of an answer in its reader's dialect. Everything that anybody is refused passes here, and is counted."""

from __future__ import annotations

from gchat.dialects.dialect import Dialect
from gchat.model.errors import Code
from gchat.model.events import Answer, Refused
from gchat.server.counters import CounterBy

REFUSALS = CounterBy("gchat_refusals", "Requests refused, by code.", "code", Code)


def encoded(dialect: Dialect, answer: Answer, room: str = "") -> bytes:
    """Return an answer as whole lines, see Dialect.encode."""
    if type(answer) is Refused:
        REFUSALS.add(answer.code)
    return dialect.encode(answer, room)
