"""The time of the cluster stands still while the engine does, and never goes back."""

from __future__ import annotations

from gchat.cluster.cluster_time import ClusterTime


def test_it_goes_on_between_two_beats() -> None:
    time = ClusterTime(silence_s=3)
    time.beaten(now=1000, stood=0, at=50)

    assert time.at(50) == 1000
    assert time.at(51.5) == 1001.5
    assert time.engine_at(51.5) == 1001.5


def test_what_the_engine_stood_is_taken_off() -> None:
    time = ClusterTime(silence_s=3)
    time.beaten(now=1000, stood=300, at=50)

    assert time.at(51) == 701
    assert time.engine_at(51) == 1001


def test_it_stands_still_when_the_engine_is_silent_and_never_goes_back() -> None:
    time = ClusterTime(silence_s=3)
    time.beaten(now=1000, stood=0, at=50)

    assert time.at(53) == 1003
    assert time.at(60) == 1003

    time.beaten(now=1010, stood=10, at=60)

    assert time.at(60) == 1003
    assert time.at(62) == 1003
    assert time.at(63.5) == 1003  # the silence that is not counted is over, until the next beat

    time.beaten(now=1014, stood=10, at=64)

    assert time.at(64) == 1004
