"""Two nodes, for the tests of what becomes of their users."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.nodes import SHORT_LEASE, Pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Pair() as pair:
        yield pair


@pytest.fixture
def short() -> Iterator[Pair]:
    """Two nodes whose leases are short."""
    with Pair(SHORT_LEASE) as pair:
        yield pair
