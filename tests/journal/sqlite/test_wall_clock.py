"""A wall clock that may be wrong: how much is deleted because of it."""

from __future__ import annotations

from gchat.journal.sqlite.wall_clock import DAY_S, WallClock

NOW = 1_700_000_000.0
YEAR_S = 365 * DAY_S
WEEK_S = 7 * DAY_S


def allowed(clock: WallClock, since: float, oldest: float | None) -> float:
    return clock.allows(since, lambda: oldest)


def test_nothing_is_deleted_before_the_clock_was_looked_at() -> None:
    assert allowed(WallClock(), NOW, NOW - YEAR_S) == 0


def test_a_day_s_share_goes_at_once_and_the_rest_when_the_clock_has_run_for_a_day() -> None:
    clock, oldest = WallClock(), NOW - YEAR_S
    clock.look(NOW, 100.0)

    assert allowed(clock, NOW - WEEK_S, oldest) == oldest + DAY_S
    for hour in range(24):
        clock.look(NOW + hour * 3600, 100.0 + hour * 3600)
        assert allowed(clock, NOW - WEEK_S, oldest) == oldest + DAY_S + hour * 3600
    clock.look(NOW + DAY_S, 100.0 + DAY_S)
    assert allowed(clock, NOW - WEEK_S, oldest) == NOW - WEEK_S


def test_what_is_left_after_a_day_s_share_does_not_make_another_share() -> None:
    clock = WallClock()
    clock.look(NOW, 0.0)

    assert allowed(clock, NOW - WEEK_S, NOW - YEAR_S) == NOW - YEAR_S + DAY_S
    assert allowed(clock, NOW - WEEK_S, NOW - YEAR_S + DAY_S) == NOW - YEAR_S + DAY_S


def test_a_clock_that_is_set_has_to_run_for_another_day() -> None:
    clock, oldest = WallClock(), NOW - WEEK_S
    clock.look(NOW, 0.0)
    clock.look(NOW + 2 * DAY_S, 2 * DAY_S)
    assert allowed(clock, NOW - WEEK_S, oldest) == NOW - WEEK_S

    clock.look(NOW + 10 * YEAR_S, 2 * DAY_S + 1)
    assert allowed(clock, NOW + 9 * YEAR_S, oldest) == oldest + DAY_S
    clock.look(NOW + 2 * DAY_S + 2, 2 * DAY_S + 2)
    assert allowed(clock, NOW - WEEK_S, oldest) == NOW - WEEK_S
    clock.look(NOW + 3 * DAY_S, 3 * DAY_S)
    assert allowed(clock, NOW + 9 * YEAR_S, oldest) == oldest + DAY_S + DAY_S - 2


def test_what_was_granted_in_one_run_is_not_granted_again_in_the_next() -> None:
    grant, oldest = None, NOW - YEAR_S
    for run in range(5):
        clock = WallClock(grant)
        clock.look(NOW, 0.0)
        assert allowed(clock, NOW, oldest) == NOW - YEAR_S + DAY_S + 600 * run
        clock.look(NOW + 600, 600.0)
        oldest = allowed(clock, NOW, oldest)  # what is older is deleted now
        grant = clock.grant


def test_a_grant_that_stands_in_the_way_of_nothing_ends_after_an_hour() -> None:
    clock = WallClock()
    clock.look(NOW, 0.0)
    assert allowed(clock, NOW - WEEK_S, NOW - WEEK_S) == NOW - WEEK_S
    assert clock.grant is not None
    clock.look(NOW + 3600, 3600.0)
    assert allowed(clock, NOW - WEEK_S, NOW - WEEK_S) == NOW - WEEK_S
    assert clock.grant is None


def test_a_clock_that_is_slowly_corrected_was_not_set() -> None:
    clock = WallClock()
    for minute in range(24 * 60 + 1):
        clock.look(NOW + minute * 60.03, minute * 60.0)

    assert allowed(clock, NOW, NOW - YEAR_S) == NOW


def test_without_messages_there_is_nothing_to_be_careful_about() -> None:
    clock = WallClock()
    clock.look(NOW, 0.0)

    assert allowed(clock, NOW - WEEK_S, None) == NOW - WEEK_S
    assert clock.caution(NOW - WEEK_S, NOW - WEEK_S) == ""


def test_why_nothing_more_is_deleted_is_said_in_one_line_that_does_not_change_with_every_look() -> None:
    clock, since = WallClock(), NOW + 9 * YEAR_S
    clock.look(NOW + 10 * YEAR_S, 0.0)
    first = clock.caution(since, allowed(clock, since, NOW))
    clock.look(NOW + 10 * YEAR_S + 60, 60.0)
    second = clock.caution(since, allowed(clock, since, NOW))

    assert first == second
    assert "2033-11-11" in first
    assert "2023-11-14" in first
    assert "\n" not in first
