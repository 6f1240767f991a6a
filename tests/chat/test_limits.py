"""The token bucket, with the time given."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.chat.limits import (
    MAX_STALL_S,
    Allowance,
    Limits,
    Pace,
    Rates,
)
from gchat.model.events import Slowed

RATES = Rates(messages_per_s=5, burst=40, bytes_per_s=1000, bytes_burst=8000)


def allowed(allowance: Allowance, now: float, rates: Rates = RATES) -> tuple[float, float]:
    allowance.grow(rates, now)
    return allowance.lines, allowance.bytes


def test_a_burst_is_allowed_at_once_and_then_a_rate() -> None:
    allowance = Allowance(RATES, now=0.0)

    assert allowed(allowance, 0.0) == (40, 8000)
    allowance.lines, allowance.bytes = 0, 0
    assert allowed(allowance, 0.5) == (2.5, 500)
    assert allowed(allowance, 100.0) == (40, 8000), "no more than a burst is ever saved up"


def test_a_paste_of_thirty_lines_passes_without_a_debt() -> None:
    allowance = Allowance(RATES, now=0.0)
    allowance.lines -= 30

    assert allowance.debt_s(RATES) == 0


def test_what_is_spent_without_being_there_is_a_debt_in_seconds() -> None:
    allowance = Allowance(Rates(5, 1), now=0.0)
    allowance.lines -= 11

    assert allowance.debt_s(Rates(5, 1)) == 2
    allowance.grow(Rates(5, 1), 1.0)
    assert allowance.debt_s(Rates(5, 1)) == 1
    allowance.grow(Rates(5, 1), 2.0)
    assert allowance.debt_s(Rates(5, 1)) == 0


def test_the_larger_debt_counts_of_lines_and_of_bytes() -> None:
    allowance = Allowance(RATES, now=0.0)
    allowance.lines, allowance.bytes = -5, -3000
    assert allowance.debt_s(RATES) == 3
    allowance.lines, allowance.bytes = -50, -3000
    assert allowance.debt_s(RATES) == 10


def test_its_owner_is_told_again_only_after_it_was_full_again() -> None:
    allowance = Allowance(Rates(5, 10), now=0.0)
    allowance.lines -= 11
    allowance.told = True

    allowance.grow(Rates(5, 10), 1.0)
    assert allowance.told
    allowance.grow(Rates(5, 10), 2.2)
    assert not allowance.told


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.floats(0, 50), st.integers(0, 5)), max_size=50))
def test_never_more_than_the_burst_and_the_rate_gets_through(steps: list[tuple[float, int]]) -> None:
    rates, now, sent = Rates(3, 20), 0.0, 0
    allowance = Allowance(rates, now=0.0)
    for wait_s, wanted in steps:
        now += wait_s
        allowance.grow(rates, now)
        lines = min(wanted, max(0, int(allowance.lines)))
        allowance.lines -= lines
        sent += lines
        assert sent <= 20 + 3 * now + 1e-6


# --- After a stall ---------------------------------------------------------------------------------------------------


def test_what_gathered_while_nothing_could_be_read_is_not_late() -> None:
    allowance = Allowance(RATES, now=0.0)

    assert allowed(allowance, 20.0) == (40 + 100, 8000 + 20_000)
    allowance.lines -= 60
    assert allowed(allowance, 20.1)[0] == 80, "it stays until it is spent"
    allowance.lines -= 60
    assert allowed(allowance, 20.3)[0] == pytest.approx(21), "and then only the burst is saved up again"


def test_one_stall_after_the_other_saves_up_no_more_than_the_last() -> None:
    allowance = Allowance(RATES, now=0.0)

    for now in (20.0, 40.0, 60.0):
        assert allowed(allowance, now)[0] == 40 + 100


def test_a_debt_is_not_paid_twice_by_a_stall() -> None:
    allowance = Allowance(RATES, now=0.0)
    allowance.lines = -60

    assert allowed(allowance, 10.0)[0] == -10


def test_a_long_silence_is_no_stall() -> None:
    allowance = Allowance(RATES, now=0.0)

    assert allowed(allowance, MAX_STALL_S + 1) == (40, 8000)


# In https://github.com/varnish/libvmod-vsthrottle/issues/4 the clock was set back by two days, and all were in debt.
def test_a_clock_that_goes_back_makes_no_debt() -> None:
    allowance = Allowance(RATES, now=172_800.0)
    allowance.lines -= 10

    assert allowed(allowance, 0.0) == (30, 8000)
    assert allowed(allowance, 0.5) == (32.5, 8000)


# --- The pace of a connection ----------------------------------------------------------------------------------------


def test_a_connection_is_read_as_its_user_and_its_network_allow_whatever_is_less() -> None:
    limits = Limits(rates=RATES, network_rates=RATES.times(4))
    network = Allowance(limits.network_rates, 0.0)
    paces = [Pace(limits, Allowance(RATES, 0.0), network) for _ in range(4)]

    assert [pace.lines(512) for pace in paces] == [40] * 4
    for pace in paces:
        pace.spend(30)
    assert network.lines == 80 - 120
    assert paces[0].debt_s() == 2
    assert paces[0].lines(512) == 1, "one is always taken, and waited for"
    assert Pace(limits, Allowance(RATES, 0.0), network).debt_s() == 2, "also on a new connection"


def test_little_is_read_at_once_from_a_peer_in_debt() -> None:
    pace = Pace(Limits(rates=RATES), Allowance(RATES, 0.0), None)

    assert pace.bytes(10, 5000) == 5000
    pace.received(7000, 0.0)
    assert pace.bytes(10, 5000) == 1000
    pace.received(5000, 0.0)
    assert pace.bytes(10, 5000) == 10
    assert pace.debt_s() == 4


def test_a_user_is_told_once_what_the_limit_is() -> None:
    limits = Limits(rates=RATES, network_rates=RATES.times(4))
    network = Allowance(limits.network_rates, 0.0)
    pace = Pace(limits, Allowance(RATES, 0.0), network)

    network.lines = -1
    assert pace.notice() == Slowed(20, together=True)
    assert pace.notice() is None
    pace.received(9000, 0.0)
    assert pace.notice() == Slowed(5, bytes_per_s=1000)
    pace.spend(41)
    assert pace.notice() is None


def test_a_rate_of_zero_switches_off_every_price() -> None:
    limits = Limits()
    pace = Pace(limits, Allowance(limits.rates, 0.0), Allowance(limits.network_rates, 0.0))
    pace.received(10**9, 0.0)
    pace.spend(10**9)
    pace.grow(0.1)

    assert pace.debt_s() == 0
    assert pace.bytes(10, 5000) == 5000


def test_without_a_rate_of_bytes_lines_are_limited_all_the_same() -> None:
    rates = Rates(5, 40)
    allowance = Allowance(rates, 0.0)
    allowance.lines, allowance.bytes = -5, -(10**9)

    assert allowance.debt_s(rates) == 1
    allowance.grow(rates, 100.0)
    assert allowance.is_full(rates)
