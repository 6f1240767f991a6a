"""A feed, and two nodes that share their users by it."""

from __future__ import annotations

import pytest

from tests.server.fake_feed import Feed, Node


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
def one(feed: Feed) -> Node:
    return feed.join("one")


@pytest.fixture
def two(feed: Feed, one: Node) -> Node:
    return feed.join("two")
