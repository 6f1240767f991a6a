"""An engine that might drop what is stored is not used, and what it promises is told."""

from __future__ import annotations

import pytest

from gchat.cluster.fitness import WARNINGS, EngineUnfit, check_settings, check_version, durability


def test_an_old_engine_is_named() -> None:
    with pytest.raises(EngineUnfit, match=r"^the engine is Redis 6\.0\.16; expected Valkey, or Redis 7 or later$"):
        check_version("# Server\r\nredis_version:6.0.16\r\nredis_mode:standalone\r\n")


@pytest.mark.parametrize("info", ["redis_version:7.0.15\r\n", "redis_version:7.2.4\r\nvalkey_version:9.1.2\r\n", ""])
def test_a_new_engine_will_do(info: str) -> None:
    check_version(info)


def test_an_engine_that_would_drop_messages_is_refused_with_what_to_set() -> None:
    with pytest.raises(EngineUnfit, match=r"\(maxmemory-policy allkeys-lru\): set `maxmemory-policy noeviction`$"):
        check_settings({"maxmemory": "100", "maxmemory-policy": "allkeys-lru"})


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"maxmemory": "0", "maxmemory-policy": "allkeys-lru"},
        {"maxmemory": "100", "maxmemory-policy": "noeviction"},
    ],
)
def test_an_engine_that_drops_nothing_will_do(settings: dict[str, str]) -> None:
    check_settings(settings)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"appendonly": "yes", "appendfsync": "always"}, "full"),
        ({"appendonly": "yes", "appendfsync": "everysec"}, "second"),
        ({"appendonly": "yes", "appendfsync": "no"}, "none"),
        ({"appendonly": "no", "appendfsync": "always"}, "none"),
        ({}, "unknown"),
    ],
)
def test_what_a_crash_may_cost_is_told(settings: dict[str, str], expected: str) -> None:
    assert durability(settings) == expected
    assert bool(WARNINGS[expected]) == (expected != "full")
