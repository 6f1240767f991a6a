"""All nodes of a cluster, as the operator of one sees them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from gevent.event import Event

from gchat.cluster.feed_lag import FeedLag
from gchat.server.nodes import Nodes


class Link:
    """Knows of the nodes `one` and `two`."""

    def __init__(self) -> None:
        self.node = "one-0000a"
        self.info: Any = bytes
        self.took: Any = None
        self.nodes: dict[str, bytes] = {}
        self.lag = FeedLag()
        self.heard = 7
        self.term = f"base.{(3 << 24) + 7}"
        self.unanswered = 2
        self.is_up = Event()


@pytest.fixture
def link() -> Link:
    return Link()


def nodes(link: Link, users: int = 1) -> Nodes:
    roster = SimpleNamespace(by_session=dict.fromkeys(range(users)))
    return Nodes(cast("Any", link), cast("Any", SimpleNamespace(roster=roster, connections=users + 1)))


def test_a_node_shows_what_each_told_with_its_beats_and_itself_as_it_is_now(link: Link) -> None:
    other = Link()
    other.node = "my-host-0000b"
    other.lag.told(8, 0.0)
    nodes(other, users=5)
    mine = nodes(link, users=3)
    link.nodes = {"my-host-0000b": other.info()}

    one, two = (link.node, other.node)
    found = {node.id: node for node in mine.all()}
    assert list(found) == sorted((one, two))
    assert (found[one].name, found[one].here, found[one].online, found[one].lag_s) == ("one", True, 3, 0.0)
    assert (found[two].name, found[two].here, found[two].online, found[two].connections) == ("my-host", False, 5, 6)
    assert found[two].lag_s > 1
    assert found[two].since.endswith("Z")


@pytest.mark.parametrize("info", [b"", b"\xc1", b"\x93\x01"])
def test_a_node_that_tells_nothing_that_can_be_read_is_shown_all_the_same(link: Link, info: bytes) -> None:
    link.nodes = {"old-0000c": info}

    (old,) = [node for node in nodes(link).all() if not node.here]
    assert (old.name, old.online, old.since) == ("old", 0, "")


def test_what_a_later_version_tells_beside_is_no_matter(link: Link) -> None:
    link.nodes = {"new-0000c": b"\x97\x00\x09\x00\x00\x00\xc0\xc0"}

    (new,) = [node for node in nodes(link).all() if not node.here]
    assert new.online == 9


def test_the_numbers_of_the_cluster_are_there_for_prometheus(link: Link) -> None:
    found = {measure.name: measure.value for measure in nodes(link).gauges()}

    assert found["gchat_engine_up"] == 0
    assert found["gchat_engine_term"] == 3
    assert found["gchat_feed_entries"] == 7
    assert found["gchat_unanswered"] == 2
    assert found["gchat_feed_lag_seconds"] == 0
