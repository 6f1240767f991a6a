"""An answer in its reader's dialect. Everything that anybody is refused passes here, and is counted."""

from __future__ import annotations

from gchat.dialects.dialect import Dialect
from gchat.model.audience import Me, OwnLines
from gchat.model.errors import Code
from gchat.model.events import Answer, Refused
from gchat.server.counters import CounterBy

REFUSALS = CounterBy("gchat_refusals", "Requests refused, by code.", "code", Code)


def encoded(dialect: Dialect, answer: Answer, me: Me) -> OwnLines:
    """Return an answer for one reader, see Dialect.answer."""
    if type(answer) is Refused:
        REFUSALS.add(answer.code)
    return dialect.answer(answer, me)
