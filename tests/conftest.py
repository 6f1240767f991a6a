"""What tests ask for by name, in any folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Server


@pytest.fixture(scope="module")
def all_speak_plain() -> Iterator[None]:
    """No newcomer here opens in the rich dialect: they are greeted almost at once, which saves minutes."""
    Server.greeting_delay_s = 0.02
    yield
    Server.greeting_delay_s = None
