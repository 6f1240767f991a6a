"""What tests ask for by name, in any folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import clustered
from tests.e2e.harness import Server
from tests.e2e.restarted import Restarted

#: No test reads the settings of the user who runs it.
os.environ["XDG_CONFIG_HOME"] = os.devnull


@pytest.fixture(scope="module")
def all_speak_plain() -> Iterator[None]:
    """No newcomer here opens in the rich dialect: they are greeted almost at once, which saves minutes."""
    Server.greeting_delay_s = 0.02
    yield
    Server.greeting_delay_s = None


@pytest.fixture
def restarted(tmp_path: Path) -> Restarted:
    """A server that comes back, with a file of its own."""
    return Restarted(tmp_path / "history.db")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    clustered.skip(items)


def pytest_unconfigure() -> None:
    clustered.close()
