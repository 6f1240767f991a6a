"""Guesses: a network that guesses waits longer and longer, and no other one ever does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gchat.chat.guesses import FORGOTTEN_AFTER_S, MAX_NETWORKS, Guesses


def test_the_third_wrong_one_makes_a_network_wait_twice_as_long_each_time_up_to_a_minute() -> None:
    guesses, now, waits = Guesses(), 100.0, []
    for _ in range(8):
        waits += [guesses.wrong("a", now) for _ in range(3)]
        assert guesses.wait_s("a", now) == waits[-1]
        now += waits[-1]
        assert guesses.wait_s("a", now) == 0

    assert waits[::3] == waits[1::3] == [0] * 8
    assert waits[2::3] == [2, 4, 8, 16, 32, 60, 60, 60]


def test_all_is_forgotten_some_time_after_the_last_wrong_one() -> None:
    guesses = Guesses()
    for _ in range(6):
        guesses.wrong("a", 0.0)

    assert guesses.wrong("a", FORGOTTEN_AFTER_S) == 0
    assert guesses.wrong("a", FORGOTTEN_AFTER_S) == 0
    assert guesses.wrong("a", FORGOTTEN_AFTER_S) == 2


def test_no_more_networks_are_remembered_than_there_is_room_for() -> None:
    guesses = Guesses()
    for number in range(3 * MAX_NETWORKS):
        guesses.wrong(f"{number}", 0.0)

    assert len(guesses) == MAX_NETWORKS


def test_a_network_that_goes_on_guessing_is_not_the_one_that_is_forgotten() -> None:
    guesses = Guesses()
    for number in range(MAX_NETWORKS + 10):
        guesses.wrong(f"{number}", 0.0)
        guesses.wrong("busy", 0.0)

    assert guesses.wait_s("busy", 0.0) > 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 300))))
def test_a_network_that_has_not_guessed_never_waits(wrong: list[tuple[str, float]]) -> None:
    guesses, now = Guesses(), 0.0
    for network, later_s in wrong:
        now += later_s
        guesses.wrong(network, now)

        assert guesses.wait_s("d", now) == 0
        assert guesses.wait_s(network, now) <= 60
