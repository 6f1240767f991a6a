"""Users are told why nothing can be stored, in words."""

from __future__ import annotations

import pytest

from gchat.cluster.engine_connection import EngineLost, EngineRefused
from gchat.cluster.fitness import EngineUnfit
from gchat.cluster.reasons import reason


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (EngineLost("connection reset by peer"), "the journal does not answer"),
        (EngineRefused("LOADING Redis is loading the dataset"), "the engine is loading what it has stored"),
        (EngineRefused("READONLY You can't write against a read only replica."), "the engine takes no writes"),
        (EngineRefused("STALE term"), "the journal does not answer"),
        (EngineUnfit("the engine is too old"), "the engine is too old"),
        (ValueError("a fault"), "internal error"),
    ],
)
def test_the_reason_is_said(error: Exception, expected: str) -> None:
    assert reason(error) == expected
