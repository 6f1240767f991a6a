"""Wrong secrets count against the network that sent them, for a while, and against no other."""

from __future__ import annotations

import pytest

from gchat.chat import tries as module
from gchat.chat.tries import FORGIVEN_S, MAX_WRONG, Tries

NOW = 1000.0


def test_after_so_many_a_network_waits_and_no_other_does() -> None:
    tries = Tries()
    for _ in range(MAX_WRONG):
        assert tries.wait_s("far", NOW) == 0
        tries.add("far", NOW)
    assert tries.wait_s("far", NOW) == FORGIVEN_S
    assert tries.wait_s("far", NOW + FORGIVEN_S / 2) == FORGIVEN_S / 2
    assert tries.wait_s("far", NOW + FORGIVEN_S) == 0
    assert tries.wait_s("near", NOW) == 0


def test_they_are_forgiven_one_by_one() -> None:
    tries = Tries()
    for _ in range(MAX_WRONG):
        tries.add("far", NOW)
    later = NOW + 2 * FORGIVEN_S
    assert tries.of("far", later) == MAX_WRONG - 2
    tries.add("far", later)
    tries.add("far", later)
    assert tries.wait_s("far", later) == FORGIVEN_S
    assert tries.of("far", later + MAX_WRONG * FORGIVEN_S) == 0


def test_of_too_many_networks_the_one_that_was_quiet_longest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_NETWORKS", 3)
    tries = Tries()
    for network in ("a", "b", "c", "a", "d"):
        tries.add(network, NOW)
    assert [tries.of(network, NOW) for network in "abcd"] == [2, 0, 1, 1]
