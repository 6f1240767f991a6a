"""How far behind the feed a node is."""

from __future__ import annotations

from gchat.cluster.feed_lag import FeedLag


def test_a_node_that_has_heard_everything_is_not_behind() -> None:
    lag = FeedLag()
    lag.told(5, 1.0)

    assert lag.at(9.0, 5) == 0.0
    assert lag.at(9.0, 7) == 0.0


def test_a_node_is_behind_since_it_was_told_of_what_it_has_not_heard() -> None:
    lag = FeedLag()
    lag.told(5, 1.0)
    lag.told(8, 2.0)
    lag.told(8, 3.0)
    lag.told(9, 4.0)

    assert lag.at(10.0, 4) == 9.0
    assert lag.at(10.0, 5) == 8.0
    assert lag.at(10.0, 8) == 6.0
    assert lag.at(10.0, 9) == 0.0


def test_what_was_told_of_another_feed_is_forgotten() -> None:
    lag = FeedLag()
    lag.told(500, 1.0)
    lag.told(2, 2.0)

    assert lag.at(10.0, 2) == 0.0
    assert lag.at(10.0, 1) == 0.0
    lag.told(3, 11.0)
    assert lag.at(12.0, 2) == 1.0
