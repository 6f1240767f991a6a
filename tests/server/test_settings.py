"""The settings: what each row of the table says, and what follows from it."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from msgspec import Meta

from gchat.chat.limits import MAX_STALL_S, Allowance, Limits, Pace, Rates
from gchat.server.config import ConfigError, load
from gchat.server.settings import ROWS, Config, applied_by, told

KEYS = [(section, key) for section, rows in ROWS.items() for key in rows]
RATES = ["messages_per_s", "burst", "bytes_per_s", "bytes_burst", "network_factor"]


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_each_key_has_a_description_and_a_default_within_its_bounds(section: str, key: str) -> None:
    hint = ROWS[section][key]
    metas = [meta for meta in get_args(hint)[1:] if isinstance(meta, Meta)]
    assert any(meta.description for meta in metas)
    value = getattr(getattr(Config(), section), key)
    assert msgspec.convert(value, hint) == value


def test_a_setting_of_sockets_and_buffers_changes_only_with_a_restart() -> None:
    restart = {f"{section}.{key}" for section, key in KEYS if applied_by(section, key) is None}
    assert {key for key in restart if not key.startswith("admin.")} == {
        *("server.host", "server.port", "server.mode", "server.group", "server.listen_backlog"),
        "server.reuse_port",
        *("cluster.url", "cluster.name", "cluster.namespace", "cluster.read_from"),
        *("limits.room_log_bytes", "limits.send_buffer_bytes"),
        *("tls.cert", "tls.key"),
        *("history.store", "history.path", "history.sync", "log.format", "hooks.outgoing"),
    }


def test_programs_are_told_the_limits_that_concern_them() -> None:
    config = Config()
    config.limits.burst = 7
    limits = dict(told(config))
    assert (limits["burst"], limits["max_line_bytes"], limits["bytes_per_s"]) == (7, 8192, 16384)
    assert "exempt" not in limits


def test_the_rates_of_a_network_follow_those_of_a_user() -> None:
    own, network = Config().limits.rates()

    assert (own.messages_per_s, own.burst, own.bytes_per_s, own.bytes_burst) == (5, 40, 16384, 65536)
    assert (network.messages_per_s, network.burst) == (4 * 5, 2 * 40)
    assert (network.bytes_per_s, network.bytes_burst) == (4 * 16384, 2 * 65536)


def test_a_rate_of_zero_is_one_for_everything() -> None:
    config = load(None, {"GCHAT_LIMITS_MESSAGES_PER_S": "0"}, {})

    assert config.limits.rates() == (Rates(), Rates())


# In https://github.com/flop-labs/technocore-chat/issues/744 a chat server took rates that are too large for a float,
# and then failed at each request that they apply to.
@pytest.mark.parametrize("text", ["9" * 400, "1" + "0" * 308, "9223372036854775807", "999999"])
@pytest.mark.parametrize("key", RATES)
def test_a_rate_is_refused_or_one_that_a_connection_can_be_read_at(key: str, text: str) -> None:
    try:
        config = load(None, {f"GCHAT_LIMITS_{key.upper()}": text}, {})
    except ConfigError:
        assert len(text) > 6
        return
    limits = Limits()
    limits.rates, limits.network_rates = config.limits.rates()
    pace = Pace(limits, Allowance(limits.rates, 0.0), Allowance(limits.network_rates, 0.0))
    for now in (0.0, 0.5, 0.5 + MAX_STALL_S):
        assert pace.lines(512) >= 1
        assert 1 <= pace.bytes(1, 65536) <= 65536
        pace.spend(1)
        pace.received(1, now)
        assert pace.debt_s() == 0
