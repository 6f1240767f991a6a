"""The token bucket and the counting of connections, with the time given."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.chat.limits import Admission, TokenBucket, network_of


def test_a_burst_is_allowed_at_once_and_then_a_rate() -> None:
    bucket = TokenBucket(burst=40, now=0.0)

    assert bucket.allowance(5, 40, 0.0) == 40
    bucket.spend(40)
    assert bucket.allowance(5, 40, 0.0) == 0
    assert bucket.allowance(5, 40, 1.0) == 5
    assert bucket.allowance(5, 40, 100.0) == 40, "no more than a burst is ever saved up"


def test_a_paste_of_thirty_lines_passes_without_a_debt() -> None:
    bucket = TokenBucket(burst=40, now=0.0)
    bucket.allowance(5, 40, 0.0)
    bucket.spend(30)

    assert bucket.debt_s(5) == 0


def test_what_is_spent_without_being_there_is_a_debt_in_seconds() -> None:
    bucket = TokenBucket(burst=1, now=0.0)
    bucket.spend(11)

    assert bucket.debt_s(5) == 2
    assert bucket.allowance(5, 1, 1.0) == -5
    assert bucket.debt_s(5) == 1
    assert bucket.allowance(5, 1, 2.0) == 0
    assert bucket.debt_s(5) == 0


def test_its_owner_is_told_again_only_after_it_was_full_again() -> None:
    bucket = TokenBucket(burst=10, now=0.0)
    bucket.spend(11)
    bucket.told = True

    bucket.allowance(5, 10, 1.0)
    assert bucket.told
    bucket.allowance(5, 10, 2.2)
    assert not bucket.told


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 5)), max_size=50))
def test_never_more_than_the_burst_and_the_rate_gets_through(steps: list[tuple[float, int]]) -> None:
    bucket, now, sent = TokenBucket(burst=20, now=0.0), 0.0, 0
    for wait_s, wanted in steps:
        now += wait_s
        lines = min(wanted, max(0, int(bucket.allowance(3, 20, now))))
        bucket.spend(lines)
        sent += lines
        assert sent <= 20 + 3 * now + 1e-6


def test_connections_are_counted_by_network_and_forgotten_when_they_end() -> None:
    admission = Admission()
    for network in ("a", "b", "a"):
        admission.enter(network)

    assert (admission.total, admission.of("a"), admission.of("b"), admission.of("c")) == (3, 2, 1, 0)
    for network in ("a", "b", "a"):
        admission.leave(network)
    assert (admission.total, admission.of("a"), admission.of("b")) == (0, 0, 0)
    assert not admission._by_network, "the table would grow for ever"


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_address_of_ipv6_is_counted_as_its_network(host: str, network: str) -> None:
    assert network_of(host) == network


def test_the_addresses_of_one_network_are_counted_together() -> None:
    assert all(a == b for a, b in pairwise(network_of(f"2001:db8::{n:x}") for n in range(1, 50)))
