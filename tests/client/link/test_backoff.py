"""How long a client waits before it dials again."""

from __future__ import annotations

from itertools import pairwise

from gchat.client.link.backoff import Backoff


def test_each_wait_is_twice_as_long_up_to_the_most() -> None:
    backoff = Backoff(0.1, 1.0, steady_s=5)
    waits = [backoff.wait_s(0) for _ in range(20)]

    for wait_s, base_s in zip(waits, (0.1, 0.2, 0.4, 0.8), strict=False):
        assert base_s <= wait_s <= min(base_s * 1.5, 1.0)
    assert set(waits[4:]) == {1.0}


def test_waits_differ_by_chance() -> None:
    assert len({Backoff(0.1, 1.0, steady_s=5).wait_s(0) for _ in range(20)}) > 10


def test_waits_begin_anew_after_a_connection_that_lasted() -> None:
    backoff = Backoff(0.1, 100.0, steady_s=5)
    waits = [backoff.wait_s(lasted_s) for lasted_s in (0, 4.9, 0, 5.0, 0)]

    assert all(earlier < later for earlier, later in pairwise(waits[:3]))
    assert waits[3] <= 0.15
    assert 0.2 <= waits[4] <= 0.3
