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
    assert attempts.attempt(13 * S, 999 * S) == 1012 * S, "and it is right again when that is over"


def test_an_older_connection_is_older_also_if_the_time_of_the_cluster_has_gone_on() -> None:
    attempts = Attempts()
    newest = attempts.attempt(10 * S, 1000 * S)
    assert attempts.attempt(9 * S, 1005 * S) == newest - S


def test_the_older_of_two_stays_so_although_the_time_of_the_cluster_has_jumped_before_it_is_decided_on() -> None:
    attempts = Attempts()
    newer = attempts.attempt(10 * S + 5, 1000 * S)
    attempts.attempt(11 * S, 1001 * S)
    assert attempts.attempt(10 * S, 1001 * S) < newer


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 10**6), st.integers()), min_size=2))
def test_connections_are_in_their_order_however_the_clock_jumps_and_in_which_they_are_decided_on(
    steps: list[tuple[int, int, int]],
) -> None:
    attempts, accepted, connections = Attempts(), 0, []
    for passed, ahead, decided in steps:
        accepted += passed * 1000
        connections.append((decided, accepted, ahead))
    dates = {made: attempts.attempt(made, ahead) for _, made, ahead in sorted(connections)}
    found = [dates[made] for made in sorted(dates)]
    assert found == sorted(set(found))
