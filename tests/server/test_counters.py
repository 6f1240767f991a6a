"""Counters: declared once, and seen everywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gchat.admin.documents import Histogram, Measure
from gchat.chat.effects import CloseReason
from gchat.model.errors import Code
from gchat.server import counters
from gchat.server.counters import BOUNDS_S, CLOSED, CRASHES, Counter, CounterBy, Distribution, count_closed, measures


@pytest.fixture(autouse=True)
def _undeclared() -> Iterator[None]:
    """Have the counters of a test declared for that test alone."""
    declared = counters._declared[:]
    yield
    counters._declared[:] = declared


def test_a_counter_is_there_from_its_declaration_on() -> None:
    tea = Counter("gchat_tea", "Cups of tea.")
    tea.value += 2
    assert Measure("gchat_tea", "Cups of tea.", "counter", 2) in measures()


def test_a_labelled_counter_has_its_known_labels_at_zero() -> None:
    refused = CounterBy("gchat_refused_tea", "Cups refused, by code.", "code", [Code.BANNED, Code.TOO_MUCH])
    refused.add(Code.BANNED)
    refused.add("cold")
    assert refused.measure().value == {"banned": 1, "too_much": 0, "cold": 1}
    assert refused.measure().label == "code"


def test_a_distribution_counts_each_value_below_its_bound() -> None:
    times = Distribution("gchat_tea_seconds", "Time to make tea.")
    for value in (0.0001, 0.0002, 5.0):
        times.observe(value)
    found = times.measure().value
    assert isinstance(found, Histogram)
    assert (found.bounds, found.counts[:2], found.counts[-1]) == (BOUNDS_S, (1, 1), 1)


def test_a_connection_that_a_fault_of_ours_has_closed_is_a_crash() -> None:
    before, closed = CRASHES.value, CLOSED.values[CloseReason.CRASHED]
    count_closed(CloseReason.QUIT)
    assert CRASHES.value == before
    count_closed(CloseReason.CRASHED)
    assert (CRASHES.value, CLOSED.values["crashed"]) == (before + 1, closed + 1)


def test_no_two_counters_have_one_name() -> None:
    names = [measure.name for measure in measures()]
    assert len(names) == len(set(names))
