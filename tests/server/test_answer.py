"""Answers: what a refusal counts."""

from __future__ import annotations

from gchat.dialects import plain
from gchat.model.audience import Me
from gchat.model.errors import Code
from gchat.model.events import Named, Refused
from gchat.server.answer import REFUSALS, encoded


def test_a_refusal_is_counted_by_its_code_and_another_answer_is_not() -> None:
    before = dict(REFUSALS.values)
    assert encoded(plain, Refused(Code.BAD_NAME, "No"), Me()).data == b"> No\n"
    encoded(plain, Named("bob"), Me())
    assert REFUSALS.values == before | {"bad_name": before["bad_name"] + 1}
