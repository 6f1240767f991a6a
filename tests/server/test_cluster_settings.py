"""The settings of a cluster, as the operator writes and sees them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gchat.server.cluster_settings import without_password
from gchat.server.config import ConfigError, dump, load


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("valkey://:secret@db1:6379/0", "valkey://:***@db1:6379/0"),
        ("valkeys://gchat:s:e@cret@db1", "valkeys://gchat:***@db1"),
        ("unix://:secret@/run/valkey.sock?db=1", "unix://:***@/run/valkey.sock?db=1"),
        ("valkey+sentinel://:secret@s1,s2/gchat", "valkey+sentinel://:***@s1,s2/gchat"),
        # In https://github.com/warmbly/warmbly/pull/454 a name alone was the secret.
        ("valkey://secret@db1", "valkey://***@db1"),
        ("valkey://db1", "valkey://db1"),
        ("", ""),
    ],
)
def test_the_password_in_an_address_is_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_the_printed_configuration_has_no_password() -> None:
    config = load(None, {"GCHAT_CLUSTER_URL": "valkey://:secret@db1"}, {})

    assert config.cluster.url == "valkey://:secret@db1"
    assert config.store == "valkey"
    assert 'url = "valkey://:***@db1"' in dump(config)
    assert ":secret" not in dump(config)


@pytest.mark.parametrize(
    "url", ["db1:6379", "valkei://:secret@db1", "valkey+sentinel://:secret@s1", "unix://:secret@x"]
)
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^GCHAT_CLUSTER_URL = …: expected valkey://HOST:PORT") as error:
        load(None, {"GCHAT_CLUSTER_URL": url}, {})

    assert "secret" not in str(error.value)


def test_ps_does_not_show_the_password() -> None:
    url = "valkey://:secret@127.0.0.1:1"
    code = "import sys, time; from gchat.server.cli import hide_password; hide_password(sys.argv[2]); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, "--cluster", url], cwd=Path(__file__).parents[2])
    try:
        ends_at = time.monotonic() + 20
        arguments = Path(f"/proc/{process.pid}/cmdline")
        while b"\0valkey://:******@127.0.0.1:1\0" not in arguments.read_bytes():
            assert time.monotonic() < ends_at, arguments.read_bytes()
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()


def test_a_server_that_is_alone_loads_nothing_of_the_cluster() -> None:
    code = (
        "import gchat.server.cli, sys; print([name for name in sys.modules if 'cluster.' in name or 'hiredis' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."}
    )

    assert done.stdout.strip() == "[]"
