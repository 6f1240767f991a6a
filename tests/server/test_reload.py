"""Settings taken over by a running server."""

from __future__ import annotations

from logging import WARNING
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gchat.chat.limits import Limits
from gchat.journal.parts import Parts
from gchat.server.config import ConfigError, load
from gchat.server.reload import apply, reload
from gchat.server.server_password import ServerPassword
from gchat.server.settings import Config
from gchat.server.taking import Steps
from gchat.server.tls import Tls


class FakeJournal:
    kept: tuple[float, int] = (0, 0)

    def limit(self, keep_s: float, keep_messages: int) -> None:
        self.kept = keep_s, keep_messages


class Server:
    def __init__(self) -> None:
        self.config = Config()
        self.limits = Limits()
        self.messages = FakeJournal()
        self.tls = Tls(self.config.tls)
        self.password = ServerPassword("")
        self.steps = cast("Steps", SimpleNamespace(configure=lambda _limits: None))
        self.parts = cast("Parts", SimpleNamespace(retention=self.messages))


def changed(**settings: Any) -> Config:
    """Return the defaults with these settings otherwise; a setting is section__key."""
    config = Config()
    for name, value in settings.items():
        section, _, key = name.partition("__")
        setattr(getattr(config, section), key, value)
    return config


def test_at_the_start_every_setting_is_applied() -> None:
    server = Server()
    server.config = changed(server__motd="Hello", limits__connections_per_ip=3, history__keep_days=2)
    apply(server)
    assert (server.limits.motd, server.limits.connections_per_network) == ("Hello", 3)
    assert server.limits.rates.messages_per_s == 5
    assert server.messages.kept == (2 * 86400, 0)
    assert ("burst", 40) in server.limits.announced


def test_a_reload_applies_what_can_change_and_says_what_cannot(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    apply(server)
    with caplog.at_level(WARNING, "gchat"):
        reload(server, changed(limits__burst=7, server__port=9, history__keep_messages=5, server__max_connections=3))
    assert (server.config.limits.burst, server.limits.rates.burst) == (7, 7)
    assert ("burst", 7) in server.limits.announced
    assert server.messages.kept == (0, 5)
    assert (server.config.server.port, server.config.server.max_connections) == (8888, 3)
    said = [record.getMessage() for record in caplog.records]
    assert "configuration reloaded: limits.burst is now 7" in said
    assert "configuration reloaded: server.port changes only with a restart" in said


# In https://github.com/pgbouncer/pgbouncer/issues/1482 what stands before the mistake was taken over, and what stands
# behind it went back to its default.
@pytest.mark.parametrize(
    "mistake",
    ["nick_max = 0\n", "brust = 3\n", "[histroy]\n", "[history]\nkeep_days = -1\n", "[limits\n", "burst = 9\n"],
)
def test_a_file_with_a_mistake_changes_nothing_before_or_behind_it(tmp_path: Path, mistake: str) -> None:
    path = tmp_path / "gchat.toml"
    path.write_text('[server]\nmotd = "first"\n[limits]\nburst = 7\nmax_rooms = 9\n')
    server = Server()
    server.config = load(str(path), {}, {})
    apply(server)
    path.write_text(f'[server]\nmotd = "second"\n[limits]\nburst = 8\n{mistake}[log]\nlevel = "debug"\n')
    with pytest.raises(ConfigError):
        reload(server, load(str(path), {}, {}))
    assert (server.limits.motd, server.limits.rates.burst, server.limits.max_rooms) == ("first", 7, 9)
    assert (server.config.server.motd, server.config.log.level) == ("first", "info")


def test_a_setting_that_is_no_longer_in_the_file_has_its_default_again() -> None:
    server = Server()
    server.config = changed(limits__burst=7, server__motd="Hello")
    apply(server)
    reload(server, changed(server__motd="Hello"))
    assert (server.limits.rates.burst, server.limits.motd) == (40, "Hello")
