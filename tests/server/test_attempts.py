"""When connections were made, by the time of the cluster."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gchat.server.attempts import Attempts

S = 1_000_000_000


def test_a_connection_is_dated_by_the_time_of_the_cluster() -> None:
    attempts = Attempts()
    assert attempts.attempt(1 * S, 1000 * S) == 1001 * S
    assert attempts.attempt(2 * S, 1000 * S) == 1002 * S


def test_a_newer_connection_is_newer_also_if_the_time_of_the_cluster_seems_to_have_gone_back() -> None:
    attempts = Attempts()
    before = attempts.attempt(10 * S, 1000 * S)
    assert attempts.attempt(10 * S + 1, 999 * S) == before + 1
    assert attempts.attempt(12 * S, 999 * S) == 1011 * S, "and it is right again when that is over"


def test_an_older_connection_is_older_also_if_the_time_of_the_cluster_has_gone_on() -> None:
    attempts = Attempts()
    newest = attempts.attempt(10 * S, 1000 * S)
    assert attempts.attempt(9 * S, 1005 * S) == newest - S


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 1000)), min_size=2))
def test_connections_are_in_their_order_however_the_clock_jumps(steps: list[tuple[int, int]]) -> None:
    attempts, accepted, dates = Attempts(), 0, []
    for passed, ahead in steps:
        accepted += passed
        dates.append(attempts.attempt(accepted, ahead))
    assert dates == sorted(set(dates))
