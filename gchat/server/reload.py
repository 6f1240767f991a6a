"""Settings taken over by a running server: all of them at its start, and those that SIGHUP finds changed."""

from __future__ import annotations

from typing import Protocol

from gchat.server.config import changes
from gchat.server.logs import logger
from gchat.server.server_password import ServerPassword
from gchat.server.setting_application import Configured
from gchat.server.settings import ROWS, Config, applied_by, told
from gchat.server.taking import Steps
from gchat.server.tls import Tls


class Reloadable(Configured, Protocol):
    """A running server and its settings, which the code that uses them reads there."""

    config: Config
    tls: Tls
    password: ServerPassword

    @property
    def steps(self) -> Steps:
        """Where calls of the core are made that change something."""


def apply(server: Reloadable) -> None:
    """Apply every setting; to apply one again changes nothing."""
    for section, rows in ROWS.items():
        for key in rows:
            if (apply_setting := applied_by(section, key)) is not None:
                apply_setting(server, getattr(server.config, section), key)
    server.limits.announced = told(server.config)


def reload(server: Reloadable, config: Config) -> None:
    """Take over the settings of `config` that can change while the server runs, and log those that cannot."""
    changed_settings = changes(server.config, config)
    if not changed_settings:
        logger.info("configuration reloaded: nothing has changed")
    for section, key in changed_settings:
        setting = f"{section}.{key}"
        if applied_by(section, key) is None:
            logger.warning("configuration reloaded: %(setting)s changes only with a restart", {"setting": setting})
            continue
        value = getattr(getattr(config, section), key)
        setattr(getattr(server.config, section), key, value)
        logger.warning("configuration reloaded: %(setting)s is now %(value)s", {"setting": setting, "value": value})
    apply(server)
    server.steps.configure(server.limits)
    server.tls.reload(server.config.tls)
    server.password.reload(server.config.auth.password_file)
